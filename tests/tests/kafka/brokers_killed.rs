//! Three nodes, each of which is killed and comes back while records are on their way through a
//! pipeline.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rolog_core::info;
use rolog_host::Host;
use rolog_host::config::{self, Env};
use rolog_tests::artifacts;
use rolog_tests::servers::Kafka;
use serde_json::{Value, json};

use super::settings;

const NODES: usize = 3;
const PARTITIONS: usize = 6;
/// Longer than anything takes, on a machine with much to do.
const LONG: Duration = Duration::from_mins(5);
/// How often the account is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// How many; 2,000,000 is the full size.
fn records() -> usize {
    let asked = std::env::var("ROLOG_KAFKA_RECORDS").ok();
    asked.map_or(200_000, |number| number.parse().unwrap())
}

/// A pipeline whose one target, `stream`, is the plugin with these settings. One batch at a time keeps
/// the order across batches.
pub(crate) fn pipeline(settings: &Value) -> Host {
    let yaml = format!(
        "
version: 1
plugins: {{ search: ['{}'] }}
rings: {{ overflow: {{ block: {{ max_wait: 300s }} }} }}
targets:
  stream:
    plugin: kafka
    config: {settings}
    queue: {{ overflow: {{ block: {{ max_wait: 300s }} }} }}
    flush: {{ interval: 20ms, timeout: 60s }}
routes:
  - {{ logger: shop, to: stream }}
",
        artifacts::library_folder().display()
    );
    let spec = config::parse(yaml, "test.yaml", "/", &Env::empty());
    let spec = spec.unwrap_or_else(|problems| panic!("{problems}"));
    let host = Host::builder().pipeline(spec).start();
    host.unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_record_is_there_once_and_in_order_while_brokers_are_killed_in_turn() {
    let Some(mut kafka) = Kafka::start("records while Kafka's brokers are killed", NODES) else {
        return;
    };
    let total = records();
    kafka.topic("t", PARTITIONS as u32, &[]);
    // Long enough for a partition to find a new leader.
    let more = json!({ "delivery_timeout": "50s", "record_headers": false, "key": "{n}" });
    let host = pipeline(&settings(&kafka.brokers(), "t", &more));
    let log = host.factory().get_logger("shop");
    let delivered = || host.ledger().target("stream").unwrap().delivered as usize;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..total {
                info!(log, "order {n} accepted", n = n);
            }
        });
        for node in 0..NODES {
            // The next share of the records is on its way in the moment of the kill and after it.
            let (share, end) = (total * (node + 1) / (NODES + 1), Instant::now() + LONG);
            while delivered() < share {
                assert!(Instant::now() < end, "{}", host.ledger());
                std::thread::sleep(LOOK);
            }
            kafka.node(node).kill();
            kafka.node(node).start_again();
        }
    });
    let report = host.dispose_blocking(LONG);
    assert!(report.is_complete() && report.ledger.balances(), "{report}");
    let row = report.ledger.target("stream").unwrap();
    let all = total as u64;
    assert_eq!((row.accepted, row.delivered), (all, all), "{report}");
    // One place retries, and it is librdkafka: the stage had nothing to repeat.
    assert_eq!((row.maybe_written, row.retries), (0, 0), "{report}");
    check(&kafka, total);
}

fn check(kafka: &Kafka, total: usize) {
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    let mut seen = 0;
    for line in kafka.read_so_many("t", "%p %k", total) {
        let (partition, number) = line.split_once(' ').unwrap();
        let number: u64 = number.parse().unwrap();
        let before = last.insert(partition.to_owned(), number);
        assert!(
            before.is_none_or(|before| before < number),
            "in partition {partition}, {number} comes after {before:?}"
        );
        seen += 1;
    }
    // Strictly rising in each partition, and a key has one partition: none is there twice.
    assert_eq!(seen, total);
    assert_eq!(last.len(), PARTITIONS, "all partitions have records");
}
