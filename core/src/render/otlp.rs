//! OpenTelemetry's JSON: a line is `LogsData` with one record, in the JSON mapping of its protocol.

use super::json;
use super::message::filled;
use super::number;
use super::shape::{Object, data, message_text, open_template, stack_trace, string};
use crate::frame::{Origin, Record};
use crate::value::{ErrorValue, Timestamp, Value};

/// The names of attributes that a record has besides its data.
const OWN: [&str; 14] = [
    "log.record.uid",
    "exception.type",
    "exception.message",
    "exception.stacktrace",
    "code.file.path",
    "code.line.number",
    "code.namespace",
    "thread.name",
    "rolog.template",
    "rolog.args",
    "rolog.origin.kind",
    "rolog.origin.target",
    "rolog.origin.class",
    "rolog.truncated",
];

/// Appends everything of the line but the outermost closing brace and the line feed.
pub(super) fn line(
    resource: &[(String, String)],
    source: bool,
    record: &Record<'_>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"\"resourceLogs\":[{\"resource\":{\"attributes\":[");
    let mut attributes = Attributes { first: true, out };
    for (key, value) in resource {
        attributes.text(key, value);
    }
    out.extend_from_slice(b"]},\"scopeLogs\":[{\"scope\":{\"name\":");
    string(record.logger(), out);
    out.extend_from_slice(b"},\"logRecords\":[{");
    let mut object = Object { first: true, out };
    let time = record.time().nanos();
    object.text("timeUnixNano", &time.to_string());
    let observed = record.observed().map_or(time, Timestamp::nanos);
    object.text("observedTimeUnixNano", &observed.to_string());
    let level = record.level();
    number::integer(level.severity_number(), object.key("severityNumber"));
    object.text("severityText", level.name());
    let body = object.key("body");
    body.extend_from_slice(b"{\"stringValue\":");
    message_text(record, body);
    body.push(b'}');
    for (key, value) in data(record) {
        if let Some((name, id)) = id(key, &value) {
            object.text(name, id);
        }
    }
    let out = object.key("attributes");
    out.push(b'[');
    all(source, record, &mut Attributes { first: true, out });
    out.extend_from_slice(b"]}]}]}]");
}

/// The ids that join a record to a trace: hexadecimal digits of the protocol's length, not all of
/// them 0, which stands for none.
fn id<'v>(key: &str, value: &'v Value<'_>) -> Option<(&'static str, &'v str)> {
    let text = value.as_str()?;
    let (name, length) = match key {
        "trace_id" => ("traceId", 32),
        "span_id" => ("spanId", 16),
        _ => return None,
    };
    let fits = text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (fits && text.bytes().any(|byte| byte != b'0')).then_some((name, text))
}

fn all(source: bool, record: &Record<'_>, attributes: &mut Attributes<'_>) {
    for (key, value) in data(record) {
        if id(key, &value).is_some() {
            continue;
        }
        if OWN.contains(&key) {
            attributes.pair(&format!("rolog.data.{key}"), &value);
        } else {
            attributes.pair(key, &value);
        }
    }
    attributes.text("log.record.uid", &record.id().to_string());
    if let Some(told) = record.error() {
        attributes.text("exception.type", told.type_name());
        attributes.text("exception.message", told.text());
        if let Some(trace) = stack_trace(&told) {
            attributes.text("exception.stacktrace", &trace);
        }
    }
    if source {
        if let Some((file, line)) = record.source() {
            attributes.text("code.file.path", file);
            any(&Value::U64(line.into()), attributes.key("code.line.number"));
            attributes.end();
        }
        if let Some(module) = record.module() {
            attributes.text("code.namespace", module);
        }
        if let Some(thread) = record.thread() {
            attributes.text("thread.name", thread);
        }
    }
    if let Some(template) = open_template(record) {
        attributes.text("rolog.template", template);
    }
    if record.argument(0).is_some() {
        array(record.args(), attributes.key("rolog.args"));
        attributes.end();
    }
    let origin = record.origin();
    if origin != Origin::SERVICE {
        attributes.text("rolog.origin.kind", json::kind(origin.kind));
        if let Some(target) = origin.target {
            attributes.text("rolog.origin.target", target);
        }
        if let Some(class) = origin.class {
            attributes.text("rolog.origin.class", class.name());
        }
    }
    if record.is_truncated() {
        any(&Value::Bool(true), attributes.key("rolog.truncated"));
        attributes.end();
    }
}

/// A list of keys and values that is being written.
struct Attributes<'o> {
    first: bool,
    out: &'o mut Vec<u8>,
}

impl Attributes<'_> {
    /// Begins the next; [`Attributes::end`] follows its value.
    fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out.extend_from_slice(b"{\"key\":");
        string(key, self.out);
        self.out.extend_from_slice(b",\"value\":");
        self.out
    }

    /// A key whose value is null has none: there are receivers that refuse an empty one.
    fn pair(&mut self, key: &str, value: &Value<'_>) {
        let out = self.key(key);
        if let Value::Null = value {
            out.truncate(out.len() - b",\"value\":".len());
        } else {
            any(value, out);
        }
        self.end();
    }

    fn end(&mut self) {
        self.out.push(b'}');
    }

    fn text(&mut self, key: &str, text: &str) {
        any(&Value::Str(text), self.key(key));
        self.end();
    }
}

/// Appends a value as the protocol's `AnyValue`, in what every receiver takes.
///
/// The protocol has an empty value for null, and the texts `NaN` and `Infinity` among its doubles;
/// there are collectors that refuse both, and with them the whole line. So they are texts here.
fn any(value: &Value<'_>, out: &mut Vec<u8>) {
    let mut typed = |kind: &str, write: &mut dyn FnMut(&mut Vec<u8>)| {
        out.extend_from_slice(b"{\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\":");
        write(out);
        out.push(b'}');
    };
    match value {
        Value::Null => typed("stringValue", &mut |out| string("null", out)),
        Value::Bool(_) => typed("boolValue", &mut |out| json::value(value, out)),
        // Numbers of 64 bits are strings in the protocol's JSON.
        Value::I64(number) => typed("intValue", &mut |out| string(&number.to_string(), out)),
        Value::U64(number) if i64::try_from(*number).is_ok() => {
            typed("intValue", &mut |out| string(&number.to_string(), out));
        }
        Value::F64(number) if !number.is_finite() => {
            typed("stringValue", &mut |out| json::value(value, out));
        }
        Value::F64(_) | Value::Duration(_) => {
            typed("doubleValue", &mut |out| json::value(value, out));
        }
        Value::Bytes(_) => typed("bytesValue", &mut |out| json::value(value, out)),
        Value::Str(_) | Value::Timestamp(_) | Value::Unknown(..) => {
            typed("stringValue", &mut |out| json::value(value, out));
        }
        Value::U64(_) | Value::I128(_) | Value::U128(_) => typed("stringValue", &mut |out| {
            out.push(b'"');
            filled(true, value, out);
            out.push(b'"');
        }),
        Value::List(items) => array(items.iter(), out),
        Value::Map(entries) => {
            let mut seen = super::keys::Keys::new();
            let each = entries
                .iter()
                .filter(|(key, _)| seen.is_new(key, || entries.iter().map(|(key, _)| key)));
            pairs(each, out);
        }
        Value::Error(told) => error(told, out),
    }
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

fn pairs<'a>(entries: impl Iterator<Item = (&'a str, Value<'a>)>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"kvlistValue\":{\"values\":[");
    let mut attributes = Attributes { first: true, out };
    for (key, value) in entries {
        attributes.pair(key, &value);
    }
    out.extend_from_slice(b"]}}");
}

fn error(told: &ErrorValue<'_>, out: &mut Vec<u8>) {
    let trace = stack_trace(told);
    let parts = [
        ("exception.type", Some(told.type_name())),
        ("exception.message", Some(told.text())),
        ("exception.stacktrace", trace.as_deref()),
    ];
    let there = parts
        .into_iter()
        .filter_map(|(key, text)| Some((key, Value::Str(text?))));
    pairs(there, out);
}
