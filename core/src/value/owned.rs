//! Values that own their parts: for tests, for targets that keep records, for values made by hand.

use std::time::Duration;

use super::{Timestamp, Value};

/// A value that owns its parts. Two floats are equal when their bits are, so that NaN equals itself.
#[derive(Clone, Debug)]
#[allow(
    missing_docs,
    reason = "each variant is that of `Value`, which explains it"
)]
pub enum OwnedValue {
    Null,
    Bool(bool),
    I64(i64),
    U64(u64),
    I128(i128),
    U128(u128),
    F64(f64),
    Str(String),
    Bytes(Vec<u8>),
    Timestamp(Timestamp),
    Duration(Duration),
    List(Vec<OwnedValue>),
    Map(Vec<(String, OwnedValue)>),
    Error(OwnedError),
    Unknown(u8, Vec<u8>),
}

/// An error as it was when it was logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedError {
    /// The path of its Rust type.
    pub type_name: String,
    /// What its `Display` said.
    pub text: String,
    /// What the `Display` of each source said, the nearest first.
    pub sources: Vec<String>,
    /// Where it was made, if that was asked for.
    pub backtrace: Option<String>,
}

impl OwnedValue {
    /// The value behind a scalar variant; lists, maps and errors, which have no borrowed form
    /// without their bytes, are null here and are the caller's to handle.
    pub(super) fn borrow_scalar(&self) -> Value<'_> {
        match self {
            OwnedValue::Bool(value) => Value::Bool(*value),
            OwnedValue::I64(value) => Value::I64(*value),
            OwnedValue::U64(value) => Value::U64(*value),
            OwnedValue::I128(value) => Value::I128(*value),
            OwnedValue::U128(value) => Value::U128(*value),
            OwnedValue::F64(value) => Value::F64(*value),
            OwnedValue::Str(text) => Value::Str(text),
            OwnedValue::Bytes(bytes) => Value::Bytes(bytes),
            OwnedValue::Timestamp(time) => Value::Timestamp(*time),
            OwnedValue::Duration(span) => Value::Duration(*span),
            OwnedValue::Unknown(tag, payload) => Value::Unknown(*tag, payload),
            OwnedValue::Null | OwnedValue::List(_) | OwnedValue::Map(_) | OwnedValue::Error(_) => {
                Value::Null
            }
        }
    }
}

impl PartialEq for OwnedValue {
    fn eq(&self, other: &Self) -> bool {
        use OwnedValue as V;
        match (self, other) {
            (V::Null, V::Null) => true,
            (V::Bool(a), V::Bool(b)) => a == b,
            (V::I64(a), V::I64(b)) => a == b,
            (V::U64(a), V::U64(b)) => a == b,
            (V::I128(a), V::I128(b)) => a == b,
            (V::U128(a), V::U128(b)) => a == b,
            (V::F64(a), V::F64(b)) => a.to_bits() == b.to_bits(),
            (V::Str(a), V::Str(b)) => a == b,
            (V::Bytes(a), V::Bytes(b)) => a == b,
            (V::Timestamp(a), V::Timestamp(b)) => a == b,
            (V::Duration(a), V::Duration(b)) => a == b,
            (V::List(a), V::List(b)) => a == b,
            (V::Map(a), V::Map(b)) => a == b,
            (V::Error(a), V::Error(b)) => a == b,
            (V::Unknown(a, x), V::Unknown(b, y)) => a == b && x == y,
            _ => false,
        }
    }
}

impl From<Value<'_>> for OwnedValue {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Null => OwnedValue::Null,
            Value::Bool(value) => OwnedValue::Bool(value),
            Value::I64(value) => OwnedValue::I64(value),
            Value::U64(value) => OwnedValue::U64(value),
            Value::I128(value) => OwnedValue::I128(value),
            Value::U128(value) => OwnedValue::U128(value),
            Value::F64(value) => OwnedValue::F64(value),
            Value::Str(text) => OwnedValue::Str(text.to_owned()),
            Value::Bytes(bytes) => OwnedValue::Bytes(bytes.to_vec()),
            Value::Timestamp(time) => OwnedValue::Timestamp(time),
            Value::Duration(span) => OwnedValue::Duration(span),
            Value::List(list) => OwnedValue::List(list.iter().map(OwnedValue::from).collect()),
            Value::Map(map) => OwnedValue::Map(
                map.iter()
                    .map(|(key, value)| (key.to_owned(), value.into()))
                    .collect(),
            ),
            Value::Error(error) => OwnedValue::Error(OwnedError {
                type_name: error.type_name().to_owned(),
                text: error.text().to_owned(),
                sources: error.sources().map(str::to_owned).collect(),
                backtrace: error.backtrace().map(str::to_owned),
            }),
            Value::Unknown(tag, payload) => OwnedValue::Unknown(tag, payload.to_vec()),
        }
    }
}

impl From<&str> for OwnedValue {
    fn from(text: &str) -> Self {
        OwnedValue::Str(text.to_owned())
    }
}
