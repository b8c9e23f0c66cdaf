//! One target's trouble never delays another (P3), nor the caller (P1), nor does it cost memory or files
//! beyond the configuration (P8) or a record that nobody counts (P2): a run with every fault at once, and
//! one with every queue full.
//!
//! A normal test run takes about 15 seconds of it. The full run:
//!
//! ```text
//! ROLOG_FAULT_SECONDS=60 cargo test --release -p rolog-tests --test isolation
//! ```
//!
//! This test is alone in its program, because it counts the program's memory.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rolog_core::info;
use rolog_host::config::{self, Env};
use rolog_host::{Host, Report};
use rolog_tests::artifacts::library_folder;

/// Counts what the host and this test have allocated. A loaded plugin has an allocator of its own:
/// its memory is its own.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller's promises are those of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the pointer came from `alloc`, and so from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const THREADS: usize = 4;
/// Records of a thread in each round, and how long a round is at least.
const BURST: u64 = 10;
const ROUND: Duration = Duration::from_millis(10);
/// What stays once every host has ended: libraries, each with the file of its code and the runtime
/// that later hosts go on with; and the files that a runtime has open.
const LIBRARIES: usize = 2;
const CODE: usize = 1;
const RUNTIME: usize = 6;
/// Longer than anything takes that does not hang.
const LONG: Duration = Duration::from_mins(1);
const SHUTDOWN: Duration = Duration::from_secs(5);

const MIB: usize = 1 << 20;
const RINGS: usize = 4;
/// The bound of the queues whose targets get everything, and of those in trouble.
const DEEP: usize = 16;
const SHALLOW: usize = 1;
/// The bound of a batch.
const BATCH: usize = 256 << 10;
/// Targets that never answer, whose queues are filled, and the bound of each of these.
const FULL: usize = 4;
const FILLED: usize = 16;

/// Targets that get every record in order.
const HEALTHY: [&str; 3] = ["calm", "sibling", "half"];
/// Targets of the same library as `sibling` and `half`, with a fallback, but for the last.
const TROUBLED: [(&str, &str); 5] = [
    ("panicking", "panics_in: [deliver]"),
    ("never", "never_ready_in: [deliver]"),
    ("sleeping", "blocks_in: [deliver]"),
    ("spinning", "spins_in: [deliver]"),
    ("alone", "never_ready_in: [deliver]"),
];

fn pipeline(folder: &Path) -> String {
    let mut yaml = format!(
        "
version: 1
plugins: {{ search: ['{search}'] }}
rings: {{ bytes: {RINGS}MiB }}
targets:
  calm:
    plugin: file
    config: {{ path: '{folder}/calm', format: json }}
    queue: &deep {{ max_bytes: {DEEP}MiB, max_records: 10000000 }}
    flush: {{ interval: 20ms, max_bytes: {BATCH} }}
  sibling:
    plugin: misbehaving
    config: {{ path: '{folder}/sibling' }}
    queue: *deep
    flush: {{ interval: 20ms, max_bytes: {BATCH} }}
  half:
    plugin: misbehaving
    config: {{ path: '{folder}/half', fails_one_in: 2 }}
    queue: *deep
    flush: {{ interval: 20ms, max_bytes: {BATCH}, retry_delay: 5ms, timeout: 2s, grace: 1s }}
  rescue: {{ plugin: 'null', queue: *deep }}
",
        search = library_folder().display(),
        folder = folder.display(),
    );
    for (name, config) in TROUBLED {
        let fallback = match name {
            "alone" => "[]",
            _ => "rescue",
        };
        let written = write!(
            yaml,
            "
  {name}:
    plugin: misbehaving
    config: {{ {config} }}
    queue: {{ max_bytes: {SHALLOW}MiB }}
    flush: {{ interval: 20ms, max_bytes: {BATCH}, retry_delay: 5ms, timeout: 500ms, grace: 500ms, fallback: {fallback} }}
"
        );
        written.expect("a text takes whatever is written");
    }
    let all = HEALTHY.into_iter().chain(TROUBLED.map(|(name, _)| name));
    let all: Vec<_> = all.collect();
    yaml + &format!(
        "routes:\n  - {{ logger: 'load.**', to: [{}] }}\n",
        all.join(", ")
    )
}

/// What the host may have grown by, with so many bytes in its queues: those; the rings; for each target
/// the batch that is being filled and grows by doubling, and one more that is being encoded for a
/// fallback; and what else is made while it runs.
const fn bound(queued: usize, targets: usize) -> usize {
    const ELSE: usize = 2 * MIB;
    RINGS * MIB + queued + targets * 3 * BATCH + ELSE
}

/// How many files this process has open, where the system says so.
fn open_files() -> Option<usize> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count())
}

/// What happened, by target.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<BTreeMap<String, BTreeSet<&'static str>>>>);

impl Told {
    fn has(&self, target: &str, kind: &str) -> bool {
        let told = self.0.lock().unwrap();
        told.get(target).is_some_and(|kinds| kinds.contains(kind))
    }

    /// Whether the watchdog has found both that block the runtime.
    fn both_are_found(&self) -> bool {
        self.has("sleeping", "quarantined") && self.has("spinning", "quarantined")
    }
}

/// Ends the load, also when what watches it fails.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Logs from [`THREADS`] threads until `enough`; returns how many records each has logged.
fn load(host: &Host, enough: impl Fn() -> bool) -> Vec<u64> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let log = host.factory().get_logger(&format!("load.t{thread}"));
                let stop = &stop;
                scope.spawn(move || {
                    let mut n = 0;
                    while !stop.load(Ordering::Relaxed) {
                        for _ in 0..BURST {
                            info!(log, "{thread} {n}", thread = thread, n = n);
                            n += 1;
                        }
                        // The pace of the load; nothing is waited for.
                        std::thread::sleep(ROUND);
                    }
                    n
                })
            })
            .collect();
        let stops = Stops(&stop);
        while !enough() {
            std::thread::sleep(ROUND);
        }
        drop(stops);
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

/// Whether everything that was logged has been routed, and everything of it delivered here.
fn has_delivered(host: &Host, target: &str) -> bool {
    let ledger = host.ledger();
    let row = ledger.target(target).unwrap();
    ledger.source.balances() && ledger.source.in_rings == 0 && row.queued == 0
}

/// The messages that a target has written.
fn messages(folder: &Path, target: &str) -> Vec<String> {
    let text = fs::read_to_string(folder.join(target)).unwrap();
    let message = |line: &str| match target {
        "calm" => {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["message"].as_str().unwrap().to_owned()
        }
        _ => line.to_owned(),
    };
    text.lines().map(message).collect()
}

/// Every record is there, in the order of its thread; those that are there twice are counted.
fn complete(messages: &[String], logged: &[u64]) -> u64 {
    let mut next = vec![0; logged.len()];
    let mut twice = 0;
    for message in messages {
        let (thread, n) = message.split_once(' ').unwrap();
        let (thread, n): (usize, u64) = (thread.parse().unwrap(), n.parse().unwrap());
        match n {
            n if n == next[thread] => next[thread] += 1,
            n if n < next[thread] => twice += 1,
            n => panic!("thread {thread}: {n} stands where {} should", next[thread]),
        }
    }
    assert_eq!(next, logged);
    twice
}

fn check(report: &Report, folder: &Path, logged: &[u64]) {
    assert!(report.ledger.balances(), "{report}");
    assert_eq!(report.ledger.source.slow_path, 0, "{report}");
    let all: u64 = logged.iter().sum();
    for target in HEALTHY {
        let row = report.ledger.target(target).unwrap();
        assert_eq!(
            (row.accepted, row.delivered),
            (all, all),
            "{target}: {report}"
        );
        let twice = complete(&messages(folder, target), logged);
        assert!(
            twice <= row.maybe_written,
            "{target}: {twice} twice; {report}"
        );
    }
}

#[test]
fn targets_that_fail_panic_or_hang_in_any_way_disturb_nobody() {
    let files = open_files();
    faults();
    queues_that_are_full();
    let left = open_files();
    println!("{files:?} files were open before, {left:?} are now");
    if let (Some(before), Some(now)) = (files, left) {
        // Who blocks a runtime for ever keeps of it what is not closed without it: the two that do may
        // be on one, or each on its own.
        let most = LIBRARIES * (CODE + RUNTIME) + 2 * RUNTIME;
        let more = now - before;
        assert!(
            more <= most,
            "{more} more files are open, and not {most} at most"
        );
    }
}

/// A run with every fault at once.
#[allow(
    clippy::print_stdout,
    reason = "what a run was like, for those who ask by `--nocapture`"
)]
fn faults() {
    let seconds = std::env::var("ROLOG_FAULT_SECONDS").map_or(15, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let yaml = pipeline(folder.path());
    let spec = config::parse(&yaml, "pipeline.yaml", folder.path(), &Env::empty());
    let spec = spec.unwrap_or_else(|problems| panic!("{problems}"));
    let told = Told::default();
    let hears = told.clone();
    let host = Host::builder()
        .pipeline(spec)
        .on_event(move |event| {
            let mut told = hears.0.lock().unwrap();
            let kinds = told.entry(event.target.to_string()).or_default();
            kinds.insert(event.kind.name());
        })
        .start()
        .unwrap_or_else(|error| panic!("{error}"));

    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let begun = Instant::now();
    let most_queued = AtomicUsize::new(0);
    let logged = load(&host, || {
        let targets = host.metrics().targets;
        let queued = targets.iter().map(|target| target.queued_bytes).sum();
        most_queued.fetch_max(queued, Ordering::Relaxed);
        for target in targets {
            let most = target.settings.max_bytes;
            assert!(
                target.queued_bytes <= most,
                "{} of {most}: {target:?}",
                target.queued_bytes
            );
        }
        let long = begun.elapsed() >= Duration::from_secs(seconds);
        // On a slow machine it takes longer until they are found; not for ever.
        long && (told.both_are_found() || begun.elapsed() >= LONG + Duration::from_secs(seconds))
    });
    let end = Instant::now() + LONG;
    while !HEALTHY.iter().all(|target| has_delivered(&host, target)) {
        assert!(Instant::now() < end, "{}", host.ledger());
        std::thread::sleep(ROUND);
    }
    let grown = PEAK.load(Ordering::Relaxed) - before;
    let ending = Instant::now();
    let report = host.dispose_blocking(SHUTDOWN);
    assert!(
        ending.elapsed() < SHUTDOWN + LONG / 4,
        "{:?}",
        ending.elapsed()
    );

    check(&report, folder.path(), &logged);
    let bound = bound(most_queued.into_inner(), HEALTHY.len() + 1 + TROUBLED.len());
    assert!(grown <= bound, "{grown} bytes are more than {bound}");
    for (target, kind) in [
        ("panicking", "quarantined"),
        ("never", "fenced"),
        ("alone", "fenced"),
        ("alone", "refused"),
        ("sleeping", "quarantined"),
        ("spinning", "quarantined"),
        ("sibling", "rebuilt"),
        ("half", "rebuilt"),
    ] {
        assert!(
            told.has(target, kind),
            "{target} is not {kind}: {:?}",
            told.0
        );
    }
    for target in HEALTHY {
        assert!(!told.has(target, "quarantined"), "{target}: {:?}", told.0);
    }
    println!(
        "{} s, {grown} bytes of {bound}\n{report}",
        begun.elapsed().as_secs(),
    );
}

/// Every queue is filled to its bound, and stays so: as much memory as the configuration allows, and
/// no more.
#[allow(clippy::print_stdout, reason = "as above")]
fn queues_that_are_full() {
    let mut yaml = format!(
        "
version: 1
plugins: {{ search: ['{}'] }}
rings: {{ bytes: {RINGS}MiB }}
targets:
",
        library_folder().display()
    );
    let names: Vec<String> = (0..FULL).map(|n| format!("full{n}")).collect();
    for name in &names {
        let written = write!(
            yaml,
            "
  {name}:
    plugin: misbehaving
    config: {{ never_ready_in: [deliver] }}
    queue: {{ max_bytes: {FILLED}MiB, max_records: 10000000 }}
    flush: {{ max_bytes: {BATCH}, timeout: 10m }}
"
        );
        written.expect("a text takes whatever is written");
    }
    let _ = write!(yaml, "routes:\n  - to: [{}]\n", names.join(", "));
    let spec = config::parse(&yaml, "pipeline.yaml", "/", &Env::empty());
    let spec = spec.unwrap_or_else(|problems| panic!("{problems}"));
    let host = Host::builder().pipeline(spec).start();
    let host = host.unwrap_or_else(|error| panic!("{error}"));
    let log = host.factory().get_logger("load");
    let text = "x".repeat(1000);

    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let end = Instant::now() + LONG;
    let is_full = |ledger: &rolog_host::Ledger| {
        let full = |name: &String| ledger.target(name).unwrap().refused.total() > 0;
        names.iter().all(full)
    };
    while !is_full(&host.ledger()) {
        assert!(Instant::now() < end, "{}", host.ledger());
        for n in 0..100 {
            info!(log, "{n} {text}", n = n, text = text.as_str());
        }
    }
    let grown = PEAK.load(Ordering::Relaxed) - before;
    let queued: usize = host
        .metrics()
        .targets
        .iter()
        .map(|one| one.queued_bytes)
        .sum();
    let report = host.dispose_blocking(Duration::from_secs(1));
    assert!(report.ledger.balances(), "{report}");
    let bound = bound(FULL * FILLED * MIB, FULL);
    println!("{queued} bytes queued, {grown} bytes of {bound}");
    assert!(
        queued >= FULL * (FILLED * MIB - 2 * BATCH),
        "{queued} are not full queues"
    );
    assert!(grown <= bound, "{grown} bytes are more than {bound}");
}
