//! What librdkafka tells of itself: its figures as metrics, and brokers that ask it to slow down.

use std::sync::Arc;
use std::time::Instant;

use rdkafka::mocking::MockCluster;
use rolog_host::instance::Instance;
use rolog_host::loader::LoaderSettings;
use rolog_tests::artifacts;
use rolog_tests::plugins::{Heard, LONG, instance, own_copy};
use rolog_tests::servers::Kafka;
use serde_json::{Value, json};

use super::{deliver, settings};

/// A target, and what its plugin says.
async fn heard(settings: &Value) -> (Arc<dyn Instance>, Arc<Heard>) {
    let (library, heard) = own_copy(&artifacts::library("kafka"), LoaderSettings::default());
    let target = instance(&library, "kafka", settings).await.unwrap();
    target.activate().await.unwrap();
    (target, heard)
}

/// Waits until a metric is above 0; earlier reports may have been made before anything was sent.
fn rises(heard: &Heard, metric: &str) {
    let start = format!("{metric} {{}} ");
    let value = |line: &String| -> u64 { line.rsplit(' ').next().unwrap().parse().unwrap() };
    let end = Instant::now() + LONG;
    while !heard
        .all()
        .iter()
        .any(|line| line.contains(&start) && value(line) > 0)
    {
        assert!(Instant::now() < end, "{metric} stays 0: {:?}", heard.all());
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn librdkafkas_statistics_are_metrics() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    let more = json!({ "statistics": "100ms" });
    let (target, heard) = heard(&settings(&cluster.bootstrap_servers(), "t", &more)).await;
    assert!(
        deliver(&target, &["one", "two", "three"])
            .await
            .is_delivered()
    );
    let all = heard.wait_for("kafka_messages_total {} 3");
    assert!(
        all.contains("kafka/kafka"),
        "of the plugin and its target: {all}"
    );
    rises(&heard, "kafka_message_bytes_total");
    rises(&heard, "kafka_requests_total");
    rises(&heard, "kafka_sent_bytes_total");
    let up = format!(
        "kafka_broker_up {{\"broker\": Str(\"1\")}} {}",
        1f64.to_bits()
    );
    heard.wait_for(&up);
    for metric in [
        "queue_messages",
        "queue_bytes",
        "broker_rtt_seconds",
        "broker_throttle_seconds",
        "broker_errors_total",
        "broker_retries_total",
        "broker_timeouts_total",
    ] {
        heard.wait_for(&format!("kafka_{metric} "));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_throttles_is_told_of_and_loses_nothing() {
    let Some(kafka) = Kafka::start("a Kafka that throttles", 1) else {
        return;
    };
    kafka.topic("t", 1, &[]);
    kafka.throttle(20_000);
    let more = json!({ "compression": "none", "statistics": "100ms" });
    let (target, heard) = heard(&settings(&kafka.brokers(), "t", &more)).await;
    let words = vec!["x".repeat(1000); 100];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // The first is within what is allowed; whoever goes on is asked to wait.
    for _ in 0..2 {
        let outcome = deliver(&target, &words).await;
        assert!(outcome.is_delivered(), "{outcome:?}");
    }
    heard.wait_for("broker 1 throttles: it asks for");
    heard.wait_for("kafka_throttled_total {\"broker\": Str(\"1\")} 1");
    assert_eq!(kafka.read("t", "%o").len(), 200);
}
