//! Attempts that are cancelled, and those beside them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rolog_plugin::conformance::Suite;
use rolog_plugin::prelude::*;
use serde_json::json;

use super::mock::{Cluster, batch, deliver, words};

/// Only a host cancels, so that what it does is what the suite does.
#[test]
fn an_attempt_that_hangs_ends_when_it_is_cancelled_and_says_what_may_be_there() {
    let cluster = Arc::new(Cluster::new(1));
    let (settings, arrived) = (Arc::clone(&cluster), Arc::clone(&cluster));
    let (cause, mend) = (Arc::clone(&cluster), Arc::clone(&cluster));
    let report = Suite::of::<rolog_kafka::Kafka>(move |n| {
        let topic = format!("t{n}");
        settings.topic_once(&topic);
        settings.settings(&topic, &json!({ "delivery_timeout": "20s" }))
    })
    .arrived(move |n| arrived.messages(&format!("t{n}")))
    .trouble(
        rolog_plugin::conformance::Trouble::hangs("a broker that does not answer")
            .cause(move |_| cause.slow(Duration::from_millis(700)))
            .mend(move |_| mend.slow(Duration::ZERO)),
    )
    .run();
    assert!(report.passed().contains(&"cancel and settle"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_attempts_at_a_time_share_one_producer() {
    let cluster = Cluster::new(3);
    cluster.topic("t", 6);
    let kafka = Arc::new(
        cluster
            .target("t", json!({ "properties": { "linger.ms": 20 } }))
            .await,
    );
    let began = Instant::now();
    let attempts: Vec<_> = (0..20)
        .map(|n| {
            let kafka = Arc::clone(&kafka);
            tokio::spawn(async move { deliver(&kafka, &batch(words(&n.to_string(), 100))).await })
        })
        .collect();
    for attempt in attempts {
        assert!(attempt.await.unwrap().is_delivered());
    }
    // Each waits its linger; together they wait it about once.
    assert!(began.elapsed() < Duration::from_secs(10));
    let mut there = cluster.messages("t");
    let mut expected: Vec<_> = (0..20)
        .flat_map(|n: u32| words(&n.to_string(), 100))
        .collect();
    there.sort();
    expected.sort();
    assert_eq!(there, expected);
    kafka.flush(Duration::from_secs(5)).await.unwrap();
}
