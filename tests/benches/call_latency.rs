//! What a log call takes while targets are in trouble, beside the same with all targets healthy.
//!
//!     cargo bench -p rolog-tests --bench call_latency [-- SECONDS [PAIRS]]
//!
//! Four threads log in bursts, each call timed. A pair is one run with four healthy targets and one
//! in which three of them fail, hang and block; who goes first changes from pair to pair. The ratio
//! to look at is that of the 99.9th percentiles, the median over the pairs. A run in which the
//! healthy target does not get exactly what was logged is void, and ends the benchmark.

#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rolog_core::delivery::{Class, Failure, Outcome};
use rolog_core::frame::Batch;
use rolog_core::{LogTarget, info};
use rolog_host::Host;
use rolog_host::config::{self, Env};

const THREADS: usize = 4;
const BURST: usize = 50;

const PIPELINE: &str = "
version: 1
targets:
  healthy: { plugin: in-process }
  one: { plugin: in-process, queue: { max_records: 2000 }, flush: { timeout: 1s } }
  two: { plugin: in-process, queue: { max_records: 2000 }, flush: { timeout: 1s } }
  three: { plugin: in-process, queue: { max_records: 2000 }, flush: { timeout: 1s } }
routes:
  - { logger: bench, to: [healthy, one, two, three] }
";

/// Counts what it gets.
#[derive(Clone, Default)]
struct Healthy(Arc<AtomicU64>);

impl LogTarget for Healthy {
    async fn log(&self, records: &Batch<'_>) -> Outcome {
        self.0.fetch_add(records.len() as u64, Ordering::Relaxed);
        Outcome::delivered()
    }
}

/// Always says that it cannot.
struct Failing;

impl LogTarget for Failing {
    async fn log(&self, _: &Batch<'_>) -> Outcome {
        Outcome::retry(Failure::new(Class::Unavailable, "down"))
    }
}

/// Never answers.
struct Hanging;

impl LogTarget for Hanging {
    async fn log(&self, _: &Batch<'_>) -> Outcome {
        std::future::pending().await
    }
}

/// Blocks its thread.
struct Blocking;

impl LogTarget for Blocking {
    async fn log(&self, _: &Batch<'_>) -> Outcome {
        std::thread::sleep(Duration::from_millis(500));
        Outcome::delivered()
    }
}

fn main() {
    let numbers: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let time = Duration::from_secs(numbers.first().copied().unwrap_or(5));
    let pairs = numbers.get(1).copied().unwrap_or(5);
    println!("{THREADS} threads, bursts of {BURST} calls of 3 values, {time:?} a run; ns a call");
    println!(
        "{:>28} {:>28} {:>7}",
        "healthy p50/p99/p99.9", "in trouble p50/p99/p99.9", "p99.9"
    );
    let mut ratios = Vec::new();
    for pair in 0..pairs {
        let mut found = [[0; 3]; 2];
        for turn in 0..2 {
            let trouble = (turn + pair) % 2 == 1;
            found[usize::from(trouble)] = percentiles(run(trouble, time));
        }
        let [healthy, trouble] = found;
        let ratio = trouble[2] as f64 / healthy[2] as f64;
        let show = |p: [u64; 3]| format!("{}/{}/{}", p[0], p[1], p[2]);
        println!("{:>28} {:>28} {ratio:>7.2}", show(healthy), show(trouble));
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio of p99.9: {:.2}", ratios[ratios.len() / 2]);
}

/// The nanoseconds of every call.
fn run(trouble: bool, time: Duration) -> Vec<u64> {
    let spec = config::parse(PIPELINE, "bench.yaml", "/", &Env::empty())
        .unwrap_or_else(|problems| panic!("{problems}"));
    let healthy = Healthy::default();
    let builder = Host::builder()
        .pipeline(spec)
        .target("healthy", healthy.clone());
    let builder = if trouble {
        let builder = builder.target("one", Failing).target("two", Hanging);
        builder.target("three", Blocking)
    } else {
        let builder = builder.target("one", Healthy::default());
        let builder = builder.target("two", Healthy::default());
        builder.target("three", Healthy::default())
    };
    let host = builder.start().unwrap_or_else(|error| panic!("{error}"));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let log = host.factory().get_logger("bench");
            std::thread::spawn(move || {
                let mut calls = Vec::with_capacity(1 << 20);
                let mut pauses = Pauses(0x9E37_79B9_7F4A_7C15 ^ (thread as u64 + 1));
                let end = Instant::now() + time;
                while Instant::now() < end {
                    for n in 0..BURST {
                        let begin = Instant::now();
                        info!(
                            log,
                            "order {id}",
                            id = n as u64,
                            total = 19.99,
                            name = "0123456789abcdef"
                        );
                        calls.push(begin.elapsed().as_nanos() as u64);
                    }
                    std::thread::park_timeout(pauses.next());
                }
                calls
            })
        })
        .collect();
    let calls: Vec<u64> = threads
        .into_iter()
        .flat_map(|thread| thread.join().expect("logging does not panic"))
        .collect();
    let report = host.dispose_blocking(Duration::from_secs(20));
    assert!(report.ledger.balances(), "{report}");
    let got = healthy.0.load(Ordering::Relaxed);
    assert_eq!(got, calls.len() as u64, "the run is void: {report}");
    assert_eq!(report.ledger.source.slow_path, 0, "{report}");
    calls
}

/// Between one and three milliseconds, by xorshift. Pauses of one length put the threads' timers in
/// step, and then it is the timer of one thread that interrupts the burst of another.
struct Pauses(u64);

impl Pauses {
    fn next(&mut self) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_micros(1000 + self.0 % 2000)
    }
}

fn percentiles(mut calls: Vec<u64>) -> [u64; 3] {
    calls.sort_unstable();
    [0.5, 0.99, 0.999].map(|share| calls[(calls.len() as f64 * share) as usize])
}
