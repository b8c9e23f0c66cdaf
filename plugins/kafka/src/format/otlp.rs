//! OTLP logs data in protobuf: what the OpenTelemetry collector's Kafka receiver reads as
//! `otlp_proto`.

use std::collections::BTreeMap;

use prost::{Message, Oneof};
use rolog_core::frame::{OriginKind, Record};
use rolog_core::value::{Timestamp, Value};

/// Writes a `LogsData` of one record.
pub(crate) struct Otlp {
    source: bool,
    data: LogsData,
}

impl Otlp {
    pub(super) fn new(source: bool, resource: &BTreeMap<String, String>) -> Self {
        let attributes = resource
            .iter()
            .map(|(key, value)| pair(key, Any::Text(value.clone())))
            .collect();
        let scope_logs = vec![ScopeLogs::default()];
        let resource = Some(Resource { attributes });
        Otlp {
            source,
            data: LogsData {
                resource_logs: vec![ResourceLogs {
                    resource,
                    scope_logs,
                }],
            },
        }
    }

    pub(super) fn write(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let logs = &mut self.data.resource_logs[0].scope_logs[0];
        let name = record.logger().to_owned();
        logs.scope = Some(Scope { name });
        logs.log_records.clear();
        logs.log_records.push(log_record(record, self.source));
        self.data
            .encode(out)
            .expect("a buffer that grows has room for any message");
    }
}

fn log_record(record: &Record<'_>, source: bool) -> LogRecord {
    let mut log = LogRecord {
        time: record.time().nanos().cast_unsigned(),
        observed: record
            .observed()
            .unwrap_or(record.time())
            .nanos()
            .cast_unsigned(),
        severity_number: record.level().severity_number().into(),
        severity_text: record.level().name().to_owned(),
        body: Some(any(Any::Text(record.message().to_string()))),
        ..LogRecord::default()
    };
    let attributes = &mut log.attributes;
    for (key, value) in record.fields() {
        match (key, value) {
            ("trace_id", Value::Str(text)) if log.trace_id.is_empty() => {
                match bytes_of_hex(text, 16) {
                    Some(bytes) => log.trace_id = bytes,
                    None => attributes.push(pair(key, Any::Text(text.to_owned()))),
                }
            }
            ("span_id", Value::Str(text)) if log.span_id.is_empty() => {
                match bytes_of_hex(text, 8) {
                    Some(bytes) => log.span_id = bytes,
                    None => attributes.push(pair(key, Any::Text(text.to_owned()))),
                }
            }
            (key, value) => attributes.push(KeyValue {
                key: key.to_owned(),
                value: Some(converted(&value)),
            }),
        }
    }
    let args: Vec<AnyValue> = record.args().map(|value| converted(&value)).collect();
    if !args.is_empty() {
        attributes.push(pair("args", Any::List(ListValue { values: args })));
    }
    let mut text = |key: &str, value: String| attributes.push(pair(key, Any::Text(value)));
    if let Some(error) = record.error() {
        text("exception.type", error.type_name().to_owned());
        text("exception.message", error.to_string());
        if let Some(backtrace) = error.backtrace() {
            text("exception.stacktrace", backtrace.to_owned());
        }
    }
    if source {
        if let Some((file, line)) = record.source() {
            text("code.file.path", file.to_owned());
            attributes.push(pair("code.line.number", Any::Int(i64::from(line))));
        }
        let mut text = |key: &str, value: &str| {
            attributes.push(pair(key, Any::Text(value.to_owned())));
        };
        if let Some(module) = record.module() {
            text("code.namespace", module);
        }
        if let Some(thread) = record.thread() {
            text("thread.name", thread);
        }
    }
    if let Some(template) = record.template().filter(|text| text.contains('{')) {
        attributes.push(pair("rolog.template", Any::Text(template.to_owned())));
    }
    if record.origin().kind != OriginKind::Service {
        let kind = format!("{:?}", record.origin().kind).to_lowercase();
        attributes.push(pair("rolog.origin", Any::Text(kind)));
    }
    if record.is_truncated() {
        attributes.push(pair("rolog.truncated", Any::Bool(true)));
    }
    attributes.push(pair("log.record.uid", Any::Text(record.id().to_string())));
    log
}

fn converted(value: &Value<'_>) -> AnyValue {
    let content = match value {
        Value::Null => return AnyValue { content: None },
        Value::Bool(truth) => Any::Bool(*truth),
        Value::I64(number) => Any::Int(*number),
        Value::U64(number) => whole(*number, number),
        Value::I128(number) => whole(*number, number),
        Value::U128(number) => whole(*number, number),
        Value::F64(number) => Any::Double(*number),
        Value::Str(text) => Any::Text((*text).to_owned()),
        Value::Bytes(bytes) | Value::Unknown(_, bytes) => Any::Bytes(bytes.to_vec()),
        Value::Timestamp(time) => Any::Text(time_text(*time)),
        Value::Duration(span) => Any::Double(span.as_secs_f64()),
        Value::List(list) => Any::List(ListValue {
            values: list.iter().map(|value| converted(&value)).collect(),
        }),
        Value::Map(map) => Any::Map(MapValue {
            values: map
                .iter()
                .map(|(key, value)| KeyValue {
                    key: key.to_owned(),
                    value: Some(converted(&value)),
                })
                .collect(),
        }),
        Value::Error(error) => Any::Text(error.to_string()),
    };
    any(content)
}

/// A whole number, or its digits where OTLP has no number as large.
fn whole<N: TryInto<i64>>(number: N, digits: &impl ToString) -> Any {
    match number.try_into() {
        Ok(number) => Any::Int(number),
        Err(_) => Any::Text(digits.to_string()),
    }
}

fn time_text(time: Timestamp) -> String {
    time.to_string()
}

fn bytes_of_hex(text: &str, len: usize) -> Option<Vec<u8>> {
    if text.len() != len * 2 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = (0..len).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok());
    pairs.collect()
}

fn any(content: Any) -> AnyValue {
    AnyValue {
        content: Some(content),
    }
}

fn pair(key: &str, content: Any) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(any(content)),
    }
}

#[derive(Clone, PartialEq, Message)]
struct LogsData {
    #[prost(message, repeated, tag = "1")]
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceLogs {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_logs: Vec<ScopeLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeLogs {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    log_records: Vec<LogRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct LogRecord {
    #[prost(fixed64, tag = "1")]
    time: u64,
    #[prost(int32, tag = "2")]
    severity_number: i32,
    #[prost(string, tag = "3")]
    severity_text: String,
    #[prost(message, optional, tag = "5")]
    body: Option<AnyValue>,
    #[prost(message, repeated, tag = "6")]
    attributes: Vec<KeyValue>,
    #[prost(bytes = "vec", tag = "9")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")]
    span_id: Vec<u8>,
    #[prost(fixed64, tag = "11")]
    observed: u64,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Any", tags = "1, 2, 3, 4, 5, 6, 7")]
    content: Option<Any>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Any {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    List(ListValue),
    #[prost(message, tag = "6")]
    Map(MapValue),
    #[prost(bytes = "vec", tag = "7")]
    Bytes(Vec<u8>),
}

#[derive(Clone, PartialEq, Message)]
struct ListValue {
    #[prost(message, repeated, tag = "1")]
    values: Vec<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct MapValue {
    #[prost(message, repeated, tag = "1")]
    values: Vec<KeyValue>,
}

#[cfg(test)]
mod tests {
    use rolog_core::frame::Batch;

    use super::*;
    use crate::testing;

    #[test]
    fn a_record_is_a_log_record_with_its_data_as_attributes() {
        let bytes = testing::one_of_each();
        let batch = Batch::parse(&bytes).unwrap();
        let resource = BTreeMap::from([("service.name".to_owned(), "shop".to_owned())]);
        let mut out = Vec::new();
        Otlp::new(false, &resource).write(&batch.get(0).unwrap(), &mut out);
        let data = LogsData::decode(&out[..]).unwrap();
        let logs = &data.resource_logs[0];
        let service = pair("service.name", Any::Text("shop".into()));
        assert_eq!(logs.resource.as_ref().unwrap().attributes, [service]);
        let scope = &logs.scope_logs[0];
        assert_eq!(scope.scope.as_ref().unwrap().name, "shop.db");
        let log = &scope.log_records[0];
        assert_eq!(
            (log.severity_number, log.severity_text.as_str()),
            (13, "warning")
        );
        assert_eq!(log.time, 1_000_000_007);
        assert_eq!(log.trace_id, (0..16).collect::<Vec<u8>>());
        let body = log.body.clone().unwrap();
        assert_eq!(body, any(Any::Text("order accepted".into())));
        for expected in [
            pair("user", Any::Text("Ada".into())),
            pair("count", Any::Int(-7)),
            pair("large", Any::Text(u64::MAX.to_string())),
        ] {
            assert!(log.attributes.contains(&expected), "{:?}", log.attributes);
        }
    }

    #[test]
    fn only_hexadecimal_digits_are_an_id() {
        assert_eq!(bytes_of_hex("00ff", 2), Some(vec![0, 255]));
        for wrong in ["00f", "00fg", "+0ff", "00ff0"] {
            assert_eq!(bytes_of_hex(wrong, 2), None, "{wrong}");
        }
    }
}
