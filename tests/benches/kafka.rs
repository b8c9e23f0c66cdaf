//! The Kafka target beside librdkafka's own producer loop, with the same messages, settings and
//! headers, in one run: on librdkafka's mock cluster and, where Java, Maven and kcat are there, on a
//! real broker.
//!
//!     cargo bench -p rolog-tests --bench kafka [-- RECORDS]
//!
//! Rounds of the two alternate, and a pair gives a ratio. What has arrived is counted by the
//! partitions' offsets after each round; a round that lacks a message, or has one too many, ends the
//! run. Records are prepared before a round: the target decodes and renders them within it, the loop
//! beside it gets the rendered text.

#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rolog_core::frame::Batch;
use rolog_core::render::JsonLine;
use rolog_host::instance::{Buffer, Instance};
use rolog_host::loader::LoaderSettings;
use rolog_plugin::linked;
use rolog_tests::plugins::{attempt, batch, instance, loader};
use rolog_tests::servers::Kafka;
use serde_json::json;
use tokio::runtime::Runtime;

const BATCH: usize = 5000;
const IN_FLIGHT: usize = 4;
const PAIRS: usize = 5;
const PARTITIONS: i32 = 4;
const LONG: Duration = Duration::from_mins(1);
const TOPIC: &str = "bench";

/// A message as the loop beside the target sends it.
struct Rendered {
    content: Vec<u8>,
    record_id: String,
}

/// Counts what was delivered.
struct Reports(std::sync::atomic::AtomicUsize);

impl rdkafka::ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        assert!(result.is_ok(), "a message was not delivered");
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse().ok());
    let records: usize = numbers.next().unwrap_or(500_000);
    let records = records.div_ceil(BATCH) * BATCH;
    let runtime = Runtime::new().expect("a runtime");
    let (buffer, rendered) = prepare();

    let mock = MockCluster::new(1).expect("a mock cluster");
    mock.create_topic(TOPIC, PARTITIONS, 1).expect("a topic");
    compare(
        "mock",
        &mock.bootstrap_servers(),
        records,
        &runtime,
        &buffer,
        &rendered,
    );
    if let Some(kafka) = Kafka::start("the Kafka benchmark on a real broker", 1) {
        kafka.topic(TOPIC, PARTITIONS as u32, &[]);
        compare(
            "real",
            &kafka.brokers(),
            records,
            &runtime,
            &buffer,
            &rendered,
        );
    }
}

fn prepare() -> (Buffer, Vec<Rendered>) {
    let words: Vec<String> = (0..BATCH)
        .map(|n| format!("order {n} accepted, total 19.99, by card, in 12 ms"))
        .collect();
    let buffer = batch(words.iter().map(String::as_str));
    let view = Batch::parse(buffer.as_slice()).expect("a batch");
    let mut line = JsonLine::new();
    let rendered = view
        .records()
        .map(|record| {
            let mut content = Vec::new();
            line.line(&record, &mut content);
            content.pop();
            let record_id = record.id().to_string();
            Rendered { content, record_id }
        })
        .collect();
    (buffer, rendered)
}

fn compare(
    name: &str,
    brokers: &str,
    records: usize,
    runtime: &Runtime,
    buffer: &Buffer,
    rendered: &[Rendered],
) {
    let (loader, _) = loader(LoaderSettings::default());
    let library = loader.link(linked::<rolog_kafka::Kafka>());
    let settings = json!({ "brokers": brokers, "topic": TOPIC });
    let target = runtime.block_on(async {
        let target = instance(&library, "kafka", &settings)
            .await
            .expect("an instance");
        target.activate().await.expect("an instance that is active");
        target
    });
    let producer: ThreadedProducer<Reports> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("compression.codec", "lz4")
        .set("queue.buffering.max.messages", "0")
        .set("queue.buffering.max.kbytes", "2147483647")
        .create_with_context(Reports(0.into()))
        .expect("a producer");
    let counter: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .expect("a consumer");
    let mut expected = arrived(&counter);
    let mut round = |what: &str, run: &dyn Fn()| {
        let start = Instant::now();
        run();
        let pace = records as f64 / start.elapsed().as_secs_f64();
        expected += records as i64;
        let there = arrived(&counter);
        assert_eq!(there, expected, "{what}: the round is void");
        pace
    };
    // The first of each opens connections and is not counted.
    let mut ratios = Vec::new();
    println!("{name}: {records} records a round, {BATCH} a batch, {IN_FLIGHT} batches in flight");
    for pair in 0..=PAIRS {
        let ours = round("target", &|| {
            runtime.block_on(deliver(&target, buffer, records));
        });
        let theirs = round("librdkafka", &|| produce(&producer, rendered, records));
        if pair > 0 {
            println!(
                "  target {ours:>9.0}/s   librdkafka {theirs:>9.0}/s   {:.2}",
                ours / theirs
            );
            ratios.push(ours / theirs);
        }
    }
    ratios.sort_by(f64::total_cmp);
    println!("  median ratio {:.2}", ratios[ratios.len() / 2]);
    runtime.block_on(target.shutdown(LONG)).expect("an end");
}

/// As the stage does with a `concurrency` of [`IN_FLIGHT`].
async fn deliver(target: &Arc<dyn Instance>, buffer: &Buffer, records: usize) {
    let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let lanes: Vec<_> = (0..IN_FLIGHT)
        .map(|_| {
            let (target, buffer, next) = (Arc::clone(target), buffer.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if number >= records / BATCH {
                        return;
                    }
                    let outcome = target.deliver(buffer.clone(), attempt(number as u64)).await;
                    assert!(outcome.is_delivered(), "{outcome:?}");
                }
            })
        })
        .collect();
    for lane in lanes {
        lane.await.expect("a lane ends");
    }
}

fn produce(producer: &ThreadedProducer<Reports>, rendered: &[Rendered], records: usize) {
    for message in rendered.iter().cycle().take(records) {
        let header = |key, value: &'static str| Header {
            key,
            value: Some(value),
        };
        let headers = OwnedHeaders::new_with_capacity(3)
            .insert(Header {
                key: "record_id",
                value: Some(&message.record_id),
            })
            .insert(header("level", "info"))
            .insert(header("logger", "shop"));
        let mut record = BaseRecord::<(), _>::to(TOPIC)
            .payload(&message.content)
            .timestamp(1_700_000_000_000)
            .headers(headers);
        while let Err((error, back)) = producer.send(record) {
            let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            assert_eq!(error, full);
            record = back;
            std::thread::yield_now();
        }
    }
    producer.flush(LONG).expect("all is sent");
}

/// How many messages there are, by the partitions' offsets.
fn arrived(counter: &BaseConsumer) -> i64 {
    let last = |partition| {
        let marks = counter.fetch_watermarks(TOPIC, partition, LONG);
        marks.expect("a partition's offsets").1
    };
    (0..PARTITIONS).map(last).sum()
}
