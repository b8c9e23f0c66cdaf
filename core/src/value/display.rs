//! A value as people read it, in messages and in text lines.

use std::fmt::{self, Display};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{ErrorValue, OwnedValue, Timestamp, Value};

impl fmt::Display for Value<'_> {
    /// Text as it is; inside lists and maps it is quoted, so that the parts can be told apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Str(text) => f.write_str(text),
            value => nested(value, f),
        }
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with nanoseconds: `2026-11-22T11:15:00.123456789Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.nanos())) {
            Ok(time) => write!(f, "{time:.9}"),
            Err(_) => write!(f, "{} ns since 1970", self.nanos()),
        }
    }
}

impl fmt::Display for ErrorValue<'_> {
    /// The text and, joined by `: `, those of its sources.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())?;
        self.sources()
            .try_for_each(|source| write!(f, ": {source}"))
    }
}

impl fmt::Display for OwnedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::new();
        super::Encoder::new(&mut bytes).owned(self);
        match super::take(&mut bytes.as_slice()) {
            Some(value) => value.fmt(f),
            None => Ok(()),
        }
    }
}

/// The shortest digits of a number as people read it, without an exponent; `None` where there would
/// be one, or where it is no number.
#[inline]
pub(crate) fn float(value: f64, buffer: &mut zmij::Buffer) -> Option<&str> {
    if value != 0.0 && !(1e-4..1e15).contains(&value.abs()) {
        return None;
    }
    let digits = buffer.format_finite(value);
    Some(digits.strip_suffix(".0").unwrap_or(digits))
}

fn nested(value: &Value<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value {
        Value::Null => f.write_str("null"),
        Value::Bool(value) => value.fmt(f),
        Value::I64(value) => value.fmt(f),
        Value::U64(value) => value.fmt(f),
        Value::I128(value) => value.fmt(f),
        Value::U128(value) => value.fmt(f),
        Value::F64(value) => match float(*value, &mut zmij::Buffer::new()) {
            Some(digits) => f.write_str(digits),
            None => value.fmt(f),
        },
        Value::Str(text) => write!(f, "{text:?}"),
        Value::Bytes(bytes) | Value::Unknown(_, bytes) => f.write_str(&STANDARD.encode(bytes)),
        Value::Timestamp(time) => time.fmt(f),
        Value::Duration(span) => write!(f, "{span:?}"),
        Value::List(list) => {
            f.write_str("[")?;
            for (index, value) in list.iter().enumerate() {
                f.write_str(if index == 0 { "" } else { ", " })?;
                nested(&value, f)?;
            }
            f.write_str("]")
        }
        Value::Map(map) => {
            f.write_str("{")?;
            for (index, (key, value)) in map.iter().enumerate() {
                f.write_str(if index == 0 { "" } else { ", " })?;
                write!(f, "{key}: ")?;
                nested(&value, f)?;
            }
            f.write_str("}")
        }
        Value::Error(error) => error.fmt(f),
    }
}
