//! What the tests of this module read lines with, and the properties that hold for every line.

use proptest::prelude::*;
use rolog_core::Level;
use rolog_core::frame::{Batch, BatchBuilder, FrameMeta, LoggerRef, Origin, RecordId, ThreadRef};
use rolog_core::value::{OwnedValue, Timestamp};
use serde_json::{Map, Number, Value};

use super::{Kind, LineCounts, Options, Parser, RawLine};

/// A parsed line that owns its parts, the fields as they come out of a frame.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) time: Option<i64>,
    pub(super) level: Option<Level>,
    pub(super) logger: Option<String>,
    pub(super) message: String,
    pub(super) fields: Vec<(String, OwnedValue)>,
    pub(super) kind: Kind,
    pub(super) counts: LineCounts,
}

impl Parsed {
    /// The fields as an object of JSON.
    pub(super) fn json(&self) -> Value {
        json(&OwnedValue::Map(self.fields.clone()))
    }
}

/// Reads a line that is not blank.
pub(super) fn parse(bytes: &[u8], limit: usize) -> Parsed {
    parse_with(bytes, limit, Options::default())
}

/// The same, as these options say.
pub(super) fn parse_with(bytes: &[u8], limit: usize, options: Options) -> Parsed {
    let mut parser = Parser::with(limit, options.into());
    let line = RawLine {
        bytes,
        truncated: false,
        number: 1,
    };
    let record = parser.parse(line).unwrap();
    let mut payload = Vec::new();
    let meta = FrameMeta {
        id: RecordId {
            epoch: 1,
            sequence: 1,
        },
        time: Timestamp::default(),
        observed: None,
        level: Level::Information,
        generation: 0,
        flags: record.encode("default", &mut payload),
        call_site: None,
        logger: LoggerRef { id: 0, name: "" },
        thread: ThreadRef { id: 0, name: "" },
        origin: Origin::SERVICE,
    };
    let mut batch = BatchBuilder::new(1);
    batch.push(&meta, &payload);
    let bytes = batch.finish();
    let batch = Batch::parse(&bytes).unwrap();
    let frame = batch.get(0).unwrap();
    assert_eq!(frame.logger(), record.logger.unwrap_or("default"));
    assert_eq!(frame.literal(), Some(record.message));
    let fields = frame
        .fields()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let (time, level, kind) = (record.time.map(Timestamp::nanos), record.level, record.kind);
    let (logger, message) = (record.logger.map(str::to_owned), record.message.to_owned());
    Parsed {
        time,
        level,
        logger,
        message,
        fields,
        kind,
        counts: parser.counts(),
    }
}

fn json(value: &OwnedValue) -> Value {
    match value {
        OwnedValue::Null => Value::Null,
        OwnedValue::Bool(value) => Value::Bool(*value),
        OwnedValue::I64(number) => Value::from(*number),
        OwnedValue::U64(number) => Value::from(*number),
        OwnedValue::F64(number) => Value::Number(Number::from_f64(*number).unwrap()),
        OwnedValue::Str(text) => Value::from(text.as_str()),
        OwnedValue::List(items) => items.iter().map(json).collect(),
        OwnedValue::Map(entries) => {
            let object: Map<_, _> = entries
                .iter()
                .map(|(key, value)| (key.clone(), json(value)))
                .collect();
            Value::Object(object)
        }
        other => panic!("JSON has no {other:?}"),
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..8)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_object_comes_out_with_its_fields(
        entries in prop::collection::hash_map("[a-z\\PC]{0,9}", any_json(), 0..9),
    ) {
        // A key of its own cannot be mistaken for a part of the record.
        let object: Map<_, _> = entries
            .into_iter()
            .map(|(key, value)| (format!("_{key}"), value))
            .collect();
        let line = Value::Object(object.clone()).to_string();
        let parsed = parse(line.as_bytes(), 1 << 20);
        prop_assert_eq!(parsed.kind, Kind::Json);
        prop_assert_eq!(parsed.json(), Value::Object(object));
    }

    #[test]
    fn a_part_is_found_between_any_fields_and_no_other_is_touched(
        before in any_json(),
        after in any_json(),
        message in any::<String>(),
        name in ".{1,40}",
    ) {
        let text = |text: &str| Value::from(text).to_string();
        let line = format!(
            r#"{{"_a":{before},"msg":{},"_b":{after},"logger":{},"level":"err"}}"#,
            text(&message),
            text(&name),
        );
        let parsed = parse(line.as_bytes(), 1 << 20);
        prop_assert_eq!(&parsed.message, &message);
        prop_assert_eq!(parsed.logger.as_deref(), Some(name.as_str()));
        prop_assert_eq!(parsed.level, Some(Level::Error));
        prop_assert_eq!(parsed.json(), serde_json::json!({"_a": before, "_b": after}));
    }

    #[test]
    fn no_input_breaks_a_promise(data in prop::collection::vec(any::<u8>(), 0..2000)) {
        super::fuzz(&data);
    }

    #[test]
    fn nothing_that_looks_like_json_breaks_a_promise(
        head in any::<[u8; 2]>(),
        text in r#"([{}\[\],:"\\0-9eE.\-\n\x00 ]|"msg"|"ts"|null|\{"level":){0,200}"#,
    ) {
        super::fuzz(&[&head, text.as_bytes()].concat());
    }
}
