//! The Kafka target beside librdkafka's own producer loop, with the same messages, settings and
//! headers, in one run: on librdkafka's mock cluster and, where Java, Maven and kcat are there, on a
//! real broker.
//!
//!     cargo bench -p rolog-tests --bench kafka [-- RECORDS]
//!     cargo bench -p rolog-tests --bench kafka -- RECORDS linger
//!
//! Rounds of the two take turns, and a pair gives a ratio. What has arrived is counted by the
//! partitions' offsets after each round; a round that lacks a message, or has one too many, ends the
//! run. Records are prepared before a round: the target decodes and renders them within it, the loop
//! beside it gets the rendered text. That loop is C's, by the bindings: it hands messages over, takes
//! delivery reports in between by a callback, and flushes.
//!
//! With `linger` it is the target alone, by how long librdkafka waits for more messages
//! (`linger.ms`): its pace with one batch and with several in flight, and how long a batch of one
//! record takes.

#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::ffi::{CStr, CString, c_void};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka_sys as sys;
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

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse().ok());
    let records: usize = numbers.next().unwrap_or(500_000);
    let records = records.div_ceil(BATCH) * BATCH;
    let lingers = std::env::args().any(|arg| arg == "linger");
    let runtime = Runtime::new().expect("a runtime");
    let (buffer, rendered) = prepare();

    let run = |name: &str, brokers: &str| {
        if lingers {
            linger(name, brokers, records, &runtime, &buffer);
        } else {
            compare(name, brokers, records, &runtime, &buffer, &rendered);
        }
    };
    let mock = MockCluster::new(1).expect("a mock cluster");
    mock.create_topic(TOPIC, PARTITIONS, 1).expect("a topic");
    run("mock", &mock.bootstrap_servers());
    if let Some(kafka) = Kafka::start("the Kafka benchmark on a real broker", 1) {
        kafka.topic(TOPIC, PARTITIONS as u32, &[]);
        run("real", &kafka.brokers());
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
    let target = target(runtime, brokers, None);
    let producer = Loop::start(brokers);
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
            runtime.block_on(deliver(&target, buffer, IN_FLIGHT, records / BATCH));
        });
        let theirs = round("librdkafka", &|| producer.produce(rendered, records));
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

fn target(runtime: &Runtime, brokers: &str, linger: Option<u32>) -> Arc<dyn Instance> {
    let (loader, _) = loader(LoaderSettings::default());
    let library = loader.link(linked::<rolog_kafka::Kafka>());
    let mut settings = json!({ "brokers": brokers, "topic": TOPIC });
    if let Some(linger) = linger {
        settings["properties"] = json!({ "linger.ms": linger });
    }
    runtime.block_on(async {
        let target = instance(&library, "kafka", &settings)
            .await
            .expect("an instance");
        target.activate().await.expect("an instance that is active");
        target
    })
}

/// What the choice of `linger.ms` costs and brings.
fn linger(name: &str, brokers: &str, records: usize, runtime: &Runtime, buffer: &Buffer) {
    println!("{name}: {records} records a round, {BATCH} a batch; medians of {PAIRS} rounds");
    println!("  linger.ms   1 in flight   {IN_FLIGHT} in flight   one record");
    let one = batch(["an order, accepted"]);
    let median = |mut all: Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    for linger in [0, 1, 5, 20, 100] {
        let target = target(runtime, brokers, Some(linger));
        let timed = |buffer: &Buffer, in_flight, batches| {
            let start = Instant::now();
            runtime.block_on(deliver(&target, buffer, in_flight, batches));
            start.elapsed().as_secs_f64()
        };
        timed(buffer, IN_FLIGHT, IN_FLIGHT);
        let pace = |in_flight| {
            let rounds = (0..PAIRS).map(|_| timed(buffer, in_flight, records / BATCH));
            records as f64 / median(rounds.collect())
        };
        let (alone, together) = (pace(1), pace(IN_FLIGHT));
        let single = median((0..20).map(|_| timed(&one, 1, 1)).collect());
        println!(
            "  {linger:>9}   {alone:>9.0}/s   {together:>9.0}/s   {:>7.1} ms",
            single * 1e3
        );
        runtime.block_on(target.shutdown(LONG)).expect("an end");
    }
}

/// As the stage does with a `concurrency` of `in_flight`.
async fn deliver(target: &Arc<dyn Instance>, buffer: &Buffer, in_flight: usize, batches: usize) {
    let next = Arc::new(AtomicUsize::new(0));
    let lanes: Vec<_> = (0..in_flight)
        .map(|_| {
            let (target, buffer, next) = (Arc::clone(target), buffer.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= batches {
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

/// librdkafka's producer, as a C program uses it.
struct Loop {
    rk: *mut sys::rd_kafka_t,
    topic: *mut sys::rd_kafka_topic_t,
}

/// Messages that were reported as delivered.
static DELIVERED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn on_report(
    _: *mut sys::rd_kafka_t,
    message: *const sys::rd_kafka_message_t,
    _: *mut c_void,
) {
    // SAFETY: librdkafka calls this with a message that lives until it returns.
    let error = unsafe { (*message).err };
    let none = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
    // A panic could not leave; that one is missing is found out after the round.
    DELIVERED.fetch_add(usize::from(error == none), Ordering::Relaxed);
}

impl Loop {
    /// With the settings that the target has.
    fn start(brokers: &str) -> Self {
        // SAFETY: all texts are terminated; the settings are handed over to the producer, which
        // lives as long as the process.
        unsafe {
            let conf = sys::rd_kafka_conf_new();
            for (name, value) in [
                ("bootstrap.servers", brokers),
                ("enable.idempotence", "true"),
                ("compression.codec", "lz4"),
                ("linger.ms", "1"),
                ("queue.buffering.max.messages", "0"),
                ("queue.buffering.max.kbytes", "2147483647"),
            ] {
                let [name, value] = [name, value].map(|text| CString::new(text).expect("no zeros"));
                let (name, value) = (name.as_ptr(), value.as_ptr());
                let set = sys::rd_kafka_conf_set(conf, name, value, ptr::null_mut(), 0);
                assert_eq!(set, sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK);
            }
            sys::rd_kafka_conf_set_dr_msg_cb(conf, Some(on_report));
            let kind = sys::rd_kafka_type_t::RD_KAFKA_PRODUCER;
            let rk = sys::rd_kafka_new(kind, conf, ptr::null_mut(), 0);
            assert!(!rk.is_null(), "a producer");
            let name = CString::new(TOPIC).expect("no zeros");
            let topic = sys::rd_kafka_topic_new(rk, name.as_ptr(), ptr::null_mut());
            Loop { rk, topic }
        }
    }

    fn produce(&self, rendered: &[Rendered], records: usize) {
        type Part = sys::rd_kafka_vu_s__bindgen_ty_1;
        type Bytes = sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1;
        type Head = sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_2;
        use sys::rd_kafka_vtype_t as Kind;

        DELIVERED.store(0, Ordering::Relaxed);
        let header = |name: &CStr, value: &[u8]| Part {
            header: Head {
                name: name.as_ptr(),
                val: value.as_ptr().cast(),
                size: value.len() as isize,
            },
        };
        for (number, message) in rendered.iter().cycle().take(records).enumerate() {
            let content = Bytes {
                ptr: message.content.as_ptr().cast_mut().cast(),
                size: message.content.len(),
            };
            let parts = [
                (Kind::RD_KAFKA_VTYPE_RKT, Part { rkt: self.topic }),
                (
                    Kind::RD_KAFKA_VTYPE_MSGFLAGS,
                    Part {
                        i: sys::RD_KAFKA_MSG_F_COPY,
                    },
                ),
                (Kind::RD_KAFKA_VTYPE_VALUE, Part { mem: content }),
                (
                    Kind::RD_KAFKA_VTYPE_TIMESTAMP,
                    Part {
                        i64_: 1_700_000_000_000,
                    },
                ),
                (
                    Kind::RD_KAFKA_VTYPE_HEADER,
                    header(c"record_id", message.record_id.as_bytes()),
                ),
                (Kind::RD_KAFKA_VTYPE_HEADER, header(c"level", b"info")),
                (Kind::RD_KAFKA_VTYPE_HEADER, header(c"logger", b"shop")),
            ];
            let parts = parts.map(|(vtype, u)| sys::rd_kafka_vu_t { vtype, u });
            // SAFETY: the producer and its topic live, and what the parts point to is copied.
            unsafe {
                let error = sys::rd_kafka_produceva(self.rk, parts.as_ptr(), parts.len());
                assert!(error.is_null(), "a message is not taken");
                if number.is_multiple_of(1000) {
                    sys::rd_kafka_poll(self.rk, 0);
                }
            }
        }
        // SAFETY: the producer lives.
        unsafe { sys::rd_kafka_flush(self.rk, LONG.as_millis() as i32) };
        assert_eq!(
            DELIVERED.load(Ordering::Relaxed),
            records,
            "all is delivered"
        );
    }
}

/// How many messages there are, by the partitions' offsets.
fn arrived(counter: &BaseConsumer) -> i64 {
    let last = |partition| {
        let marks = counter.fetch_watermarks(TOPIC, partition, LONG);
        marks.expect("a partition's offsets").1
    };
    (0..PARTITIONS).map(last).sum()
}
