//! Reading: bounds are checked at every step, UTF-8 once, when a batch is parsed.

use std::time::Duration;

use super::{MAX_DEPTH, Timestamp, Value, tag};
use crate::error::Error;

/// The values of a list, in order.
#[derive(Clone, Copy)]
pub struct List<'a>(&'a [u8]);

/// The entries of a map, in order.
#[derive(Clone, Copy)]
pub struct Map<'a>(&'a [u8]);

/// An error as it was when it was logged.
#[derive(Clone, Copy)]
pub struct ErrorValue<'a>(&'a [u8]);

impl<'a> List<'a> {
    /// The values.
    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> + Clone + use<'a> {
        Values(self.0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> Map<'a> {
    /// Reads entries from bytes of any origin, key and value in turn to their end, every one
    /// checked.
    ///
    /// # Errors
    /// Bytes that are cut or damaged.
    pub fn parse(entries: &'a [u8]) -> Result<Self, Error> {
        let mut rest = entries;
        while !rest.is_empty() {
            check_text(&mut rest)?;
            check(&mut rest, 0)?;
        }
        Ok(Map(entries))
    }

    /// The entries as they are encoded, which is also how a frame ends with the fields of a record.
    pub fn encoded(&self) -> &'a [u8] {
        self.0
    }

    /// The entries.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + Clone + use<'a> {
        Entries(self.0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first value with this key.
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        self.iter().find(|(name, _)| *name == key).map(|(_, v)| v)
    }
}

impl<'a> ErrorValue<'a> {
    /// The path of the error's Rust type; `dyn core::error::Error` where it was not known.
    pub fn type_name(&self) -> &'a str {
        self.part(0).unwrap_or_default()
    }

    /// What the error's `Display` said.
    pub fn text(&self) -> &'a str {
        self.part(1).unwrap_or_default()
    }

    /// What the `Display` of each source said, the nearest first.
    pub fn sources(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        let list = match Values(self.0).nth(2) {
            Some(Value::List(list)) => list.0,
            _ => &[],
        };
        Values(list).filter_map(|value| match value {
            Value::Str(text) => Some(text),
            _ => None,
        })
    }

    /// Where the error was made, if that was asked for.
    pub fn backtrace(&self) -> Option<&'a str> {
        self.part(3)
    }

    fn part(&self, index: usize) -> Option<&'a str> {
        match Values(self.0).nth(index) {
            Some(Value::Str(text)) => Some(text),
            _ => None,
        }
    }
}

impl std::fmt::Debug for List<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl std::fmt::Debug for Map<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl std::fmt::Debug for ErrorValue<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ErrorValue")
            .field("type", &self.type_name())
            .field("text", &self.text())
            .field("sources", &self.sources().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Values<'a>(&'a [u8]);

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        take(&mut self.0)
    }
}

#[derive(Clone)]
struct Entries<'a>(&'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        take_pair(&mut self.0)
    }
}

#[inline]
fn take_bytes<'a>(input: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, rest) = input.split_at_checked(len)?;
    *input = rest;
    Some(head)
}

#[inline]
fn take_array<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = input.split_first_chunk::<N>()?;
    *input = rest;
    Some(*head)
}

#[inline]
fn take_sized<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = u32::from_le_bytes(take_array(input)?) as usize;
    take_bytes(input, len)
}

/// The next text with a u32 length before it; `None` at the end and where the bytes do not suffice.
///
/// `input` must come from bytes that [`check_text`] has passed, or that an [`super::Encoder`] wrote.
#[inline]
pub(crate) fn take_text<'a>(input: &mut &'a [u8]) -> Option<&'a str> {
    take_sized(input).map(trusted_text)
}

/// The next key and value, on the terms of [`take_text`] and [`take`].
pub(crate) fn take_pair<'a>(input: &mut &'a [u8]) -> Option<(&'a str, Value<'a>)> {
    let key = take_text(input)?;
    Some((key, take(input)?))
}

/// The next value; `None` at the end and where the bytes do not suffice.
///
/// `input` must come from bytes that [`check`] has passed, or that an [`super::Encoder`] wrote.
#[inline]
pub(crate) fn take<'a>(input: &mut &'a [u8]) -> Option<Value<'a>> {
    let tag = take_array::<1>(input)?[0];
    Some(match tag {
        tag::NULL => Value::Null,
        tag::FALSE => Value::Bool(false),
        tag::TRUE => Value::Bool(true),
        tag::I64 => Value::I64(i64::from_le_bytes(take_array(input)?)),
        tag::U64 => Value::U64(u64::from_le_bytes(take_array(input)?)),
        tag::F64 => Value::F64(f64::from_le_bytes(take_array(input)?)),
        tag::TIMESTAMP => Value::Timestamp(Timestamp::from_nanos(i64::from_le_bytes(take_array(
            input,
        )?))),
        tag::DURATION => {
            let seconds = u64::from_le_bytes(take_array(input)?);
            let nanos = u32::from_le_bytes(take_array(input)?);
            // A writer never has more than a second here; `new` would carry, and could overflow.
            Value::Duration(Duration::new(seconds, nanos.min(999_999_999)))
        }
        tag::I128 => Value::I128(i128::from_le_bytes(take_array(input)?)),
        tag::U128 => Value::U128(u128::from_le_bytes(take_array(input)?)),
        tag::STR => Value::Str(trusted_text(take_sized(input)?)),
        tag::BYTES => Value::Bytes(take_sized(input)?),
        tag::LIST => Value::List(List(take_sized(input)?)),
        tag::MAP => Value::Map(Map(take_sized(input)?)),
        tag::ERROR => Value::Error(ErrorValue(take_sized(input)?)),
        unknown => Value::Unknown(unknown, take_class(unknown, input)?),
    })
}

/// [`take`], of what is known to be a text by its tag.
#[inline]
pub(crate) fn take_str<'a>(input: &mut &'a [u8]) -> Option<&'a str> {
    let (tag, rest) = input.split_first()?;
    debug_assert_eq!(*tag, tag::STR);
    *input = rest;
    take_text(input)
}

/// Steps over the next value, on the terms of [`take`].
#[inline]
pub(crate) fn skip(input: &mut &[u8]) -> Option<()> {
    let tag = take_array::<1>(input)?[0];
    take_class(tag, input).map(drop)
}

fn take_class<'a>(tag: u8, input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = match tag >> 5 {
        0 => 0,
        1 => 1,
        2 => 4,
        3 => 8,
        4 => 12,
        5 => 16,
        6 => return take_sized(input),
        _ => usize::from(take_array::<1>(input)?[0]),
    };
    take_bytes(input, len)
}

#[allow(
    unsafe_code,
    reason = "UTF-8 is checked once per batch, not once per string"
)]
fn trusted_text(bytes: &[u8]) -> &str {
    debug_assert!(std::str::from_utf8(bytes).is_ok());
    // SAFETY: every caller reads bytes that an `Encoder` wrote from a `&str` or that `check` and
    // `check_text` have passed; both are this module's contract for `take` and `take_text`, and
    // neither is reachable from outside the crate but through types that keep it (`frame::Batch`).
    unsafe { std::str::from_utf8_unchecked(bytes) }
}

/// Steps over the next value of untrusted bytes and makes sure that [`take`] may read it.
pub(crate) fn check(input: &mut &[u8], depth: usize) -> Result<(), Error> {
    let short = || Error::frame("a value is longer than the frame it is in");
    let tag = take_array::<1>(input).ok_or_else(short)?[0];
    let payload = take_class(tag, input).ok_or_else(short)?;
    match tag {
        tag::STR => utf8(payload),
        tag::LIST | tag::MAP | tag::ERROR if depth == MAX_DEPTH => Err(Error::frame(format!(
            "values nest deeper than {MAX_DEPTH} levels"
        ))),
        tag::LIST => check_all(payload, depth + 1),
        tag::MAP => {
            let mut rest = payload;
            while !rest.is_empty() {
                check_text(&mut rest)?;
                check(&mut rest, depth + 1)?;
            }
            Ok(())
        }
        tag::ERROR => check_error(payload, depth + 1),
        _ => Ok(()),
    }
}

/// Steps over the next text of untrusted bytes and makes sure that [`take_text`] may read it.
pub(crate) fn check_text(input: &mut &[u8]) -> Result<(), Error> {
    let text = take_sized(input).ok_or_else(|| Error::frame("a text is longer than its frame"))?;
    utf8(text)
}

fn check_all(mut rest: &[u8], depth: usize) -> Result<(), Error> {
    while !rest.is_empty() {
        check(&mut rest, depth)?;
    }
    Ok(())
}

fn check_error(payload: &[u8], depth: usize) -> Result<(), Error> {
    check_all(payload, depth)?;
    let mut parts = Values(payload);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (
            Some(Value::Str(_)),
            Some(Value::Str(_)),
            Some(Value::List(_)),
            Some(Value::Str(_) | Value::Null),
        ) => Ok(()),
        _ => Err(Error::frame(
            "an error is not made of type, text, sources and backtrace",
        )),
    }
}

fn utf8(bytes: &[u8]) -> Result<(), Error> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::frame(format!("a text is not UTF-8: {error}"))),
    }
}
