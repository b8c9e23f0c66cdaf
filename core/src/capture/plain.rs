//! Values whose encoded length is known before they are written.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Captured, Room};
use crate::value::{Encoder, Sink, Timestamp, plain, tag};

/// A type with a plain encoding. Implemented for numbers, truth values, text, bytes and times, for
/// references to those and for `Option`s of them.
pub trait Plain {
    /// The encoded length in bytes.
    fn plain_len(&self) -> usize;

    /// Writes exactly that many bytes.
    fn plain_put(&self, out: &mut impl Sink);
}

/// A plain value at a log call.
#[derive(Debug)]
pub struct PlainArg<'a, T: ?Sized>(pub &'a T);

impl<T: Plain + ?Sized> Captured for PlainArg<'_, T> {
    #[inline]
    fn encoded_len(&self) -> Option<usize> {
        Some(self.0.plain_len())
    }

    #[inline]
    fn put(&self, out: &mut Room<'_>) {
        self.0.plain_put(out);
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        self.0.plain_put(out.buffer());
    }
}

#[inline]
pub(super) fn text(out: &mut impl Sink, text: &str) {
    plain::text(out, text.as_bytes());
}

macro_rules! words {
    ($($put:ident $tag:ident $as:ty: $($type:ty)*;)*) => {$($(
        impl Plain for $type {
            #[inline]
            fn plain_len(&self) -> usize {
                1 + size_of::<$as>()
            }

            #[inline]
            fn plain_put(&self, out: &mut impl Sink) {
                plain::$put(out, tag::$tag, <$as>::from(*self).to_le_bytes());
            }
        }
    )*)*};
}

words! {
    word I64 i64: i8 i16 i32 i64;
    word U64 u64: u8 u16 u32 u64;
    word F64 f64: f32 f64;
    wide I128 i128: i128;
    wide U128 u128: u128;
}

impl Plain for usize {
    #[inline]
    fn plain_len(&self) -> usize {
        9
    }

    #[inline]
    fn plain_put(&self, out: &mut impl Sink) {
        (*self as u64).plain_put(out);
    }
}

impl Plain for isize {
    #[inline]
    fn plain_len(&self) -> usize {
        9
    }

    #[inline]
    fn plain_put(&self, out: &mut impl Sink) {
        (*self as i64).plain_put(out);
    }
}

impl Plain for bool {
    #[inline]
    fn plain_len(&self) -> usize {
        1
    }

    #[inline]
    fn plain_put(&self, out: &mut impl Sink) {
        plain::bool(out, *self);
    }
}

impl Plain for () {
    #[inline]
    fn plain_len(&self) -> usize {
        1
    }

    #[inline]
    fn plain_put(&self, out: &mut impl Sink) {
        out.put_array([tag::NULL]);
    }
}

impl Plain for str {
    #[inline]
    fn plain_len(&self) -> usize {
        5 + self.len()
    }

    #[inline]
    fn plain_put(&self, out: &mut impl Sink) {
        plain::sized(out, tag::STR, self.as_bytes());
    }
}

impl Plain for [u8] {
    #[inline]
    fn plain_len(&self) -> usize {
        5 + self.len()
    }

    #[inline]
    fn plain_put(&self, out: &mut impl Sink) {
        plain::sized(out, tag::BYTES, self);
    }
}

impl<const N: usize> Plain for [u8; N] {
    #[inline]
    fn plain_len(&self) -> usize {
        5 + N
    }

    #[inline]
    fn plain_put(&self, out: &mut impl Sink) {
        plain::sized(out, tag::BYTES, self);
    }
}

impl Plain for char {
    #[inline]
    fn plain_len(&self) -> usize {
        5 + self.len_utf8()
    }

    #[inline]
    fn plain_put(&self, out: &mut impl Sink) {
        self.encode_utf8(&mut [0; 4]).plain_put(out);
    }
}

impl Plain for Duration {
    #[inline]
    fn plain_len(&self) -> usize {
        13
    }

    #[inline]
    fn plain_put(&self, out: &mut impl Sink) {
        plain::duration(out, *self);
    }
}

impl Plain for Timestamp {
    #[inline]
    fn plain_len(&self) -> usize {
        9
    }

    #[inline]
    fn plain_put(&self, out: &mut impl Sink) {
        plain::timestamp(out, *self);
    }
}

impl Plain for SystemTime {
    #[inline]
    fn plain_len(&self) -> usize {
        9
    }

    #[inline]
    fn plain_put(&self, out: &mut impl Sink) {
        plain::timestamp(out, (*self).into());
    }
}

macro_rules! through {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        impl<$($generics)*> Plain for $type {
            #[inline]
            fn plain_len(&self) -> usize {
                (**self).plain_len()
            }

            #[inline]
            fn plain_put(&self, out: &mut impl Sink) {
                (**self).plain_put(out);
            }
        }
    )*};
}

through! {
    [] String;
    [] Vec<u8>;
    ['a] Cow<'a, str>;
    [T: Plain + ?Sized] &T;
    [T: Plain + ?Sized] &mut T;
    [T: Plain + ?Sized] Box<T>;
    [T: Plain + ?Sized] Arc<T>;
}

impl<T: Plain> Plain for Option<T> {
    #[inline]
    fn plain_len(&self) -> usize {
        self.as_ref().map_or(1, Plain::plain_len)
    }

    #[inline]
    fn plain_put(&self, out: &mut impl Sink) {
        match self {
            Some(value) => value.plain_put(out),
            None => out.put_array([tag::NULL]),
        }
    }
}
