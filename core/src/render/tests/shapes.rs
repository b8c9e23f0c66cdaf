//! JSON of other shapes, logfmt, and lines by a pattern.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::super::{LogfmtLine, Names, PatternLine, Renderer, Shape, ShapedJson, TimeFormat, Zone};
use super::any::any_value;
use super::{Draft, one_line, order};
use crate::delivery::Class;
use crate::frame::{Batch, Origin, OriginKind, flags};
use crate::level::Level;
use crate::value::Encoder;
use crate::value::{OwnedError, OwnedValue};

fn rendered(draft: &Draft, renderer: &mut Renderer) -> String {
    let bytes = draft.batch();
    let batch = Batch::parse(&bytes).unwrap();
    let mut out = Vec::new();
    renderer.line(&batch.get(0).unwrap(), &mut out);
    one_line(out)
}

fn shaped(shape: Shape) -> Renderer {
    Renderer::Shaped(ShapedJson::new(
        shape,
        true,
        TimeFormat::default(),
        Zone::UTC,
    ))
}

fn parsed(draft: &Draft, shape: Shape) -> Json {
    serde_json::from_str(&rendered(draft, &mut shaped(shape))).unwrap()
}

fn resource() -> Vec<(String, String)> {
    vec![("service.name".into(), "shop".into())]
}

pub(super) fn logfmt(draft: &Draft) -> String {
    rendered(draft, &mut Renderer::Logfmt(LogfmtLine::new()))
}

fn by_pattern(draft: &Draft, pattern: &str) -> String {
    let line = PatternLine::new(pattern, Zone::fixed(3600).unwrap()).unwrap();
    rendered(draft, &mut Renderer::Pattern(line))
}

/// A record with an error, data whose keys are taken in one shape or another, and an origin.
fn troubled() -> Draft {
    let mut draft = Draft::free(flags::MESSAGE | flags::ERROR, |values| {
        values.key("it \"broke\"");
        values.owned(&OwnedValue::Error(OwnedError {
            type_name: "io::Error".into(),
            text: "no room".into(),
            sources: vec!["disk full".into()],
            backtrace: Some("0: main".into()),
        }));
        values.key("level").str("mine");
        values.key("log.level").u64(7);
        values.key("log.record.uid").str("u");
        values
            .key("trace_id")
            .str("0af7651916cd43dd8448eb211c80319c");
        values.key("span_id").str("b7ad6b7169203331");
        values.key("n").owned(&OwnedValue::U64(u64::MAX));
        values.key("n").u64(2);
        values.key("user").owned(&OwnedValue::Map(vec![
            ("name".into(), OwnedValue::Str("Ada L.".into())),
            ("id".into(), OwnedValue::I64(-1)),
        ]));
    });
    draft.level = Level::Critical;
    draft.origin = Origin::given_up(OriginKind::Service, "http", Class::Timeout, 3);
    draft
}

#[test]
fn the_parts_have_the_names_that_were_asked_for_and_data_give_way_to_them() {
    let mut names = Names::default();
    names.rename("time", "@timestamp").unwrap();
    names.rename("message", "msg").unwrap();
    names.leave_out("record_id").unwrap();
    names.leave_out("origin").unwrap();
    let line = parsed(&order(), Shape::Named(names.clone()));
    assert_eq!(
        line,
        json!({
            "@timestamp": "2026-11-22T11:15:00.123456789Z", "level": "info", "logger": "shop.db",
            "msg": "order 42 of Ada \"L.\" accepted", "template": "order {id} of {} accepted",
            "args": ["Ada \"L.\""], "id": 42, "total": 19.99,
            "module": "shop::db", "file": "src/db.rs", "line": 12, "thread": "worker \"1\"",
        })
    );
    let line = parsed(&troubled(), Shape::Named(names));
    assert_eq!(line["fields"], json!({ "level": "mine" }));
    assert_eq!(line["log.level"], 7);
    assert_eq!(line["n"], u64::MAX);
    assert_eq!(line["error"]["sources"], json!(["disk full"]));
    assert!(line.get("origin").is_none() && line.get("record_id").is_none());
}

#[test]
fn without_wishes_the_shape_is_that_of_the_json_line() {
    for draft in [order(), troubled()] {
        let named = ShapedJson::new(
            Shape::Named(Names::default()),
            false,
            TimeFormat::default(),
            Zone::UTC,
        );
        let line = rendered(&draft, &mut Renderer::Shaped(named));
        assert_eq!(serde_json::from_str::<Json>(&line).unwrap(), draft.json());
    }
}

#[test]
fn names_that_contradict_each_other_are_refused() {
    let mut names = Names::default();
    assert!(
        names
            .rename("when", "time")
            .unwrap_err()
            .contains("`when` is no part")
    );
    assert!(names.rename("time", "").is_err());
    assert_eq!(
        names.rename("time", "level").unwrap_err(),
        "`level` would be both `level` and `time`"
    );
    assert!(names.leave_out("fields").is_err());
    names.leave_out("level").unwrap();
    names.rename("time", "level").unwrap();
}

#[test]
fn the_elastic_common_schema() {
    let line = parsed(&troubled(), Shape::Ecs);
    for (key, value) in [
        ("@timestamp", json!("2026-11-22T11:15:00.123456789Z")),
        ("log.level", json!("critical")),
        ("message", json!("it \"broke\"")),
        ("ecs.version", json!("8.11.0")),
        ("log.logger", json!("shop.db")),
        (
            "event.id",
            json!("0000000000000000000000000000feed-000000000000002a"),
        ),
        ("trace.id", json!("0af7651916cd43dd8448eb211c80319c")),
        ("span.id", json!("b7ad6b7169203331")),
        ("error.type", json!("io::Error")),
        ("error.message", json!("no room")),
        ("error.stack_trace", json!("caused by: disk full\n0: main")),
        ("level", json!("mine")),
        ("n", json!(u64::MAX)),
        ("user", json!({ "name": "Ada L.", "id": -1 })),
        ("process.thread.name", json!("worker \"1\"")),
    ] {
        assert_eq!(line[key], value, "{key}");
    }
    assert_eq!(
        line["labels"],
        json!({ "log.level": 7, "log.record.uid": "u" })
    );
    assert_eq!(line["rolog.origin"]["class"], "timeout");
    assert_eq!(parsed(&order(), Shape::Ecs)["log.origin.file.line"], 12);
}

#[test]
fn opentelemetrys_logs_data() {
    let line = parsed(&troubled(), Shape::OpenTelemetry(resource()));
    let resource = &line["resourceLogs"][0];
    assert_eq!(
        resource["resource"]["attributes"],
        json!([{ "key": "service.name", "value": { "stringValue": "shop" } }])
    );
    let scope = &resource["scopeLogs"][0];
    assert_eq!(scope["scope"]["name"], "shop.db");
    let record = &scope["logRecords"][0];
    assert_eq!(record["timeUnixNano"], "1795346100123456789");
    assert_eq!(record["observedTimeUnixNano"], "1795346100123456789");
    assert_eq!(record["severityNumber"], 21);
    assert_eq!(record["severityText"], "critical");
    assert_eq!(record["body"], json!({ "stringValue": "it \"broke\"" }));
    assert_eq!(record["traceId"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(record["spanId"], "b7ad6b7169203331");
    let attribute = |key: &str| {
        let all = record["attributes"].as_array().unwrap();
        let mut found = all.iter().filter(|entry| entry["key"] == key);
        let value = found.next().map(|entry| entry["value"].clone());
        assert!(found.next().is_none(), "{key} comes twice");
        value
    };
    assert_eq!(attribute("level"), Some(json!({ "stringValue": "mine" })));
    assert_eq!(attribute("log.level"), Some(json!({ "intValue": "7" })));
    assert_eq!(
        attribute("rolog.data.log.record.uid"),
        Some(json!({ "stringValue": "u" }))
    );
    assert_eq!(
        attribute("n"),
        Some(json!({ "stringValue": u64::MAX.to_string() }))
    );
    let user = json!({ "kvlistValue": { "values": [
        { "key": "name", "value": { "stringValue": "Ada L." } },
        { "key": "id", "value": { "intValue": "-1" } },
    ] } });
    assert_eq!(attribute("user"), Some(user));
    assert_eq!(
        attribute("exception.type"),
        Some(json!({ "stringValue": "io::Error" }))
    );
    assert_eq!(attribute("trace_id"), None);
    assert_eq!(
        attribute("rolog.origin.target"),
        Some(json!({ "stringValue": "http" }))
    );
    assert!(attribute("log.record.uid").is_some());
}

#[test]
fn a_key_without_a_value_has_none_in_opentelemetrys_shape_either() {
    let draft = Draft::saying("x", |values| values.key("nothing").null());
    let line = parsed(&draft, Shape::OpenTelemetry(Vec::new()));
    let record = &line["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    assert_eq!(record["attributes"][0], json!({ "key": "nothing" }));
}

#[test]
fn what_collectors_refuse_is_text_in_opentelemetrys_shape() {
    let draft = Draft::saying("x", |values| {
        values.key("list");
        values.list(Encoder::null);
        for (key, number) in [("nan", f64::NAN), ("inf", f64::INFINITY), ("half", 0.5)] {
            values.key(key).f64(number);
        }
    });
    let line = parsed(&draft, Shape::OpenTelemetry(Vec::new()));
    let record = &line["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    let text = |text: &str| json!({ "stringValue": text });
    for (at, value) in [
        json!({ "arrayValue": { "values": [text("null")] } }),
        text("NaN"),
        text("Infinity"),
        json!({ "doubleValue": 0.5 }),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(record["attributes"][at]["value"], value);
    }
}

#[test]
fn logfmt_pairs() {
    assert_eq!(
        logfmt(&order()),
        "time=2026-11-22T11:15:00.123456789Z level=info logger=shop.db \
         message=\"order 42 of Ada \\\"L.\\\" accepted\" template=\"order {id} of {} accepted\" \
         args=\"[\\\"Ada \\\\\\\"L.\\\\\\\"\\\"]\" id=42 total=19.99 \
         record_id=0000000000000000000000000000feed-000000000000002a"
    );
    let line = logfmt(&troubled());
    for pair in [
        " message=\"it \\\"broke\\\"\" ",
        " fields.level=mine ",
        " user.name=\"Ada L.\" user.id=-1 ",
        " n=18446744073709551615 ",
        " error=\"no room\" error.type=io::Error error.sources=\"[\\\"disk full\\\"]\" ",
        " error.backtrace=\"0: main\" ",
        " origin.target=http origin.class=timeout origin.attempts=3 ",
    ] {
        assert!(line.contains(pair), "{pair} in {line}");
    }
    let odd = Draft::saying("plain", |values| {
        values.key("a b=\"c\"\n").str("x\u{1b}y");
        values.key("").str("");
        values.key("empty").owned(&OwnedValue::Map(Vec::new()));
    });
    let line = logfmt(&odd);
    assert!(
        line.contains(" message=plain a_b__c__=\"x\\u001by\" _=\"\" empty=\"{}\" record_id="),
        "{line}"
    );
}

#[test]
fn the_conversions_of_a_pattern() {
    for (pattern, line) in [
        (
            "%d %p %c - %m%n",
            "2026-11-22T12:15:00.123456789+01:00 INFO shop.db - order 42 of Ada \"L.\" accepted",
        ),
        (
            "%d{%H:%M:%S%.3f}{UTC} %m",
            "11:15:00.123 order 42 of Ada \"L.\" accepted",
        ),
        ("%date{epoch_ms}", "1795346100123"),
        ("[%-8level] [%8le] [%3.3p]", "[INFO    ] [    info] [NFO]"),
        ("%c{1}|%logger{9}|%.2c", "db|shop.db|db"),
        ("%t %F:%L %M", "worker \"1\" src/db.rs:12 shop::db"),
        ("%X{id} %mdc{none}|%X", "42 |id=42 total=19.99"),
        (
            "100%% %id",
            "100% 0000000000000000000000000000feed-000000000000002a",
        ),
        ("%message!%n", "order 42 of Ada \"L.\" accepted!"),
        ("", ""),
    ] {
        assert_eq!(by_pattern(&order(), pattern), line, "{pattern}");
    }
    assert_eq!(
        by_pattern(&troubled(), "%ex"),
        "io::Error: no room; caused by: disk full"
    );
    assert_eq!(by_pattern(&Draft::saying("a\nb", |_| {}), "%m"), "a\\nb");
}

#[test]
fn patterns_that_could_break_a_line_or_are_unknown_are_refused() {
    for (pattern, text) in [
        ("%q", "`%q` in `%q` is no conversion"),
        ("%", "is no conversion"),
        ("%n%m", "only stand at the end"),
        ("a\nb", "could break a line"),
        ("%m\u{1b}[0m", "could break a line"),
        ("%d{", "has no `}`"),
        ("%d{iso}", "no form of time"),
        ("%d{rfc3339}{Mars}", "expected `UTC`"),
        ("%c{x}", "no number of parts"),
        ("%9999m", "no width"),
    ] {
        let error = PatternLine::new(pattern, Zone::UTC).unwrap_err();
        assert!(error.contains(text), "{pattern}: {error}");
    }
}

proptest! {
    #[test]
    fn whatever_a_record_holds_each_is_one_line_and_json_is_json(
        message in any::<String>(),
        pairs in prop::collection::vec((any::<String>(), any_value()), 0..5),
    ) {
        let draft = Draft::saying(&message, |values| {
            for (key, value) in &pairs {
                values.key(key).owned(value);
            }
        });
        let named = parsed(&draft, Shape::Named(Names::default()));
        prop_assert_eq!(&named["message"], &json!(message));
        prop_assert_eq!(&parsed(&draft, Shape::Ecs)["message"], &json!(message));
        let otel = parsed(&draft, Shape::OpenTelemetry(resource()));
        let record = &otel["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
        prop_assert_eq!(&record["body"]["stringValue"], &json!(message));
        for line in [logfmt(&draft), by_pattern(&draft, "%m %X %.10m")] {
            prop_assert!(!line.contains(char::is_control), "{line:?}");
        }
    }
}
