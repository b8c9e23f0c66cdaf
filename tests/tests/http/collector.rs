//! An `OpenTelemetry` collector tells what it took, and each field is compared.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Instant;

use rolog_core::Level;
use rolog_core::frame::RecordId;
use rolog_core::value::{Encoder, Timestamp};
use rolog_core::{Logger, exception};
use rolog_tests::servers::Rotel;
use serde_json::json;

use super::{LONG, pipeline, started};

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
    let odd = host.factory().get_logger("shop.odd");
    let before = Timestamp::now().nanos();
    for (log, pairs) in [(&log, every_kind()), (&odd, odd_kinds())] {
        let record = log.record(Level::Warning, "of every kind");
        let record = record.encoded_fields(&pairs);
        record.unwrap_or_else(|error| panic!("{error}")).send();
    }
    let other = host.factory().get_logger("shop.db");
    let failed = std::io::Error::other("the disk is gone");
    rolog_core::exception!(other, failed, "order {id} failed after {}", 3, id = 42);
    let report = host.dispose_blocking(LONG);
    let after = Timestamp::now().nanos();
    assert!(report.is_complete() && report.ledger.balances(), "{report}");

    let told = wait_for(&rotel, 3);
    assert_eq!(told.len(), 3);
    let of = |name: &str| {
        let line = format!("InstrumentationScope {name}");
        let mut told = told.iter();
        let found = told.find(|told| told.0.iter().any(|one| one.trim() == line));
        found.unwrap_or_else(|| panic!("no {line}"))
    };
    let (kinds, odd, error) = (of("shop.orders"), of("shop.odd"), of("shop.db"));
    for record in [kinds, odd, error] {
        assert_eq!(record.attribute("service.name"), "Str(shop)");
        assert_eq!(record.attribute("zone"), "Str(north)");
        let time: i64 = record.of("Timestamp").parse().unwrap();
        assert!((before..=after).contains(&time));
        assert_eq!(record.of("ObservedTimestamp"), record.of("Timestamp"));
    }
    assert_eq!(kinds.of("SeverityText"), "warning");
    assert_eq!(kinds.of("SeverityNumber"), "SEVERITY_NUMBER_WARN(13)");
    assert_eq!(kinds.of("Body"), "Str(of every kind)");
    has_every_kind(kinds);
    let id = |told: &Told| {
        let id = told.attribute("log.record.uid");
        let id = id.strip_prefix("Str(").and_then(|id| id.strip_suffix(')'));
        id.unwrap().parse::<RecordId>().unwrap()
    };
    assert_eq!(id(error).epoch, id(kinds).epoch);
    assert_eq!(id(error).sequence, id(kinds).sequence + 2);
    has_odd_kinds(odd, encoding == "json");
    assert_eq!(kinds.of("Trace ID"), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(kinds.of("Span ID"), "b7ad6b7169203331");
    is_the_error(error);
}

fn has_every_kind(record: &Told) {
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
        assert_eq!(record.attribute(key), value, "{key}");
    }
}

/// JSON has text where a collector would refuse what protobuf has.
fn has_odd_kinds(record: &Told, json: bool) {
    let [null, nan, endless] = if json {
        ["Str(null)", "Str(NaN)", "Str(-Infinity)"]
    } else {
        ["Empty", "Double(NaN)", "Double(-inf)"]
    };
    let holes = format!("Slice({null}, Slice({null}, Map(deep:Empty)))");
    for (key, value) in [
        ("holes", holes.as_str()),
        ("empty list", "Slice()"),
        ("empty map", "Map()"),
        ("twice", "Int(1)"),
        ("not a number", nan),
        ("endless", endless),
        ("least", "Int(-9223372036854775808)"),
        ("beyond", "Str(-170141183460469231731687303715884105728)"),
        ("far beyond", "Str(340282366920938463463374607431768211455)"),
        ("no bytes", "Bytes([])"),
        ("trace_id", "Str(no id)"),
        ("span_id", "Str(0000000000000000)"),
    ] {
        assert_eq!(record.attribute(key), value, "{key}");
    }
}

/// The record of an error, with what a call site and an argument add to it.
fn is_the_error(error: &Told) {
    assert_eq!(error.of("SeverityNumber"), "SEVERITY_NUMBER_ERROR(17)");
    assert_eq!(error.of("Body"), "Str(order 42 failed after 3)");
    for (key, value) in [
        ("id", "Int(42)"),
        ("exception.message", "Str(the disk is gone)"),
        ("exception.type", "Str(std::io::error::Error)"),
        ("rolog.template", "Str(order {id} failed after {})"),
        ("rolog.args", "Slice(Int(3))"),
    ] {
        assert_eq!(error.attribute(key), value, "{key}");
    }
    assert!(error.attribute("code.file.path").contains("collector.rs"));
    assert!(error.attribute("thread.name").contains("collector"));
    assert!(error.attribute("thread.id").starts_with("Int("));
}

#[test]
fn a_collector_takes_otlp_as_protobuf_with_every_field() {
    collected("protobuf", "gzip");
}

#[test]
fn a_collector_takes_otlp_as_json_with_every_field() {
    collected("json", "none");
}

/// Values that a strict reader of the protocol could stumble over.
fn odd_kinds() -> Vec<u8> {
    let mut pairs = Vec::new();
    let mut values = Encoder::new(&mut pairs);
    values.key("holes");
    values.list(|list| {
        list.null();
        list.list(|list| {
            list.null();
            list.map(|map| map.key("deep").null());
        });
    });
    values.key("empty list");
    values.list(|_| ());
    values.key("empty map");
    values.map(|_| ());
    values.key("twice").i64(1);
    values.key("twice").i64(2);
    values.key("not a number").f64(f64::NAN);
    values.key("endless").f64(f64::NEG_INFINITY);
    values.key("least").i64(i64::MIN);
    values.key("beyond").i128(i128::MIN);
    values.key("far beyond").u128(u128::MAX);
    values.key("no bytes").bytes(&[]);
    values.key("control\n").str("\0\u{1f}\u{7f}");
    values.key("").bool(false);
    values.key("trace_id").str("no id");
    values.key("span_id").str("0000000000000000");
    pairs
}

/// Posts a line as it is; the status line of the answer.
fn post(url: &str, line: &str) -> String {
    let place = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(place).unwrap();
    let request = format!(
        "POST /v1/logs HTTP/1.1\r\nHost: {place}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{line}",
        line.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap().to_owned()
}

/// What a file in OpenTelemetry's shape has after `log` has been logged to.
fn written(path: &Path, log: impl FnOnce(&Logger)) -> Vec<String> {
    let settings = json!({
        "path": path, "shape": "opentelemetry", "source": true, "resource": { "service.name": "shop" },
    });
    let host = started("file", &settings, "interval: 10ms");
    log(&host.factory().get_logger("shop.orders"));
    let report = host.dispose_blocking(LONG);
    assert!(report.is_complete() && report.ledger.balances(), "{report}");
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_collector_takes_each_line_of_a_file_in_its_own_json_with_every_field() {
    let Some(rotel) = Rotel::start("a file in OpenTelemetry's JSON") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let lines = written(&folder.path().join("app.jsonl"), |log| {
        for pairs in [every_kind(), odd_kinds()] {
            let record = log.record(Level::Warning, "of every kind");
            let record = record.encoded_fields(&pairs);
            record.unwrap_or_else(|error| panic!("{error}")).send();
        }
        let failed = std::io::Error::other("the disk is gone");
        exception!(log, failed, "order {id} failed after {}", 3, id = 42);
    });
    assert_eq!(lines.len(), 3);
    for (count, line) in lines.iter().enumerate() {
        let status = post(&rotel.url(), line);
        assert_eq!(status, "HTTP/1.1 200 OK", "{line}");
        assert_eq!(wait_for(&rotel, count + 1).len(), count + 1);
    }
    let told = wait_for(&rotel, 3);
    for record in &told {
        assert_eq!(record.attribute("service.name"), "Str(shop)");
        assert!(record.attribute("thread.name").contains("collector"));
        assert!(
            record
                .0
                .iter()
                .any(|line| line == "InstrumentationScope shop.orders")
        );
    }
    assert_eq!(told[0].of("SeverityNumber"), "SEVERITY_NUMBER_WARN(13)");
    assert_eq!(told[0].of("Body"), "Str(of every kind)");
    assert_eq!(told[0].of("Trace ID"), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(told[0].of("Span ID"), "b7ad6b7169203331");
    has_every_kind(&told[0]);
    has_odd_kinds(&told[1], true);
    is_the_error(&told[2]);
}
