//! OTLP logs data in protobuf: what the OpenTelemetry collector's Kafka receiver reads as
//! `otlp_proto`.

use std::collections::BTreeMap;

use rolog_core::frame::Record;
use rolog_core::render::OtlpProto;
use rolog_core::render::otlp::wire;

/// Writes a `LogsData` of one record, as [`rolog_core::render::otlp`] has it, with its logger as the
/// scope.
pub(crate) struct Otlp {
    /// The field of the resource, whole.
    resource: Vec<u8>,
    records: OtlpProto,
    /// The fields of the scope and of the record, whose lengths stand before them.
    scope_logs: Vec<u8>,
}

impl Otlp {
    pub(super) fn new(source: bool, resource: &BTreeMap<String, String>) -> Self {
        let attributes = resource.iter().map(|(name, text)| (&**name, &**text));
        let mut resource = Vec::new();
        wire::message(1, &mut resource, |out| {
            OtlpProto::attributes(attributes, out);
        });
        Otlp {
            resource,
            records: OtlpProto::new().with_source(source),
            scope_logs: Vec::new(),
        }
    }

    pub(super) fn write(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let logs = &mut self.scope_logs;
        logs.clear();
        let logger = record.logger().as_bytes();
        wire::message(1, logs, |out| wire::bytes(1, logger, out));
        self.records.log_record(record, logs);
        wire::head(1, self.resource.len() + wire::field_len(logs.len()), out);
        out.extend_from_slice(&self.resource);
        wire::bytes(2, logs, out);
    }
}

#[cfg(test)]
mod tests {
    use prost::{Message, Oneof};
    use rolog_core::frame::Batch;

    use super::*;
    use crate::testing;

    #[test]
    fn a_record_is_a_log_record_with_its_data_as_attributes() {
        let bytes = testing::one_of_each();
        let batch = Batch::parse(&bytes).unwrap();
        let resource = BTreeMap::from([("service.name".to_owned(), "shop".to_owned())]);
        let mut otlp = Otlp::new(false, &resource);
        let mut out = Vec::new();
        otlp.write(&batch.get(0).unwrap(), &mut out);
        let data = LogsData::decode(&out[..]).unwrap();
        let [logs] = &data.resource_logs[..] else {
            panic!("{data:?}")
        };
        let service = pair("service.name", Any::Text("shop".into()));
        assert_eq!(logs.resource.as_ref().unwrap().attributes, [service]);
        let [scope] = &logs.scope_logs[..] else {
            panic!("{data:?}")
        };
        assert_eq!(scope.scope.as_ref().unwrap().name, "shop.db");
        let [log] = &scope.log_records[..] else {
            panic!("{data:?}")
        };
        assert_eq!(
            (log.severity_number, log.severity_text.as_str()),
            (13, "warning")
        );
        assert_eq!([log.time, log.observed], [1_000_000_007; 2]);
        assert_eq!(log.trace_id, (0..16).collect::<Vec<u8>>());
        assert_eq!(log.body, Some(any(Any::Text("order accepted".into()))));
        let uid = "000000000000000000000000000000ab-0000000000000005";
        assert_eq!(
            log.attributes,
            [
                pair("user", Any::Text("Ada".into())),
                pair("count", Any::Int(-7)),
                pair("large", Any::Text(u64::MAX.to_string())),
                KeyValue {
                    key: "nothing".into(),
                    value: None,
                },
                pair("level", Any::Text("high".into())),
                pair("bytes", Any::Bytes(vec![1, 2, 3])),
                pair("log.record.uid", Any::Text(uid.into())),
            ]
        );
        // Nothing of it is in the next.
        let mut again = Vec::new();
        otlp.write(&batch.get(0).unwrap(), &mut again);
        assert_eq!(again, out);
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
}
