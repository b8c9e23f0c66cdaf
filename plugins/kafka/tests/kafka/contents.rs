//! What a message has in it.

use rolog_core::frame;
use rolog_plugin::prelude::*;
use serde_json::json;

use super::mock::{Cluster, batch, batch_with, deliver, target, words};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_has_its_records_key_headers_and_time() {
    let cluster = Cluster::new(1);
    cluster.topic("orders-shop.db", 3);
    let more = json!({
        "key": "{tenant}",
        "headers": { "kind": "order {user}", "level": "own" },
    });
    let kafka = cluster.target("orders-{logger}", more).await;
    let records = batch_with(["first", "second"], |at, fields| {
        fields.key("user").str("Ada");
        fields
            .key("trace_id")
            .str("000102030405060708090a0b0c0d0e0f");
        if at == 0 {
            fields.key("tenant").str("acme");
        }
    });
    let outcome = deliver(&kafka, &records).await;
    assert!(outcome.is_delivered(), "{outcome:?}");
    let mut all = cluster.received("orders-shop.db");
    all.sort_by_key(|one| one.headers["record_id"].clone());
    assert_eq!(all.len(), 2);
    let keys: Vec<_> = all.iter().map(|one| one.key.as_deref()).collect();
    assert_eq!(
        keys,
        [Some("acme"), None],
        "a record without a tenant has no key"
    );
    let first = &all[0];
    assert_eq!(first.time, Some(1_700_000_000_123));
    assert_eq!(first.json()["message"], "first");
    assert_eq!(first.json()["record_id"], first.headers["record_id"]);
    let headers: Vec<_> = first
        .headers
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        headers,
        [
            ("kind", "order Ada"),
            ("level", "own"),
            ("logger", "shop.db"),
            (
                "record_id",
                "00000000000000000000000000000001-0000000000000000"
            ),
            ("trace_id", "000102030405060708090a0b0c0d0e0f"),
        ]
    );
    kafka
        .shutdown(std::time::Duration::from_secs(5))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_read_from_kafka_is_the_record_that_was_sent() {
    let cluster = Cluster::new(1);
    cluster.topic("frames", 1);
    let more = json!({ "format": "frame", "record_headers": false });
    let kafka = cluster.target("frames", more).await;
    let records = batch_with(["one", "two"], |at, fields| {
        fields.key("count").u64(at as u64);
        fields
            .key("span")
            .duration(std::time::Duration::from_nanos(7));
    });
    assert!(deliver(&kafka, &records).await.is_delivered());
    let view = records.view();
    let all = cluster.received("frames");
    assert_eq!(all.len(), 2);
    for (sent, one) in view.records().zip(&all) {
        assert!(one.headers.is_empty());
        let read = frame::Batch::parse(&one.content).unwrap();
        let read = read.get(0).unwrap();
        assert_eq!(read.id(), sent.id());
        assert_eq!(read.payload(), sent.payload());
        assert_eq!(read.time(), sent.time());
        assert_eq!(read.logger(), sent.logger());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_compression_arrives_and_the_order_stays() {
    let cluster = Cluster::new(1);
    let expected = words("word", 1000);
    for compression in ["none", "lz4", "zstd", "snappy", "gzip"] {
        let topic = format!("in-{compression}");
        cluster.topic(&topic, 1);
        let kafka = cluster
            .target(&topic, json!({ "compression": compression }))
            .await;
        let outcome = deliver(&kafka, &batch(&expected)).await;
        assert!(outcome.is_delivered(), "{compression}: {outcome:?}");
        assert_eq!(cluster.messages(&topic), expected, "{compression}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_without_what_its_topic_is_named_after_is_rejected_alone() {
    let cluster = Cluster::new(1);
    cluster.topic("for-acme_corp", 1);
    let kafka = cluster.target("for-{tenant}", json!({})).await;
    let records = batch_with(["with", "without", "with too"], |at, fields| {
        if at != 1 {
            fields.key("tenant").str("acme/corp");
        }
    });
    let outcome = deliver(&kafka, &records).await;
    let rejected: Vec<_> = outcome
        .rejections()
        .iter()
        .map(|one| (one.index, one.class))
        .collect();
    assert_eq!(outcome.verdict(), Verdict::Delivered);
    assert_eq!(rejected, [(1, Class::Invalid)]);
    assert!(outcome.rejections()[0].message.contains("tenant"));
    assert_eq!(cluster.messages("for-acme_corp"), ["with", "with too"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_partitioner_of_java_clients_chooses_as_they_do() {
    // Kafka's own examples of its hash, as it folds them to a partition.
    let hashes = [
        ("21", -973_932_308_i32),
        ("foobar", -790_332_482),
        ("abc", 479_470_107),
    ];
    let cluster = Cluster::new(1);
    cluster.topic("t", 7);
    let more = json!({ "key": "{tenant}", "partitioner": "murmur2_random" });
    let kafka = cluster.target("t", more).await;
    let records = batch_with(hashes.map(|(key, _)| key), |at, fields| {
        fields.key("tenant").str(hashes[at].0);
    });
    assert!(deliver(&kafka, &records).await.is_delivered());
    for one in cluster.received("t") {
        let (_, hash) = hashes
            .iter()
            .find(|(key, _)| one.key.as_deref() == Some(key))
            .unwrap();
        assert_eq!(one.partition, (hash & i32::MAX) % 7, "{:?}", one.key);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_says_so_when_no_broker_answers() {
    let settings =
        super::mock::settings("127.0.0.1:1", "t", &json!({ "connect_timeout": "300ms" }));
    let failure = target(settings).await.unwrap_err();
    assert_eq!(failure.class, Class::Connection, "{failure}");
}
