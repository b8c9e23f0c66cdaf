//! What a change of the pipeline takes, while four threads log.
//!
//!     cargo bench -p rolog-tests --bench reload [-- ROUNDS]
//!
//! *Nothing*: a reload of a file in which nothing has changed. *Swap*: a reload that changes routes
//! and one target's flush settings, from the call to the new generation in force. *Watched*: the same,
//! from the write of the file, the watch's pause for a file at rest (50 ms) included.
//!
//! Then what a call costs meanwhile: the 99.9th percentile over four threads, with a reload after the
//! other and without any, in five pairs that take turns; the ratio is the median of theirs.

#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rolog_core::info;
use rolog_host::Host;

const LONG: Duration = Duration::from_mins(1);

fn main() {
    let rounds: u32 = std::env::args()
        .skip(1)
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(100);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("pipeline.yaml");
    let write = |round: u32| {
        let text = format!(
            "
version: 1
targets:
  a: {{ plugin: 'null', queue: {{ max_records: 1000000 }} }}
  b: {{ plugin: 'null', flush: {{ interval: {}ms }} }}
routes:
  - {{ logger: 'bench.**', level: '{}', to: [a, b] }}
  - {{ logger: 'bench.**', to: [a] }}
",
            500 + round,
            ["info..", "error"][round as usize % 2]
        );
        fs::write(&file, text).expect("there is room");
    };
    println!("{rounds} rounds each, 4 threads logging; milliseconds, median and worst");
    write(0);
    for watched in [false, true] {
        let host = Host::builder()
            .file(&file)
            .watch(watched)
            .start()
            .unwrap_or_else(|error| panic!("{error}"));
        let done = Arc::new(AtomicBool::new(false));
        let threads = loggers(&host, &done);
        if watched {
            let seen = |number: u32| {
                while host
                    .generations()
                    .last()
                    .is_none_or(|last| last.number < number)
                {
                    std::thread::yield_now();
                }
            };
            show("watched", rounds, |round| {
                let number = host.generations().last().map_or(0, |last| last.number);
                let begin = Instant::now();
                write(round + 1000);
                seen(number + 1);
                begin.elapsed()
            });
        } else {
            let reload = || {
                host.reload_blocking()
                    .unwrap_or_else(|error| panic!("{error}"))
            };
            show("nothing", rounds, |_| {
                let begin = Instant::now();
                reload();
                begin.elapsed()
            });
            show("swap", rounds, |round| {
                write(round + 1);
                let begin = Instant::now();
                reload();
                begin.elapsed()
            });
        }
        done.store(true, Ordering::Relaxed);
        let logged: u64 = threads
            .into_iter()
            .map(|thread| thread.join().expect("logging does not panic"))
            .sum();
        let report = host.dispose_blocking(LONG);
        assert!(report.ledger.balances() && report.lost() == 0, "{report}");
        let delivered = report.ledger.target("a").map_or(0, |row| row.delivered);
        assert!(delivered >= logged, "the run is void: {report}");
    }
    println!("p99.9 of a call in ns: alone, with reloads, ratio");
    let mut ratios = Vec::new();
    for pair in 0..5 {
        // Who is first changes, so that what drifts does not count for one side.
        let first = pair % 2 == 1;
        let (one, other) = (tail(&file, &write, first), tail(&file, &write, !first));
        let (alone, with) = if first { (other, one) } else { (one, other) };
        let ratio = with.as_secs_f64() / alone.as_secs_f64();
        println!(
            "{:>8} {:>8} {ratio:>8.2}",
            alone.as_nanos(),
            with.as_nanos()
        );
        ratios.push(ratio);
    }
    ratios.sort_unstable_by(f64::total_cmp);
    println!("median ratio {:.2}", ratios[2]);
}

/// One half of a pair: how long the slowest call in a thousand took, while the file was reloaded again
/// and again or left alone.
fn tail(file: &std::path::Path, write: &dyn Fn(u32), reloads: bool) -> Duration {
    const HALF: Duration = Duration::from_secs(2);
    write(0);
    let host = Host::builder()
        .file(file)
        .watch(false)
        .start()
        .unwrap_or_else(|error| panic!("{error}"));
    let done = Arc::new(AtomicBool::new(false));
    let time = |thread: usize| {
        let log = host.factory().get_logger(&format!("bench.{thread}"));
        let done = Arc::clone(&done);
        std::thread::spawn(move || {
            let mut times = Vec::with_capacity(1 << 20);
            while !done.load(Ordering::Relaxed) {
                for n in 0..10 {
                    let begin = Instant::now();
                    info!(log, "numbered", n = n);
                    times.push(begin.elapsed());
                }
                std::thread::park_timeout(Duration::from_millis(1));
            }
            times
        })
    };
    let threads: Vec<_> = (0..4).map(time).collect();
    let (begin, mut round) = (Instant::now(), 0);
    while begin.elapsed() < HALF {
        if reloads {
            round += 1;
            write(round);
            host.reload_blocking()
                .unwrap_or_else(|error| panic!("{error}"));
        } else {
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
    done.store(true, Ordering::Relaxed);
    let mut times: Vec<Duration> = threads
        .into_iter()
        .flat_map(|thread| thread.join().expect("logging does not panic"))
        .collect();
    let report = host.dispose_blocking(LONG);
    assert!(report.ledger.balances() && report.lost() == 0, "{report}");
    let delivered = report.ledger.target("a").map_or(0, |row| row.delivered);
    assert!(delivered >= times.len() as u64, "the run is void: {report}");
    assert!(!reloads || round >= 10, "the run is void: {round} reloads");
    times.sort_unstable();
    times[times.len() - 1 - times.len() / 1000]
}

fn loggers(host: &Host, done: &Arc<AtomicBool>) -> Vec<std::thread::JoinHandle<u64>> {
    let start = |thread: usize| {
        let log = host.factory().get_logger(&format!("bench.{thread}"));
        let done = Arc::clone(done);
        std::thread::spawn(move || {
            let mut n = 0;
            while !done.load(Ordering::Relaxed) {
                for _ in 0..10 {
                    info!(log, "numbered", n = n);
                    n += 1;
                }
                std::thread::park_timeout(Duration::from_millis(1));
            }
            n
        })
    };
    (0..4).map(start).collect()
}

fn show(what: &str, rounds: u32, mut round: impl FnMut(u32) -> Duration) {
    let mut times: Vec<Duration> = (0..rounds).map(&mut round).collect();
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    println!(
        "{what:>8} {:>8.2} {:>8.2}",
        ms(times[times.len() / 2]),
        ms(times[times.len() - 1])
    );
}
