//! A storm of reloads: everything about the pipeline changes while four threads log, and targets are
//! dead half of the time. Every copy that the generation which routed a record demanded arrives
//! exactly once, and memory is flat.
//!
//! 200 reloads are measured, or as many as `ROLOG_RELOADS` says:
//!
//! ```text
//! ROLOG_RELOADS=2000 cargo test --release -p rolog-host --test reload_storm
//! ```

#![allow(clippy::unwrap_used, reason = "a test that fails to unwrap has failed")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rolog_core::delivery::{Class, Failure, Outcome};
use rolog_core::frame::Batch;
use rolog_core::value::Value;
use rolog_core::{Level, LogTarget, log};
use rolog_host::Host;

const LONG: Duration = Duration::from_mins(1);

struct Counting;

/// The bytes that are allocated now.
static LIVE: AtomicI64 = AtomicI64::new(0);

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const THREADS: usize = 4;

/// More records of one thread than a storm has.
const MOST: usize = 2_000_000;

/// What has arrived, by thread and number. Its memory is there before the first reload.
struct Seen {
    /// The generation of each record that the sink got, or 0.
    routed: Vec<Vec<u32>>,
    /// How often it arrived at either of the other two.
    arrived: Vec<Vec<u8>>,
    doubled: u64,
}

struct World {
    dead: AtomicBool,
    seen: Mutex<Seen>,
}

impl World {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }
}

/// Gets every record, and is always there.
struct Sink(Arc<World>);

/// Is dead half of the time.
struct Flaky(Arc<World>);

/// Is never dead.
struct Rescue(Arc<World>);

/// Thread and number of each record that a thread of the storm has logged.
fn numbered(records: &Batch<'_>, mut each: impl FnMut(usize, usize, u32)) {
    for record in records.records() {
        let Some(thread) = record.logger().strip_prefix("app.t") else {
            continue;
        };
        let number = record.fields().find_map(|(key, value)| match value {
            Value::U64(number) if key == "n" => Some(number),
            _ => None,
        });
        let number = usize::try_from(number.unwrap()).unwrap();
        each(thread.parse().unwrap(), number, record.generation());
    }
}

impl World {
    fn arrive(&self, records: &Batch<'_>) -> Outcome {
        let mut seen = self.seen();
        numbered(records, |thread, n, _| seen.arrived[thread][n] += 1);
        Outcome::delivered()
    }
}

impl LogTarget for Sink {
    async fn log(&self, records: &Batch<'_>) -> Outcome {
        let seen = &mut *self.0.seen();
        numbered(records, |thread, n, generation| {
            let before = std::mem::replace(&mut seen.routed[thread][n], generation);
            seen.doubled += u64::from(before != 0);
        });
        Outcome::delivered()
    }
}

impl LogTarget for Flaky {
    async fn log(&self, records: &Batch<'_>) -> Outcome {
        if self.0.dead.load(Ordering::Relaxed) {
            return Outcome::retry(Failure::new(Class::Io, "dead"));
        }
        self.0.arrive(records)
    }
}

impl LogTarget for Rescue {
    async fn log(&self, records: &Batch<'_>) -> Outcome {
        self.0.arrive(records)
    }
}

/// What a generation does with the storm's records beside giving each to the sink.
#[derive(Clone, Copy, PartialEq)]
enum Copies {
    None,
    /// To the flaky one, or to the one behind it.
    One,
}

/// The file of a step, and what it demands; `None` where it is broken.
fn step(n: u32) -> (String, Option<Copies>) {
    let own = |name: &str, flush: &str| {
        format!(
            "  {name}: {{ plugin: in-process, flush: {{ interval: 5ms, max_retries: 1, retry_delay: 1ms{flush} }} }}\n"
        )
    };
    let memory = |name: &str, most: u32, flush: &str| {
        let config = format!("config: {{ max_records: {most} }}");
        format!("  {name}: {{ plugin: memory, {config}, flush: {{ interval: 3ms{flush} }} }}\n")
    };
    let file = |targets: &[String], flaky: &str, rescue: &str, levels: &str, to: &str| {
        format!(
            "version: 1
levels: {{ {levels} }}
targets:
{}{}{}{}routes:
  - {{ logger: 'app.**', to: [sink] }}
  - {{ logger: 'app.**', to: {to} }}
",
            own("sink", ""),
            own("flaky", flaky),
            own("rescue", rescue),
            targets.concat(),
        )
    };
    let behind = ", fallback: rescue";
    let changing = memory("b", 10 + n % 7, "");
    match n % 8 {
        0 => (
            file(&[], behind, "", "'**': info", "[flaky]"),
            Some(Copies::One),
        ),
        // One is new, and one beside it changes its settings.
        1 => (
            file(&[changing], behind, "", "'**': debug", "[flaky, b]"),
            Some(Copies::One),
        ),
        2 => {
            let c = memory("c", 5, ", fallback: b");
            (
                file(
                    &[changing, c],
                    behind,
                    "",
                    "'**': info, app: trace",
                    "[flaky, c]",
                ),
                Some(Copies::One),
            )
        }
        3 => ("version: [".to_owned(), None),
        // Turned round: what the flaky one is behind is alive.
        4 => (
            file(
                &[changing],
                "",
                ", fallback: flaky",
                "'**': info",
                "[rescue, b]",
            ),
            Some(Copies::One),
        ),
        // Nothing but flush settings.
        5 => (
            file(
                &[changing],
                "",
                ", fallback: flaky, max_size: 20",
                "'**': info",
                "[rescue, b]",
            ),
            Some(Copies::One),
        ),
        6 => (
            file(&[changing], behind, "", "'**': warning", "[b]"),
            Some(Copies::None),
        ),
        _ => (file(&[], behind, "", "'**': info", "[nowhere]"), None),
    }
}

#[test]
fn a_storm_of_reloads_loses_and_doubles_nothing_and_needs_no_more_memory() {
    /// Until what is remembered of generations is full, and buffers have the size that they need.
    const WARM: u32 = 240;
    let reloads: u32 = std::env::var("ROLOG_RELOADS").map_or(200, |n| n.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipeline.yaml");
    fs::write(&path, step(0).0).unwrap();
    let world = Arc::new(World {
        dead: AtomicBool::new(false),
        seen: Mutex::new(Seen {
            routed: vec![vec![0; MOST]; THREADS],
            arrived: vec![vec![0; MOST]; THREADS],
            doubled: 0,
        }),
    });
    let host = Host::builder()
        .file(&path)
        .watch(false)
        .target("sink", Sink(Arc::clone(&world)))
        .target("flaky", Flaky(Arc::clone(&world)))
        .target("rescue", Rescue(Arc::clone(&world)))
        .start()
        .unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let logger = host.factory().get_logger(&format!("app.t{thread}"));
            let done = Arc::clone(&done);
            std::thread::spawn(move || {
                let mut n = 0u64;
                while !done.load(Ordering::Relaxed) && n < MOST as u64 {
                    // At no less than the level of every generation.
                    log!(logger, Level::Warning, "numbered", n = n);
                    n += 1;
                    // Slow enough that no queue overflows: this is about reloads.
                    if n.is_multiple_of(4) {
                        std::thread::park_timeout(Duration::from_millis(1));
                    }
                }
                n
            })
        })
        .collect();
    let mut demanded = BTreeMap::from([(1, Copies::One)]);
    let mut live = Vec::new();
    for n in 1..=WARM + reloads {
        if n % 8 == 4 {
            // It is about to lose what it falls back to.
            world.dead.store(false, Ordering::Relaxed);
        }
        let (text, copies) = step(n);
        fs::write(&path, text).unwrap();
        match (host.reload_blocking(), copies) {
            (Ok(generation), Some(copies)) => drop(demanded.insert(generation.number, copies)),
            (Err(error), None) => assert!(error.is_config(), "{error}"),
            (got, _) => panic!("step {n}: {got:?}"),
        }
        let dead = matches!(n % 8, 0 | 2 | 6 | 7);
        world.dead.store(dead, Ordering::Relaxed);
        if n > WARM {
            live.push(LIVE.load(Ordering::Relaxed));
        }
    }
    done.store(true, Ordering::Relaxed);
    let logged: Vec<u64> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    world.dead.store(false, Ordering::Relaxed);
    let report = host.dispose_blocking(LONG);
    let source = &report.ledger.source;
    assert!(report.ledger.balances() && report.is_complete(), "{report}");
    assert_eq!((report.lost(), source.slow_path), (0, 0), "{report}");
    // The pipeline's own records have a small queue, and no claim.
    let dropped = source.dropped.iter().find(|(why, _)| *why != "feedback");
    assert_eq!(dropped, None, "{report}");

    let seen = world.seen();
    assert_eq!(seen.doubled, 0);
    for (thread, count) in logged.into_iter().enumerate() {
        let count = usize::try_from(count).unwrap();
        for n in 0..count {
            let generation = seen.routed[thread][n];
            let wanted = u8::from(demanded.get(&generation) == Some(&Copies::One));
            assert_ne!(generation, 0, "{n} of app.t{thread} is lost");
            let got = seen.arrived[thread][n];
            assert_eq!(got, wanted, "{n} of app.t{thread}, generation {generation}");
        }
        assert!(seen.routed[thread][count..].iter().all(|g| *g == 0));
    }
    // Whole rounds of the steps on both sides, and what is queued at a moment evens out.
    let mean = |of: &[i64]| of.iter().sum::<i64>() / of.len() as i64;
    let hundred = live.len().min(200) / 2;
    let (first, last) = (mean(&live[..hundred]), mean(&live[live.len() - hundred..]));
    // A kilobyte of each reload that stayed would be 100 KiB from one hundred to the next.
    assert!(last - first < 100 << 10, "{first} bytes have become {last}");
}
