//! Protobuf, read by the published messages and told in their JSON.

use base64::Engine as _;
use serde_json::{Map, Value, json};

use crate::render::otlp::wire::{Held, fields};

/// A field of a message: number, name, kind.
type Field = (u64, &'static str, Kind);

#[derive(Clone, Copy)]
enum Kind {
    One(Message),
    Many(Message),
    Text,
    Hex,
    Base64,
    /// A 64-bit integer, which JSON has as a string.
    Long,
    Int,
    Bool,
    Double,
}

/// The published messages.
#[derive(Clone, Copy)]
pub(super) enum Message {
    LogRecord,
    KeyValue,
    AnyValue,
    ArrayValue,
    KeyValueList,
}

impl Message {
    /// Its fields, as far as they are used.
    fn fields(self) -> &'static [Field] {
        use Kind::{Base64, Bool, Double, Hex, Int, Long, Many, One, Text};
        use Message::{AnyValue, ArrayValue, KeyValue, KeyValueList, LogRecord};
        match self {
            LogRecord => &[
                (1, "timeUnixNano", Long),
                (2, "severityNumber", Int),
                (3, "severityText", Text),
                (5, "body", One(AnyValue)),
                (6, "attributes", Many(KeyValue)),
                (9, "traceId", Hex),
                (10, "spanId", Hex),
                (11, "observedTimeUnixNano", Long),
            ],
            KeyValue => &[(1, "key", Text), (2, "value", One(AnyValue))],
            AnyValue => &[
                (1, "stringValue", Text),
                (2, "boolValue", Bool),
                (3, "intValue", Long),
                (4, "doubleValue", Double),
                (5, "arrayValue", One(ArrayValue)),
                (6, "kvlistValue", One(KeyValueList)),
                (7, "bytesValue", Base64),
            ],
            ArrayValue => &[(1, "values", Many(AnyValue))],
            KeyValueList => &[(1, "values", Many(KeyValue))],
        }
    }
}

/// A message in the JSON that the protocol has for it.
pub(super) fn message(bytes: &[u8], known: Message) -> Value {
    let mut object = Map::new();
    if let Message::ArrayValue | Message::KeyValueList = known {
        object.insert("values".to_owned(), json!([]));
    }
    for (number, held) in fields(bytes).expect("it is a message") {
        let (_, name, kind) = known
            .fields()
            .iter()
            .find(|field| field.0 == number)
            .unwrap_or_else(|| panic!("there is no field {number}"));
        let value = match (kind, held) {
            (Kind::One(inner), Held::Bytes(bytes)) => message(bytes, *inner),
            (Kind::Many(inner), Held::Bytes(bytes)) => {
                let list = object.entry(*name).or_insert(json!([]));
                list.as_array_mut().unwrap().push(message(bytes, *inner));
                continue;
            }
            (Kind::Text, Held::Bytes(bytes)) => json!(std::str::from_utf8(bytes).unwrap()),
            (Kind::Hex, Held::Bytes(bytes)) => {
                let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
                json!(digits.collect::<String>())
            }
            (Kind::Base64, Held::Bytes(bytes)) => {
                json!(base64::engine::general_purpose::STANDARD.encode(bytes))
            }
            (Kind::Long, Held::Number(number)) => json!((number as i64).to_string()),
            (Kind::Long, Held::Fixed(number)) => json!(number.to_string()),
            (Kind::Int, Held::Number(number)) => json!(number),
            (Kind::Bool, Held::Number(number)) => json!(number == 1),
            (Kind::Double, Held::Fixed(bits)) => match f64::from_bits(bits) {
                number if number.is_nan() => json!("NaN"),
                f64::INFINITY => json!("Infinity"),
                f64::NEG_INFINITY => json!("-Infinity"),
                number => json!(number),
            },
            (_, held) => panic!("{name} holds {held:?}"),
        };
        assert!(
            object.insert((*name).to_owned(), value).is_none(),
            "{name} comes twice"
        );
    }
    Value::Object(object)
}
