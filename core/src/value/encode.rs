//! Writing values.

use std::time::Duration;

use super::{MAX_DEPTH, OwnedValue, Timestamp, Value, tag};

/// Where encoded bytes go: a growing buffer, or room reserved in a ring.
pub trait Sink {
    /// Appends these bytes.
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// The encodings whose length is known beforehand, for any sink.
pub(crate) mod plain {
    use super::{Duration, Sink, Timestamp, tag};

    #[inline]
    pub(crate) fn word<const N: usize>(out: &mut impl Sink, tag: u8, bytes: [u8; N]) {
        out.put(&[tag]);
        out.put(&bytes);
    }

    #[inline]
    pub(crate) fn sized(out: &mut impl Sink, tag: u8, bytes: &[u8]) {
        out.put(&[tag]);
        text(out, bytes);
    }

    /// A length and bytes, without a tag. What is longer than 4 GiB is cut: the ring's bound on a
    /// record lies far below.
    #[inline]
    pub(crate) fn text(out: &mut impl Sink, bytes: &[u8]) {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        out.put(&len.to_le_bytes());
        out.put(&bytes[..len as usize]);
    }

    #[inline]
    pub(crate) fn bool(out: &mut impl Sink, value: bool) {
        out.put(&[if value { tag::TRUE } else { tag::FALSE }]);
    }

    #[inline]
    pub(crate) fn timestamp(out: &mut impl Sink, time: Timestamp) {
        word(out, tag::TIMESTAMP, time.nanos().to_le_bytes());
    }

    #[inline]
    pub(crate) fn duration(out: &mut impl Sink, span: Duration) {
        out.put(&[tag::DURATION]);
        out.put(&span.as_secs().to_le_bytes());
        out.put(&span.subsec_nanos().to_le_bytes());
    }
}

/// Appends values to a buffer.
///
/// ```
/// use rolog_core::value::Encoder;
///
/// let mut bytes = Vec::new();
/// let mut values = Encoder::new(&mut bytes);
/// values.u64(42);
/// values.map(|order| {
///     order.key("id").str("A-7");
///     order.key("lines").list(|lines| {
///         lines.f64(19.99);
///         lines.null();
///     });
/// });
/// ```
#[derive(Debug)]
pub struct Encoder<'b> {
    out: &'b mut Vec<u8>,
    depth: usize,
}

impl<'b> Encoder<'b> {
    /// Appends to `out`.
    pub fn new(out: &'b mut Vec<u8>) -> Self {
        Encoder { out, depth: 0 }
    }

    /// Nothing.
    pub fn null(&mut self) {
        self.out.push(tag::NULL);
    }

    /// A truth value.
    pub fn bool(&mut self, value: bool) {
        plain::bool(self.out, value);
    }

    /// A signed integer.
    pub fn i64(&mut self, value: i64) {
        plain::word(self.out, tag::I64, value.to_le_bytes());
    }

    /// An unsigned integer.
    pub fn u64(&mut self, value: u64) {
        plain::word(self.out, tag::U64, value.to_le_bytes());
    }

    /// A large signed integer.
    pub fn i128(&mut self, value: i128) {
        plain::word(self.out, tag::I128, value.to_le_bytes());
    }

    /// A large unsigned integer.
    pub fn u128(&mut self, value: u128) {
        plain::word(self.out, tag::U128, value.to_le_bytes());
    }

    /// A floating-point number.
    pub fn f64(&mut self, value: f64) {
        plain::word(self.out, tag::F64, value.to_le_bytes());
    }

    /// Text.
    pub fn str(&mut self, text: &str) {
        plain::sized(self.out, tag::STR, text.as_bytes());
    }

    /// Bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        plain::sized(self.out, tag::BYTES, bytes);
    }

    /// A point in time.
    pub fn timestamp(&mut self, time: Timestamp) {
        plain::timestamp(self.out, time);
    }

    /// A span of time.
    pub fn duration(&mut self, span: Duration) {
        plain::duration(self.out, span);
    }

    /// A list of what `fill` appends.
    pub fn list<R>(&mut self, fill: impl FnOnce(&mut Encoder<'_>) -> R) -> R {
        self.nested(tag::LIST, fill)
    }

    /// A map: `fill` writes a [`key`](Encoder::key) and one value, as often as it likes.
    pub fn map<R>(&mut self, fill: impl FnOnce(&mut Encoder<'_>) -> R) -> R {
        self.nested(tag::MAP, fill)
    }

    /// The key of the map entry, or of the record's field, whose value is written next.
    pub fn key(&mut self, key: &str) -> &mut Self {
        plain::text(self.out, key.as_bytes());
        self
    }

    /// An error: its type, text, the texts of its sources, and a backtrace if there is one.
    pub fn error<'s>(
        &mut self,
        type_name: &str,
        text: &str,
        sources: impl IntoIterator<Item = &'s str>,
        backtrace: Option<&str>,
    ) {
        self.nested(tag::ERROR, |parts| {
            parts.str(type_name);
            parts.str(text);
            // Not `list`: an error stays whole at the last depth too, and its sources are flat.
            parts.open(tag::LIST, |list| {
                sources.into_iter().for_each(|source| list.str(source));
            });
            match backtrace {
                Some(trace) => parts.str(trace),
                None => parts.null(),
            }
        });
    }

    /// A value that was read, or is owned, with all its parts.
    pub fn owned(&mut self, value: &OwnedValue) {
        match value {
            OwnedValue::List(items) => self.list(|list| items.iter().for_each(|v| list.owned(v))),
            OwnedValue::Map(entries) => self.map(|map| {
                for (key, value) in entries {
                    map.key(key).owned(value);
                }
            }),
            OwnedValue::Error(error) => self.error(
                &error.type_name,
                &error.text,
                error.sources.iter().map(String::as_str),
                error.backtrace.as_deref(),
            ),
            scalar => self.value(scalar.borrow_scalar()),
        }
    }

    /// A value that was read, with all its parts.
    pub fn value(&mut self, value: Value<'_>) {
        match value {
            Value::Null => self.null(),
            Value::Bool(value) => self.bool(value),
            Value::I64(value) => self.i64(value),
            Value::U64(value) => self.u64(value),
            Value::I128(value) => self.i128(value),
            Value::U128(value) => self.u128(value),
            Value::F64(value) => self.f64(value),
            Value::Str(text) => self.str(text),
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::Timestamp(time) => self.timestamp(time),
            Value::Duration(span) => self.duration(span),
            Value::List(items) => self.list(|list| items.iter().for_each(|v| list.value(v))),
            Value::Map(entries) => self.map(|map| {
                for (key, value) in entries.iter() {
                    map.key(key).value(value);
                }
            }),
            Value::Error(error) => self.error(
                error.type_name(),
                error.text(),
                error.sources(),
                error.backtrace(),
            ),
            Value::Unknown(tag, payload) => match tag >> 5 {
                6 => plain::sized(self.out, tag, payload),
                7 => {
                    let len = u8::try_from(payload.len()).unwrap_or(u8::MAX);
                    self.out.extend_from_slice(&[tag, len]);
                    self.out.extend_from_slice(&payload[..usize::from(len)]);
                }
                _ => {
                    self.out.push(tag);
                    self.out.extend_from_slice(payload);
                }
            },
        }
    }

    /// How deep this encoder's values lie, from 0.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    fn nested<R>(&mut self, tag: u8, fill: impl FnOnce(&mut Encoder<'_>) -> R) -> R {
        let start = self.out.len();
        let result = self.open(tag, fill);
        if self.depth + 1 >= MAX_DEPTH {
            self.out.truncate(start);
            self.str("[nested too deep]");
        }
        result
    }

    fn open<R>(&mut self, tag: u8, fill: impl FnOnce(&mut Encoder<'_>) -> R) -> R {
        let start = self.out.len();
        self.out.extend_from_slice(&[tag, 0, 0, 0, 0]);
        let result = fill(&mut Encoder {
            out: self.out,
            depth: self.depth + 1,
        });
        let len = u32::try_from(self.out.len() - start - 5).unwrap_or(u32::MAX);
        self.out[start + 1..start + 5].copy_from_slice(&len.to_le_bytes());
        result
    }
}
