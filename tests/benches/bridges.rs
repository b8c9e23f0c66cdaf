//! What a call costs through the bridges: the same values by rolog's macro, by `log` and by `tracing`.
//!
//!     cargo bench -p rolog-tests --bench bridges [-- CALLS [ROUNDS]]
//!
//! Bursts of 10,000 calls of one thread, each burst followed by a flush that is not counted, so that
//! it is the calls that are measured and no queue. The three take turns. Records that do not all reach
//! the target void the run, and end it.

#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use rolog_core::{Logger, bridge, info};
use rolog_host::Host;
use rolog_host::config::{self, Env};

const BURST: u64 = 10_000;
const LONG: Duration = Duration::from_mins(1);
const YAML: &str = "
version: 1
levels: { '**': info, quiet: off }
targets:
  nowhere: { plugin: 'null' }
routes:
  - { logger: '**', to: nowhere }
";
/// One of the ways, and a call of it.
type Side = (&'static str, fn(&Logger, u64));
const SIDES: [Side; 6] = [
    ("rolog", |log, n| {
        info!(
            log,
            "order accepted",
            id = n,
            total = 19.99,
            customer = "0123456789abcdef"
        );
    }),
    ("log", |_, n| {
        log::info!(target: "bench::orders", id = n, total = 19.99, customer = "0123456789abcdef"; "order accepted");
    }),
    ("tracing", |_, n| {
        tracing::info!(target: "bench::orders", id = n, total = 19.99, customer = "0123456789abcdef", "order accepted");
    }),
    ("rolog, off", |log, n| {
        rolog_core::debug!(log, "order accepted", id = n);
    }),
    ("log, off", |_, n| {
        log::info!(target: "quiet", id = n; "order accepted");
    }),
    ("tracing, off", |_, n| {
        tracing::info!(target: "quiet", id = n, "order accepted");
    }),
];

fn main() {
    let numbers: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let calls = numbers.first().copied().unwrap_or(1_000_000);
    let rounds = numbers.get(1).copied().unwrap_or(7) as usize;
    let spec = config::parse(YAML, "bench.yaml", "/", &Env::empty());
    let spec = spec.unwrap_or_else(|problems| panic!("{problems}"));
    let host = Host::builder().pipeline(spec).start();
    let host = host.unwrap_or_else(|error| panic!("{error}"));
    bridge::log::install(host.factory()).expect("nobody else is installed");
    bridge::tracing::install(host.factory()).expect("nobody else is installed");
    let log = host.factory().get_logger("bench::orders");
    println!("{calls} calls of three values a round, nanoseconds a call");
    let mut times = [const { Vec::new() }; SIDES.len()];
    for _ in 0..rounds {
        for ((name, call), times) in SIDES.iter().zip(&mut times) {
            let before = delivered(&host);
            let mut spent = Duration::ZERO;
            for _ in 0..calls / BURST {
                let begin = Instant::now();
                for n in 0..BURST {
                    call(&log, black_box(n));
                }
                spent += begin.elapsed();
                assert_eq!(host.flush_blocking(LONG), 0);
            }
            let expected = if name.ends_with("off") {
                0
            } else {
                calls / BURST * BURST
            };
            assert_eq!(
                delivered(&host) - before,
                expected,
                "{name}: the run is void"
            );
            times.push(spent.as_nanos() as f64 / (calls / BURST * BURST) as f64);
        }
    }
    for ((name, _), times) in SIDES.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        println!("{name:>14} {:>9.1}", times[times.len() / 2]);
    }
}

fn delivered(host: &Host) -> u64 {
    let ledger = host.ledger();
    let row = ledger.targets.iter().find(|(name, _)| name == "nowhere");
    row.expect("the target is there").1.delivered
}
