//! What daily use costs: rules of routes, the flight recorder, fields and redaction, configured but not
//! triggered, and triggered.
//!
//!     cargo bench -p rolog-tests --bench daily [-- RECORDS [ROUNDS]]
//!
//! *call*: the median over bursts of 50 calls of three values, by one thread with pauses between.
//! *through*: from the first of RECORDS calls in a row until the last has left the pipeline, a record.
//! Every round runs each side once, in an order that turns; a ratio is taken within its round, to the
//! plain side of that round, and the median over the rounds is told. A run whose books do not balance,
//! or whose target does not get what it must, is void, and ends the benchmark.

#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rolog_core::delivery::Outcome;
use rolog_core::frame::Batch;
use rolog_core::{LogTarget, Logger, debug, info};
use rolog_host::Host;
use rolog_host::config::{self, Env};

const BURST: u64 = 50;
const BURSTS: u64 = 400;
const LONG: Duration = Duration::from_mins(1);

/// One way to set a pipeline up.
struct Side {
    name: &'static str,
    /// In the route.
    rule: &'static str,
    /// Beside it.
    section: &'static str,
    /// Whether all records say the same.
    same: bool,
    /// Whether they are debug records, below the level.
    below: bool,
    /// What of so many records arrives, with what tells of the others.
    arrives: fn(u64) -> u64,
}

const PLAIN: Side = Side {
    name: "plain",
    rule: "",
    section: "",
    same: false,
    below: false,
    arrives: |n| n,
};

const SIDES: [Side; 13] = [
    PLAIN,
    Side {
        name: "plain again",
        ..PLAIN
    },
    Side {
        name: "recorder, idle",
        section: "recorder: {}",
        ..PLAIN
    },
    Side {
        name: "sample and limit, idle",
        rule: "sample: { first: 1000000000 }, limit: { rate: 1000000000 }",
        ..PLAIN
    },
    Side {
        name: "repeat, all different",
        rule: "repeat: {}",
        ..PLAIN
    },
    Side {
        name: "sample, 1 of 100",
        rule: "sample: { first: 0, then: 100, per: 1h }",
        arrives: |n| n / 100,
        ..PLAIN
    },
    Side {
        name: "limit, all but one",
        rule: "limit: { rate: 1, per: 1h }",
        arrives: |_| 2,
        ..PLAIN
    },
    Side {
        name: "repeat, all the same",
        rule: "repeat: { after: 1h, max: 1h }",
        same: true,
        arrives: |_| 2,
        ..PLAIN
    },
    Side {
        name: "recorder, all kept",
        section: "recorder: {}",
        below: true,
        arrives: |_| 0,
        ..PLAIN
    },
    Side {
        name: "redact, idle",
        section: "redact: { values: ['sk_live_\\w+'] }",
        ..PLAIN
    },
    Side {
        name: "fields and redact, idle",
        section: "fields: { service: shop, version: '1.2' }\nredact: {}",
        ..PLAIN
    },
    Side {
        name: "redact, a value masked",
        section: "redact: { keys: [name] }",
        ..PLAIN
    },
    Side {
        name: "redact, a value hashed",
        section: "redact: { keys: [name], with: hash, key: '${KEY}' }",
        ..PLAIN
    },
];

/// Counts what it gets.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicU64>);

impl LogTarget for Counting {
    async fn log(&self, records: &Batch<'_>) -> Outcome {
        self.0.fetch_add(records.len() as u64, Ordering::Relaxed);
        Outcome::delivered()
    }
}

fn main() {
    let numbers: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let records = numbers.first().copied().unwrap_or(200_000);
    let rounds = numbers.get(1).copied().unwrap_or(7) as usize;
    println!("{records} records a run, {rounds} rounds; ns, and times the plain side of the round");
    let mut found = vec![Vec::new(); SIDES.len()];
    for round in 0..rounds {
        for turn in 0..SIDES.len() {
            let at = (round + turn) % SIDES.len();
            found[at].push(run(&SIDES[at], records));
        }
    }
    println!(
        "{:<24} {:>8} {:>8} {:>10} {:>8}",
        "", "call", "ratio", "through", "ratio"
    );
    for (at, side) in SIDES.iter().enumerate() {
        let of = |pick: fn(&(f64, f64)) -> f64| {
            let times = found[at].iter().map(pick);
            let ratios = found[at].iter().zip(&found[0]);
            let ratios = ratios.map(|(own, plain)| pick(own) / pick(plain));
            (median(times.collect()), median(ratios.collect()))
        };
        let ((call, call_ratio), (through, through_ratio)) = (of(|t| t.0), of(|t| t.1));
        println!(
            "{:<24} {call:>8.1} {call_ratio:>8.2} {through:>10.1} {through_ratio:>8.2}",
            side.name
        );
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Nanoseconds a call, and a record through the pipeline.
fn run(side: &Side, records: u64) -> (f64, f64) {
    let yaml = format!(
        "
version: 1
levels: {{ '**': info }}
targets: {{ app: {{ plugin: in-process, queue: {{ max_records: 100000000, max_bytes: 4GiB }} }} }}
routes: [{{ logger: bench, to: app, {} }}]
{}
",
        side.rule, side.section
    );
    let env = Env::of([("KEY", "a key of at least sixteen bytes")]);
    let spec = config::parse(&yaml, "bench.yaml", "/", &env)
        .unwrap_or_else(|problems| panic!("{problems}"));
    let target = Counting::default();
    let builder = Host::builder().pipeline(spec).target("app", target.clone());
    let host = builder.start().unwrap_or_else(|error| panic!("{error}"));
    let log = host.factory().get_logger("bench");

    let begin = Instant::now();
    calls(side, &log, 0..records);
    assert_eq!(
        host.flush_blocking(LONG),
        0,
        "{}: it takes too long",
        side.name
    );
    let through = begin.elapsed().as_nanos() as f64 / records as f64;

    let mut bursts = Vec::with_capacity(BURSTS as usize);
    for burst in 0..BURSTS {
        let from = records + burst * BURST;
        let begin = Instant::now();
        calls(side, &log, from..from + BURST);
        bursts.push(begin.elapsed().as_nanos() as f64 / BURST as f64);
        std::thread::park_timeout(Duration::from_micros(300));
    }
    let report = host.dispose_blocking(LONG);
    let all = records + BURSTS * BURST;
    assert!(
        report.ledger.balances() && report.lost() == 0,
        "void: {report}"
    );
    assert_eq!(
        target.0.load(Ordering::Relaxed),
        (side.arrives)(all),
        "void: {} of {all}: {report}",
        side.name
    );
    (median(bursts), through)
}

fn calls(side: &Side, log: &Logger, numbers: std::ops::Range<u64>) {
    for n in numbers {
        let id = if side.same { 7 } else { n };
        let name = "0123456789abcdef";
        if side.below {
            debug!(log, "order {id}", id = id, total = 19.99, name = name);
        } else {
            info!(log, "order {id}", id = id, total = 19.99, name = name);
        }
    }
}
