//! The JSON line's two tables, row by row.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::super::JsonLine;
use super::{Draft, order};
use crate::call_site::CallSite;
use crate::delivery::Class;
use crate::frame::{Origin, OriginKind, flags};
use crate::level::Level;
use crate::value::OwnedValue as V;
use crate::value::{Encoder, OwnedError, Timestamp};

#[test]
fn the_parts_of_a_json_line_in_their_order() {
    let mut renderer = JsonLine::new();
    for _ in 0..2 {
        assert_eq!(
            order().json_line(&mut renderer),
            "{\"time\":\"2026-11-22T11:15:00.123456789Z\",\"level\":\"info\",\"logger\":\"shop.db\",\
             \"message\":\"order 42 of Ada \\\"L.\\\" accepted\",\
             \"template\":\"order {id} of {} accepted\",\"args\":[\"Ada \\\"L.\\\"\"],\
             \"id\":42,\"total\":19.99,\
             \"record_id\":\"0000000000000000000000000000feed-000000000000002a\"}"
        );
    }
}

#[test]
fn the_place_in_the_source_on_request() {
    let mut renderer = JsonLine::new().with_source(true);
    let line: Json = serde_json::from_str(&order().json_line(&mut renderer)).unwrap();
    assert_eq!(line["module"], "shop::db");
    assert_eq!(line["file"], "src/db.rs");
    assert_eq!(line["line"], 12);
    assert_eq!(line["thread"], "worker \"1\"");
    let mut renderer = renderer.with_source(false);
    let line: Json = serde_json::from_str(&order().json_line(&mut renderer)).unwrap();
    assert!(line.get("module").is_none() && line.get("thread").is_none());
}

#[test]
fn every_level_by_its_name() {
    for level in Level::ALL {
        let draft = Draft {
            level,
            ..Draft::saying("x", |_| {})
        };
        assert_eq!(draft.json()["level"], level.name());
    }
}

#[test]
fn a_literal_message_is_not_a_template() {
    let line = Draft::saying("{braces}\nstay", |_| {}).json();
    assert_eq!(line["message"], "{braces}\nstay");
    assert!(line.get("template").is_none() && line.get("args").is_none());
}

#[test]
fn a_template_without_holes_is_not_repeated() {
    static PLAIN: CallSite = CallSite::new("{{ready}}", 0, &[], "m", "f.rs", 1);
    let line = Draft::at(&PLAIN, |_| {}).json();
    assert_eq!(line["message"], "{ready}");
    assert!(line.get("template").is_none());
}

#[test]
fn a_literal_message_at_a_call_site_with_a_template_leaves_the_template_to_the_others() {
    let mut renderer = JsonLine::new();
    let mut said = order();
    said.flags |= flags::MESSAGE;
    let mut payload = Vec::new();
    Encoder::new(&mut payload).key("something else");
    said.payload.splice(0..0, payload);
    let line: Json = serde_json::from_str(&said.json_line(&mut renderer)).unwrap();
    assert_eq!(line["message"], "something else");
    assert!(line.get("template").is_none());
    assert_eq!(line["total"], 19.99);
    let line: Json = serde_json::from_str(&order().json_line(&mut renderer)).unwrap();
    assert_eq!(line["message"], "order 42 of Ada \"L.\" accepted");
}

#[test]
fn keys_that_the_record_itself_has_stand_under_fields() {
    static COLLIDING: CallSite =
        CallSite::new("m", 0, &["level", "a", "error", "fields"], "m", "f.rs", 2);
    let line = Draft::at(&COLLIDING, |values| {
        values.str("mine");
        values.u64(1);
        values.null();
        values.bool(true);
        values.key("record_id").u64(7);
        values.key("b").u64(2);
    })
    .json();
    assert_eq!(line["level"], "info");
    assert_eq!((&line["a"], &line["b"]), (&json!(1), &json!(2)));
    assert_eq!(
        line["fields"],
        json!({"level": "mine", "error": null, "fields": true, "record_id": 7})
    );
}

#[test]
fn of_a_key_that_comes_twice_the_first_value_is_written() {
    static TWICE: CallSite = CallSite::new("m", 0, &["a", "level", "a"], "m", "f.rs", 3);
    let draft = Draft::at(&TWICE, |values| {
        values.u64(1);
        values.u64(2);
        values.u64(3);
        values.key("level").u64(4);
        values.key("b").map(|map| {
            map.key("x").u64(5);
            map.key("x").u64(6);
        });
        values.key("a").u64(7);
        values.key("b").u64(8);
    });
    let line = draft.json_line(&mut JsonLine::new());
    assert!(line.contains("\"a\":1,\"b\":{\"x\":5},\"fields\":{\"level\":2},\"record_id\""));
    assert!(draft.text().ends_with("  m  a=1 level=2 b={\"x\":5}"));
}

#[test]
fn a_field_of_the_single_record_fills_a_hole_that_the_call_site_leaves_open() {
    static OPEN: CallSite = CallSite::new("{user} {} {1} {}", 2, &["n"], "m", "f.rs", 4);
    let mut renderer = JsonLine::new();
    let with = |user: Option<&str>| {
        Draft::at(&OPEN, |values| {
            values.str("first");
            values.str("second");
            values.u64(0);
            if let Some(user) = user {
                values.key("user").str(user);
            }
        })
    };
    for draft in [with(None), with(Some("ada")), with(None)] {
        let line: Json = serde_json::from_str(&draft.json_line(&mut renderer)).unwrap();
        assert_eq!(line["message"], draft.message());
    }
    assert_eq!(
        with(Some("ada")).json()["message"],
        "ada first second second"
    );
    assert_eq!(with(None).json()["message"], "first second second {}");
}

#[test]
fn each_kind_of_value_as_the_table_says() {
    let error = OwnedError {
        type_name: "io::Error".into(),
        text: "refused".into(),
        sources: vec!["a".into(), "b".into()],
        backtrace: Some("0: main".into()),
    };
    let silent = OwnedError {
        sources: Vec::new(),
        backtrace: None,
        ..error.clone()
    };
    let rows = [
        (V::Null, "null"),
        (V::Bool(true), "true"),
        (V::Bool(false), "false"),
        (V::I64(i64::MIN), "-9223372036854775808"),
        (V::U64(u64::MAX), "18446744073709551615"),
        (V::I128(-5), "-5"),
        (V::I128(i128::from(u64::MAX)), "18446744073709551615"),
        (
            V::I128(i128::from(i64::MIN) - 1),
            "\"-9223372036854775809\"",
        ),
        (V::U128(5), "5"),
        (
            V::U128(u128::from(u64::MAX) + 1),
            "\"18446744073709551616\"",
        ),
        (V::F64(0.1), "0.1"),
        (V::F64(2.0), "2.0"),
        (V::F64(f64::NAN), "\"NaN\""),
        (V::F64(f64::INFINITY), "\"Infinity\""),
        (V::F64(f64::NEG_INFINITY), "\"-Infinity\""),
        (V::Str("a\0\n\"".into()), r#""a\u0000\n\"""#),
        (V::Bytes(vec![0xff, 0]), "\"/wA=\""),
        (
            V::Timestamp(Timestamp::from_nanos(-1)),
            "\"1969-12-31T23:59:59.999999999Z\"",
        ),
        (V::Duration(Duration::from_millis(1500)), "1.5"),
        (V::List(vec![]), "[]"),
        (V::List(vec![V::U64(1), V::Null]), "[1,null]"),
        (V::Map(vec![]), "{}"),
        (
            V::Map(vec![
                ("a\"".into(), V::U64(1)),
                ("b".into(), V::List(vec![])),
            ]),
            r#"{"a\"":1,"b":[]}"#,
        ),
        (
            V::Error(error),
            r#"{"type":"io::Error","text":"refused","sources":["a","b"],"backtrace":"0: main"}"#,
        ),
        (
            V::Error(silent),
            r#"{"type":"io::Error","text":"refused","sources":[]}"#,
        ),
        (V::Unknown(0x65, vec![0; 8]), "\"unknown:65:AAAAAAAAAAA=\""),
    ];
    for (value, expected) in rows {
        let draft = Draft::saying("m", |values| values.key("v").owned(&value));
        let line = draft.json_line(&mut JsonLine::new());
        let rest = line.split_once("\"v\":").unwrap().1;
        assert_eq!(rest.split_once(",\"record_id\"").unwrap().0, expected);
        serde_json::from_str::<Json>(&line).unwrap();
    }
}

#[test]
fn the_error_that_a_record_tells_of_and_what_befell_the_record() {
    let line = Draft {
        observed: Some(Timestamp::from_nanos(0)),
        origin: Origin::given_up(OriginKind::Instance, "app", Class::Timeout, 4),
        ..Draft::free(flags::MESSAGE | flags::ERROR | flags::TRUNCATED, |values| {
            values.key("m");
            values.error("io::Error", "refused", ["reset"], None);
        })
    };
    let json = line.json();
    assert_eq!(
        json["error"],
        json!({"type": "io::Error", "text": "refused", "sources": ["reset"]})
    );
    assert_eq!(json["observed"], "1970-01-01T00:00:00.000000000Z");
    assert_eq!(
        json["origin"],
        json!({"kind": "instance", "target": "app", "class": "timeout", "attempts": 4})
    );
    assert_eq!(json["truncated"], true);
    assert!(line.text().ends_with(
        "  m  error=refused error.type=io::Error error.source=reset origin=instance \
         origin.target=app origin.class=timeout origin.attempts=4 truncated=true"
    ));
}
