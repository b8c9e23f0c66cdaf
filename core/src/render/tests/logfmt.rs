//! The keys of a logfmt line: each stands there once, whatever the data are called.

use std::collections::HashSet;

use proptest::prelude::*;

use super::Draft;
use super::shapes::logfmt;
use crate::frame::{Origin, OriginKind, flags};
use crate::value::{Encoder, OwnedError, OwnedValue};

fn an_error() -> OwnedValue {
    OwnedValue::Error(OwnedError {
        type_name: "E".into(),
        text: "broke".into(),
        sources: vec!["why".into()],
        backtrace: Some("where".into()),
    })
}

fn map(entries: &[(&str, OwnedValue)]) -> OwnedValue {
    let owned = |(key, value): &(&str, OwnedValue)| ((*key).to_owned(), value.clone());
    OwnedValue::Map(entries.iter().map(owned).collect())
}

/// A record of these fields; one that has trouble has an error and an origin too.
fn draft(has_trouble: bool, fields: &[(&str, OwnedValue)]) -> Draft {
    let fill = |values: &mut Encoder<'_>| {
        for (key, value) in fields {
            values.key(key).owned(value);
        }
    };
    if !has_trouble {
        return Draft::saying("m", fill);
    }
    let mut draft = Draft::free(flags::MESSAGE | flags::ERROR, |values| {
        values.key("m").owned(&an_error());
        fill(values);
    });
    draft.origin = Origin {
        kind: OriginKind::Pipeline,
        ..Origin::SERVICE
    };
    draft
}

/// The keys of a line.
fn keys(line: &str) -> Vec<&str> {
    let mut keys = Vec::new();
    let mut rest = line;
    while let Some((key, value)) = rest.split_once('=') {
        keys.push(key);
        let mut within = false;
        let mut escaped = false;
        let end = value.find(|c| {
            let ends = c == ' ' && !within;
            within ^= c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        rest = end.map_or("", |end| &value[end + 1..]);
    }
    keys
}

/// What the line has of the fields.
fn told(has_trouble: bool, fields: &[(&str, OwnedValue)]) -> String {
    let line = logfmt(&draft(has_trouble, fields));
    let (_, told) = line.split_once(" message=m").unwrap();
    let end = if has_trouble {
        " error=broke"
    } else {
        " record_id="
    };
    let end = told.rfind(end).unwrap();
    told[..end].trim_start().to_owned()
}

#[test]
fn a_key_that_comes_out_as_a_parts_name_is_moved_like_one_that_is() {
    let n = OwnedValue::U64;
    for (trouble, fields, line) in [
        (
            false,
            &[("record id", n(1)), ("level", n(2))][..],
            "fields.record_id=1 fields.level=2",
        ),
        (
            false,
            &[("fields.level", n(1)), ("level", n(2))],
            "fields.fields.level=1 fields.level=2",
        ),
        (
            false,
            &[("error.type", n(1)), ("origin.kind", n(2))],
            "error.type=1 origin.kind=2",
        ),
        (
            true,
            &[
                ("error.type", n(1)),
                ("origin.kind", n(2)),
                ("error.code", n(3)),
            ],
            "fields.error.type=1 fields.origin.kind=2 error.code=3",
        ),
        (
            false,
            &[("a b", n(1)), ("a_b", n(2)), ("a=b", n(3))],
            "a_b=1 fields.a_b=2",
        ),
        (
            false,
            &[
                ("a", map(&[("b", n(1)), ("b c", n(2)), ("b_c", n(3))])),
                ("a.b", n(4)),
            ],
            "a.b=1 a.b_c=2 fields.a.b_c=3 fields.a.b=4",
        ),
        (
            false,
            &[("e.type", n(1)), ("e", an_error())],
            "e.type=1 e=broke fields.e.type=E e.sources=\"[\\\"why\\\"]\" e.backtrace=where",
        ),
        (false, &[("n", n(1)), ("n", n(2))], "n=1"),
    ] {
        assert_eq!(told(trouble, fields), line);
    }
}

#[test]
fn many_keys_are_told_apart_too() {
    let keys: Vec<String> = (0..5000)
        .flat_map(|n| [format!("k{n:05} k"), format!("k{n:05}_k")])
        .collect();
    let n = OwnedValue::U64(7);
    let fields: Vec<_> = keys.iter().map(|key| (&**key, n.clone())).collect();
    let expected: Vec<_> = (0..5000)
        .map(|n| format!("k{n:05}_k=7 fields.k{n:05}_k=7"))
        .collect();
    assert_eq!(told(true, &fields), expected.join(" "));
}

fn a_key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a",
        "a.b",
        "a b",
        "a_b",
        "b",
        "type",
        "",
        "_",
        "level",
        "fields",
        "fields.level",
        "error",
        "error.type",
        "origin.kind",
        "record id",
        "fields.a_b",
        "fields.record_id",
    ])
}

fn a_value() -> impl Strategy<Value = OwnedValue> {
    let leaf = prop_oneof![
        Just(OwnedValue::Str(" x=\"1\" ".into())),
        Just(OwnedValue::U64(7)),
        Just(an_error()),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop::collection::vec((a_key().prop_map(str::to_owned), inner), 0..4)
            .prop_map(OwnedValue::Map)
    })
}

proptest! {
    #[test]
    fn each_key_of_a_line_stands_there_once(
        trouble: bool, fields in prop::collection::vec((a_key(), a_value()), 0..50),
    ) {
        let line = logfmt(&draft(trouble, &fields));
        let mut seen = HashSet::new();
        for key in keys(&line) {
            prop_assert!(seen.insert(key), "{key} twice in {line}");
        }
    }
}
