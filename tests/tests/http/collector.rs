//! An `OpenTelemetry` collector tells what it took, and each field is compared.

use std::time::Instant;

use rolog_core::Level;
use rolog_core::frame::RecordId;
use rolog_core::value::{Encoder, Timestamp};
use rolog_tests::servers::Rotel;
use serde_json::json;

use super::{LONG, pipeline};

/// What the collector tells of one record: its lines, by what stands before the first colon.
struct Told(Vec<String>);

impl Told {
    fn of(&self, name: &str) -> &str {
        let found = self
            .0
            .iter()
            .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
        found
            .unwrap_or_else(|| panic!("`{name}` is not in {:#?}", self.0))
            .trim()
    }

    fn attribute(&self, key: &str) -> &str {
        self.of(&format!("-> {key}"))
    }
}

/// The records that a collector has told of, once there are as many.
fn wait_for(rotel: &Rotel, count: usize) -> Vec<Told> {
    let end = Instant::now() + LONG;
    loop {
        let text = rotel.told();
        let told = records(&text);
        // The last line of each.
        if told
            .iter()
            .filter(|one| one.0.iter().any(|line| line.starts_with("Flags:")))
            .count()
            == count
        {
            return told;
        }
        assert!(
            Instant::now() < end,
            "of {count} records came {}:\n{text}",
            told.len()
        );
        std::thread::yield_now();
    }
}

/// Each record with the lines of its resource and its scope.
fn records(text: &str) -> Vec<Told> {
    let (mut resource, mut scope) = (Vec::new(), Vec::new());
    let mut records: Vec<Told> = Vec::new();
    let mut part = "";
    for line in text.lines().map(str::trim) {
        if line.starts_with("ResourceLog #") {
            part = "resource";
            resource.clear();
        } else if line.starts_with("ScopeLogs #") {
            part = "scope";
            scope.clear();
        } else if line.starts_with("LogRecord #") {
            part = "record";
            records.push(Told([resource.clone(), scope.clone()].concat()));
        } else if part == "resource" {
            resource.push(line.to_owned());
        } else if part == "scope" {
            scope.push(line.to_owned());
        } else if let Some(last) = records.last_mut() {
            last.0.push(line.to_owned());
        }
    }
    records
}

/// The data of a record with a value of every kind.
fn every_kind() -> Vec<u8> {
    let mut pairs = Vec::new();
    let mut values = Encoder::new(&mut pairs);
    values.key("text").str("ünï \"quoted\"");
    values.key("yes").bool(true);
    values.key("less").i64(-5);
    values.key("most").u64(u64::MAX);
    values.key("half").f64(0.5);
    values.key("bytes").bytes(&[0, 255]);
    values.key("when").timestamp(Timestamp::from_nanos(1));
    values
        .key("span")
        .duration(std::time::Duration::from_millis(1500));
    values.key("none").null();
    values.key("list");
    values.list(|list| {
        list.i64(1);
        list.str("two");
    });
    values.key("map");
    values.map(|map| map.key("inner").bool(false));
    values
        .key("trace_id")
        .str("0af7651916cd43dd8448eb211c80319c");
    values.key("span_id").str("b7ad6b7169203331");
    pairs
}

fn collected(encoding: &str, compression: &str) {
    let Some(rotel) = Rotel::start(&format!("OTLP as {encoding} to a collector")) else {
        return;
    };
    let host = pipeline(
        &json!({
            "url": rotel.url(), "format": "otlp", "compression": compression, "source": true,
            "otlp": { "encoding": encoding, "resource": { "service.name": "shop", "zone": "north" } },
        }),
        "interval: 10ms",
    );
    let log = host.factory().get_logger("shop.orders");
    let pairs = every_kind();
    let before = Timestamp::now().nanos();
    let record = log.record(Level::Warning, "of every kind");
    record
        .encoded_fields(&pairs)
        .unwrap_or_else(|error| panic!("{error}"))
        .send();
    let other = host.factory().get_logger("shop.db");
    let failed = std::io::Error::other("the disk is gone");
    rolog_core::exception!(other, failed, "order {id} failed after {}", 3, id = 42);
    let report = host.dispose_blocking(LONG);
    let after = Timestamp::now().nanos();
    assert!(report.is_complete() && report.ledger.balances(), "{report}");

    let told = wait_for(&rotel, 2);
    assert_eq!(told.len(), 2);
    let scope = |told: &Told, name: &str| {
        told.0
            .iter()
            .any(|line| line.trim() == format!("InstrumentationScope {name}"))
    };
    let place = told
        .iter()
        .position(|told| scope(told, "shop.orders"))
        .unwrap();
    let (kinds, error) = (&told[place], &told[1 - place]);
    assert!(scope(error, "shop.db"));
    for record in [kinds, error] {
        assert_eq!(record.attribute("service.name"), "Str(shop)");
        assert_eq!(record.attribute("zone"), "Str(north)");
        let time: i64 = record.of("Timestamp").parse().unwrap();
        assert!((before..=after).contains(&time));
        assert_eq!(record.of("ObservedTimestamp"), record.of("Timestamp"));
    }
    assert_eq!(kinds.of("SeverityText"), "warning");
    assert_eq!(kinds.of("SeverityNumber"), "SEVERITY_NUMBER_WARN(13)");
    assert_eq!(kinds.of("Body"), "Str(of every kind)");
    for (key, value) in [
        ("text", "Str(ünï \"quoted\")"),
        ("yes", "Bool(true)"),
        ("less", "Int(-5)"),
        ("most", "Str(18446744073709551615)"),
        ("half", "Double(0.5)"),
        ("bytes", "Bytes([0, 255])"),
        ("when", "Str(1970-01-01T00:00:00.000000001Z)"),
        ("span", "Double(1.5)"),
        ("none", "Empty"),
        ("list", "Slice(Int(1), Str(two))"),
        ("map", "Map(inner:Bool(false))"),
    ] {
        assert_eq!(kinds.attribute(key), value, "{key}");
    }
    let id = |told: &Told| {
        let id = told.attribute("log.record.uid");
        let id = id.strip_prefix("Str(").and_then(|id| id.strip_suffix(')'));
        id.unwrap().parse::<RecordId>().unwrap()
    };
    assert_eq!(id(error).epoch, id(kinds).epoch);
    assert_eq!(id(error).sequence, id(kinds).sequence + 1);
    assert_eq!(kinds.of("Trace ID"), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(kinds.of("Span ID"), "b7ad6b7169203331");
    is_the_error(error);
}

/// The record of an error, with what a call site and an argument add to it.
fn is_the_error(error: &Told) {
    assert_eq!(error.of("SeverityNumber"), "SEVERITY_NUMBER_ERROR(17)");
    assert_eq!(error.of("Body"), "Str(order 42 failed after 3)");
    assert_eq!(error.attribute("id"), "Int(42)");
    assert_eq!(
        error.attribute("message.template"),
        "Str(order {id} failed after {})"
    );
    assert_eq!(error.attribute("args"), "Slice(Int(3))");
    assert_eq!(
        error.attribute("exception.message"),
        "Str(the disk is gone)"
    );
    assert_eq!(
        error.attribute("exception.type"),
        "Str(std::io::error::Error)"
    );
    assert!(error.attribute("code.file.path").contains("collector.rs"));
    assert!(error.attribute("thread.name").contains("otlp"));
}

#[test]
fn a_collector_takes_otlp_as_protobuf_with_every_field() {
    collected("protobuf", "gzip");
}

#[test]
fn a_collector_takes_otlp_as_json_with_every_field() {
    collected("json", "none");
}
