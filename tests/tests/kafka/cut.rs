//! Connections that are cut while requests and their answers are on the way.

use std::collections::HashSet;
use std::sync::Arc;

use rolog_tests::servers::{Cuts, Kafka};
use serde_json::json;
use tokio::task::JoinSet;

use super::{deliver, messages, settings, target};

const LANES: usize = 4;
const BATCHES: usize = 100;
const BATCH: usize = 500;
const CUTS: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_however_often_connections_are_cut() {
    let Some(kafka) = Kafka::start("connections to Kafka that are cut", 1) else {
        return;
    };
    kafka.topic("t", 3, &[]);
    // From the first bytes of a connection's greeting to many requests later, in no order: 31 has no
    // factor in common with 40, so that each length comes once.
    let cuts = (0..CUTS).map(|n| 40 + (n * 31 % CUTS) as u64 * 5_000);
    let proxy = kafka.proxy(Cuts(cuts.collect()));
    let more = json!({
        "compression": "none",
        "record_headers": false,
        "properties": { "reconnect.backoff.ms": 1, "reconnect.backoff.max.ms": 20, "retry.backoff.ms": 5 },
    });
    let target = target(&settings(proxy.address(), "t", &more))
        .await
        .unwrap();
    // One life of a producer, with batches of it on the way at any moment.
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let target = Arc::clone(&target);
        lanes.spawn(async move {
            for part in (lane..BATCHES).step_by(LANES) {
                let words: Vec<String> =
                    (0..BATCH).map(|n| (part * BATCH + n).to_string()).collect();
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let outcome = deliver(&target, &words).await;
                assert!(outcome.is_delivered(), "{outcome:?}");
            }
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane.unwrap();
    }
    // Fewer, and too little was on its way to meet them.
    assert!(proxy.cut() > CUTS as u64 / 2, "{} cuts", proxy.cut());
    let there = messages(&kafka.read("t", "%s"));
    let different: HashSet<&String> = there.iter().collect();
    assert_eq!(
        (there.len(), different.len()),
        (BATCHES * BATCH, BATCHES * BATCH)
    );
}
