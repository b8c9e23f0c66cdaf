//! Any record at all, against the table written down a second time.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Map as Object, Value as Json, json};

use super::{Draft, ORDER};
use crate::frame::flags;
use crate::value::{OwnedError, OwnedValue, Timestamp};

/// What the table makes of a value, written down a second time.
fn mapped(value: &OwnedValue) -> Json {
    match value {
        OwnedValue::Null => Json::Null,
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
            json!(digits.parse::<f64>().unwrap())
        }
        OwnedValue::List(items) => items.iter().map(mapped).collect(),
        OwnedValue::Map(entries) => {
            let mut object = Object::new();
            for (key, value) in entries {
                object.entry(key).or_insert_with(|| mapped(value));
            }
            Json::Object(object)
        }
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

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn any_value() -> impl Strategy<Value = OwnedValue> {
    let text = prop_oneof!["\\PC{0,20}", any::<String>(), "[a-c]{1,2}"];
    let error = (
        text.clone(),
        text.clone(),
        prop::collection::vec(any::<String>(), 0..3),
    )
        .prop_map(|(type_name, text, sources)| OwnedError {
            type_name,
            text,
            backtrace: sources.first().cloned(),
            sources,
        });
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
        text.clone().prop_map(OwnedValue::Str),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(OwnedValue::Bytes),
        any::<i64>().prop_map(|n| OwnedValue::Timestamp(Timestamp::from_nanos(n))),
        (any::<u64>(), 0..1_000_000_000_u32)
            .prop_map(|(s, n)| OwnedValue::Duration(Duration::new(s, n))),
        error.prop_map(OwnedValue::Error),
    ];
    leaf.prop_recursive(6, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(OwnedValue::List),
            prop::collection::vec((text.clone(), inner), 0..6).prop_map(OwnedValue::Map),
        ]
    })
}

proptest! {
    #[test]
    fn any_record_parses_and_equals_the_mapping(
        message in any::<String>(),
        fields in prop::collection::vec((prop_oneof!["[a-z]{1,2}", any::<String>(), Just("level".to_owned())], any_value()), 0..5),
        args in prop::collection::vec(any_value(), 0..4),
    ) {
        let draft = Draft::free(flags::MESSAGE | flags::ARGS, |values| {
            values.key(&message);
            values.list(|list| args.iter().for_each(|arg| list.owned(arg)));
            for (key, value) in &fields {
 values.key(key).owned(value);
 }
        });
        let line = draft.json();
        prop_assert_eq!(&line["message"], &json!(message));
        if !args.is_empty() {
            prop_assert_eq!(&line["args"], &args.iter().map(mapped).collect::<Json>());
        }
        let mut seen = Vec::new();
        for (key, value) in &fields {
            if seen.contains(&key) {
                continue;
            }
            seen.push(key);
            let found = line.get("fields").and_then(|apart| apart.get(key)).or(line.get(key));
            prop_assert_eq!(found, Some(&mapped(value)));
        }
        // One line, whatever is in it.
        draft.text();
    }

    #[test]
    fn any_filled_message_is_what_display_says(id in any_value(), arg in any_value(), total in any_value()) {
        let draft = Draft::at(&ORDER, |values| {
            values.owned(&arg);
            values.owned(&id);
            values.owned(&total);
        });
        let line = draft.json();
        prop_assert_eq!(&line["message"], &json!(draft.message()));
    }
}
