//! A push to Loki, by a receiver that takes nothing but what is documented.

use rolog_plugin::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::common::{batch, deliver, failure, target, ten};
use crate::server::{Seen, Server, answer};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Push {
    streams: Vec<Stream>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stream {
    stream: Map<String, Value>,
    values: Vec<Vec<Value>>,
}

/// The entries of a push: labels, nanoseconds, line, structured metadata.
type Entry = (String, u64, String, Value);

/// Reads a push, and panics on anything that the documents do not have.
fn strictly(seen: &Seen) -> Vec<Entry> {
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("POST", "/loki/api/v1/push")
    );
    assert_eq!(seen.header("content-type"), "application/json");
    let push: Push = serde_json::from_slice(&seen.body).unwrap();
    assert!(!push.streams.is_empty());
    let mut entries = Vec::new();
    for stream in push.streams {
        assert!(!stream.stream.is_empty(), "a stream has labels");
        for (name, value) in &stream.stream {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            assert!(name.chars().all(word) && !name.starts_with(|c: char| c.is_ascii_digit()));
            assert!(value.is_string(), "{name}: {value}");
        }
        let labels = Value::Object(stream.stream).to_string();
        assert!(!stream.values.is_empty());
        for entry in stream.values {
            assert!((2..=3).contains(&entry.len()), "{entry:?}");
            let time = entry[0].as_str().expect("the time is a string");
            let line = entry[1].as_str().expect("the line is a string").to_owned();
            let metadata = entry.get(2).cloned().unwrap_or(json!({}));
            assert!(metadata.as_object().unwrap().values().all(Value::is_string));
            entries.push((labels.clone(), time.parse().unwrap(), line, metadata));
        }
    }
    entries
}

fn receiver() -> Server {
    Server::start(|seen, _| {
        let bad = strictly(seen)
            .into_iter()
            .find(|entry| entry.2.contains("bad"));
        match bad {
            None => answer(204, &[], ""),
            Some((labels, ..)) => {
                let text = format!("entry for stream '{labels}' has timestamp too old");
                answer(400, &[("content-type", "text/plain; charset=utf-8")], &text)
            }
        }
    })
}

#[tokio::test]
async fn records_become_entries_of_streams_by_label() {
    let server = receiver();
    let target = target(json!({
        "url": server.url(""), "format": "loki", "loki": {
            "labels": { "job": "shop", "level": "{level}", "tenant": "{tenant}", "host": "{host}" },
            "metadata": { "record_id": "{record_id}", "trace": "{trace_id}" },
        },
    }))
    .await;
    assert!(deliver(&target, &ten()).await.is_delivered());
    let entries = strictly(&server.seen()[0]);
    assert_eq!(entries.len(), 10);
    let north = r#"{"job":"shop","level":"info","tenant":"north"}"#;
    let of_north: Vec<_> = entries.iter().filter(|entry| entry.0 == north).collect();
    assert_eq!(of_north.len(), 5);
    assert_eq!(of_north[1].1, 1_795_346_100_123_456_791);
    let line: Value = serde_json::from_str(&of_north[1].2).unwrap();
    assert_eq!(
        (&line["message"], &line["number"]),
        (&json!("m2"), &json!(2))
    );
    assert_eq!(of_north[1].3, json!({ "record_id": line["record_id"] }));
    assert!(
        of_north.is_sorted_by_key(|entry| entry.1),
        "the order within a stream stays"
    );
}

#[tokio::test]
async fn lines_can_be_text_or_the_message_alone() {
    for (line, expected) in [
        ("message", "say \"hi\"\n"),
        (
            "text",
            "2026-11-22T11:15:00.123456789Z  INFO shop.orders  say \\\"hi\\\"\\n  number=0 tenant=north",
        ),
    ] {
        let server = receiver();
        let loki = json!({ "labels": { "job": "shop" }, "line": line });
        let target =
            target(json!({ "url": server.url("/"), "format": "loki", "loki": loki })).await;
        assert!(
            deliver(&target, &batch(&["say \"hi\"\n"]))
                .await
                .is_delivered()
        );
        let said = &strictly(&server.seen()[0])[0].2;
        assert_eq!(said.replace('\\', ""), expected.replace('\\', ""), "{line}");
    }
}

#[tokio::test]
async fn a_push_stays_within_its_limits() {
    let server = receiver();
    let config = json!({
        "url": server.url(""), "format": "loki", "max_bytes": 900,
        "loki": { "labels": { "tenant": "{tenant}" } },
    });
    assert!(deliver(&target(config).await, &ten()).await.is_delivered());
    let seen = server.seen();
    assert!(seen.len() > 1 && seen.iter().all(|seen| seen.body.len() <= 900));
    assert_eq!(
        seen.iter().map(|seen| strictly(seen).len()).sum::<usize>(),
        10
    );
}

#[tokio::test]
async fn refused_entries_are_rejected_with_lokis_own_words() {
    let server = receiver();
    let config = json!({
        "url": server.url(""), "format": "loki", "loki": { "labels": { "job": "shop" } }
    });
    let target = target(config).await;
    let outcome = deliver(&target, &batch(&["bad"])).await;
    assert_eq!(
        (outcome.verdict(), failure(&outcome).class),
        (Verdict::Reject, Class::Invalid)
    );
    assert!(
        failure(&outcome).message.contains("timestamp too old"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_record_without_any_label_is_rejected_alone() {
    let server = receiver();
    let loki = json!({ "labels": { "trace": "{trace_id}" } });
    let target = target(json!({ "url": server.url(""), "format": "loki", "loki": loki })).await;
    let outcome = deliver(&target, &batch(&["a"])).await;
    assert_eq!(outcome.rejections().len(), 1);
    assert!(server.seen().is_empty());
}
