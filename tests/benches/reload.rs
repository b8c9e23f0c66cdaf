//! What a change of the pipeline takes, while four threads log.
//!
//!     cargo bench -p rolog-tests --bench reload [-- ROUNDS]
//!
//! *Nothing*: a reload of a file in which nothing has changed. *Swap*: a reload that changes routes
//! and one target's flush settings, from the call to the new generation in force. *Watched*: the same,
//! from the write of the file, the watch's pause for a file at rest (50 ms) included.

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
