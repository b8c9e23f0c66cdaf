//! What the target says of each kind of trouble, and that the records are there once it is over.

use std::time::{Duration, Instant};

use rdkafka::types::RDKafkaRespErr as E;
use rolog_plugin::prelude::*;
use serde_json::json;

use super::mock::{Cluster, batch, deliver, target, words};

fn told(outcome: &Outcome) -> (Verdict, Class, bool) {
    let failure = outcome.failure().unwrap();
    (outcome.verdict(), failure.class, failure.maybe_written)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_librdkafka_can_retry_is_retried_there_and_there_only() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1);
    let kafka = cluster
        .target("t", json!({ "properties": { "retry.backoff.ms": 10 } }))
        .await;
    cluster.refuse(&[
        E::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        E::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
        E::RD_KAFKA_RESP_ERR__TRANSPORT,
        E::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
    ]);
    let expected = words("retried", 100);
    let outcome = deliver(&kafka, &batch(&expected)).await;
    assert!(outcome.is_delivered(), "{outcome:?}");
    assert_eq!(cluster.messages("t"), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_down_is_surely_not_written_to() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1);
    let kafka = cluster
        .target("t", json!({ "delivery_timeout": "2s" }))
        .await;
    cluster.down();
    let outcome = deliver(&kafka, &batch(["late"])).await;
    assert_eq!(
        told(&outcome),
        (Verdict::Retry, Class::Connection, false),
        "{outcome:?}"
    );
    cluster.up();
    assert!(deliver(&kafka, &batch(["again"])).await.is_delivered());
    assert_eq!(cluster.messages("t"), ["again"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_takes_a_message_and_never_answers_may_have_written_it() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1);
    let kafka = cluster
        .target("t", json!({ "delivery_timeout": "2s" }))
        .await;
    assert!(deliver(&kafka, &batch(["before"])).await.is_delivered());
    cluster.slow(Duration::from_secs(10));
    let outcome = deliver(&kafka, &batch(["perhaps"])).await;
    assert_eq!(
        told(&outcome),
        (Verdict::Retry, Class::Timeout, true),
        "{outcome:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_topic_is_held_until_there_is_one() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1);
    cluster.topic_error("t", E::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    let properties = json!({ "topic.metadata.propagation.max.ms": 200 });
    let kafka = cluster
        .target("t", json!({ "properties": properties }))
        .await;
    let outcome = deliver(&kafka, &batch(["early"])).await;
    assert_eq!(
        told(&outcome),
        (Verdict::Hold, Class::NotFound, false),
        "{outcome:?}"
    );
    let again = deliver(&kafka, &batch(["early"])).await;
    assert_eq!(again.verdict(), Verdict::Hold, "{again:?}");
    cluster.topic_error("t", E::RD_KAFKA_RESP_ERR_NO_ERROR);
    let outcome = deliver(&kafka, &batch(["there"])).await;
    assert!(outcome.is_delivered(), "{outcome:?}");
    assert_eq!(cluster.messages("t"), ["there"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_may_not_be_written_is_held_and_tried_when_asked() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1);
    let kafka = cluster.target("t", json!({})).await;
    cluster.refuse(&[E::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
    let outcome = deliver(&kafka, &batch(["denied"])).await;
    assert_eq!(
        told(&outcome),
        (Verdict::Hold, Class::Auth, false),
        "{outcome:?}"
    );
    let outcome = deliver(&kafka, &batch(["granted"])).await;
    assert!(outcome.is_delivered(), "{outcome:?}");
    assert_eq!(cluster.messages("t"), ["granted"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_too_large_for_the_client_is_rejected_alone() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1);
    let properties = json!({ "message.max.bytes": 2000 });
    let kafka = cluster
        .target("t", json!({ "properties": properties }))
        .await;
    let large = "x".repeat(3000);
    let outcome = deliver(&kafka, &batch(["small", &large, "small too"])).await;
    let rejected: Vec<_> = outcome
        .rejections()
        .iter()
        .map(|one| (one.index, one.class))
        .collect();
    assert_eq!(outcome.verdict(), Verdict::Delivered, "{outcome:?}");
    assert_eq!(rejected, [(1, Class::TooLarge)]);
    assert_eq!(cluster.messages("t"), ["small", "small too"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_request_is_sent_in_halves_until_who_is_to_blame_is_found() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1);
    let kafka = cluster.target("t", json!({})).await;
    // All eight, the first four, the first two, and the first alone.
    cluster.refuse(&[E::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE; 4]);
    let expected = words("word", 8);
    let outcome = deliver(&kafka, &batch(&expected)).await;
    let rejected: Vec<_> = outcome
        .rejections()
        .iter()
        .map(|one| (one.index, one.class))
        .collect();
    assert_eq!(outcome.verdict(), Verdict::Delivered, "{outcome:?}");
    assert_eq!(rejected, [(0, Class::TooLarge)]);
    assert_eq!(cluster.messages("t"), expected[1..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_is_beyond_repair_asks_to_be_built_anew() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1);
    cluster.refuse_id(&[E::RD_KAFKA_RESP_ERR_PRODUCER_FENCED]);
    let kafka = cluster.target("t", json!({})).await;
    let outcome = deliver(&kafka, &batch(["lost?"])).await;
    assert_eq!(
        told(&outcome),
        (Verdict::Fatal, Class::Internal, false),
        "{outcome:?}"
    );
    kafka.shutdown(Duration::from_secs(5)).await.unwrap();
    let next = cluster.target("t", json!({})).await;
    assert!(deliver(&next, &batch(["lost?"])).await.is_delivered());
    assert_eq!(cluster.messages("t"), ["lost?"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_may_not_write_at_all_is_held_and_begins_anew() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1);
    cluster.refuse_id(&[E::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED]);
    // Whether it is told while it connects or when it first delivers is a matter of moments.
    let kafka = match target(cluster.settings("t", &json!({}))).await {
        Ok(kafka) => kafka,
        Err(failure) => {
            assert_eq!(failure.class, Class::Auth, "{failure}");
            cluster.target("t", json!({})).await
        }
    };
    let outcome = deliver(&kafka, &batch(["granted?"])).await;
    if !outcome.is_delivered() {
        let told = told(&outcome);
        assert_eq!(told, (Verdict::Hold, Class::Auth, false), "{outcome:?}");
        let outcome = deliver(&kafka, &batch(["granted?"])).await;
        assert!(outcome.is_delivered(), "{outcome:?}");
    }
    assert_eq!(cluster.messages("t"), ["granted?"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_gives_back_what_it_could_not_send() {
    let cluster = Cluster::new(1);
    cluster.topic("t", 1);
    let kafka = std::sync::Arc::new(cluster.target("t", json!({})).await);
    cluster.down();
    let delivering = std::sync::Arc::clone(&kafka);
    let attempt = tokio::spawn(async move { deliver(&delivering, &batch(["back"])).await });
    let began = Instant::now();
    kafka.shutdown(Duration::from_secs(1)).await.unwrap();
    let outcome = attempt.await.unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    let (verdict, _, maybe_written) = told(&outcome);
    assert_eq!(
        (verdict, maybe_written),
        (Verdict::Retry, false),
        "{outcome:?}"
    );
}
