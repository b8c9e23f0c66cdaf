//! Records a second through one instance of the file plugin, loaded as a library, beside a bare loop on
//! one thread: the same batches through the same renderer, written in pieces of 256 KiB.
//!
//!     cargo bench -p rolog-tests --bench file [-- RECORDS [ROUNDS]]
//!
//! Each goes twice a round, one of them first and last, so that a drift falls on both alike; each ends
//! with its file synced, so that nothing is left to be written to the disk for the next. A round in which the two
//! files are not the same bytes is void, and ends the run. With `TMPDIR` in memory (`/dev/shm`) the
//! disk's moods stay out.

#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use rolog_core::frame::{Batch, BatchBuilder, FrameMeta, LoggerRef, RecordId};
use rolog_core::level::Level;
use rolog_core::render::JsonLine;
use rolog_core::value::{Encoder, Timestamp};
use rolog_host::instance::Buffer;
use rolog_host::loader::{Library, LoaderSettings};
use rolog_tests::artifacts;
use rolog_tests::plugins::{LONG, attempt, instance, loader};
use serde_json::json;

/// What the plugin asks for.
const BATCH: u64 = 5000;
const PIECE: usize = 256 * 1024;

fn main() {
    let numbers: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let records = numbers.first().copied().unwrap_or(1_000_000);
    let rounds = numbers.get(1).copied().unwrap_or(6);
    let batches: Vec<Vec<u8>> = (0..records).step_by(BATCH as usize).map(batch).collect();
    let records = batches.len() as u64 * BATCH;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let (loader, _) = loader(LoaderSettings::default());
    let library = loader
        .load(artifacts::library("file"))
        .unwrap_or_else(|error| panic!("{error}"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [ours, theirs] = ["plugin", "bare"].map(|name| folder.path().join(name));
    println!("{records} records of 3 values a run, {BATCH} a batch, as JSON lines; records/s");
    println!("{:>12} {:>12} {:>12}", "plugin", "bare loop", "plugin/bare");
    let mut ratios = Vec::new();
    for round in 0..rounds {
        let mut seconds = [0.0; 2];
        for plugin in [
            round % 2 == 0,
            round % 2 == 1,
            round % 2 == 1,
            round % 2 == 0,
        ] {
            seconds[usize::from(plugin)] += if plugin {
                runtime.block_on(deliver(&library, &batches, &ours))
            } else {
                bare_loop(&batches, &theirs)
            };
        }
        let same = fs::read(&ours).expect("it is there") == fs::read(&theirs).expect("it is there");
        assert!(same, "the round is void: the files differ");
        let [bare, plugin] = seconds.map(|seconds| 2.0 * records as f64 / seconds);
        println!("{plugin:>12.0} {bare:>12.0} {:>12.3}", plugin / bare);
        ratios.push(plugin / bare);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median: plugin/bare {:.3}", ratios[ratios.len() / 2]);
}

fn batch(first: u64) -> Vec<u8> {
    let mut batch = BatchBuilder::new(1);
    let mut payload = Vec::new();
    for sequence in first..first + BATCH {
        payload.clear();
        let mut out = Encoder::new(&mut payload);
        out.key("order accepted");
        out.key("id").u64(sequence);
        out.key("total").f64(19.99);
        out.key("customer").str("0123456789abcdef");
        let meta = FrameMeta::literal(
            RecordId { epoch: 1, sequence },
            Timestamp::from_nanos(1_795_348_800_000_000_000 + sequence as i64 * 1_000),
            Level::Information,
            LoggerRef {
                id: 1,
                name: "bench.orders",
            },
        );
        batch.push(&meta, &payload);
    }
    batch.finish()
}

/// Seconds from the first batch to the last byte on the disk.
async fn deliver(library: &Library, batches: &[Vec<u8>], path: &Path) -> f64 {
    drop(fs::remove_file(path));
    let settings = json!({ "path": path, "fsync": "never" });
    let target = instance(library, "app", &settings).await;
    let target = target.unwrap_or_else(|failure| panic!("{failure}"));
    let opened = target.activate().await;
    opened.unwrap_or_else(|failure| panic!("{failure}"));
    let buffers: Vec<Buffer> = batches
        .iter()
        .map(|batch| Buffer::new(batch.clone().into()))
        .collect();
    let begin = Instant::now();
    for buffer in buffers {
        let outcome = target.deliver(buffer, attempt(1)).await;
        assert!(outcome.is_delivered(), "the round is void: {outcome:?}");
    }
    let file = File::open(path).expect("the file is there");
    file.sync_data().expect("the file can be synced");
    let seconds = begin.elapsed().as_secs_f64();
    let ended = target.shutdown(LONG).await;
    ended.unwrap_or_else(|failure| panic!("{failure}"));
    seconds
}

/// Seconds for the same on one thread, with nothing around it.
fn bare_loop(batches: &[Vec<u8>], path: &Path) -> f64 {
    drop(fs::remove_file(path));
    let batches: Vec<Batch<'_>> = batches
        .iter()
        .map(|batch| Batch::parse(batch).expect("it was written here"))
        .collect();
    let begin = Instant::now();
    let mut file = File::create(path).expect("a file can be made");
    let (mut renderer, mut lines) = (JsonLine::new(), Vec::with_capacity(2 * PIECE));
    for batch in batches {
        for record in batch.records() {
            renderer.line(&record, &mut lines);
            if lines.len() >= PIECE {
                file.write_all(&lines).expect("there is room");
                lines.clear();
            }
        }
    }
    file.write_all(&lines).expect("there is room");
    file.sync_data().expect("the file can be synced");
    begin.elapsed().as_secs_f64()
}
