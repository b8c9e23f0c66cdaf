//! Values that have to be asked: what they say is written to a buffer first.

use std::error::Error as StdError;
use std::fmt::{self, Write as _};
use std::ops::Deref;

use serde::Serialize;

use super::{Captured, Room, ser};
use crate::value::{Encoder, Sink};

/// How many sources of an error are followed: an error that names itself must end too.
const MAX_SOURCES: usize = 32;

/// The sources of an error from its first one on, as far as they are followed.
pub(crate) fn sources<'e>(
    first: Option<&'e (dyn StdError + 'static)>,
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(first, |&error| error.source()).take(MAX_SOURCES)
}

macro_rules! dynamic {
    ($(#[$doc:meta])* $name:ident<$t:ident: $($bound:path),+> $encode:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<'a, $t: ?Sized>(pub &'a $t);

        impl<$t: ?Sized> Captured for $name<'_, $t>
        where
            $t: $($bound +)+
        {
            #[inline]
            fn encoded_len(&self) -> Option<usize> {
                None
            }

            fn put(&self, out: &mut Room<'_>) {
                let mut bytes = Vec::new();
                self.encode(&mut Encoder::new(&mut bytes));
                out.put(&bytes);
            }

            fn encode(&self, out: &mut Encoder<'_>) {
                $encode(self.0, out);
            }
        }
    };
}

dynamic! {
    /// `%value`.
    DisplayArg<T: fmt::Display>
    |value: &T, out: &mut Encoder<'_>| format(out, format_args!("{value}"))
}

dynamic! {
    /// `?value`.
    DebugArg<T: fmt::Debug>
    |value: &T, out: &mut Encoder<'_>| format(out, format_args!("{value:?}"))
}

dynamic! {
    /// A value by its `Serialize`.
    SerdeArg<T: Serialize>
    |value: &T, out: &mut Encoder<'_>| ser::serialize(value, out)
}

/// An error with its sources.
#[derive(Debug)]
pub struct ErrorArg<'a, T: ?Sized>(pub &'a T);

impl<T: StdError + ?Sized> Captured for ErrorArg<'_, T> {
    fn encoded_len(&self) -> Option<usize> {
        None
    }

    fn put(&self, out: &mut Room<'_>) {
        let mut bytes = Vec::new();
        self.encode(&mut Encoder::new(&mut bytes));
        out.put(&bytes);
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        #[cfg(feature = "backtrace")]
        let backtrace = crate::backtrace::take();
        #[cfg(not(feature = "backtrace"))]
        let backtrace: Option<String> = None;
        let sources: Vec<String> = sources(self.0.source()).map(ToString::to_string).collect();
        // A reference to an error is an error too, and says nothing about which.
        let type_name = std::any::type_name::<T>().trim_start_matches('&');
        out.error(
            type_name,
            &self.0.to_string(),
            sources.iter().map(String::as_str),
            backtrace.as_deref(),
        );
    }
}

/// An error behind a pointer, such as `Box<dyn Error>`.
#[derive(Debug)]
pub struct DerefErrorArg<'a, T: ?Sized>(pub &'a T);

impl<T: Deref + ?Sized> Captured for DerefErrorArg<'_, T>
where
    T::Target: StdError,
{
    fn encoded_len(&self) -> Option<usize> {
        None
    }

    fn put(&self, out: &mut Room<'_>) {
        ErrorArg(&**self.0).put(out);
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        ErrorArg(&**self.0).encode(out);
    }
}

/// Writes formatted text as a string. A `Display` that returns an error has that said in the text.
pub(crate) fn format(out: &mut Encoder<'_>, text: fmt::Arguments<'_>) {
    out.text(|buffer| {
        if buffer.write_fmt(text).is_err() {
            // Writing to a buffer does not fail, so the value's own code gave up.
            let _ = buffer.write_str("[the value failed to format]");
        }
    });
}
