//! Killed at any moment, again and again, while files are rotated and compressed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rolog_tests::plugins::LONG;
use serde_json::{Value, json};

use crate::files::{account, deliver, files, numbered, target};

/// How many records a batch has.
const BATCH: usize = 25;
/// Numbers of one life, so that they are different from those of the next.
const LIFE: usize = 1_000_000;

fn settings(folder: &Path, life: usize) -> Value {
    let compress = ["gzip", "zstd"][life % 2];
    let fsync = ["interval", "batch", "never"][life % 3];
    json!({
        "path": folder.join("app.jsonl"),
        "rotate": { "size": "16KiB" },
        "compress": compress,
        "fsync": fsync,
    })
}

/// What the killed process runs: it writes batches, and says of each that it is delivered.
#[test]
fn child() {
    let (Some(folder), Ok(life)) = (
        std::env::var_os("ROLOG_CRASH_FOLDER"),
        std::env::var("ROLOG_CRASH_LIFE"),
    ) else {
        // Run as one test among the others, it has nothing to do.
        return;
    };
    let life: usize = life.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let target = target(&settings(Path::new(&folder), life)).await.unwrap();
        let mut next = life * LIFE;
        loop {
            let outcome = deliver(&target, &numbered(next, BATCH)).await;
            assert!(outcome.is_delivered(), "{outcome:?}");
            next += BATCH;
            let mut out = std::io::stdout();
            // Whoever listens is gone: so is the reason to go on.
            if writeln!(out, "delivered {next}")
                .and_then(|()| out.flush())
                .is_err()
            {
                return;
            }
        }
    });
}

fn spawn(folder: &Path, life: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture", "--test-threads=1"])
        .env("ROLOG_CRASH_FOLDER", folder)
        .env("ROLOG_CRASH_LIFE", life.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills a life after some batches, and says up to which number it reported records as delivered.
fn live_and_die(folder: &Path, life: usize, batches: usize, spin: Duration) -> usize {
    let mut child = spawn(folder, life);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut delivered = life * LIFE;
    let mut count = 0;
    let number = |line: &str| line.strip_prefix("delivered ")?.parse().ok();
    while count < batches {
        let line = lines
            .next()
            .unwrap_or_else(|| panic!("life {life} ended by itself"));
        if let Some(number) = number(&line.unwrap()) {
            delivered = number;
            count += 1;
        }
    }
    // Not at the moment of a report, but any time behind it.
    let until = Instant::now() + spin;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for line in lines.map_while(Result::ok) {
        delivered = number(&line).unwrap_or(delivered);
    }
    delivered
}

/// A cheap source of different numbers.
fn random(seed: &mut u64, below: u64) -> u64 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_delivered_line_is_torn_doubled_or_missing_however_often_it_is_killed() {
    let lives: usize = std::env::var("ROLOG_CRASHES").map_or(20, |n| n.parse().unwrap());
    let start = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_nanos() as u64;
    let mut seed = start;
    let folder = tempfile::tempdir().unwrap();
    let mut delivered = Vec::new();
    for life in 0..lives {
        let batches = 1 + random(&mut seed, 40) as usize;
        let spin = Duration::from_micros(random(&mut seed, 5000));
        delivered.push(live_and_die(folder.path(), life, batches, spin));
    }
    // The last one to start makes good what the others left.
    let heir = target(&settings(folder.path(), lives)).await.unwrap();
    let settled = || {
        let plain = |path: &Path| path.extension() == Some("jsonl".as_ref());
        let files = files(folder.path());
        let parts = files
            .iter()
            .any(|path| path.extension() == Some("part".as_ref()));
        !parts && files.iter().filter(|path| plain(path)).count() == 1
    };
    let end = Instant::now() + LONG;
    while !settled() {
        assert!(Instant::now() < end, "{:?}", files(folder.path()));
        tokio::task::yield_now().await;
    }
    heir.shutdown(LONG).await.unwrap();

    let (counts, torn) = account(folder.path());
    assert!(torn.len() <= lives, "{torn:?}");
    for (life, end) in delivered.iter().enumerate() {
        for word in numbered(life * LIFE, end - life * LIFE) {
            assert_eq!(counts.get(&word), Some(&1), "{word}, started with {start}");
        }
    }
    assert!(
        counts.values().all(|count| *count == 1),
        "started with {start}"
    );
    let packed = files(folder.path()).len() - 1;
    assert!(packed > lives, "{packed} files were compressed");
}
