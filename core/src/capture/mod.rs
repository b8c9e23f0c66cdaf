//! How a value at a log call becomes bytes.
//!
//! Numbers, text and times have a length that is known before anything is written: such a record is
//! written straight into the thread's ring. Whatever has to be asked (`Serialize`, `Display`,
//! `Debug`, errors) is first written to a buffer of the thread, where it may log in turn, grow, or
//! panic without harm.
//!
//! The macros choose the way by the value's type: a plain value, else an error (with its sources),
//! else `Serialize`. `%value` takes its `Display`, `?value` its `Debug`.

mod dynamic;
mod plain;
mod ser;
mod truncate;

#[cfg(feature = "tracing")]
pub(crate) use dynamic::format;
pub(crate) use dynamic::sources;
pub use dynamic::{DebugArg, DerefErrorArg, DisplayArg, ErrorArg, SerdeArg};
pub use plain::{Plain, PlainArg};
pub use truncate::truncate;

use std::error::Error as StdError;
use std::ops::Deref;

use serde::Serialize;

use crate::value::{Encoder, Sink};

/// One value at a log call.
pub trait Captured {
    /// The encoded length, if it is known before writing.
    fn encoded_len(&self) -> Option<usize>;

    /// Writes exactly [`Captured::encoded_len`] bytes. Called only where that is known.
    fn put(&self, out: &mut Room<'_>);

    /// Writes the value, however long.
    fn encode(&self, out: &mut Encoder<'_>);
}

/// The values of one log call: a list of pairs, `(first, (second, ()))`.
pub trait Values {
    /// The encoded length, if it is known before writing.
    fn encoded_len(&self) -> Option<usize>;

    /// Writes exactly [`Values::encoded_len`] bytes. Called only where that is known.
    fn put(&self, out: &mut Room<'_>);

    /// Writes the values, however long.
    fn encode(&self, out: &mut Encoder<'_>);
}

impl Values for () {
    #[inline]
    fn encoded_len(&self) -> Option<usize> {
        Some(0)
    }

    #[inline]
    fn put(&self, _: &mut Room<'_>) {}

    #[inline]
    fn encode(&self, _: &mut Encoder<'_>) {}
}

impl<A: Captured, B: Values> Values for (A, B) {
    #[inline]
    fn encoded_len(&self) -> Option<usize> {
        match (self.0.encoded_len(), self.1.encoded_len()) {
            (Some(first), Some(rest)) => Some(first + rest),
            _ => None,
        }
    }

    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "values that are written where the call is need no checks between them"
    )]
    fn put(&self, out: &mut Room<'_>) {
        self.0.put(out);
        self.1.put(out);
    }

    #[inline]
    fn encode(&self, out: &mut Encoder<'_>) {
        self.0.encode(out);
        self.1.encode(out);
    }
}

/// Room that a ring lent for one record.
#[derive(Debug)]
pub struct Room<'r>(&'r mut [u8]);

impl<'r> Room<'r> {
    pub(crate) fn new(room: &'r mut [u8]) -> Self {
        Room(room)
    }
}

impl Sink for Room<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        let (head, rest) = std::mem::take(&mut self.0).split_at_mut(bytes.len());
        copy(head, bytes);
        self.0 = rest;
    }

    #[inline]
    fn put_array<const N: usize>(&mut self, bytes: [u8; N]) {
        let (head, rest) = std::mem::take(&mut self.0)
            .split_first_chunk_mut()
            .expect("a value writes no more than it said");
        *head = bytes;
        self.0 = rest;
    }

    #[inline]
    fn put_sized(&mut self, tag: u8, bytes: &[u8]) {
        let room = std::mem::take(&mut self.0);
        let (entry, rest) = room.split_at_mut(5 + bytes.len());
        let (head, text) = entry.split_at_mut(5);
        head[0] = tag;
        // What fits into a ring is shorter than 4 GiB.
        head[1..].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        copy(text, bytes);
        self.0 = rest;
    }
}

/// Copies short texts by words, without a call.
#[inline]
fn copy(to: &mut [u8], from: &[u8]) {
    let len = from.len();
    match len {
        8..=16 => {
            word(to, from, 0);
            word(to, from, len - 8);
        }
        17..=32 => {
            word(to, from, 0);
            word(to, from, 8);
            word(to, from, len - 16);
            word(to, from, len - 8);
        }
        4..8 => {
            half(to, from, 0);
            half(to, from, len - 4);
        }
        _ => copy_any(to, from),
    }
}

// Through numbers: copies of constant lengths would be made into one of a length that is not.

#[inline]
fn word(to: &mut [u8], from: &[u8], at: usize) {
    if let (Some(to), Some(from)) = (to[at..].first_chunk_mut(), from[at..].first_chunk()) {
        *to = u64::from_ne_bytes(*from).to_ne_bytes();
    }
}

#[inline]
fn half(to: &mut [u8], from: &[u8], at: usize) {
    if let (Some(to), Some(from)) = (to[at..].first_chunk_mut(), from[at..].first_chunk()) {
        *to = u32::from_ne_bytes(*from).to_ne_bytes();
    }
}

#[inline(never)]
fn copy_any(to: &mut [u8], from: &[u8]) {
    to.copy_from_slice(from);
}

/// The text of a message that is no template: a section of the payload.
#[derive(Debug)]
pub struct MessageArg<'a>(pub &'a str);

impl Captured for MessageArg<'_> {
    #[inline]
    fn encoded_len(&self) -> Option<usize> {
        Some(4 + self.0.len())
    }

    #[inline]
    fn put(&self, out: &mut Room<'_>) {
        plain::text(out, self.0);
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        out.key(self.0);
    }
}

/// A value whose way the macros choose by its type: they call `captured` on `&&&&Wrap`, and method
/// look-up takes the first trait below that the type fits.
#[derive(Debug)]
pub struct Wrap<'a, T: ?Sized>(pub &'a T);

/// The error of a record; what [`Wrap`] is to values.
#[derive(Debug)]
pub struct ErrorOf<'a, T: ?Sized>(pub &'a T);

macro_rules! ways {
    ($($(#[$doc:meta])* $trait:ident => $arg:ident for $self:ty, where $($of:ty: $bound:path),+;)*) => {$(
        $(#[$doc])*
        pub trait $trait<'a> {
            /// The captured value.
            type Arg: Captured;
            /// Captures it.
            fn captured(&self) -> Self::Arg;
        }

        impl<'a, T: ?Sized> $trait<'a> for $self
        where
            $($of: $bound),+
        {
            type Arg = $arg<'a, T>;

            #[inline]
            fn captured(&self) -> Self::Arg {
                $arg(self.0)
            }
        }
    )*};
}

ways! {
    /// First: numbers, text, times.
    ViaPlain => PlainArg for &&&Wrap<'a, T>, where T: Plain;
    /// Second: errors.
    ViaError => ErrorArg for &&Wrap<'a, T>, where T: StdError;
    /// Third: what serializes.
    ViaSerialize => SerdeArg for &Wrap<'a, T>, where T: Serialize;
    /// Last: what points to an error, such as `Box<dyn Error>`.
    ViaDerefError => DerefErrorArg for Wrap<'a, T>, where T: Deref, T::Target: StdError;
}

impl<'a, T: StdError + ?Sized> ViaError<'a> for &ErrorOf<'a, T> {
    type Arg = ErrorArg<'a, T>;

    fn captured(&self) -> Self::Arg {
        ErrorArg(self.0)
    }
}

impl<'a, T: Deref + ?Sized> ViaDerefError<'a> for ErrorOf<'a, T>
where
    T::Target: StdError,
{
    type Arg = DerefErrorArg<'a, T>;

    fn captured(&self) -> Self::Arg {
        DerefErrorArg(self.0)
    }
}
