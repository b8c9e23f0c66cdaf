//! A record as a `LogRecord` in the protocol's JSON mapping: names in lower camel case, 64-bit
//! integers as strings, ids in hexadecimal, enumerations as numbers.

use super::super::message::filled;
use super::super::number;
use super::super::shape::{Object, message_text, string};
use super::super::{escape, json};
use super::attributes::{self, Attributes, Key};
use super::times;
use crate::frame::Record;
use crate::value::Value;

/// Writes records as `LogRecord`s in JSON.
///
/// ```
/// use rolog_core::frame::Batch;
/// use rolog_core::render::OtlpJson;
///
/// fn log_records(batch: &Batch<'_>) -> Vec<u8> {
///     let mut otlp = OtlpJson::new().with_source(true);
///     let mut out = b"[".to_vec();
///     for (n, record) in batch.records().enumerate() {
///         out.extend_from_slice(if n > 0 { b"," } else { b"" });
///         otlp.log_record(&record, &mut out);
///     }
///     out.push(b']');
///     out
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct OtlpJson {
    source: bool,
}

impl OtlpJson {
    /// Leaves out where in the source records were logged.
    pub fn new() -> Self {
        OtlpJson::default()
    }

    /// Whether each record says where it was logged: `code.*` and `thread.*`.
    #[must_use]
    pub fn with_source(self, source: bool) -> Self {
        OtlpJson { source }
    }

    /// Appends a record as the object of its `LogRecord`.
    pub fn log_record(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"timeUnixNano\":\"");
        let [time, observed] = times(record);
        number::integer(time, out);
        out.extend_from_slice(b"\",\"observedTimeUnixNano\":\"");
        number::integer(observed, out);
        out.extend_from_slice(b"\",\"severityNumber\":");
        let level = record.level();
        number::integer(level.severity_number(), out);
        out.extend_from_slice(b",\"severityText\":\"");
        out.extend_from_slice(level.name().as_bytes());
        out.extend_from_slice(b"\",\"body\":{\"stringValue\":");
        message_text(record, out);
        out.extend_from_slice(b"},\"attributes\":[");
        let mut list = List::new(out);
        let trace = attributes::all(self.source, record, &mut list);
        let id = record.id().digits();
        let id = str::from_utf8(&id).expect("digits and a dash are ASCII");
        list.text(attributes::UID, id);
        out.push(b']');
        for (name, id) in [("traceId", trace.trace), ("spanId", trace.span)] {
            if let Some(id) = id {
                Object { first: false, out }.text(name, id);
            }
        }
        out.push(b'}');
    }

    /// Appends attributes that are texts, such as those of a resource, as an array.
    pub fn attributes<'a>(all: impl IntoIterator<Item = (&'a str, &'a str)>, out: &mut Vec<u8>) {
        out.push(b'[');
        let mut list = List::new(out);
        for (name, text) in all {
            list.text(name, text);
        }
        out.push(b']');
    }
}

/// A list of keys and values that is being written.
struct List<'o> {
    first: bool,
    out: &'o mut Vec<u8>,
}

impl<'o> List<'o> {
    fn new(out: &'o mut Vec<u8>) -> Self {
        List { first: true, out }
    }

    /// Begins the next.
    fn key(&mut self, key: Key<'_>) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out.extend_from_slice(b"{\"key\":\"");
        self.out.extend_from_slice(key.before.as_bytes());
        escape::escape(true, key.name, self.out);
        self.out.push(b'"');
    }
}

impl Attributes for List<'_> {
    /// There are receivers that refuse an empty value.
    fn value(&mut self, key: Key<'_>, value: &Value<'_>) {
        self.key(key);
        if !matches!(value, Value::Null) {
            self.out.extend_from_slice(b",\"value\":");
            any(value, self.out);
        }
        self.out.push(b'}');
    }

    fn list<'a>(&mut self, key: Key<'_>, items: impl Iterator<Item = Value<'a>>) {
        self.key(key);
        self.out.extend_from_slice(b",\"value\":");
        array(items, self.out);
        self.out.push(b'}');
    }
}

/// Appends a value as the protocol's `AnyValue`, in what every receiver takes.
///
/// The protocol has an empty value for null, and the texts `NaN` and `Infinity` among its doubles;
/// there are collectors that refuse both, and with them the whole request. So they are texts here.
fn any(value: &Value<'_>, out: &mut Vec<u8>) {
    let kind: &[u8] = match value {
        Value::Bool(_) => b"{\"boolValue\":",
        Value::F64(number) if number.is_finite() => b"{\"doubleValue\":",
        Value::Duration(_) => b"{\"doubleValue\":",
        Value::Bytes(_) => b"{\"bytesValue\":",
        Value::List(items) => return array(items.iter(), out),
        Value::Map(map) => return pairs(out, |list| attributes::entries(map, list)),
        Value::Error(told) => return pairs(out, |list| attributes::exception(told, list)),
        value if attributes::integer(value).is_some() => b"{\"intValue\":",
        _ => b"{\"stringValue\":",
    };
    out.extend_from_slice(kind);
    match value {
        Value::Null => string("null", out),
        Value::Duration(span) => number::float(span.as_secs_f64(), out),
        // Numbers of 64 bits are strings in the protocol's JSON.
        Value::I64(_) | Value::U64(_) | Value::I128(_) | Value::U128(_) => {
            out.push(b'"');
            filled(true, value, out);
            out.push(b'"');
        }
        _ => json::value(value, out),
    }
    out.push(b'}');
}

fn array<'a>(items: impl Iterator<Item = Value<'a>>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"arrayValue\":{\"values\":[");
    for (n, item) in items.enumerate() {
        if n > 0 {
            out.push(b',');
        }
        any(&item, out);
    }
    out.extend_from_slice(b"]}}");
}

fn pairs(out: &mut Vec<u8>, write: impl FnOnce(&mut List<'_>)) {
    out.extend_from_slice(b"{\"kvlistValue\":{\"values\":[");
    write(&mut List::new(out));
    out.extend_from_slice(b"]}}");
}
