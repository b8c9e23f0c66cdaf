//! A cluster of brokers within this process, and a reader of what has arrived there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};
use rolog_core::frame::{BatchBuilder, FrameMeta, LoggerRef, RecordId};
use rolog_core::level::Level;
use rolog_core::value::{Encoder, Timestamp};
use rolog_kafka::{Config, Kafka};
use rolog_plugin::prelude::*;
use serde_json::{Value, json};

/// A cluster of mock brokers, to be used from any thread, and whether they are down.
pub(crate) struct Cluster(MockCluster<'static, DefaultProducerContext>, AtomicBool);

// SAFETY: librdkafka's mock cluster takes what it is asked for as messages to a thread of its own.
unsafe impl Send for Cluster {}
// SAFETY: as above.
unsafe impl Sync for Cluster {}

/// A message as a consumer sees it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) partition: i32,
    pub(crate) key: Option<String>,
    pub(crate) content: Vec<u8>,
    pub(crate) time: Option<i64>,
    pub(crate) headers: BTreeMap<String, String>,
}

impl Cluster {
    pub(crate) fn new(brokers: i32) -> Self {
        Cluster(MockCluster::new(brokers).unwrap(), AtomicBool::new(false))
    }

    pub(crate) fn brokers(&self) -> String {
        self.0.bootstrap_servers()
    }

    pub(crate) fn topic(&self, name: &str, partitions: i32) {
        self.0.create_topic(name, partitions, 1).unwrap();
    }

    /// A topic of one partition, where there is none yet.
    pub(crate) fn topic_once(&self, name: &str) {
        // That there is one already is no failure.
        let _ = self.0.create_topic(name, 1, 1);
    }

    /// What metadata say of a topic from now on.
    pub(crate) fn topic_error(&self, name: &str, error: RDKafkaRespErr) {
        self.0.topic_error(name, error).unwrap();
    }

    /// What the next requests to produce are answered with, one each.
    pub(crate) fn refuse(&self, errors: &[RDKafkaRespErr]) {
        self.0.request_errors(RDKafkaApiKey::Produce, errors);
    }

    /// What the next requests for a producer's id are answered with, one each.
    pub(crate) fn refuse_id(&self, errors: &[RDKafkaRespErr]) {
        self.0.request_errors(RDKafkaApiKey::InitProducerId, errors);
    }

    pub(crate) fn is_down(&self) -> bool {
        self.1.load(Ordering::Relaxed)
    }

    pub(crate) fn down(&self) {
        self.1.store(true, Ordering::Relaxed);
        self.0.broker_down(-1).unwrap();
    }

    pub(crate) fn up(&self) {
        self.1.store(false, Ordering::Relaxed);
        self.0.broker_up(-1).unwrap();
    }

    /// How long brokers take to answer from now on.
    pub(crate) fn slow(&self, delay: Duration) {
        self.0.broker_round_trip_time(-1, delay).unwrap();
    }

    /// Settings for this cluster, `more` of which come from the test.
    pub(crate) fn settings(&self, topic: &str, more: &Value) -> Value {
        settings(&self.brokers(), topic, more)
    }

    /// An instance that may write, on the current runtime.
    pub(crate) async fn target(&self, topic: &str, more: Value) -> Kafka {
        target(self.settings(topic, &more)).await.unwrap()
    }

    /// Everything that is in a topic.
    pub(crate) fn received(&self, topic: &str) -> Vec<Received> {
        received(&self.brokers(), topic)
    }

    /// The messages of the JSON objects in a topic, by partition and in order there.
    pub(crate) fn messages(&self, topic: &str) -> Vec<String> {
        let received = self.received(topic).into_iter();
        received
            .map(|one| one.json()["message"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.content).unwrap()
    }
}

/// Settings whose waits are short, since the broker is near.
pub(crate) fn settings(brokers: &str, topic: &str, more: &Value) -> Value {
    let mut settings = json!({
        "brokers": brokers,
        "topic": topic,
        "properties": { "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100 },
    });
    for (key, value) in more.as_object().unwrap() {
        match (settings.get_mut(key).and_then(Value::as_object_mut), value) {
            (Some(known), Value::Object(added)) => known.extend(added.clone()),
            _ => settings[key] = value.clone(),
        }
    }
    settings
}

pub(crate) async fn target(settings: Value) -> Result<Kafka, Failure> {
    let config: Config = serde_json::from_value(settings).unwrap();
    let setup = Setup::new("kafka");
    Kafka::validate(&config, &setup).unwrap();
    let target = Kafka::create(config, Context::detached(setup)).await?;
    target.activate().await?;
    Ok(target)
}

pub(crate) async fn deliver(target: &Kafka, batch: &Batch) -> Outcome {
    target
        .deliver(batch, &Attempt::new(1, Duration::from_secs(30)))
        .await
}

/// A batch of records that say these words.
pub(crate) fn batch<M: AsRef<str>>(messages: impl IntoIterator<Item = M>) -> Batch {
    batch_with(messages, |_, _| {})
}

/// A batch of records that say these words and have the data that `more` adds to each.
pub(crate) fn batch_with<M: AsRef<str>>(
    messages: impl IntoIterator<Item = M>,
    more: impl Fn(usize, &mut Encoder<'_>),
) -> Batch {
    let mut batch = BatchBuilder::new(1);
    for (at, message) in messages.into_iter().enumerate() {
        let mut payload = Vec::new();
        let mut fields = Encoder::new(&mut payload);
        fields.key(message.as_ref());
        more(at, &mut fields);
        let meta = FrameMeta::literal(
            RecordId {
                epoch: 1,
                sequence: at as u64,
            },
            Timestamp::from_nanos(1_700_000_000_123_456_789),
            Level::Information,
            LoggerRef {
                id: 1,
                name: "shop.db",
            },
        );
        batch.push(&meta, &payload);
    }
    Batch::parse(batch.finish()).unwrap()
}

pub(crate) fn words(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{name} {n}")).collect()
}

/// A consumer that says nothing where it is cut off.
struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, _: &str, _: &str) {}
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ConsumerContext for Quiet {}

pub(crate) fn received(brokers: &str, topic: &str) -> Vec<Received> {
    let limit = Duration::from_secs(20);
    let consumer: BaseConsumer<Quiet> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "reader")
        .set("enable.partition.eof", "true")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "10")
        .create_with_context(Quiet)
        .unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), limit).unwrap();
    let partitions = metadata.topics()[0].partitions();
    let mut open = partitions.len();
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition_offset(topic, partition.id(), Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&list).unwrap();
    let mut all = Vec::new();
    let end = Instant::now() + limit;
    while open > 0 {
        assert!(Instant::now() < end, "the topic `{topic}` has no end");
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => all.push(Received {
                partition: message.partition(),
                key: message
                    .key()
                    .map(|key| String::from_utf8_lossy(key).into_owned()),
                content: message.payload().unwrap_or_default().to_vec(),
                time: message.timestamp().to_millis(),
                headers: message.headers().map(read_headers).unwrap_or_default(),
            }),
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(_)) | None => {}
        }
    }
    all.sort_by_key(|one| one.partition);
    all
}

fn read_headers(headers: &impl Headers) -> BTreeMap<String, String> {
    let text =
        |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
    headers
        .iter()
        .map(|one| (one.key.to_owned(), text(one.value)))
        .collect()
}
