//! Records a second from the log call to the file: through the file plugin loaded as a library,
//! through the same linked in, and beside both a bare loop that writes the same bytes.
//!
//!     cargo bench -p rolog-tests --bench end_to_end [-- RECORDS [ROUNDS]]
//!
//! With `TMPDIR` in memory (`/dev/shm`) the disk's moods stay out of the ratio of loaded to linked.
//!
//! They take turns, and start with nothing left to be written to the disk, so that neither a machine
//! whose speed drifts nor the run before favours one; the ratios are of the same round. A round in which a file does not hold exactly the lines that were logged is void,
//! and ends the run.

#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use rolog_core::info;
use rolog_host::Host;
use rolog_host::config::{self, Env};
use rolog_tests::artifacts;

const LONG: Duration = Duration::from_mins(5);

fn main() {
    let numbers: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let records = numbers.first().copied().unwrap_or(1_000_000);
    let rounds = numbers.get(1).copied().unwrap_or(6);
    let folder = tempfile::tempdir().expect("a temporary folder");
    println!("{records} records of 3 values a round, as JSON lines; records/s");
    println!(
        "{:>12} {:>12} {:>12} {:>14} {:>12}",
        "loaded", "linked", "bare loop", "loaded/linked", "loaded/bare"
    );
    let mut ratios = Vec::new();
    let file = folder.path().join("lines");
    for round in 0..rounds {
        // Each goes twice, one of them first and last: what drifts, and what a run leaves behind for
        // the next, falls on both alike.
        let order = if round % 2 == 0 {
            [false, true, true, false]
        } else {
            [true, false, false, true]
        };
        let mut seconds = [0.0; 2];
        let mut bytes = Vec::new();
        for linked in order {
            seconds[usize::from(linked)] += pipeline(records, linked, &file);
            bytes = take(&file);
        }
        let bare = bare_loop(&bytes, &file);
        take(&file);
        let [loaded, linked] = seconds.map(|seconds| 2.0 * records as f64 / seconds);
        let bare = records as f64 / bare;
        println!(
            "{loaded:>12.0} {linked:>12.0} {bare:>12.0} {:>14.3} {:>12.3}",
            loaded / linked,
            loaded / bare
        );
        ratios.push((loaded / linked, loaded / bare));
    }
    let median = |of: fn(&(f64, f64)) -> f64| {
        let mut all: Vec<f64> = ratios.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    println!(
        "median: loaded/linked {:.3}, loaded/bare {:.3}",
        median(|r| r.0),
        median(|r| r.1)
    );
}

/// Seconds from the first call to the end of the shutdown, when every line is in the file.
fn pipeline(records: u64, linked: bool, file: &Path) -> f64 {
    let search = artifacts::library_folder();
    // JSON's quotes are YAML's too.
    let quoted = |path: &Path| serde_json::to_string(&path.to_string_lossy()).expect("it is text");
    let (search, path) = (quoted(&search), quoted(file));
    let yaml = format!(
        "
version: 1
plugins: {{ search: [{search}] }}
rings: {{ overflow: {{ block: {{ max_wait: 60s }} }} }}
targets:
  app:
    plugin: file
    config: {{ path: {path}, fsync: never }}
    queue: {{ overflow: {{ block: {{ max_wait: 60s }} }} }}
routes:
  - {{ logger: '**', to: app }}
"
    );
    let spec = config::parse(yaml, "bench.yaml", "/", &Env::empty())
        .unwrap_or_else(|problems| panic!("{problems}"));
    let mut builder = Host::builder().pipeline(spec);
    if linked {
        builder = builder.link(rolog_plugin::linked::<rolog_file::File>());
    }
    let host = builder.start().unwrap_or_else(|error| panic!("{error}"));
    let log = host.factory().get_logger("bench.orders");
    let begin = Instant::now();
    for n in 0..records {
        info!(
            log,
            "order {id} accepted",
            id = n,
            total = 19.99,
            customer = "0123456789abcdef"
        );
    }
    let report = host.dispose_blocking(LONG);
    let seconds = begin.elapsed().as_secs_f64();
    assert!(report.ledger.balances() && report.is_complete(), "{report}");
    let text = fs::read_to_string(file).expect("the file is there, as UTF-8");
    let lines = text.lines().count() as u64;
    assert_eq!(lines, records, "the round is void: {report}");
    seconds
}

/// The bytes of a file, which is gone afterwards, and on no disk's list of things to do.
fn take(file: &Path) -> Vec<u8> {
    fs::File::open(file)
        .and_then(|file| file.sync_all())
        .expect("the file can be synced");
    let bytes = fs::read(file).expect("the file is there");
    fs::remove_file(file).expect("the file is there");
    bytes
}

/// Seconds to write the same bytes in pieces of 256 KiB.
fn bare_loop(bytes: &[u8], to: &Path) -> f64 {
    let begin = Instant::now();
    let mut file = fs::File::create(to).expect("a file can be made");
    for piece in bytes.chunks(256 * 1024) {
        file.write_all(piece).expect("there is room");
    }
    drop(file);
    begin.elapsed().as_secs_f64()
}
