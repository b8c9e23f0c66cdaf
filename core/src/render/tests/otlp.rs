//! Both encodings of a record say the same, and what the interface says they should.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::any::any_value;
use super::protobuf::{Message, message};
use super::{Draft, ORDER, order};
use crate::call_site::CallSite;
use crate::delivery::Class;
use crate::frame::{Batch, Origin, OriginKind, Record, flags};
use crate::level::Level;
use crate::render::otlp::wire::{Held, fields};
use crate::render::{OtlpJson, OtlpProto};
use crate::value::{Encoder, OwnedError, OwnedValue, Timestamp};

impl Draft {
    fn with<R>(&self, read: impl FnOnce(&Record<'_>) -> R) -> R {
        let bytes = self.batch();
        read(&Batch::parse(&bytes).unwrap().get(0).unwrap())
    }

    /// As JSON has it, with source.
    fn log_record(&self) -> Json {
        let mut out = Vec::new();
        self.with(|record| {
            OtlpJson::new()
                .with_source(true)
                .log_record(record, &mut out);
        });
        serde_json::from_slice(&out).unwrap()
    }

    /// As protobuf has it, told in JSON; and whether it was written by what is kept.
    fn decoded(&self, otlp: &mut OtlpProto) -> (Json, bool) {
        let [mut kept, mut anew] = [Vec::new(), Vec::new()];
        let usual = self.with(|record| {
            otlp.log_record(record, &mut kept);
            otlp.anew(record, &mut anew)
        });
        assert_eq!(kept, anew);
        let [(2, Held::Bytes(log_record))] = fields(&kept).unwrap()[..] else {
            panic!("one field, whatever its length");
        };
        (message(log_record, Message::LogRecord), usual)
    }
}

/// Which values there are of this attribute.
fn attributes(record: &Json, key: &str) -> Vec<Json> {
    let all = record["attributes"].as_array().unwrap().iter();
    let found = all.filter(|one| one["key"] == key);
    found.map(|one| one["value"].clone()).collect()
}

/// Compares what was said of a record in JSON with what was said in protobuf, where texts stand in
/// JSON for what some collectors refuse.
fn same(json: &Json, protobuf: &Json) {
    fn texts(value: &Json) -> Json {
        match value {
            Json::Array(all) => all.iter().map(texts).collect(),
            Json::Object(all) if all.is_empty() => json!({ "stringValue": "null" }),
            Json::Object(all) => match all.get("doubleValue").and_then(Json::as_str) {
                Some(text) => json!({ "stringValue": text }),
                None => all
                    .iter()
                    .map(|(key, one)| (key.clone(), texts(one)))
                    .collect(),
            },
            other => other.clone(),
        }
    }
    assert_eq!(*json, texts(protobuf));
}

/// A record with a value of every kind.
fn every_kind() -> Draft {
    let mut draft = Draft::free(flags::MESSAGE | flags::OBSERVED, |values| {
        values.key("a \"message\"\n");
        values.key("null").null();
        values.key("yes").bool(true);
        values.key("less").i64(-5);
        values.key("most").u64(u64::MAX);
        values.key("wide").i128(7);
        values.key("half").f64(0.5);
        values.key("none").f64(f64::NAN);
        values.key("endless").f64(f64::NEG_INFINITY);
        values.key("text").str("ü\u{0}");
        values.key("text").str("the second of a key");
        values.key("bytes").bytes(&[0, 255]);
        values.key("when").timestamp(Timestamp::from_nanos(0));
        let span = std::time::Duration::from_millis(1500);
        values.key("long").duration(span);
        values.key("list");
        values.list(|list| {
            list.i64(1);
            list.str("two");
            list.null();
        });
        values.key("map");
        values.map(|map| {
            map.key("inner").bool(false);
            map.key("none").null();
            map.key("inner").bool(true);
        });
        values.key("error").error("E", "text", ["source"], None);
        values
            .key("trace_id")
            .str("0af7651916cd43dd8448eb211c80319c");
        values.key("span_id").str("not an id");
        values.key("thread.id").str("mine");
        values.key("rolog.data.thread.id").str("mine, too");
    });
    draft.level = Level::Warning;
    draft.observed = Some(Timestamp::from_nanos(1_795_346_101_000_000_000));
    draft
}

#[test]
fn a_record_is_as_the_interface_has_it() {
    let record = every_kind().log_record();
    assert_eq!(record["timeUnixNano"], "1795346100123456789");
    assert_eq!(record["observedTimeUnixNano"], "1795346101000000000");
    assert_eq!(record["severityNumber"], 13);
    assert_eq!(record["severityText"], "warning");
    assert_eq!(record["body"], json!({ "stringValue": "a \"message\"\n" }));
    assert_eq!(record["traceId"], "0af7651916cd43dd8448eb211c80319c");
    assert!(record.get("spanId").is_none());
    let text = |text: &str| json!({ "stringValue": text });
    let exception = json!({ "kvlistValue": { "values": [
        { "key": "exception.type", "value": text("E") },
        { "key": "exception.message", "value": text("text") },
        { "key": "exception.stacktrace", "value": text("caused by: source\n") },
    ] } });
    for (key, value) in [
        ("null", Json::Null),
        ("yes", json!({ "boolValue": true })),
        ("less", json!({ "intValue": "-5" })),
        ("most", text("18446744073709551615")),
        ("wide", json!({ "intValue": "7" })),
        ("half", json!({ "doubleValue": 0.5 })),
        ("none", text("NaN")),
        ("endless", text("-Infinity")),
        ("text", text("ü\u{0}")),
        ("bytes", json!({ "bytesValue": "AP8=" })),
        ("when", text("1970-01-01T00:00:00.000000000Z")),
        ("long", json!({ "doubleValue": 1.5 })),
        (
            "list",
            json!({ "arrayValue": { "values": [{ "intValue": "1" }, text("two"), text("null")] } }),
        ),
        (
            "map",
            json!({ "kvlistValue": { "values": [
                { "key": "inner", "value": { "boolValue": false } }, { "key": "none" },
            ] } }),
        ),
        ("error", exception),
        ("span_id", text("not an id")),
        ("rolog.data.thread.id", text("mine")),
        ("rolog.data.rolog.data.thread.id", text("mine, too")),
        ("thread.name", text("worker \"1\"")),
        ("thread.id", json!({ "intValue": "3" })),
        (
            "log.record.uid",
            text("0000000000000000000000000000feed-000000000000002a"),
        ),
    ] {
        assert_eq!(attributes(&record, key), [value], "{key}");
    }
    assert!(attributes(&record, "trace_id").is_empty());
}

#[test]
fn what_few_records_have_has_its_names() {
    let mut draft = Draft::at(&ORDER, |values| {
        values.owned(&OwnedValue::Error(OwnedError {
            type_name: "io::Error".into(),
            text: "no room".into(),
            sources: vec!["disk full".into()],
            backtrace: Some("0: main".into()),
        }));
        values.str("Ada");
        values.u64(42);
        values.f64(19.99);
    });
    draft.flags = flags::ERROR | flags::TRUNCATED;
    draft.origin = Origin::given_up(OriginKind::Service, "http", Class::Timeout, 3);
    let record = draft.log_record();
    assert_eq!(
        record["body"],
        json!({ "stringValue": "order 42 of Ada accepted" })
    );
    let text = |text: &str| json!({ "stringValue": text });
    let args = json!({ "arrayValue": { "values": [text("Ada")] } });
    for (key, value) in [
        ("id", json!({ "intValue": "42" })),
        ("total", json!({ "doubleValue": 19.99 })),
        ("exception.type", text("io::Error")),
        ("exception.message", text("no room")),
        (
            "exception.stacktrace",
            text("caused by: disk full\n0: main"),
        ),
        ("rolog.template", text("order {id} of {} accepted")),
        ("rolog.args", args),
        ("code.file.path", text("src/db.rs")),
        ("code.line.number", json!({ "intValue": "12" })),
        ("code.namespace", text("shop::db")),
        ("rolog.origin.kind", text("service")),
        ("rolog.origin.target", text("http")),
        ("rolog.origin.class", text("timeout")),
        ("rolog.truncated", json!({ "boolValue": true })),
    ] {
        assert_eq!(attributes(&record, key), [value], "{key}");
    }
    let mut otlp = OtlpProto::new().with_source(true);
    assert_eq!(draft.decoded(&mut otlp), (record, false));
    let plain = Draft::saying("{no} template", |_| {}).log_record();
    assert!(attributes(&plain, "rolog.template").is_empty());
}

#[test]
fn protobuf_says_what_json_says() {
    let mut otlp = OtlpProto::new().with_source(true);
    for draft in [every_kind(), order()] {
        let (protobuf, usual) = draft.decoded(&mut otlp);
        same(&draft.log_record(), &protobuf);
        assert!(!usual);
    }
}

static PAID: CallSite = CallSite::new(
    "{user} paid {total} {{in}} {} for {id}",
    0,
    &["id", "total", "user", "long"],
    "shop::till",
    "till.rs",
    7,
);
static OPEN: CallSite = CallSite::new("{a} and {b}", 0, &["a"], "shop", "shop.rs", 8);
static TWICE: CallSite = CallSite::new("{a}", 0, &["a", "a"], "shop", "shop.rs", 9);
static TAKEN: CallSite = CallSite::new("", 0, &["log.record.uid"], "shop", "shop.rs", 10);
static TRACED: CallSite = CallSite::new("", 0, &["span_id"], "shop", "shop.rs", 11);
static GIVEN: CallSite = CallSite::new("{} and {a}", 1, &["a"], "shop", "shop.rs", 12);
static LONG_KEY: CallSite = CallSite::new(
    "a key of 120 bytes",
    0,
    &[
        "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\
       kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk",
    ],
    "shop",
    "shop.rs",
    13,
);

#[test]
fn records_alike_are_written_by_what_is_kept_of_their_call_site_and_no_others() {
    let one = |site, fill: &dyn Fn(&mut Encoder<'_>)| Draft::at(site, fill);
    let paid = |more: &dyn Fn(&mut Encoder<'_>)| {
        one(&PAID, &|values: &mut Encoder<'_>| {
            values.u64(300);
            values.f64(-0.5);
            values.str("Ada");
            values.str("");
            more(values);
        })
    };
    let of_trace = |values: &mut Encoder<'_>| {
        values
            .key("trace_id")
            .str("0af7651916cd43dd8448eb211c80319c");
        values.key("user").str("the second of a key");
        values.key("span_id").str("b7ad6b7169203331");
        values.key("thread.name").bool(true);
    };
    let with_flags = |flags, mut draft: Draft| {
        draft.flags |= flags;
        draft
    };
    for source in [false, true] {
        let mut otlp = OtlpProto::new().with_source(source);
        for (draft, expected) in [
            (paid(&|_| {}), true),
            (paid(&of_trace), true),
            (with_flags(flags::TRUNCATED, paid(&|_| {})), false),
            (one(&OPEN, &|values| values.u64(1)), true),
            (
                one(&OPEN, &|values| {
                    values.u64(1);
                    values.key("b").u64(2);
                }),
                false,
            ),
            (
                one(&TWICE, &|values| {
                    values.u64(1);
                    values.u64(2);
                }),
                false,
            ),
            (one(&TAKEN, &|values| values.u64(1)), false),
            (
                one(&TRACED, &|values| values.str("b7ad6b7169203331")),
                false,
            ),
            (
                one(&GIVEN, &|values| {
                    values.u64(1);
                    values.u64(2);
                }),
                false,
            ),
            (one(&LONG_KEY, &|values| values.str("a text")), true),
        ] {
            // Twice, as the first of a call site and as one that follows.
            for _ in 0..2 {
                let (protobuf, usual) = draft.decoded(&mut otlp);
                assert_eq!(usual, expected, "{protobuf}");
                if source {
                    same(&draft.log_record(), &protobuf);
                }
            }
        }
    }
}

#[test]
fn every_length_has_its_bytes() {
    let mut otlp = OtlpProto::new();
    for len in [
        0, 3, 90, 100, 107, 110, 125, 126, 127, 128, 16_000, 16_383, 16_384,
    ] {
        for (user, long) in [(len, 2), (1, len), (len, len)] {
            let draft = Draft::at(&PAID, |values| {
                values.u64(1 << (len % 64));
                values.f64(1e300);
                values.str(&"u".repeat(user));
                values.str(&"l".repeat(long));
            });
            assert!(draft.decoded(&mut otlp).1);
        }
    }
}

/// As its own strategy has it, or one that most records have.
fn common_value() -> impl Strategy<Value = OwnedValue> {
    prop_oneof![
        any_value(),
        "[a-zé]{0,200}".prop_map(OwnedValue::Str),
        (0..3_000_000_000_u64).prop_map(OwnedValue::U64),
        (0..4_000_000_u32).prop_map(|n| OwnedValue::F64(f64::from(n) / 100.0)),
    ]
}

proptest! {
    #[test]
    fn whatever_a_record_holds_both_ways_and_both_encodings_say_the_same(
        values in [common_value(), common_value(), common_value(), common_value()],
        added in prop::collection::vec(("[a-c]{1,2}|user|thread.id|span_id|trace_id|rolog.data.*", any_value()), 0..4),
        text in any::<Option<String>>(), level in prop::sample::select(&Level::ALL[..]), source: bool,
    ) {
        let fill = |to: &mut Encoder<'_>| {
            if let Some(text) = &text {
                to.key(text);
            }
            for value in &values {
                to.owned(value);
            }
            for (key, value) in &added {
                to.key(key).owned(value);
            }
        };
        let draft = Draft {
            level,
            flags: if text.is_some() { flags::MESSAGE } else { 0 },
            ..Draft::at(&PAID, fill)
        };
        let mut otlp = OtlpProto::new().with_source(true);
        let (protobuf, usual) = draft.decoded(&mut otlp);
        same(&draft.log_record(), &protobuf);
        prop_assert_eq!(usual, text.is_none());
        let said = json!({ "stringValue": draft.message() });
        prop_assert_eq!(&protobuf["body"], &said);
        // Without the source, too, and behind another of the same call site.
        draft.decoded(&mut otlp.with_source(source));
    }
}
