//! `ExportLogsServiceRequest` as protobuf, written straight from the records.

use std::fmt::{self, Write as _};

use rolog_core::frame::{Part, Record};
use rolog_core::value::Value;

use super::attributes::{self, Attribute, Trace};
use super::shapes::Shapes;
use super::wire::{self, Held};
use super::{Scopes, Settings, times};
use crate::format::{Format, Stream, Written};

/// Writes requests as protobuf.
pub(super) struct Proto {
    /// The field of the resource, whole.
    resource: Vec<u8>,
    source: bool,
    scopes: Scopes,
    /// None, so that all go the long way.
    shapes: Option<Shapes>,
}

impl Proto {
    pub(super) fn new(settings: &Settings, source: bool) -> Self {
        let mut resource = Vec::new();
        wire::message(1, &mut resource, |out| {
            for (key, text) in &settings.resource {
                key_value(1, key, &Attribute::Value(Value::Str(text)), None, out);
            }
        });
        Proto {
            resource,
            source,
            scopes: Scopes::default(),
            shapes: Some(Shapes::default()),
        }
    }

    /// As it writes records without looking at what others of their call sites were like.
    #[cfg(test)]
    pub(super) fn without_shapes(mut self) -> Self {
        self.shapes = None;
        self
    }

    /// Whether there is a shape for a record.
    #[cfg(test)]
    pub(super) fn knows(&mut self, record: &Record<'_>) -> bool {
        let shapes = self.shapes.as_mut();
        shapes.is_some_and(|shapes| shapes.of(record, self.source).is_some())
    }

    /// What is left free before the records, for what stands there where all have one scope.
    fn room(&self) -> usize {
        self.resource.len() + 256
    }

    /// The field of a scope, whole.
    fn scope(&self, stream: Stream) -> Vec<u8> {
        let name = &self.scopes.names[stream as usize];
        let mut scope = Vec::new();
        wire::message(1, &mut scope, |out| wire::bytes(1, name.as_bytes(), out));
        scope
    }
}

impl Format for Proto {
    fn content_type(&self) -> &'static str {
        "application/x-protobuf"
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        self.scopes.clear();
        out.resize(self.room(), 0);
    }

    fn record(&mut self, record: &Record<'_>, out: &mut Vec<u8>) -> Result<Stream, String> {
        let [time, observed] = times(record);
        let shape = match &mut self.shapes {
            Some(shapes) => shapes.of(record, self.source),
            None => None,
        };
        wire::long_message(2, out, |out| {
            wire::fixed64(1, time, out);
            wire::number(2, record.level().severity_number().into(), out);
            wire::bytes(3, record.level().name().as_bytes(), out);
            let trace = if let Some((shape, values)) = shape {
                body(out, |out| shape.message(&values, out));
                let trace = shape.attributes(record, &values, out);
                let mut put = |key: &str, value: Value<'_>| {
                    key_value(6, key, &Attribute::Value(value), None, out);
                };
                if self.source {
                    attributes::thread(record, &mut put);
                }
                attributes::uid(record, put);
                trace
            } else {
                body(out, |out| message(record, out));
                let trace = Trace::of(record);
                attributes::each(record, &trace, self.source, |key, value| {
                    key_value(6, key, &value, Some(record), out);
                });
                trace
            };
            if let Some(id) = trace.trace {
                wire::bytes(9, &attributes::id_bytes(id), out);
            }
            if let Some(id) = trace.span {
                wire::bytes(10, &attributes::id_bytes(id), out);
            }
            wire::fixed64(11, observed, out);
        });
        Ok(self.scopes.of(record))
    }

    fn stream_cost(&self, stream: Stream) -> usize {
        self.scopes.names[stream as usize].len() + 16
    }

    fn body(&self, written: &Written, which: &[u32], out: &mut Vec<u8>) {
        let mut parts = Vec::new();
        let mut resource_len = self.resource.len();
        for (stream, records) in written.by_stream(which) {
            let scope = self.scope(stream);
            let fields = records.iter().map(|index| written.get(*index).len());
            let len = scope.len() + fields.sum::<usize>();
            resource_len += wire::field_len(len);
            parts.push((scope, len, records));
        }
        out.reserve(wire::field_len(resource_len));
        wire::head(1, resource_len, out);
        out.extend_from_slice(&self.resource);
        for (scope, len, records) in parts {
            wire::head(2, len, out);
            out.extend_from_slice(&scope);
            written.join(&records, b"", out);
        }
    }

    fn complete(&self, written: &mut Vec<u8>) -> Option<usize> {
        if self.scopes.names.len() != 1 {
            return None;
        }
        let scope = self.scope(0);
        let len = scope.len() + written.len() - self.room();
        let mut head = Vec::with_capacity(self.room());
        wire::head(1, self.resource.len() + wire::field_len(len), &mut head);
        head.extend_from_slice(&self.resource);
        wire::head(2, len, &mut head);
        head.extend_from_slice(&scope);
        let start = self.room().checked_sub(head.len())?;
        written[start..self.room()].copy_from_slice(&head);
        Some(start)
    }
}

/// Appends the field of the message.
fn body(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    wire::message(5, out, |out| wire::message(1, out, write));
}

/// Appends the message, as its `Display` has it.
fn message(record: &Record<'_>, out: &mut Vec<u8>) {
    let parts = record.message().parts(|part| {
        match part {
            Part::Text(text) => out.extend_from_slice(text.as_bytes()),
            Part::Value(value) => text(&value, out),
            Part::Unfilled(name) => {
                out.push(b'{');
                out.extend_from_slice(name.as_bytes());
                out.push(b'}');
            }
        }
        Ok::<_, std::convert::Infallible>(())
    });
    match parts {
        Ok(()) => {}
        Err(never) => match never {},
    }
}

/// Appends a value as its `Display` has it.
pub(super) fn text(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Str(text) => out.extend_from_slice(text.as_bytes()),
        value => write!(Text(out), "{value}").expect("a vector takes everything"),
    }
}

/// Appends what is formatted.
struct Text<'v>(&'v mut Vec<u8>);

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Appends a `KeyValue` under a field. One that holds nothing has no value.
pub(super) fn key_value(
    field: u8,
    key: &str,
    value: &Attribute<'_>,
    record: Option<&Record<'_>>,
    out: &mut Vec<u8>,
) {
    wire::message(field, out, |out| {
        wire::bytes(1, key.as_bytes(), out);
        match (value, record) {
            (Attribute::Value(Value::Null), _) | (Attribute::Arguments, None) => {}
            (Attribute::Value(value), _) => wire::message(2, out, |out| any(value, out)),
            (Attribute::Arguments, Some(record)) => {
                wire::message(2, out, |out| array(record.args(), out));
            }
        }
    });
}

/// Appends what an `AnyValue` holds; nothing for null.
fn any(value: &Value<'_>, out: &mut Vec<u8>) {
    let text = |text: &str, out: &mut Vec<u8>| wire::bytes(1, text.as_bytes(), out);
    match value {
        Value::Null => {}
        Value::Str(string) => text(string, out),
        Value::Bool(value) => wire::number(2, (*value).into(), out),
        Value::F64(value) => wire::fixed64(4, value.to_bits(), out),
        Value::Duration(span) => wire::fixed64(4, span.as_secs_f64().to_bits(), out),
        Value::Bytes(bytes) => wire::bytes(7, bytes, out),
        Value::List(list) => array(list.iter(), out),
        Value::Map(map) => wire::message(6, out, |out| {
            for (key, value) in map.iter() {
                key_value(1, key, &Attribute::Value(value), None, out);
            }
        }),
        Value::Error(error) => text(&error.to_string(), out),
        other => match integer(other) {
            Some(number) => wire::number(3, number as u64, out),
            None => text(&other.to_string(), out),
        },
    }
}

/// The integer that an `AnyValue` can hold; larger ones go as text.
pub(super) fn integer(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::I64(number) => Some(*number),
        Value::U64(number) => i64::try_from(*number).ok(),
        Value::I128(number) => i64::try_from(*number).ok(),
        Value::U128(number) => i64::try_from(*number).ok(),
        _ => None,
    }
}

fn array<'a>(values: impl Iterator<Item = Value<'a>>, out: &mut Vec<u8>) {
    wire::message(5, out, |out| {
        for value in values {
            wire::message(1, out, |out| any(&value, out));
        }
    });
}

/// How many records an `ExportLogsServiceResponse` says were refused, and what it remarks.
pub(super) fn partial_success(answer: &[u8]) -> Option<(u64, String)> {
    let mut said = (0, String::new());
    for (field, held) in wire::fields(answer)? {
        if let (1, Held::Bytes(partial)) = (field, held) {
            for (field, held) in wire::fields(partial)? {
                match (field, held) {
                    (1, Held::Number(count)) => said.0 = count,
                    (2, Held::Bytes(text)) => said.1 = String::from_utf8_lossy(text).into_owned(),
                    _ => {}
                }
            }
        }
    }
    Some(said)
}
