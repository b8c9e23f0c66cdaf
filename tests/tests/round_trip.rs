//! What goes in comes out equal: any record, through a thread's ring, the pump, frames, a loaded
//! plugin and a JSON line that another parser reads.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use rolog_core::Level;
use rolog_core::value::{Encoder, OwnedError, OwnedValue, Timestamp};
use rolog_host::config::{self, Env};
use rolog_host::{Host, MemoryRecord};
use rolog_tests::artifacts;
use serde_json::{Map, Value, json};

const DEADLINE: Duration = Duration::from_secs(30);

/// A record as the service logs it.
#[derive(Clone, Debug)]
struct Draft {
    level: Level,
    message: String,
    fields: Vec<(String, OwnedValue)>,
}

/// The names that a JSON line gives to the record's own parts.
const TAKEN: [&str; 16] = [
    "time",
    "level",
    "logger",
    "message",
    "template",
    "args",
    "fields",
    "error",
    "observed",
    "origin",
    "truncated",
    "module",
    "file",
    "line",
    "thread",
    "record_id",
];

#[allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]
fn start(folder: &Path) -> Host {
    let yaml = format!(
        "
version: 1
plugins: {{ search: [{}] }}
levels: {{ '**': trace }}
targets:
  file: {{ plugin: file, config: {{ path: out.jsonl, fsync: never }} }}
  memory: {{ plugin: memory }}
routes:
  - to: [file, memory]
",
        artifacts::library_folder().display()
    );
    let spec = config::parse(yaml, "test.yaml", folder, &Env::empty());
    let spec = spec.unwrap_or_else(|problems| panic!("{problems}"));
    Host::builder().pipeline(spec).start().unwrap()
}

fn send(host: &Host, draft: &Draft) {
    let mut pairs = Vec::new();
    let mut values = Encoder::new(&mut pairs);
    for (key, value) in &draft.fields {
        values.key(key).owned(value);
    }
    let logger = host.factory().get_logger("round.trip");
    let record = logger.record(draft.level, &draft.message);
    match record.encoded_fields(&pairs) {
        Ok(record) => record.send(),
        Err(error) => panic!("{error}"),
    }
}

/// What the table of JSON lines makes of a value, written down a second time.
fn mapped(value: &OwnedValue) -> Value {
    match value {
        OwnedValue::Null => Value::Null,
        OwnedValue::Bool(value) => json!(value),
        OwnedValue::I64(value) => json!(value),
        OwnedValue::U64(value) => json!(value),
        OwnedValue::I128(value) => match (i64::try_from(*value), u64::try_from(*value)) {
            (Ok(value), _) => json!(value),
            (_, Ok(value)) => json!(value),
            _ => json!(value.to_string()),
        },
        OwnedValue::U128(value) => match u64::try_from(*value) {
            Ok(value) => json!(value),
            Err(_) => json!(value.to_string()),
        },
        OwnedValue::F64(value) if value.is_finite() => json!(value),
        OwnedValue::F64(value) if value.is_nan() => json!("NaN"),
        OwnedValue::F64(value) => json!(if *value > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }),
        OwnedValue::Str(text) => json!(text),
        OwnedValue::Bytes(bytes) => json!(base64(bytes)),
        OwnedValue::Timestamp(time) => json!(time.to_string()),
        OwnedValue::Duration(span) => {
            let digits = format!("{}.{:09}", span.as_secs(), span.subsec_nanos());
            json!(digits.parse::<f64>().expect("digits"))
        }
        OwnedValue::List(items) => items.iter().map(mapped).collect(),
        OwnedValue::Map(entries) => Value::Object(first_of_each(entries)),
        OwnedValue::Error(error) => {
            let mut object = json!({
                "type": error.type_name,
                "text": error.text,
                "sources": error.sources,
            });
            if let Some(backtrace) = &error.backtrace {
                object["backtrace"] = json!(backtrace);
            }
            object
        }
        OwnedValue::Unknown(tag, payload) => {
            json!(format!("unknown:{tag:02x}:{}", base64(payload)))
        }
    }
}

fn first_of_each(entries: &[(String, OwnedValue)]) -> Map<String, Value> {
    let mut object = Map::new();
    for (key, value) in entries {
        object.entry(key).or_insert_with(|| mapped(value));
    }
    object
}

/// By the definition, bit by bit: a second opinion on the renderer's.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            if place <= chunk.len() {
                text.push(char::from(
                    LETTERS[(bits >> (18 - 6 * place) & 63) as usize],
                ));
            } else {
                text.push('=');
            }
        }
    }
    text
}

fn any_text() -> impl Strategy<Value = String> + Clone {
    prop_oneof!["\\PC{0,20}", any::<String>(), "[a-c]{1,2}"]
}

fn any_value() -> impl Strategy<Value = OwnedValue> {
    let error = (
        any_text(),
        any_text(),
        prop::collection::vec(any_text(), 0..3),
    );
    let error = error.prop_map(|(type_name, text, sources)| OwnedError {
        type_name,
        text,
        backtrace: sources.first().cloned(),
        sources,
    });
    let duration = (any::<u64>(), 0..1_000_000_000_u32);
    let leaf = prop_oneof![
        Just(OwnedValue::Null),
        any::<bool>().prop_map(OwnedValue::Bool),
        any::<i64>().prop_map(OwnedValue::I64),
        any::<u64>().prop_map(OwnedValue::U64),
        any::<i128>().prop_map(OwnedValue::I128),
        any::<i32>().prop_map(|n| OwnedValue::I128(n.into())),
        any::<u128>().prop_map(OwnedValue::U128),
        any::<u64>().prop_map(|bits| OwnedValue::F64(f64::from_bits(bits))),
        any::<f32>().prop_map(|n| OwnedValue::F64(n.into())),
        any_text().prop_map(OwnedValue::Str),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(OwnedValue::Bytes),
        any::<i64>().prop_map(|n| OwnedValue::Timestamp(Timestamp::from_nanos(n))),
        duration.prop_map(|(s, n)| OwnedValue::Duration(Duration::new(s, n))),
        error.prop_map(OwnedValue::Error),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(OwnedValue::List),
            prop::collection::vec((any_text(), inner), 0..6).prop_map(OwnedValue::Map),
        ]
    })
}

fn any_draft() -> impl Strategy<Value = Draft> {
    let key = prop_oneof![
        any_text(),
        prop::sample::select(&TAKEN[..]).prop_map(str::to_owned)
    ];
    let level = prop::sample::select(&Level::ALL[..]);
    let fields = prop::collection::vec((key, any_value()), 0..5);
    (level, any_text(), fields).prop_map(|(level, message, fields)| Draft {
        level,
        message,
        fields,
    })
}

fn check(draft: &Draft, kept: &MemoryRecord, line: &str) -> Result<(), TestCaseError> {
    prop_assert_eq!(kept.level, draft.level);
    prop_assert_eq!(&kept.message, &draft.message);
    prop_assert_eq!(&kept.fields, &draft.fields);

    let mut parts: Map<String, Value> = serde_json::from_str(line)
        .map_err(|error| TestCaseError::fail(format!("{error}: {line}")))?;
    prop_assert_eq!(&parts["level"], draft.level.name());
    prop_assert_eq!(&parts["message"], &draft.message);
    prop_assert_eq!(&parts["logger"], "round.trip");
    prop_assert_eq!(&parts["record_id"], &kept.id.to_string());
    prop_assert_eq!(&parts["time"], &kept.time.to_string());
    let apart = match parts.remove("fields") {
        Some(Value::Object(apart)) => apart,
        Some(other) => return Err(TestCaseError::fail(format!("fields: {other}"))),
        None => Map::new(),
    };
    parts.retain(|key, _| !TAKEN.contains(&key.as_str()));
    let (taken, free): (Map<_, _>, Map<_, _>) = first_of_each(&draft.fields)
        .into_iter()
        .partition(|(key, _)| TAKEN.contains(&key.as_str()));
    prop_assert_eq!(apart, taken);
    prop_assert_eq!(parts, free);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_record_comes_out_as_it_went_in(drafts in prop::collection::vec(any_draft(), 1..20)) {
        let folder = tempfile::tempdir().unwrap();
        let host = start(folder.path());
        for draft in &drafts {
            send(&host, draft);
        }
        prop_assert_eq!(host.flush_blocking(DEADLINE), 0);
        let kept = host.memory("memory").expect("a memory target").take();
        let written = std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
        prop_assert_eq!(kept.len(), drafts.len());
        prop_assert_eq!(written.lines().count(), drafts.len());
        for ((draft, kept), line) in drafts.iter().zip(&kept).zip(written.lines()) {
            check(draft, kept, line)?;
        }
        let report = host.dispose_blocking(DEADLINE);
        prop_assert!(report.is_complete() && report.ledger.balances(), "{}", report);
    }
}
