//! Three nodes that hand the partitions from one to the other while records are on their way, as an
//! operator has them do.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rolog_core::info;
use rolog_tests::servers::Kafka;
use serde_json::json;

use super::brokers_killed::pipeline;
use super::settings;

const PARTITIONS: usize = 6;
const MOVES: usize = 3;
/// So many records are on their way at a time.
const PART: usize = 100;
const LONG: Duration = Duration::from_mins(2);

#[test]
fn every_record_is_there_once_and_in_order_while_leaders_are_moved() {
    let Some(kafka) = Kafka::start("records while Kafka's leaders are moved", 3) else {
        return;
    };
    kafka.topic("t", PARTITIONS as u32, &[]);
    let more = json!({ "record_headers": false, "key": "{n}" });
    let host = pipeline(&settings(&kafka.brokers(), "t", &more));
    let log = host.factory().get_logger("shop");
    let moved = AtomicBool::new(false);
    let mut total = 0;
    std::thread::scope(|scope| {
        let moving = scope.spawn(|| {
            for _ in 0..MOVES {
                kafka.move_leaders("t");
            }
            moved.store(true, Ordering::SeqCst);
        });
        while !moved.load(Ordering::SeqCst) && !moving.is_finished() {
            for n in total..total + PART {
                info!(log, "order {n} accepted", n = n);
            }
            total += PART;
            assert_eq!(host.flush_blocking(LONG), 0);
        }
    });
    let report = host.dispose_blocking(LONG);
    assert!(report.is_complete() && report.ledger.balances(), "{report}");
    let row = report.ledger.target("stream").unwrap();
    let all = total as u64;
    assert_eq!((row.accepted, row.delivered), (all, all), "{report}");
    assert_eq!((row.maybe_written, row.retries), (0, 0), "{report}");

    let (mut last, mut seen) = (BTreeMap::new(), HashSet::new());
    for line in kafka.read_so_many("t", "%p %k", total) {
        let (partition, number) = line.split_once(' ').unwrap();
        let number: usize = number.parse().unwrap();
        assert!(seen.insert(number), "{number} is there twice");
        let before = last.insert(partition.to_owned(), number);
        assert!(
            before.is_none_or(|before| before < number),
            "in partition {partition}, {number} comes after {before:?}"
        );
    }
    assert_eq!((seen.len(), last.len()), (total, PARTITIONS));
}
