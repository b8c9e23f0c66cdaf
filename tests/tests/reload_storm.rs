//! A storm of reloads: everything about the pipeline changes while four threads log, a plugin's library
//! is replaced twenty times, and targets are dead half of the time or break off in the middle of a
//! batch. Every copy that the generation which routed a record demanded arrives exactly once, but for
//! the records whose attempts broke off: those at least once, and no oftener than the test's own log of
//! faults allows. Memory is flat; what counts for libraries is not in it, as they have allocators of
//! their own.
//!
//! 200 reloads are measured, or as many as `ROLOG_RELOADS` says:
//!
//! ```text
//! ROLOG_RELOADS=2000 cargo test --release -p rolog-tests --test reload_storm
//! ```

#![allow(clippy::unwrap_used, reason = "a test that fails to unwrap has failed")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use rolog_core::delivery::{Class, Failure, Outcome};
use rolog_core::frame::Batch;
use rolog_core::value::Value;
use rolog_core::{Level, LogTarget, log};
use rolog_host::reload::Cause;
use rolog_host::stage::TargetRow;
use rolog_host::{Host, Report};
use rolog_tests::artifacts;

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
    /// In how many attempts that broke off it was.
    faults: Vec<Vec<u8>>,
    doubled: u64,
}

struct World {
    dead: AtomicBool,
    /// Whether attempts break off, while there is a fallback.
    breaks: AtomicBool,
    attempts: AtomicU32,
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

    /// Takes this share of the records and fails, and does not know how far it has come.
    fn break_off(&self, records: &Batch<'_>, part: usize, of: usize) -> Outcome {
        let mut seen = self.seen();
        let seen = &mut *seen;
        let mut all = 0;
        numbered(records, |_, _, _| all += 1);
        let mut written = 0;
        numbered(records, |thread, n, _| {
            seen.faults[thread][n] += 1;
            seen.arrived[thread][n] += u8::from(written < all * part / of);
            written += 1;
        });
        Outcome::retry(Failure::new(Class::Io, "broke off").maybe_written())
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
        if !self.0.breaks.load(Ordering::Relaxed) {
            return self.0.arrive(records);
        }
        match self.0.attempts.fetch_add(1, Ordering::Relaxed) % 6 {
            1 => self.0.break_off(records, 0, 1),
            3 => self.0.break_off(records, 1, 2),
            5 => self.0.break_off(records, 1, 1),
            _ => self.0.arrive(records),
        }
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
plugins: {{ search: [.] }}
levels: {{ {levels} }}
targets:
  library: {{ plugin: good, config: {{ path: out }}, flush: {{ interval: 5ms }} }}
{}{}{}{}routes:
  - {{ logger: 'app.**', to: [sink, library] }}
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

/// Puts another build of the library in its place; what stands behind its tables is nobody's.
fn build(folder: &Path, number: u32) {
    let name = ["good", "good_next"][number as usize % 2];
    let mut bytes = fs::read(artifacts::library(name)).unwrap();
    bytes.extend(number.to_le_bytes());
    let new = folder.join("new");
    fs::write(&new, bytes).unwrap();
    fs::rename(new, folder.join("librolog_good.so")).unwrap();
}

/// Every record is in the library's file once, and those of a thread in their order.
fn assert_whole(out: &Path, logged: &[u64]) {
    let mut next = vec![0u64; logged.len()];
    for line in fs::read_to_string(out).unwrap().lines() {
        let Some(record) = line.strip_prefix("app.t") else {
            continue;
        };
        let (thread, number) = record.split_once(" numbered n=U64(").unwrap();
        let thread: usize = thread.parse().unwrap();
        let number: u64 = number.trim_end_matches(')').parse().unwrap();
        assert_eq!(number, next[thread], "of app.t{thread}");
        next[thread] += 1;
    }
    assert_eq!(next, logged);
}

#[test]
fn a_storm_of_reloads_loses_and_doubles_nothing_and_needs_no_more_memory() {
    /// Until what is remembered of generations is full, and buffers have the size that they need.
    const WARM: u32 = 240;
    const BUILDS: u32 = 20;
    let reloads: u32 = std::env::var("ROLOG_RELOADS").map_or(200, |n| n.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipeline.yaml");
    fs::write(&path, step(0).0).unwrap();
    build(folder.path(), 0);
    let world = Arc::new(World {
        dead: AtomicBool::new(false),
        breaks: AtomicBool::new(false),
        attempts: AtomicU32::new(0),
        seen: Mutex::new(Seen {
            routed: vec![vec![0; MOST]; THREADS],
            arrived: vec![vec![0; MOST]; THREADS],
            faults: vec![vec![0; MOST]; THREADS],
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
    let threads = callers(&host, &done);
    let mut demanded = BTreeMap::from([(1, Copies::One)]);
    let mut live = Vec::new();
    let (mut builds, mut present) = (0, Copies::One);
    for n in 1..=WARM + reloads {
        if n % 8 == 4 {
            // It is about to lose what it falls back to.
            world.dead.store(false, Ordering::Relaxed);
        }
        let (text, copies) = step(n);
        fs::write(&path, text).unwrap();
        match (host.reload_blocking(), copies) {
            (Ok(generation), Some(copies)) => {
                demanded.insert(generation.number, copies);
                present = copies;
            }
            (Err(error), None) => assert!(error.is_config(), "{error}"),
            (got, _) => panic!("step {n}: {got:?}"),
        }
        let dead = matches!(n % 8, 0 | 2 | 6 | 7);
        world.dead.store(dead, Ordering::Relaxed);
        world.breaks.store(n % 8 == 1, Ordering::Relaxed);
        if n * BUILDS / (WARM + reloads) > builds {
            builds += 1;
            build(folder.path(), builds);
            let generation = host.reload_plugins_blocking().unwrap();
            assert_eq!(generation.cause, Cause::Plugins);
            demanded.insert(generation.number, present);
        }
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
    assert_eq!((dropped, source.overflowed), (None, 0), "{report}");
    let refused = |(name, row): &(String, TargetRow)| (name.clone(), row.refused.total());
    let refused: Vec<_> = report.ledger.targets.iter().map(refused).collect();
    assert!(refused.iter().all(|(_, count)| *count == 0), "{refused:?}");
    assert_eq!(builds, BUILDS);
    assert_eq!(host.metrics().plugins["good"].versions, 1 + BUILDS as usize);
    assert_whole(&folder.path().join("out"), &logged);

    assert_demanded(&world.seen(), &logged, &demanded, &report);
    // Whole rounds of the steps on both sides, and what is queued at a moment evens out.
    let mean = |of: &[i64]| of.iter().sum::<i64>() / of.len() as i64;
    let hundred = live.len().min(200) / 2;
    let (first, last) = (mean(&live[..hundred]), mean(&live[live.len() - hundred..]));
    // A kilobyte of each reload that stayed would be 100 KiB from one hundred to the next.
    assert!(last - first < 100 << 10, "{first} bytes have become {last}");
}

/// Threads that log numbered records until it is done; each answers how many.
fn callers(host: &Host, done: &Arc<AtomicBool>) -> Vec<JoinHandle<u64>> {
    let caller = |thread| {
        let logger = host.factory().get_logger(&format!("app.t{thread}"));
        let done = Arc::clone(done);
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
    };
    (0..THREADS).map(caller).collect()
}

/// Every record is where the generation that routed it demanded it, once; more than once only as
/// often as attempts with it broke off, and the ledger says of which records that may be.
fn assert_demanded(seen: &Seen, logged: &[u64], demanded: &BTreeMap<u32, Copies>, report: &Report) {
    assert_eq!(seen.doubled, 0);
    let (mut faulty, mut doubled) = (0, 0);
    for (thread, count) in logged.iter().copied().enumerate() {
        let count = usize::try_from(count).unwrap();
        for n in 0..count {
            let generation = seen.routed[thread][n];
            let wanted = u8::from(demanded.get(&generation) == Some(&Copies::One));
            assert_ne!(generation, 0, "{n} of app.t{thread} is lost");
            let (got, faults) = (seen.arrived[thread][n], seen.faults[thread][n]);
            assert!(
                wanted <= got && got <= wanted + faults,
                "{n} of app.t{thread}, generation {generation}: {got}, with {faults} faults"
            );
            faulty += u64::from(faults > 0);
            doubled += u64::from(got > wanted);
        }
        assert!(seen.routed[thread][count..].iter().all(|g| *g == 0));
    }
    // The ledger's annotation is on the records whose attempts broke off, and on no others.
    let flaky = report.ledger.target("flaky").unwrap();
    assert_eq!(flaky.maybe_written, faulty, "{report}");
    assert!(0 < doubled && doubled < faulty, "{doubled} of {faulty}");
}
