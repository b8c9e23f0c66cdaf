//! Both encodings of a request have the same resource, scopes and records, whichever are asked for.

use rolog_core::frame::{Batch, BatchBuilder, FrameMeta, LoggerRef, RecordId};
use rolog_core::level::Level;
use rolog_core::render::otlp::wire::{Held, fields};
use rolog_core::value::{Encoder, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::format::Written;

/// Records of these loggers, one of each, whose message is their number.
fn batch(loggers: &[&str]) -> Vec<u8> {
    let mut batch = BatchBuilder::new(1);
    for (n, logger) in (0..).zip(loggers) {
        let mut payload = Vec::new();
        Encoder::new(&mut payload).key(&n.to_string());
        let id = RecordId {
            epoch: 9,
            sequence: n,
        };
        let logger = LoggerRef {
            id: logger.len() as u32,
            name: logger,
        };
        let time = Timestamp::from_nanos(1_795_346_100_123_456_789);
        let meta = FrameMeta::literal(id, time, Level::Warning, logger);
        batch.push(&meta, &payload);
    }
    batch.finish()
}

/// The body of these of the records, and what all are where they are a body as they stand.
fn bodies(encoding: &str, batch: &[u8], which: &[u32]) -> (Vec<u8>, Option<Vec<u8>>) {
    let config: Config = serde_json::from_value(json!({
        "url": "http://h/", "format": "otlp", "otlp": {
            "resource": { "service.name": "shop", "zone": "north" }, "encoding": encoding,
        },
    }))
    .unwrap();
    let mut writer = writer(&config);
    let mut written = Written::default();
    writer.begin(&mut written.bytes);
    written.begin();
    for record in Batch::parse(batch).unwrap().records() {
        let stream = writer.record(&record, &mut written.bytes).unwrap();
        written.end(stream);
    }
    let mut body = Vec::new();
    writer.body(&written, which, &mut body);
    let complete = writer.complete(&mut written.bytes);
    (body, complete.map(|start| written.bytes.split_off(start)))
}

/// What is in the fields of this number of a message.
fn held(number: u64, message: &[u8]) -> Vec<&[u8]> {
    let bytes = |(field, held)| match held {
        Held::Bytes(bytes) if field == number => Some(bytes),
        _ => None,
    };
    fields(message)
        .unwrap()
        .into_iter()
        .filter_map(bytes)
        .collect()
}

/// The resource's first attribute, and the scopes with the messages of their records.
fn told(json: &[u8], protobuf: &[u8]) -> [Value; 2] {
    let said: Value = serde_json::from_slice(json).unwrap();
    let resource = &said["resourceLogs"][0];
    let scope = |scope: &Value| {
        let records = scope["logRecords"].as_array().unwrap().iter();
        let messages = records.map(|record| record["body"]["stringValue"].clone());
        json!([scope["scope"]["name"], messages.collect::<Vec<_>>()])
    };
    let scopes = resource["scopeLogs"].as_array().unwrap();
    let attribute = &resource["resource"]["attributes"][0];
    let json = json!([
        [attribute["key"], attribute["value"]["stringValue"]],
        scopes.iter().map(scope).collect::<Vec<_>>(),
    ]);

    let text = |bytes: &[u8]| json!(std::str::from_utf8(bytes).unwrap());
    let [resource] = held(1, protobuf)[..] else {
        panic!("one resource")
    };
    let attribute = held(1, held(1, resource)[0])[0];
    let scope = |scope: &&[u8]| {
        let messages = held(2, scope).into_iter();
        let messages = messages.map(|record| text(held(1, held(5, record)[0])[0]));
        json!([
            text(held(1, held(1, scope)[0])[0]),
            messages.collect::<Vec<_>>()
        ])
    };
    let protobuf = json!([
        [
            text(held(1, attribute)[0]),
            text(held(1, held(2, attribute)[0])[0])
        ],
        held(2, resource).iter().map(scope).collect::<Vec<_>>(),
    ]);
    [json, protobuf]
}

#[test]
fn records_stand_by_scope_in_both_encodings() {
    let batch = batch(&["shop.orders", "shop.db", "shop.orders"]);
    for (which, scopes) in [
        (
            &[0, 1, 2][..],
            json!([["shop.orders", ["0", "2"]], ["shop.db", ["1"]]]),
        ),
        (&[1, 2], json!([["shop.db", ["1"]], ["shop.orders", ["2"]]])),
        (&[1], json!([["shop.db", ["1"]]])),
    ] {
        let [(json, _), (protobuf, complete)] =
            ["json", "protobuf"].map(|encoding| bodies(encoding, &batch, which));
        let expected = json!([["service.name", "shop"], scopes]);
        assert_eq!(told(&json, &protobuf), [expected.clone(), expected]);
        assert_eq!(complete, None, "records of two scopes have to be moved");
    }
}

#[test]
fn records_of_one_scope_are_the_body_where_they_stand() {
    let few = batch(&["shop"; 3]);
    let many = batch(&["shop"; 1000]);
    for (batch, count) in [(few, 3), (many, 1000)] {
        let (body, complete) = bodies("protobuf", &batch, &(0..count).collect::<Vec<_>>());
        assert_eq!(complete, Some(body));
    }
}

#[test]
fn the_next_batch_may_stand_where_the_one_before_stood() {
    let mut memory = batch(&["shop.a"]);
    let mut scopes = Scopes::default();
    for name in ["shop.a", "shop.b"] {
        memory.copy_from_slice(&batch(&[name]));
        scopes.clear();
        let batch = Batch::parse(&memory).unwrap();
        let stream = scopes.of(&batch.get(0).unwrap());
        assert_eq!(scopes.names[stream as usize], name);
    }
}
