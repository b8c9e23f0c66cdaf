//! What requests look like.

use std::fs;
use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use rolog_plugin::prelude::*;
use serde_json::{Value, json};

use crate::common::{batch, deliver, target, ten, try_target};
use crate::server::{Seen, Server, answer};

async fn seen(more: Value) -> Seen {
    let server = Server::obliging();
    let mut config = json!({ "url": server.url("/in?a=1") });
    config
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let target = target(config).await;
    assert!(
        deliver(&target, &batch(&["a \"quote\"", "b"]))
            .await
            .is_delivered()
    );
    server.seen().remove(0)
}

#[tokio::test]
async fn lines_an_array_and_an_envelope() {
    let lines = seen(json!({})).await;
    assert_eq!(
        (lines.method.as_str(), lines.target.as_str()),
        ("POST", "/in?a=1")
    );
    assert_eq!(lines.header("content-type"), "application/x-ndjson");
    assert!(lines.header("user-agent").starts_with("rolog/"));
    assert_eq!(lines.messages(), ["a \"quote\"", "b"]);
    assert_eq!(
        lines.lines()[1]["record_id"],
        "00000000000000000000000000000007-0000000000000001"
    );

    let array = seen(json!({ "format": "json", "method": "PUT" })).await;
    assert_eq!(array.method, "PUT");
    assert_eq!(array.header("content-type"), "application/json");
    let body: Vec<Value> = serde_json::from_slice(&array.body).unwrap();
    assert_eq!(body[0]["message"], "a \"quote\"");
    assert_eq!(body[1], lines.lines()[1]);

    let envelope = seen(json!({ "format": "envelope", "envelope": {
        "body": "{\"source\":\"shop\",\"events\":[{records}]}",
        "record": "{\"time\":{unix},\"host\":\"{host|none}\",\"say\":\"{message}\",\"event\":{json}}",
    }}))
    .await;
    let body: Value = serde_json::from_slice(&envelope.body).unwrap();
    assert_eq!(body["source"], "shop");
    assert_eq!(body["events"][0]["say"], "a \"quote\"");
    assert_eq!(body["events"][0]["host"], "none");
    assert_eq!(body["events"][1]["event"], lines.lines()[1]);
    assert!(String::from_utf8_lossy(&envelope.body).contains("\"time\":1795346100.123456790"));

    let plain = seen(json!({ "format": "envelope", "envelope": {
        "body": "{records}\n", "record": "{level} {message}", "separator": "\n", "content_type": "text/plain",
    }}))
    .await;
    assert_eq!(plain.body, b"info a \\\"quote\\\"\ninfo b\n");
    assert_eq!(plain.header("content-type"), "text/plain");
}

#[tokio::test]
async fn headers_parameters_and_credentials() {
    let basic = seen(json!({
        "auth": { "basic": { "user": "ada", "password": "love lace" } },
        "headers": { "X-Scope-OrgID": "{logger}", "Content-Type": "application/json" },
        "query": { "stream": "a b" },
    }))
    .await;
    assert_eq!(basic.header("authorization"), "Basic YWRhOmxvdmUgbGFjZQ==");
    assert_eq!(basic.header("x-scope-orgid"), "shop.orders");
    assert_eq!(basic.header("content-type"), "application/json");
    assert_eq!(basic.target, "/in?a=1&stream=a%20b");
    let bearer = seen(json!({ "auth": { "bearer": "t0ken" } })).await;
    assert_eq!(bearer.header("authorization"), "Bearer t0ken");
}

#[tokio::test]
async fn a_token_in_a_file_is_read_again_at_once_when_it_was_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let server = Server::start(|seen, _| {
        answer(
            if seen.header("authorization") == "Bearer second" {
                200
            } else {
                401
            },
            &[],
            "",
        )
    });
    let config = json!({ "url": server.url("/"), "auth": { "bearer_file": file } });
    let missing = try_target(config.clone()).await.unwrap_err();
    assert_eq!(missing.class, Class::Auth);
    fs::write(&file, "first\n").unwrap();
    let target = target(config).await;
    assert_eq!(deliver(&target, &ten()).await.verdict(), Verdict::Hold);
    fs::write(&file, "second\n").unwrap();
    assert!(deliver(&target, &ten()).await.is_delivered());
}

#[tokio::test]
async fn bodies_are_compressed() {
    let plain = seen(json!({})).await;
    let gzip = seen(json!({ "compression": "gzip" })).await;
    assert_eq!(gzip.header("content-encoding"), "gzip");
    let mut body = Vec::new();
    flate2::read::GzDecoder::new(&gzip.body[..])
        .read_to_end(&mut body)
        .unwrap();
    assert_eq!(body, plain.body);
    let zstd = seen(json!({ "compression": "zstd", "compression_level": 7 })).await;
    assert_eq!(zstd.header("content-encoding"), "zstd");
    assert_eq!(zstd::decode_all(&zstd.body[..]).unwrap(), plain.body);
}

#[tokio::test]
async fn the_key_stays_for_the_same_records_and_is_another_for_others() {
    let server = Server::start(|_, number| answer([503, 200][usize::from(number > 1)], &[], ""));
    let config = json!({ "url": server.url("/") });
    let first = target(config.clone()).await;
    let (one, other) = (ten(), batch(&["m0"]));
    for batch in [&one, &one, &other] {
        let _ = deliver(&first, batch).await;
    }
    drop(first);
    // As a successor, or a replay, has it.
    assert!(deliver(&target(config).await, &one).await.is_delivered());
    let keys: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| seen.header("idempotency-key").to_owned())
        .collect();
    assert_eq!(keys[0].len(), 32);
    assert_eq!([&keys[1], &keys[3]], [&keys[0], &keys[0]]);
    assert_ne!(keys[2], keys[0]);
    assert_eq!(
        seen(json!({ "idempotency_header": "" }))
            .await
            .header("idempotency-key"),
        ""
    );
    assert_eq!(
        seen(json!({ "idempotency_header": "X-Key" }))
            .await
            .header("x-key")
            .len(),
        32
    );
}

#[tokio::test]
async fn a_proxy_is_asked_with_its_own_credentials() {
    let proxy = Server::obliging();
    let url = format!("http://ada:lovelace@127.0.0.1:{}", proxy.port);
    let target = target(json!({ "url": "http://logs.invalid/in", "proxy": url })).await;
    assert!(deliver(&target, &ten()).await.is_delivered());
    let seen = proxy.seen().remove(0);
    assert_eq!(seen.target, "http://logs.invalid/in");
    assert_eq!(seen.header("proxy-authorization"), "Basic YWRhOmxvdmVsYWNl");
}

#[tokio::test]
async fn a_probe_is_asked_when_the_target_is_made_and_never_without_one() {
    let server =
        Server::start(|seen, _| answer(if seen.target == "/health" { 200 } else { 403 }, &[], ""));
    drop(target(json!({ "url": server.url("/in") })).await);
    assert!(server.seen().is_empty());
    let config =
        json!({ "url": server.url("/in"), "probe": "/health", "auth": { "bearer": "t0ken" } });
    drop(target(config).await);
    let seen = server.seen().remove(0);
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("GET", "/health")
    );
    assert_eq!(seen.header("authorization"), "Bearer t0ken");
    let refused = try_target(json!({ "url": server.url("/in"), "probe": "/" }))
        .await
        .unwrap_err();
    assert_eq!(refused.class, Class::Auth);
    let gone = json!({ "url": "http://no-such-host.invalid/", "probe": "/health" });
    assert_eq!(try_target(gone).await.unwrap_err().class, Class::Connection);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_batches_are_under_way_at_a_time() {
    // None is answered before all are there.
    let all = Barrier::new(8);
    let server = Server::start(move |_, _| {
        all.wait();
        answer(200, &[], "")
    });
    let target = Arc::new(target(json!({ "url": server.url("/") })).await);
    let messages: Vec<String> = (0..2000).map(|n| format!("message {n}")).collect();
    let words: Vec<&str> = messages.iter().map(String::as_str).collect();
    let batch = batch(&words);
    let sending = (0..8).map(|_| {
        let (target, batch) = (Arc::clone(&target), batch.clone());
        tokio::spawn(async move {
            target
                .deliver(&batch, &Attempt::new(1, Duration::from_secs(30)))
                .await
        })
    });
    for sent in sending.collect::<Vec<_>>() {
        assert!(sent.await.unwrap().is_delivered());
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 8);
    assert!(seen.iter().all(|seen| seen.messages() == messages));
}

/// On one thread, so that whatever is not done elsewhere keeps everything else waiting.
#[tokio::test]
async fn a_large_batch_is_compressed_where_it_keeps_nobody_waiting() {
    let words: Vec<String> = (0..20_000_u64)
        .map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let batch = batch(&words);
    let server = Server::obliging();
    let config = json!({
        "url": server.url("/"), "compression": "zstd", "compression_level": 19, "max_bytes": "64MiB",
    });
    let target = target(config).await;
    let ticking = tokio::spawn(async {
        let (mut longest, mut last) = (Duration::ZERO, Instant::now());
        loop {
            tokio::task::yield_now().await;
            longest = longest.max(last.elapsed());
            last = Instant::now();
            LONGEST.store(longest.as_micros() as u64, Ordering::Relaxed);
        }
    });
    assert!(deliver(&target, &batch).await.is_delivered());
    ticking.abort();
    let waited = Duration::from_micros(LONGEST.load(Ordering::Relaxed));
    let body = &server.seen()[0].body;
    let plain = zstd::decode_all(&body[..]).unwrap();
    let began = Instant::now();
    zstd::bulk::compress(&plain, 19).unwrap();
    let takes = began.elapsed();
    assert!(
        waited < takes / 2,
        "others waited {waited:?} for what takes {takes:?}"
    );
}

/// Microseconds that the ticking of the test above was kept from going on, at most.
static LONGEST: AtomicU64 = AtomicU64::new(0);
