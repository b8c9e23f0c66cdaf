//! One node, and what can be wrong with it.

use std::time::{Duration, Instant};

use rolog_core::delivery::{Class, Verdict};
use rolog_tests::servers::Kafka;
use serde_json::json;

use super::{deliver, messages, settings, target};

/// One start of Kafka for all of it: a node takes seconds to begin.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lacks_refuses_and_ends_is_told_apart_and_loses_nothing() {
    let Some(mut kafka) = Kafka::start("the Kafka target against a real node", 1) else {
        return;
    };
    let brokers = kafka.brokers();

    // A topic that there is not is held until there is one.
    let properties = json!({ "topic.metadata.propagation.max.ms": 1000 });
    let more = json!({ "key": "{n}", "compression": "zstd", "properties": properties });
    let orders = target(&settings(&brokers, "orders", &more)).await.unwrap();
    let outcome = deliver(&orders, &["early"]).await;
    let class = outcome.failure().unwrap().class;
    assert_eq!(
        (outcome.verdict(), class),
        (Verdict::Hold, Class::NotFound),
        "{outcome:?}"
    );
    kafka.topic(
        "orders",
        1,
        &["max.message.bytes=2000", "compression.type=producer"],
    );
    let outcome = deliver(&orders, &["early", "bird"]).await;
    assert!(outcome.is_delivered(), "{outcome:?}");
    let lines = kafka.read("orders", "%k %T %h %s");
    let (head, object) = lines[1].split_once(" {").unwrap();
    assert_eq!(
        head,
        "1 1700000000000 record_id=00000000000000000000000000000007-0000000000000001,level=info,\
         logger=shop"
    );
    assert_eq!(messages(&[format!("{{{object}")]), ["bird"]);

    // The broker refuses what is too large for the topic, with all that was sent beside it.
    let plain = json!({ "compression": "none", "record_headers": false });
    let small = target(&settings(&brokers, "orders", &plain)).await.unwrap();
    let large = "x".repeat(3000);
    let outcome = deliver(&small, &["one", "two", &large, "three"]).await;
    let rejected: Vec<_> = outcome
        .rejections()
        .iter()
        .map(|one| (one.index, one.class))
        .collect();
    assert_eq!(rejected, [(2, Class::TooLarge)], "{outcome:?}");
    let there = messages(&kafka.read("orders", "%s"));
    assert_eq!(there, ["early", "bird", "one", "two", "three"]);

    // A node that is killed is surely not written to, and delivered to once it is back.
    let more = json!({ "delivery_timeout": "2s" });
    let short = target(&settings(&brokers, "orders", &more)).await.unwrap();
    kafka.node(0).kill();
    let outcome = deliver(&short, &["late"]).await;
    let failure = outcome.failure().unwrap();
    assert_eq!(
        (outcome.verdict(), failure.class),
        (Verdict::Retry, Class::Connection)
    );
    assert!(!failure.maybe_written, "{outcome:?}");
    kafka.node(0).start_again();
    // Of the broker's first moments nothing is promised but that no record is lost.
    let end = Instant::now() + Duration::from_secs(30);
    while !deliver(&orders, &["late"]).await.is_delivered() {
        assert!(Instant::now() < end, "the node is back");
    }
    let there = messages(&kafka.read("orders", "%s"));
    assert_eq!(there.last().map(String::as_str), Some("late"));
    for instance in [orders, small, short] {
        instance.shutdown(Duration::from_secs(5)).await.unwrap();
    }
}
