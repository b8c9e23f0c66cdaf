//! Both encodings of a record say the same, and what the interface says they should.

use rolog_core::call_site::CallSite;
use rolog_core::frame::{
    Batch, BatchBuilder, FrameMeta, LoggerRef, Origin, RecordId, ThreadRef, flags,
};
use rolog_core::level::Level;
use rolog_core::value::{Encoder, Timestamp};
use serde_json::{Map, Value, json};

use super::wire::{Held, fields};
use super::*;
use crate::format::Written;

/// A record with a value of every kind.
fn every_kind() -> Vec<u8> {
    let mut payload = Vec::new();
    let mut encoder = Encoder::new(&mut payload);
    encoder.key("a \"message\"\n");
    encoder.key("null").null();
    encoder.key("yes").bool(true);
    encoder.key("less").i64(-5);
    encoder.key("most").u64(u64::MAX);
    encoder.key("wide").i128(7);
    encoder.key("half").f64(0.5);
    encoder.key("none").f64(f64::NAN);
    encoder.key("text").str("ü\u{0}");
    encoder.key("text").str("the second of a key");
    encoder.key("bytes").bytes(&[0, 255]);
    encoder.key("when").timestamp(Timestamp::from_nanos(0));
    encoder
        .key("long")
        .duration(std::time::Duration::from_millis(1500));
    encoder.key("list");
    encoder.list(|list| {
        list.i64(1);
        list.str("two");
        list.null();
    });
    encoder.key("map");
    encoder.map(|map| map.key("inner").bool(false));
    encoder
        .key("trace_id")
        .str("0af7651916cd43dd8448eb211c80319c");
    encoder.key("span_id").str("not an id");
    let mut batch = BatchBuilder::new(1);
    for (n, logger) in (0u32..).zip(["shop.orders", "shop.db", "shop.orders"]) {
        let meta = FrameMeta {
            id: RecordId {
                epoch: 9,
                sequence: n.into(),
            },
            time: Timestamp::from_nanos(1_795_346_100_123_456_789),
            observed: Some(Timestamp::from_nanos(1_795_346_101_000_000_000)),
            level: Level::Warning,
            generation: 1,
            flags: flags::MESSAGE | flags::OBSERVED,
            call_site: None,
            logger: LoggerRef {
                id: n % 2 + 1,
                name: logger,
            },
            thread: ThreadRef {
                id: 3,
                name: "main",
            },
            origin: Origin::SERVICE,
        };
        batch.push(&meta, &payload);
    }
    batch.finish()
}

fn body(encoding: Encoding) -> Vec<u8> {
    let config: Config = serde_json::from_value(json!({
        "url": "http://h/", "format": "otlp", "source": true, "otlp": {
            "resource": { "service.name": "shop", "service.version": "1.0" },
            "encoding": match encoding { Encoding::Json => "json", Encoding::Protobuf => "protobuf" },
        },
    }))
    .unwrap();
    let mut writer = writer(&config);
    let bytes = every_kind();
    let mut written = Written::default();
    writer.begin(&mut written.bytes);
    written.begin();
    for record in Batch::parse(&bytes).unwrap().records() {
        let stream = writer.record(&record, &mut written.bytes).unwrap();
        written.end(stream);
    }
    let (mut body, all) = (Vec::new(), Batch::parse(&bytes).unwrap().len() as u32);
    writer.body(&written, &(0..all).collect::<Vec<_>>(), &mut body);
    body
}

#[test]
fn the_json_is_as_the_interface_has_it() {
    let said: Value = serde_json::from_slice(&body(Encoding::Json)).unwrap();
    let resource = &said["resourceLogs"][0];
    assert_eq!(
        resource["resource"]["attributes"][0],
        json!({ "key": "service.name", "value": { "stringValue": "shop" } })
    );
    let scopes = resource["scopeLogs"].as_array().unwrap();
    assert_eq!(scopes[0]["scope"], json!({ "name": "shop.orders" }));
    assert_eq!(scopes[0]["logRecords"].as_array().unwrap().len(), 2);
    assert_eq!(scopes[1]["scope"], json!({ "name": "shop.db" }));
    let record = &scopes[0]["logRecords"][0];
    assert_eq!(record["timeUnixNano"], "1795346100123456789");
    assert_eq!(record["observedTimeUnixNano"], "1795346101000000000");
    assert_eq!(
        (&record["severityNumber"], &record["severityText"]),
        (&json!(13), &json!("warning"))
    );
    assert_eq!(record["body"], json!({ "stringValue": "a \"message\"\n" }));
    assert_eq!(record["traceId"], "0af7651916cd43dd8448eb211c80319c");
    assert!(record.get("spanId").is_none());
    let attributes = record["attributes"].as_array().unwrap();
    let of = |key: &str| -> Vec<Value> {
        let found = attributes.iter().filter(|one| one["key"] == key);
        found.map(|one| one["value"].clone()).collect()
    };
    for (key, value) in [
        ("yes", json!({ "boolValue": true })),
        ("less", json!({ "intValue": "-5" })),
        ("most", json!({ "stringValue": "18446744073709551615" })),
        ("wide", json!({ "intValue": "7" })),
        ("half", json!({ "doubleValue": 0.5 })),
        ("none", json!({ "stringValue": "NaN" })),
        ("text", json!({ "stringValue": "ü\u{0}" })),
        ("bytes", json!({ "bytesValue": "AP8=" })),
        (
            "when",
            json!({ "stringValue": "1970-01-01T00:00:00.000000000Z" }),
        ),
        ("long", json!({ "doubleValue": 1.5 })),
        (
            "list",
            json!({ "arrayValue": { "values": [{ "intValue": "1" }, { "stringValue": "two" }, { "stringValue": "null" }] } }),
        ),
        (
            "map",
            json!({ "kvlistValue": { "values": [{ "key": "inner", "value": { "boolValue": false } }] } }),
        ),
        ("span_id", json!({ "stringValue": "not an id" })),
        ("thread.name", json!({ "stringValue": "main" })),
        ("thread.id", json!({ "intValue": "3" })),
        (
            "log.record.uid",
            json!({ "stringValue": "00000000000000000000000000000009-0000000000000000" }),
        ),
    ] {
        assert_eq!(of(key), [value], "{key}");
    }
    assert!(of("trace_id").is_empty());
    assert_eq!(of("null"), [Value::Null], "there is the key, and no value");
}

#[test]
fn the_protobuf_says_what_the_json_says() {
    let json: Value = serde_json::from_slice(&body(Encoding::Json)).unwrap();
    let said = message(&body(Encoding::Protobuf), Message::Request);
    assert_eq!(said, json);
}

static PLAIN: CallSite = CallSite::new(
    "{user} paid {total} {{in}} {} for {id}{nothing}",
    0,
    &["id", "total", "user", "long"],
    "shop::till",
    "till.rs",
    7,
);
static TWICE: CallSite = CallSite::new("{a}", 0, &["a", "a"], "shop", "shop.rs", 8);
static TAKEN: CallSite = CallSite::new("", 0, &["log.record.uid"], "shop", "shop.rs", 9);
static GIVEN: CallSite = CallSite::new("{} and {a}", 1, &["a"], "shop", "shop.rs", 10);

/// Records of call sites: alike, unlike, with ids of traces, with what few have.
fn of_call_sites() -> Vec<u8> {
    let mut batch = BatchBuilder::new(1);
    let mut push = |site: &'static CallSite, level, flags, write: &dyn Fn(&mut Encoder<'_>)| {
        site.register();
        let mut payload = Vec::new();
        write(&mut Encoder::new(&mut payload));
        let meta = FrameMeta {
            id: RecordId {
                epoch: u128::MAX / 3,
                sequence: payload.len() as u64,
            },
            call_site: Some(site),
            flags,
            ..FrameMeta::literal(
                RecordId {
                    epoch: 1,
                    sequence: 1,
                },
                Timestamp::from_nanos(1_795_346_100_123_456_789),
                level,
                LoggerRef {
                    id: 1,
                    name: "shop",
                },
            )
        };
        batch.push(&meta, &payload);
    };
    let paid = |id: u64, total: f64, text: &str, to: &mut Encoder<'_>| {
        to.u64(id);
        to.f64(total);
        to.str("Ada");
        to.str(text);
    };
    let (long, longer) = ("x".repeat(200), "y".repeat(20_000));
    for (id, total, text) in [
        (1, 19.99, ""),
        (300, f64::NAN, long.as_str()),
        (u64::MAX, -0.5, longer.as_str()),
    ] {
        push(&PLAIN, Level::Information, 0, &|to| {
            paid(id, total, text, to);
        });
    }
    push(&PLAIN, Level::Error, 0, &|to| {
        paid(2, 1.0, "", to);
        to.key("more").bool(true);
    });
    push(&PLAIN, Level::Error, flags::TRUNCATED, &|to| {
        paid(3, 1.0, "", to);
    });
    push(&PLAIN, Level::Error, flags::MESSAGE, &|to| {
        to.key("a text of its own");
        paid(4, 1.0, "", to);
    });
    for kind in 0..4 {
        push(&TWICE, Level::Trace, 0, &|to| {
            match kind {
                0 => to.null(),
                1 => to.bool(false),
                2 => to.i64(-7),
                _ => to.list(|list| list.u64(1)),
            }
            to.u64(2);
            to.key("trace_id").str(match kind {
                3 => "none",
                _ => "0af7651916cd43dd8448eb211c80319c",
            });
            to.key("span_id").str("b7ad6b7169203331");
        });
    }
    for site in [&TAKEN, &GIVEN] {
        push(site, Level::Critical, 0, &|to| {
            to.str("first");
            if site.line() == 10 {
                to.u64(1);
            }
        });
    }
    batch.finish()
}

#[test]
fn a_call_sites_shape_writes_what_is_written_without() {
    let bytes = of_call_sites();
    let batch = Batch::parse(&bytes).unwrap();
    for source in [false, true] {
        let proto = || super::proto::Proto::new(&Settings::default(), source);
        let (mut by_shape, mut without) = (proto(), proto().without_shapes());
        // Twice: a shape that was kept, too.
        for record in batch.records().chain(batch.records()) {
            let [mut one, mut two] = [Vec::new(), Vec::new()];
            by_shape.record(&record, &mut one).unwrap();
            without.record(&record, &mut two).unwrap();
            assert_eq!(one, two, "{record:?}");
            let [(2, Held::Bytes(log))] = fields(&one).unwrap()[..] else {
                panic!("one field, whatever its length: {record:?}");
            };
            message(log, Message::LogRecord);
        }
        let taken = batch.records().filter(|r| by_shape.knows(r)).count();
        assert_eq!(taken, 3 + 4, "those that are alike");
    }
}

/// A field of a message: number, name, kind.
type Field = (u64, &'static str, Kind);

#[derive(Clone, Copy)]
enum Kind {
    One(Message),
    Many(Message),
    Text,
    Hex,
    Base64,
    /// A 64-bit integer, which JSON has as a string.
    Long,
    Int,
    Bool,
    Double,
}

/// The published messages.
#[derive(Clone, Copy)]
enum Message {
    Request,
    ResourceLogs,
    Resource,
    ScopeLogs,
    Scope,
    LogRecord,
    KeyValue,
    AnyValue,
    ArrayValue,
    KeyValueList,
}

impl Message {
    /// Its fields, as far as they are used.
    fn fields(self) -> &'static [Field] {
        use Kind::{Base64, Bool, Double, Hex, Int, Long, Many, One, Text};
        use Message::{
            AnyValue, ArrayValue, KeyValue, KeyValueList, LogRecord, Resource, ResourceLogs, Scope,
            ScopeLogs,
        };
        match self {
            Message::Request => &[(1, "resourceLogs", Many(ResourceLogs))],
            ResourceLogs => &[
                (1, "resource", One(Resource)),
                (2, "scopeLogs", Many(ScopeLogs)),
            ],
            Resource => &[(1, "attributes", Many(KeyValue))],
            ScopeLogs => &[(1, "scope", One(Scope)), (2, "logRecords", Many(LogRecord))],
            Scope => &[(1, "name", Text)],
            LogRecord => &[
                (1, "timeUnixNano", Long),
                (2, "severityNumber", Int),
                (3, "severityText", Text),
                (5, "body", One(AnyValue)),
                (6, "attributes", Many(KeyValue)),
                (9, "traceId", Hex),
                (10, "spanId", Hex),
                (11, "observedTimeUnixNano", Long),
            ],
            KeyValue => &[(1, "key", Text), (2, "value", One(AnyValue))],
            AnyValue => &[
                (1, "stringValue", Text),
                (2, "boolValue", Bool),
                (3, "intValue", Long),
                (4, "doubleValue", Double),
                (5, "arrayValue", One(ArrayValue)),
                (6, "kvlistValue", One(KeyValueList)),
                (7, "bytesValue", Base64),
            ],
            ArrayValue => &[(1, "values", Many(AnyValue))],
            KeyValueList => &[(1, "values", Many(KeyValue))],
        }
    }
}

/// A message as its JSON, in which null and what is no number are text.
fn message(bytes: &[u8], known: Message) -> Value {
    use base64::Engine as _;
    let mut object = Map::new();
    for (number, held) in fields(bytes).expect("it is a message") {
        let (_, name, kind) = known
            .fields()
            .iter()
            .find(|field| field.0 == number)
            .unwrap_or_else(|| panic!("there is no field {number}"));
        let value = match (kind, held) {
            (Kind::One(inner), Held::Bytes(bytes)) => message(bytes, *inner),
            (Kind::Many(inner), Held::Bytes(bytes)) => {
                let list = object.entry(*name).or_insert(json!([]));
                list.as_array_mut().unwrap().push(message(bytes, *inner));
                continue;
            }
            (Kind::Text, Held::Bytes(bytes)) => json!(std::str::from_utf8(bytes).unwrap()),
            (Kind::Hex, Held::Bytes(bytes)) => {
                let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
                json!(digits.collect::<String>())
            }
            (Kind::Base64, Held::Bytes(bytes)) => {
                json!(base64::engine::general_purpose::STANDARD.encode(bytes))
            }
            (Kind::Long, Held::Number(number)) => json!((number as i64).to_string()),
            (Kind::Long, Held::Fixed(number)) => json!(number.to_string()),
            (Kind::Int, Held::Number(number)) => json!(number),
            (Kind::Bool, Held::Number(number)) => json!(number == 1),
            (Kind::Double, Held::Fixed(bits)) => match f64::from_bits(bits) {
                number if number.is_nan() => json!("NaN"),
                number => json!(number),
            },
            (_, held) => panic!("{name} holds {held:?}"),
        };
        assert!(
            object.insert((*name).to_owned(), value).is_none(),
            "{name} comes twice"
        );
    }
    let object = Value::Object(object);
    match known {
        Message::AnyValue if object == json!({}) => json!({ "stringValue": "null" }),
        Message::AnyValue if object["doubleValue"] == "NaN" => json!({ "stringValue": "NaN" }),
        _ => object,
    }
}
