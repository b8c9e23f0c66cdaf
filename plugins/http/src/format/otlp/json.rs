//! `ExportLogsServiceRequest` as JSON, by OTLP's rules: names in lower camel case, 64-bit integers
//! as strings, ids in hexadecimal, enumerations as numbers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rolog_core::frame::Record;
use rolog_core::value::Value;
use serde::Deserialize;

use super::attributes::{self, Attribute, Trace};
use super::proto::integer;
use super::{Scopes, Settings, times};
use crate::format::{Format, Stream, Written, quoted};

/// Writes requests as JSON.
pub(super) struct Json {
    /// The resource, whole.
    resource: Vec<u8>,
    source: bool,
    scopes: Scopes,
}

impl Json {
    pub(super) fn new(settings: &Settings, source: bool) -> Self {
        let mut resource = b"{\"attributes\":[".to_vec();
        for (at, (key, text)) in settings.resource.iter().enumerate() {
            comma(at > 0, &mut resource);
            key_value(
                key,
                &Attribute::Value(Value::Str(text)),
                None,
                &mut resource,
            );
        }
        resource.extend_from_slice(b"]}");
        Json {
            resource,
            source,
            scopes: Scopes::default(),
        }
    }
}

impl Format for Json {
    fn content_type(&self) -> &'static str {
        "application/json"
    }

    fn begin(&mut self, _: &mut Vec<u8>) {
        self.scopes.clear();
    }

    fn record(&mut self, record: &Record<'_>, out: &mut Vec<u8>) -> Result<Stream, String> {
        let [time, observed] = times(record);
        let trace = Trace::of(record);
        let head = format!(
            "{{\"timeUnixNano\":\"{time}\",\"observedTimeUnixNano\":\"{observed}\",\
             \"severityNumber\":{},\"severityText\":\"{}\",\"body\":{{\"stringValue\":",
            record.level().severity_number(),
            record.level().name()
        );
        out.extend_from_slice(head.as_bytes());
        quoted(&record.message().to_string(), out);
        out.extend_from_slice(b"},\"attributes\":[");
        let mut more = false;
        attributes::each(record, &trace, self.source, |key, value| {
            comma(std::mem::replace(&mut more, true), out);
            key_value(key, &value, Some(record), out);
        });
        out.push(b']');
        for (name, id) in [("traceId", trace.trace), ("spanId", trace.span)] {
            if let Some(id) = id {
                out.extend_from_slice(format!(",\"{name}\":\"{id}\"").as_bytes());
            }
        }
        out.push(b'}');
        Ok(self.scopes.of(record))
    }

    fn stream_cost(&self, stream: Stream) -> usize {
        // `{"scope":{"name":…},"logRecords":[]},`
        2 * self.scopes.names[stream as usize].len() + 40
    }

    fn body(&self, written: &Written, which: &[u32], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"resourceLogs\":[{\"resource\":");
        out.extend_from_slice(&self.resource);
        out.extend_from_slice(b",\"scopeLogs\":[");
        for (at, (stream, records)) in written.by_stream(which).into_iter().enumerate() {
            comma(at > 0, out);
            out.extend_from_slice(b"{\"scope\":{\"name\":");
            quoted(&self.scopes.names[stream as usize], out);
            out.extend_from_slice(b"},\"logRecords\":[");
            written.join(&records, b",", out);
            out.extend_from_slice(b"]}");
        }
        out.extend_from_slice(b"]}]}");
    }
}

fn comma(wanted: bool, out: &mut Vec<u8>) {
    if wanted {
        out.push(b',');
    }
}

/// Appends a `KeyValue`. One that holds nothing has no value: some collectors refuse an empty one,
/// and the whole request with it.
fn key_value(key: &str, value: &Attribute<'_>, record: Option<&Record<'_>>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"key\":");
    quoted(key, out);
    match (value, record) {
        (Attribute::Value(Value::Null), _) | (Attribute::Arguments, None) => {}
        (Attribute::Value(value), _) => {
            out.extend_from_slice(b",\"value\":");
            any(value, out);
        }
        (Attribute::Arguments, Some(record)) => {
            out.extend_from_slice(b",\"value\":");
            array(record.args(), out);
        }
    }
    out.push(b'}');
}

/// Appends an `AnyValue`. Null, and numbers that are none, are text: an empty value and `"NaN"` for a
/// number are the mapping's own, but there are collectors that refuse the whole request for them.
fn any(value: &Value<'_>, out: &mut Vec<u8>) {
    let text = |text: &str, out: &mut Vec<u8>| {
        out.extend_from_slice(b"{\"stringValue\":");
        quoted(text, out);
        out.push(b'}');
    };
    let plain = |name: &str, value: &str, out: &mut Vec<u8>| {
        out.extend_from_slice(format!("{{\"{name}\":{value}}}").as_bytes());
    };
    let double = |value: f64, out: &mut Vec<u8>| match serde_json::Number::from_f64(value) {
        Some(number) => plain("doubleValue", &number.to_string(), out),
        None if value.is_nan() => text("NaN", out),
        None if value > 0.0 => text("Infinity", out),
        None => text("-Infinity", out),
    };
    match value {
        Value::Null => text("null", out),
        Value::Str(string) => text(string, out),
        Value::Bool(value) => plain("boolValue", &value.to_string(), out),
        Value::F64(value) => double(*value, out),
        Value::Duration(span) => double(span.as_secs_f64(), out),
        Value::Bytes(bytes) => {
            plain(
                "bytesValue",
                &format!("\"{}\"", STANDARD.encode(bytes)),
                out,
            );
        }
        Value::List(list) => array(list.iter(), out),
        Value::Map(map) => {
            out.extend_from_slice(b"{\"kvlistValue\":{\"values\":[");
            for (at, (key, value)) in map.iter().enumerate() {
                comma(at > 0, out);
                key_value(key, &Attribute::Value(value), None, out);
            }
            out.extend_from_slice(b"]}}");
        }
        Value::Error(error) => text(&error.to_string(), out),
        other => match integer(other) {
            Some(number) => plain("intValue", &format!("\"{number}\""), out),
            None => text(&other.to_string(), out),
        },
    }
}

fn array<'a>(values: impl Iterator<Item = Value<'a>>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"arrayValue\":{\"values\":[");
    for (at, value) in values.enumerate() {
        comma(at > 0, out);
        any(&value, out);
    }
    out.extend_from_slice(b"]}}");
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    partial_success: Option<Partial>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Partial {
    rejected_log_records: Count,
    error_message: String,
}

/// A 64-bit number is a string by the rules, and a number all the same with some.
#[derive(Deserialize)]
#[serde(untagged)]
enum Count {
    Number(u64),
    Text(String),
}

impl Default for Count {
    fn default() -> Self {
        Count::Number(0)
    }
}

/// How many records an `ExportLogsServiceResponse` says were refused, and what it remarks.
pub(super) fn partial_success(answer: &[u8]) -> Option<(u64, String)> {
    if answer.is_empty() {
        return Some((0, String::new()));
    }
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    let partial = answer.partial_success.unwrap_or_default();
    let count = match partial.rejected_log_records {
        Count::Number(count) => count,
        Count::Text(text) => text.parse().ok()?,
    };
    Some((count, partial.error_message))
}
