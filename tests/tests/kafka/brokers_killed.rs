//! Three nodes, each of which is killed and comes back while records are on their way.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use rolog_core::delivery::Verdict;
use rolog_core::frame;
use rolog_host::instance::{Attempt, Buffer, Instance};
use rolog_tests::plugins::batch;
use rolog_tests::servers::Kafka;
use serde_json::json;

use super::{settings, target};

const NODES: usize = 3;
const PARTITIONS: usize = 6;
const BATCH: usize = 2000;

/// How many; 2,000,000 is the full size.
fn records() -> usize {
    let asked = std::env::var("ROLOG_KAFKA_RECORDS").ok();
    asked.map_or(200_000, |number| number.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_is_there_once_and_in_order_while_brokers_are_killed_in_turn() {
    let Some(mut kafka) = Kafka::start("records while Kafka's brokers are killed", NODES) else {
        return;
    };
    let total = records() / BATCH * BATCH;
    kafka.topic("t", PARTITIONS as u32, &[]);
    // Long enough for a partition to find a new leader.
    let more = json!({ "delivery_timeout": "50s", "record_headers": false, "key": "{n}" });
    let target = target(&settings(&kafka.brokers(), "t", &more))
        .await
        .unwrap();
    let (release, released) = mpsc::channel();
    tokio::task::block_in_place(|| {
        let runtime = tokio::runtime::Handle::current();
        std::thread::scope(|scope| {
            let killing = scope.spawn(move || {
                for node in 0..NODES {
                    // A share of the records is on its way in the moment of the kill and after it.
                    release.send(()).unwrap();
                    kafka.node(node).kill();
                    kafka.node(node).start_again();
                }
                kafka
            });
            for share in 0..NODES {
                released.recv().unwrap();
                let batches = total / BATCH;
                for number in batches * share / NODES..batches * (share + 1) / NODES {
                    runtime.block_on(deliver(&target, number * BATCH));
                }
            }
            check(&killing.join().unwrap(), total);
        });
    });
}

/// Delivers a batch, as often as it takes.
async fn deliver(target: &Arc<dyn Instance>, first: usize) {
    let words: Vec<String> = (first..first + BATCH).map(|n| format!("{n:09}")).collect();
    let mut buffer = batch(words.iter().map(String::as_str));
    let end = Instant::now() + Duration::from_mins(2);
    loop {
        let attempt = Attempt {
            id: first as u64,
            number: 1,
            deadline: Duration::from_mins(1),
        };
        let outcome = target.deliver(buffer.clone(), attempt).await;
        if outcome.is_delivered() {
            return;
        }
        // What the stage would do. That it might double records is not to happen here.
        assert_eq!(outcome.verdict(), Verdict::Retry, "{outcome:?}");
        assert!(!outcome.failure().unwrap().maybe_written, "{outcome:?}");
        assert!(Instant::now() < end, "{outcome:?}");
        let left = outcome.remaining().unwrap().iter().copied();
        buffer = Buffer::new(frame::select(buffer.as_slice(), left).unwrap().into());
    }
}

fn check(kafka: &Kafka, total: usize) {
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    let mut seen = 0;
    for line in kafka.read("t", "%p %s") {
        let (partition, object) = line.split_once(' ').unwrap();
        let object: serde_json::Value = serde_json::from_str(object).unwrap();
        let message = object["message"].as_str().unwrap();
        let before = last.insert(partition.to_owned(), message.to_owned());
        assert!(
            before.as_deref().is_none_or(|before| before < message),
            "in partition {partition}, {message} comes after {before:?}"
        );
        seen += 1;
    }
    // Strictly rising in each partition, and a key has one partition: none is there twice.
    assert_eq!(seen, total);
    assert_eq!(last.len(), PARTITIONS, "all partitions have records");
}
