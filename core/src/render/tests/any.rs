//! Any message. That any record reads back equal is shown from end to end, in `tests/round_trip.rs`.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{Draft, ORDER, order};
use crate::call_site::CallSite;
use crate::frame::flags;
use crate::level::Level;
use crate::render::{JsonLine, TextLine};
use crate::value::{Encoder, OwnedValue, Timestamp};

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
        any::<bool>().prop_map(OwnedValue::Bool),
        (any::<u64>(), 0..64_u32).prop_map(|(n, by)| OwnedValue::U64(n >> by)),
        (any::<u128>(), 0..128_u32).prop_map(|(n, by)| OwnedValue::U128(n >> by)),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(OwnedValue::List),
            prop::collection::vec((any::<String>(), inner), 0..4).prop_map(OwnedValue::Map),
        ]
    })
}

static PAIR: CallSite = CallSite::new(
    "{second} {{{first}}} {}",
    0,
    &["first", "second"],
    "shop::db",
    "src/db.rs",
    30,
);

proptest! {
    #[test]
    fn what_is_written_in_one_go_is_what_is_written_part_by_part(
        first in any_value(), second in any_value(), added in any::<Option<i64>>(), warn: bool,
    ) {
        let fill = |values: &mut Encoder<'_>| {
            values.owned(&first);
            values.owned(&second);
            if let Some(added) = added {
                values.key("time");
                values.i64(added);
                values.key("added");
                values.i64(added);
            }
        };
        let level = if warn { Level::Warning } else { Level::Information };
        let whole = Draft { level, ..Draft::at(&PAIR, fill) };
        // Arguments of the record's own, even none, make a closer look necessary.
        let parts = Draft { level, flags: flags::ARGS, ..Draft::at(&PAIR, |values| {
            values.list(|_| {});
            fill(values);
        }) };
        let (mut json, mut text) = (JsonLine::new(), TextLine::new().with_colors(true));
        // Twice, as the first line of a call site and as one that follows.
        for _ in 0..2 {
            prop_assert_eq!(whole.json_line(&mut json), parts.json_line(&mut json));
            prop_assert_eq!(whole.text_line(&mut text), parts.text_line(&mut text));
        }
        order().json_line(&mut json);
    }

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
