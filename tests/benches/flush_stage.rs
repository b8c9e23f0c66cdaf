//! The flush stage's own cost: a record from the pump's hand into the open batch, and a batch from
//! its closing to the target's answer, with a target that answers at once.
//!
//!     cargo bench -p rolog-tests --bench flush_stage [-- RECORDS]
//!
//! Beside the stage runs the bare encoder that it uses, so that the difference is the stage. A round
//! whose row does not say that every record was delivered is void, and ends the run.

#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use rolog_core::delivery::{Failure, Outcome};
use rolog_core::frame::{BatchBuilder, FrameMeta, LoggerRef, Origin, RecordId, ThreadRef, flags};
use rolog_core::level::Level;
use rolog_core::value::Timestamp;
use rolog_host::instance::{Attempt, BoxFuture, Buffer, Instance, Maker};
use rolog_host::stage::{Seat, Services, Stage, StageSettings};
use tokio::runtime::{Builder, Runtime};

const EPOCH: u128 = 1;
const LONG: Duration = Duration::from_mins(1);

/// Answers at once.
struct Instant0;

impl Instance for Instant0 {
    fn activate(&self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }
    fn deliver(&self, _: Buffer, _: Attempt) -> BoxFuture<'_, Outcome> {
        Box::pin(async { Outcome::delivered() })
    }
    fn cancel(&self, _: u64) {}
    fn flush(&self, _: Duration) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }
    fn shutdown(&self, _: Duration) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }
    fn call<'a>(&'a self, _: &'a str, _: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Failure>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

struct Maker0;

impl Maker for Maker0 {
    fn create(&self) -> BoxFuture<'_, Result<Arc<dyn Instance>, Failure>> {
        Box::pin(async { Ok(Arc::new(Instant0) as Arc<dyn Instance>) })
    }
    fn preferred_batch(&self) -> Option<usize> {
        None
    }
    fn resources(&self) -> Vec<String> {
        Vec::new()
    }
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse().ok());
    let records: u64 = numbers.next().unwrap_or(2_000_000);
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime");
    let payload: Vec<u8> = {
        let text = b"order 4711 accepted, total 19.99";
        let mut payload = (text.len() as u32).to_le_bytes().to_vec();
        payload.extend_from_slice(text);
        payload
    };
    println!(
        "{records} records of {} bytes, a target that answers at once",
        payload.len()
    );
    println!(
        "{:>6} {:>14} {:>14} {:>12} {:>14}",
        "batch", "ns/record", "bare encoder", "stage's own", "us/batch alone"
    );
    for size in [1, 10, 100, 500, 5000] {
        let bare = bare(records, size, &payload);
        let whole = stage(&runtime, records, size, &payload);
        let alone = alone(&runtime, size, &payload);
        println!(
            "{size:>6} {whole:>14.1} {bare:>14.1} {:>12.1} {alone:>14.2}",
            whole - bare
        );
    }
}

fn meta(number: u64) -> FrameMeta<'static> {
    FrameMeta {
        id: RecordId {
            epoch: EPOCH,
            sequence: number,
        },
        time: Timestamp::from_nanos(1),
        observed: None,
        level: Level::Information,
        generation: 1,
        flags: flags::MESSAGE,
        call_site: None,
        logger: LoggerRef {
            id: 1,
            name: "shop.orders",
        },
        thread: ThreadRef {
            id: 1,
            name: "main",
        },
        origin: Origin::SERVICE,
    }
}

/// Nanoseconds a record for the encoder alone.
fn bare(records: u64, size: usize, payload: &[u8]) -> f64 {
    let mut builder = BatchBuilder::new(EPOCH);
    let start = Instant::now();
    for number in 0..records {
        builder.push(&meta(number), payload);
        if builder.len() == size {
            std::hint::black_box(builder.finish());
        }
    }
    start.elapsed().as_nanos() as f64 / records as f64
}

fn open(runtime: &Runtime, size: usize) -> Stage {
    let mut settings = StageSettings {
        max_records: 1_000_000,
        max_bytes: 256 << 20,
        ..StageSettings::default()
    };
    settings.batch.max_size = size;
    let seat = Seat::vacant(Arc::new(Maker0));
    let services = Services::default();
    Stage::start(
        "bench",
        settings,
        seat,
        Vec::new(),
        services,
        EPOCH,
        runtime.handle(),
    )
    .expect("the settings are within their bounds")
}

/// Nanoseconds a record from the first append to the last answer, appended in passes of 1,000 as the
/// pump does.
fn stage(runtime: &Runtime, records: u64, size: usize, payload: &[u8]) -> f64 {
    let stage = open(runtime, size);
    runtime.block_on(stage.flush(LONG));
    let start = Instant::now();
    let mut number = 0;
    while number < records {
        let mut room = runtime
            .block_on(stage.reserve(1000, 1000 * payload.len()))
            .expect("the queue is larger than that");
        let mut guard = stage.open();
        for _ in 0..1000 {
            let _ = guard.append_reserved(&meta(number), payload, 0, &mut room);
            number += 1;
        }
    }
    runtime.block_on(stage.flush(LONG));
    let elapsed = start.elapsed();
    let report = runtime.block_on(stage.dispose(LONG));
    assert_eq!(report.row.delivered, number, "{:?}", report.row);
    elapsed.as_nanos() as f64 / number as f64
}

/// Microseconds from the append of a batch's records to its answer, one batch at a time.
fn alone(runtime: &Runtime, size: usize, payload: &[u8]) -> f64 {
    let rounds = (200_000 / size).clamp(20, 2000);
    let stage = open(runtime, size);
    runtime.block_on(stage.flush(LONG));
    let start = Instant::now();
    for round in 0..rounds {
        let mut guard = stage.open();
        for number in 0..size {
            let _ = guard.append(&meta((round * size + number) as u64), payload, 0);
        }
        drop(guard);
        runtime.block_on(stage.flush(LONG));
    }
    let elapsed = start.elapsed();
    let report = runtime.block_on(stage.dispose(LONG));
    assert_eq!(report.row.delivered, (rounds * size) as u64);
    elapsed.as_secs_f64() * 1e6 / rounds as f64
}
