//! `_bulk`, by a receiver that takes nothing but what is documented.

use std::collections::HashMap;
use std::sync::Mutex;

use rolog_plugin::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::common::{batch, deliver, failure, target, ten};
use crate::server::{Seen, Server, answer};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    #[serde(rename = "_index")]
    index: Option<String>,
    #[serde(rename = "_id")]
    id: Option<String>,
}

/// The documents of a bulk: index, action, id and document.
fn strictly(seen: &Seen) -> Vec<(String, String, Option<String>, Value)> {
    assert_eq!(seen.method, "POST");
    assert_eq!(seen.header("content-type"), "application/x-ndjson");
    let (path, query) = seen.target.split_once('?').unwrap();
    assert_eq!(
        query,
        "filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason"
    );
    let of_path = path.strip_suffix("/_bulk").unwrap().trim_start_matches('/');
    let body = std::str::from_utf8(&seen.body).unwrap();
    let mut lines = body
        .strip_suffix('\n')
        .expect("a bulk ends with a line feed")
        .split('\n');
    let mut documents = Vec::new();
    while let Some(line) = lines.next() {
        let action: HashMap<String, Action> = serde_json::from_str(line).unwrap();
        assert_eq!(action.len(), 1);
        let (name, action) = action.into_iter().next().unwrap();
        assert!(["create", "index"].contains(&name.as_str()));
        let index = action.index.unwrap_or_else(|| of_path.to_owned());
        let refused = |c: char| c.is_uppercase() || "\\/*?\"<>| ,#:".contains(c);
        assert!(!index.is_empty() && !index.contains(refused), "{index}");
        let document: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        let time = document["@timestamp"]
            .as_str()
            .expect("data streams go by it");
        assert!(time.ends_with('Z') && time.len() == 30, "{time}");
        documents.push((index, name, action.id, document));
    }
    documents
}

/// Keeps documents by id, and answers as documented.
fn receiver() -> Server {
    let kept: Mutex<HashMap<String, Value>> = Mutex::default();
    Server::start(move |seen, _| {
        let mut errors = false;
        let mut items = Vec::new();
        for (index, name, id, document) in strictly(seen) {
            let mut kept = kept.lock().unwrap();
            let id = id.unwrap_or_else(|| format!("made-{}", kept.len()));
            let message = document["message"].as_str().unwrap().to_owned();
            let (status, kind, reason) = match message.as_str() {
                "bad" => (
                    400,
                    "document_parsing_exception",
                    "failed to parse field [number]",
                ),
                "busy" => (429, "es_rejected_execution_exception", "queue is full"),
                "closed" => (403, "cluster_block_exception", "index is read-only"),
                _ if name == "create" && kept.contains_key(&id) => (
                    409,
                    "version_conflict_engine_exception",
                    "document already exists",
                ),
                _ => (201, "", ""),
            };
            let mut item = json!({ "status": status });
            if status == 201 {
                kept.insert(format!("{index}/{id}"), document);
                kept.insert(id, Value::Null);
            } else {
                errors = true;
                item["error"] = json!({ "type": kind, "reason": reason });
            }
            items.push(json!({ name: item }));
        }
        let said = json!({ "errors": errors, "items": items }).to_string();
        answer(200, &[("content-type", "application/json")], &said)
    })
}

#[tokio::test]
async fn documents_have_the_records_id_and_time_and_go_to_the_index_of_the_url() {
    let server = receiver();
    let config = json!({ "url": server.url("/logs-{level}/_bulk"), "format": "elasticsearch" });
    assert!(deliver(&target(config).await, &ten()).await.is_delivered());
    let documents = strictly(&server.seen()[0]);
    assert_eq!(documents.len(), 10);
    let (index, action, id, document) = &documents[3];
    assert_eq!((index.as_str(), action.as_str()), ("logs-info", "create"));
    assert_eq!(id.as_deref(), document["record_id"].as_str());
    assert_eq!(document["@timestamp"], "2026-11-22T11:15:00.123456792Z");
    assert_eq!(
        (&document["message"], &document["number"]),
        (&json!("m3"), &json!(3))
    );
    assert!(document.get("time").is_none());
}

#[tokio::test]
async fn the_index_can_be_each_records_own() {
    let server = receiver();
    let config = json!({
        "url": server.url(""), "format": "elasticsearch", "elasticsearch": {
            "index": "Shop-{tenant}-{year}.{month}.{day}", "action": "index", "own_ids": true,
        },
    });
    assert!(deliver(&target(config).await, &ten()).await.is_delivered());
    let documents = strictly(&server.seen()[0]);
    assert_eq!(documents[1].0, "shop-south-2026.11.22");
    assert_eq!((documents[1].1.as_str(), &documents[1].2), ("index", &None));
    assert_eq!(server.seen().len(), 1, "one bulk goes to many indices");
}

#[tokio::test]
async fn what_is_said_of_each_document_becomes_of_each_record() {
    let server = receiver();
    let config = json!({ "url": server.url("/logs/_bulk"), "format": "elasticsearch" });
    let target = target(config).await;
    let outcome = deliver(&target, &batch(&["a", "bad", "busy", "b", "bad", "busy"])).await;
    assert_eq!(outcome.verdict(), Verdict::Retry);
    assert_eq!(outcome.remaining(), Some(&[2, 5][..]));
    assert_eq!(failure(&outcome).class, Class::Throttled);
    let rejected: Vec<_> = outcome
        .rejections()
        .iter()
        .map(|one| (one.index, one.class))
        .collect();
    assert_eq!(rejected, [(1, Class::Invalid), (4, Class::Invalid)]);
    let told = &outcome.rejections()[0].message;
    assert_eq!(
        told,
        "document_parsing_exception: failed to parse field [number]"
    );
    let held = deliver(&target, &batch(&["closed"])).await;
    assert_eq!(
        (held.verdict(), failure(&held).class),
        (Verdict::Hold, Class::Auth)
    );
}

#[tokio::test]
async fn what_is_sent_again_is_there_already() {
    let server = receiver();
    let config = json!({ "url": server.url("/logs/_bulk"), "format": "elasticsearch" });
    let target = target(config).await;
    for _ in 0..2 {
        assert!(deliver(&target, &ten()).await.is_delivered());
    }
}

#[tokio::test]
async fn an_answer_that_does_not_say_it_of_each_is_tried_again() {
    for text in [
        "",
        "{",
        "{\"errors\":true,\"items\":[]}",
        "<html>a proxy</html>",
    ] {
        let server = Server::start(move |_, _| answer(200, &[], text));
        let config = json!({ "url": server.url("/logs/_bulk"), "format": "elasticsearch" });
        let outcome = deliver(&target(config).await, &ten()).await;
        assert_eq!(outcome.verdict(), Verdict::Retry, "{text}");
        assert!(failure(&outcome).maybe_written);
    }
}
