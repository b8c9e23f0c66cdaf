//! Work to count the instructions of, one part a run: `counts PART TIMES`.
//!
//! Driven by `.ci/counts`, which counts with callgrind what happens inside the functions of
//! [`counted`], or inside the pump's pass, and divides by the number of times. See docs/speed.md.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "prints times, or why there are none"
)]

use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rolog_core::delivery::Outcome;
use rolog_core::frame::Batch;
use rolog_core::intake::{Consumer, Intake, IntakeConfig};
use rolog_core::render::{JsonLine, OtlpProto};
use rolog_core::{Level, LogTarget, Logger, LoggerFactory, info};
use rolog_host::Host;
use rolog_host::config::{self, Env};
use rolog_rivals::bare::Bare;

const TEXT: &str = "0123456789abcdef";
/// Calls between two looks at the rings: so many fit into one that nobody reads.
const BURST: u64 = 100;

/// What is counted when its name is.
mod counted {
    use super::{Bare, Logger, TEXT, black_box, info};
    use rolog_core::frame::Batch;
    use rolog_core::render::{JsonLine, OtlpProto};

    /// A loop that does nothing.
    #[inline(never)]
    pub fn empty(times: u64) {
        for n in 0..times {
            black_box(n);
        }
    }

    /// The log call: the same values throughout the benchmarks.
    #[inline(never)]
    pub fn call(log: &Logger, times: u64) {
        for n in 0..times {
            info!(
                log,
                "order {id} accepted",
                id = black_box(n),
                total = black_box(19.99),
                customer = black_box(TEXT)
            );
        }
    }

    /// The call of a logger whose gate is closed: `n` is made anyway.
    #[inline(never)]
    pub fn disabled(log: &Logger, times: u64) {
        for n in 0..times {
            info!(
                log,
                "order {id} accepted",
                id = black_box(n),
                total = 19.99,
                customer = TEXT
            );
            black_box(n);
        }
    }

    /// The same bytes into the least ring that there can be, with a stamp of the processor's clock.
    #[inline(never)]
    pub fn bare(ring: &mut Bare, times: u64) {
        for n in 0..times {
            ring.put(black_box(n), black_box(19.99), black_box(TEXT));
        }
    }

    /// A batch as JSON lines.
    #[inline(never)]
    pub fn render(json: &mut JsonLine, batch: &Batch<'_>, out: &mut Vec<u8>) {
        for record in batch.records() {
            json.line(&record, out);
        }
    }

    /// A batch as OpenTelemetry's records in protobuf.
    #[inline(never)]
    pub fn otlp(otlp: &mut OtlpProto, batch: &Batch<'_>, out: &mut Vec<u8>) {
        for record in batch.records() {
            otlp.log_record(&record, out);
        }
    }
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let part = args.next().unwrap_or_default();
    let times: u64 = args
        .next()
        .and_then(|times| times.parse().ok())
        .unwrap_or(10_000);
    match part.as_str() {
        "empty" => counted::empty(times),
        "call" => calls(times, counted::call),
        "disabled" => {
            let service = Service::new();
            counted::disabled(&service.off, times);
        }
        "bare" => {
            let mut ring = Bare::new();
            for _ in 0..times / BURST {
                counted::bare(&mut ring, BURST);
                ring.drain();
            }
        }
        "pump" => pump(times),
        "render" => render(times),
        "otlp" => otlp(times),
        "file" => file(times),
        "times" => ratio(),
        other => {
            eprintln!(
                "no part `{other}`: empty, call, disabled, bare, pump, render, otlp, file, times"
            );
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// A logger and what drains it, without a host.
struct Service {
    logger: Logger,
    /// One whose gate is closed.
    off: Logger,
    consumer: Consumer,
}

impl Service {
    fn new() -> Self {
        let intake = Intake::new(IntakeConfig::default()).expect("the defaults are valid");
        let consumer = intake.consumer().expect("nobody else has taken it");
        let factory = LoggerFactory::new(intake);
        let logger = factory.get_logger("bench.orders");
        logger.gate().set_least(Some(Level::Information));
        let off = factory.get_logger("bench.off");
        off.gate().set_least(None);
        Service {
            logger,
            off,
            consumer,
        }
    }

    fn drain(&mut self) -> usize {
        let drained = self.consumer.drain(u64::MAX, usize::MAX, &mut |entry| {
            black_box(entry.payload.len());
        });
        drained.records
    }
}

fn calls(times: u64, call: fn(&Logger, u64)) {
    let mut service = Service::new();
    // Makes the ring, and registers the call site.
    counted::call(&service.logger, 1);
    assert_eq!(service.drain(), 1);
    for _ in 0..times / BURST {
        call(&service.logger, BURST);
        assert_eq!(service.drain(), BURST as usize);
    }
}

/// Nanoseconds of the call and of the bare ring, round by round in turns, and their ratio.
fn ratio() {
    const ROUNDS: usize = 2001;
    let mut service = Service::new();
    let mut ring = Bare::new();
    counted::call(&service.logger, 1);
    service.drain();
    let mut figures = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        let time = |work: &mut dyn FnMut()| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e9 / BURST as f64
        };
        let bare = time(&mut || counted::bare(&mut ring, BURST));
        ring.drain();
        let call = time(&mut || counted::call(&service.logger, BURST));
        service.drain();
        let render = time(&mut || counted::disabled(&service.off, BURST));
        for (all, one) in figures.iter_mut().zip([bare, call, call / bare, render]) {
            all.push(one);
        }
    }
    let [bare, call, ratio, disabled] = figures.map(|mut all| {
        all.sort_by(f64::total_cmp);
        all[ROUNDS / 2]
    });
    println!(
        "medians of {ROUNDS} rounds of {BURST}, ns: a bare ring {bare:.1}, a call {call:.1}, a disabled call {disabled:.2}"
    );
    println!("call to bare ring: {ratio:.2}");
}

/// Logs through a host, in bursts that its rings and queues hold.
fn pump(times: u64) {
    let host = start("null", "");
    through(&host, times);
}

fn through(host: &Host, times: u64) {
    let log = host.factory().get_logger("bench.orders");
    for _ in 0..times / 1000 {
        counted::call(&log, 1000);
        host.flush_blocking(Duration::from_secs(60));
    }
    let report = host.dispose_blocking(Duration::from_secs(60));
    assert!(report.ledger.balances() && report.is_complete(), "{report}");
    assert_eq!(
        report.ledger.source.emitted,
        times / 1000 * 1000,
        "{report}"
    );
}

fn start(plugin: &str, config: &str) -> Host {
    let yaml = format!(
        "
version: 1
targets:
  app: {{ plugin: '{plugin}' {config}, flush: {{ max_size: 1000 }} }}
routes:
  - {{ logger: '**', to: app }}
"
    );
    let spec = config::parse(yaml, "bench.yaml", "/", &Env::empty())
        .unwrap_or_else(|problems| panic!("{problems}"));
    Host::builder()
        .pipeline(spec)
        .link(rolog_plugin::linked::<rolog_file::File>())
        .start()
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Everything from the call to the file, on all threads.
fn file(times: u64) {
    let path = std::env::temp_dir().join(format!("rolog-counts-{}.jsonl", std::process::id()));
    let quoted = path.display();
    let host = start(
        "file",
        &format!(", config: {{ path: '{quoted}', fsync: never }}"),
    );
    through(&host, times);
    let lines = lines_of(&path);
    std::fs::remove_file(&path).expect("the file is there");
    assert_eq!(lines, times / 1000 * 1000);
}

/// In steps that make no difference to what is counted: a sum of so few fits into a byte, so that
/// many are added at once.
fn lines_of(path: &Path) -> u64 {
    let bytes = std::fs::read(path).expect("the file is there");
    let ends = |part: &[u8]| part.iter().map(|byte| u8::from(*byte == b'\n')).sum::<u8>();
    bytes.chunks(255).map(|part| u64::from(ends(part))).sum()
}

/// Keeps the last batch that it got.
#[derive(Clone, Default)]
struct Keep(Arc<std::sync::Mutex<Vec<u8>>>);

impl LogTarget for Keep {
    async fn log(&self, records: &Batch<'_>) -> Outcome {
        let mut all = rolog_core::frame::BatchBuilder::new(7);
        for record in records.records() {
            all.push_record(&record, None);
        }
        *self.0.lock().expect("nobody panics") = all.finish();
        Outcome::delivered()
    }
}

/// A batch of a thousand calls.
fn batch() -> Vec<u8> {
    let keep = Keep::default();
    let spec = config::parse(
        "{ version: 1, targets: { app: { plugin: in-process, flush: { max_size: 1000 } } }, \
         routes: [{ logger: '**', to: app }] }",
        "bench.yaml",
        "/",
        &Env::empty(),
    )
    .unwrap_or_else(|problems| panic!("{problems}"));
    let builder = Host::builder().pipeline(spec).target("app", keep.clone());
    let host = builder.start().unwrap_or_else(|error| panic!("{error}"));
    through(&host, 1000);
    keep.0.lock().expect("nobody panics").clone()
}

fn render(times: u64) {
    let bytes = batch();
    let batch = Batch::parse(&bytes).expect("a builder wrote it");
    assert_eq!(batch.len(), 1000);
    let (mut json, mut out) = (JsonLine::new(), Vec::new());
    for _ in 0..times / 1000 {
        out.clear();
        counted::render(&mut json, &batch, &mut out);
    }
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1000);
}

fn otlp(times: u64) {
    let bytes = batch();
    let batch = Batch::parse(&bytes).expect("a builder wrote it");
    assert_eq!(batch.len(), 1000);
    let (mut otlp, mut out) = (OtlpProto::new(), Vec::new());
    for _ in 0..times / 1000 {
        out.clear();
        counted::otlp(&mut otlp, &batch, &mut out);
    }
    let ids = out.windows(14).filter(|part| *part == b"log.record.uid");
    assert_eq!(ids.count(), 1000);
}
