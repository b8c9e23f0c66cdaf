//! Any message. That any record reads back equal is shown from end to end, in `tests/round_trip.rs`.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{Draft, ORDER};
use crate::value::{OwnedValue, Timestamp};

pub(super) fn any_value() -> impl Strategy<Value = OwnedValue> {
    let leaf = prop_oneof![
        Just(OwnedValue::Null),
        any::<i64>().prop_map(OwnedValue::I64),
        any::<i128>().prop_map(OwnedValue::I128),
        any::<u64>().prop_map(|bits| OwnedValue::F64(f64::from_bits(bits))),
        any::<f32>().prop_map(|n| OwnedValue::F64(n.into())),
        any::<String>().prop_map(OwnedValue::Str),
        any::<Vec<u8>>().prop_map(OwnedValue::Bytes),
        any::<i64>().prop_map(|n| OwnedValue::Timestamp(Timestamp::from_nanos(n))),
        any::<Duration>().prop_map(OwnedValue::Duration),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(OwnedValue::List),
            prop::collection::vec((any::<String>(), inner), 0..4).prop_map(OwnedValue::Map),
        ]
    })
}

proptest! {
    #[test]
    fn a_filled_message_is_what_display_says(id in any_value(), arg in any_value()) {
        let draft = Draft::at(&ORDER, |values| {
            values.owned(&arg);
            values.owned(&id);
            values.null();
        });
        let line: Json = draft.json();
        prop_assert_eq!(&line["message"], &json!(draft.message()));
        // One line, whatever is in it.
        draft.text();
    }
}
