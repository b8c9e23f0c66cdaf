//! Writing values.

use std::time::Duration;

use super::{MAX_DEPTH, OwnedValue, Timestamp, Value, tag};

/// Where encoded bytes go: a growing buffer, or room reserved in a ring.
pub trait Sink {
    /// Appends these bytes.
    fn put(&mut self, bytes: &[u8]);

    /// Appends bytes whose number is known when this is compiled.
    #[inline]
    fn put_array<const N: usize>(&mut self, bytes: [u8; N]) {
        self.put(&bytes);
    }

    /// Appends a tag, a length and bytes. What is longer than 4 GiB is cut: the ring's bound on a
    /// record lies far below.
    #[inline]
    fn put_sized(&mut self, tag: u8, bytes: &[u8]) {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let mut head = [tag; 5];
        head[1..].copy_from_slice(&len.to_le_bytes());
        self.put_array(head);
        self.put(&bytes[..len as usize]);
    }
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
    pub(crate) fn word(out: &mut impl Sink, tag: u8, bytes: [u8; 8]) {
        let mut whole = [tag; 9];
        whole[1..].copy_from_slice(&bytes);
        out.put_array(whole);
    }

    #[inline]
    pub(crate) fn wide(out: &mut impl Sink, tag: u8, bytes: [u8; 16]) {
        let mut whole = [tag; 17];
        whole[1..].copy_from_slice(&bytes);
        out.put_array(whole);
    }

    /// A tag, a length and bytes.
    #[inline]
    pub(crate) fn sized(out: &mut impl Sink, tag: u8, bytes: &[u8]) {
        out.put_sized(tag, bytes);
    }

    /// As [`sized`], without a tag.
    #[inline]
    pub(crate) fn text(out: &mut impl Sink, bytes: &[u8]) {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        out.put_array(len.to_le_bytes());
        out.put(&bytes[..len as usize]);
    }

    #[inline]
    pub(crate) fn bool(out: &mut impl Sink, value: bool) {
        out.put_array([if value { tag::TRUE } else { tag::FALSE }]);
    }

    #[inline]
    pub(crate) fn timestamp(out: &mut impl Sink, time: Timestamp) {
        word(out, tag::TIMESTAMP, time.nanos().to_le_bytes());
    }

    #[inline]
    pub(crate) fn duration(out: &mut impl Sink, span: Duration) {
        let mut whole = [tag::DURATION; 13];
        whole[1..9].copy_from_slice(&span.as_secs().to_le_bytes());
        whole[9..].copy_from_slice(&span.subsec_nanos().to_le_bytes());
        out.put_array(whole);
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
        plain::wide(self.out, tag::I128, value.to_le_bytes());
    }

    /// A large unsigned integer.
    pub fn u128(&mut self, value: u128) {
        plain::wide(self.out, tag::U128, value.to_le_bytes());
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
    pub fn list<R>(&mut self, fill: impl FnOnce(&mut Encoder<'b>) -> R) -> R {
        let mark = self.begin_list();
        let result = fill(self);
        self.end(mark);
        result
    }

    /// A map: `fill` writes a [`key`](Encoder::key) and one value, as often as it likes.
    pub fn map<R>(&mut self, fill: impl FnOnce(&mut Encoder<'b>) -> R) -> R {
        let mark = self.begin_map();
        let result = fill(self);
        self.end(mark);
        result
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
        let mark = self.begin(tag::ERROR);
        self.str(type_name);
        self.str(text);
        // An error's list of sources is flat: it does not count as another level.
        let list = self.out.len();
        self.out.extend_from_slice(&[tag::LIST, 0, 0, 0, 0]);
        sources.into_iter().for_each(|source| self.str(source));
        self.close(list);
        match backtrace {
            Some(trace) => self.str(trace),
            None => self.null(),
        }
        self.end(mark);
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
            Value::Unknown(tag, payload) => self.unknown(tag, payload),
        }
    }

    /// Readers go by the tag: under one that is known, or that tells of another length, these bytes
    /// would be taken for something that they are not.
    fn unknown(&mut self, tag: u8, payload: &[u8]) {
        let fits = match tag >> 5 {
            0 => payload.is_empty(),
            1 => payload.len() == 1,
            2 => payload.len() == 4,
            3 => payload.len() == 8,
            4 => payload.len() == 12,
            5 => payload.len() == 16,
            6 => true,
            _ => u8::try_from(payload.len()).is_ok(),
        };
        if !fits || tag::is_known(tag) {
            return self.bytes(payload);
        }
        match tag >> 5 {
            6 => plain::sized(self.out, tag, payload),
            7 => {
                self.out.extend_from_slice(&[tag, payload.len() as u8]);
                self.out.extend_from_slice(payload);
            }
            _ => {
                self.out.push(tag);
                self.out.extend_from_slice(payload);
            }
        }
    }

    /// Text that `fill` writes.
    pub(crate) fn text(&mut self, fill: impl FnOnce(&mut Text<'_>)) {
        let mark = self.out.len();
        self.out.extend_from_slice(&[tag::STR, 0, 0, 0, 0]);
        fill(&mut Text(self.out));
        self.close(mark);
    }

    /// A list of values that are encoded already.
    pub(crate) fn encoded_list(&mut self, values: &[u8]) {
        plain::sized(self.out, tag::LIST, values);
    }

    /// The buffer that is appended to, for what is already encoded.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// How deep the next value lies, from 0.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Where the encoder stands, to [`rewind`](Encoder::rewind) to.
    pub(crate) fn position(&self) -> Position {
        Position {
            len: self.out.len(),
            depth: self.depth,
        }
    }

    /// Takes back whatever was written since.
    pub(crate) fn rewind(&mut self, to: Position) {
        self.out.truncate(to.len);
        self.depth = to.depth;
    }

    /// Opens a list; [`end`](Encoder::end) closes it.
    pub(crate) fn begin_list(&mut self) -> Mark {
        self.begin(tag::LIST)
    }

    /// Opens a map; [`end`](Encoder::end) closes it.
    pub(crate) fn begin_map(&mut self) -> Mark {
        self.begin(tag::MAP)
    }

    fn begin(&mut self, tag: u8) -> Mark {
        let mark = Mark(self.out.len());
        self.out.extend_from_slice(&[tag, 0, 0, 0, 0]);
        self.depth += 1;
        mark
    }

    /// Closes what was opened last. What nests too deep is replaced by a mark.
    pub(crate) fn end(&mut self, Mark(start): Mark) {
        self.depth -= 1;
        if self.depth + 1 >= MAX_DEPTH {
            self.out.truncate(start);
            self.str("[nested too deep]");
        } else {
            self.close(start);
        }
    }

    fn close(&mut self, start: usize) {
        let len = u32::try_from(self.out.len() - start - 5).unwrap_or(u32::MAX);
        self.out[start + 1..start + 5].copy_from_slice(&len.to_le_bytes());
    }
}

/// Where a list or map was opened.
#[derive(Debug)]
#[must_use = "what is opened must be closed"]
pub(crate) struct Mark(usize);

/// Where an encoder stood.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    len: usize,
    depth: usize,
}

/// The inside of a text under way.
pub(crate) struct Text<'t>(&'t mut Vec<u8>);

impl std::fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
