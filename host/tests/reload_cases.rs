//! What breaks in other systems when they reload, not broken here; on real files.
//!
//! The ways in which a file changes, what a wrong file does and says, and links of a `ConfigMap` are
//! in `reload.rs`; memory, level filters, turned fallbacks and libraries under load are in the
//! end-to-end tests.

#![allow(clippy::unwrap_used, reason = "a test that fails to unwrap has failed")]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rolog_core::delivery::{Class, Failure, Outcome};
use rolog_core::frame::Batch;
use rolog_core::{Level, LogTarget, info};
use rolog_host::Host;
use rolog_plugin::prelude as sdk;

const LONG: Duration = Duration::from_secs(30);

/// Far less than any deadline that a reload could be found waiting for, and far more than it takes.
const PROMPT: Duration = Duration::from_secs(8);

/// A target that takes nothing while it is dead.
#[derive(Clone, Default)]
struct Mortal(Arc<Life>);

#[derive(Default)]
struct Life {
    dead: AtomicBool,
    tried: AtomicU64,
    written: AtomicU64,
}

impl LogTarget for Mortal {
    async fn log(&self, records: &Batch<'_>) -> Outcome {
        self.0.tried.fetch_add(1, Ordering::Relaxed);
        if self.0.dead.load(Ordering::Relaxed) {
            return Outcome::retry(Failure::new(Class::Io, "dead"));
        }
        let written = records.len() as u64;
        self.0.written.fetch_add(written, Ordering::Relaxed);
        Outcome::delivered()
    }
}

/// A plugin whose settings are right, and that cannot be made all the same.
struct Stillborn;

#[derive(serde::Deserialize)]
struct Nothing {}

impl rolog_plugin::Target for Stillborn {
    type Config = Nothing;

    async fn create(_: Nothing, _: sdk::Context) -> Result<Self, Failure> {
        Err(Failure::new(Class::NotFound, "nobody is there"))
    }

    async fn deliver(&self, _: &sdk::Batch, _: &sdk::Attempt) -> Outcome {
        Outcome::delivered()
    }
}

rolog_plugin::export_target!(Stillborn, name = "stillborn");

struct Bench {
    folder: tempfile::TempDir,
    host: Host,
    own: Mortal,
}

impl Bench {
    fn start(text: &str, watch: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pipeline.yaml");
        fs::write(&file, text).unwrap();
        let own = Mortal::default();
        let host = Host::builder()
            .file(&file)
            .target("own", own.clone())
            .link(rolog_plugin::linked::<Stillborn>())
            .watch(watch)
            .start()
            .unwrap_or_else(|error| panic!("{error}"));
        Bench { folder, host, own }
    }

    /// With a target that is dead and has tried in vain.
    fn dead(text: &str) -> Self {
        let bench = Bench::start(text, false);
        bench.own.0.dead.store(true, Ordering::Relaxed);
        bench.log(3);
        bench.until("it has been tried", || {
            bench.own.0.tried.load(Ordering::Relaxed) > 0
        });
        bench
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("pipeline.yaml")
    }

    fn reload(&self, text: &str) -> Result<u32, rolog_host::Error> {
        fs::write(self.file(), text).unwrap();
        self.host.reload_blocking().map(|now| now.number)
    }

    fn log(&self, records: u64) {
        let log = self.host.factory().get_logger("app.x");
        (0..records).for_each(|n| info!(log, "numbered", n = n));
    }

    #[track_caller]
    fn until(&self, what: &str, met: impl Fn() -> bool) {
        let end = Instant::now() + LONG;
        while !met() {
            assert!(Instant::now() < end, "{what}: {:#?}", self.host.ledger());
            std::thread::yield_now();
        }
    }

    fn await_generation(&self, number: u32) {
        self.until("the generation", || {
            self.host.generations().last().unwrap().number >= number
        });
    }

    fn queued(&self) -> u64 {
        let ledger = self.host.ledger();
        let own = ledger.targets.iter().find(|(name, _)| name == "own");
        own.unwrap().1.queued
    }

    fn written(&self) -> u64 {
        self.own.0.written.load(Ordering::Relaxed)
    }
}

impl Drop for Bench {
    /// A host that is dropped waits for its targets, and nothing is left to show.
    fn drop(&mut self) {
        self.own.0.dead.store(false, Ordering::Relaxed);
    }
}

/// The target of the service's own, which tries for ever, and one beside it.
fn yaml(own: &str, beside: &str, to: &str) -> String {
    format!(
        "version: 1
targets:
  own:
    plugin: in-process
    flush: {{ max_retries: 1000, retry_delay: 20ms, progressive_delay: false, interval: 5ms }}
{own}{beside}routes:
  - {{ logger: 'app.**', to: {to} }}
"
    )
}

const MEMORY: &str = "  beside: { plugin: memory }\n";
const HOUR: &str = "  beside: { plugin: memory, flush: { interval: 1h } }\n";

/// V#24125, V#18133.
#[test]
fn a_reload_waits_for_no_failing_target_and_no_batch_timer() {
    let bench = Bench::dead(&yaml("", HOUR, "[own, beside]"));
    let begun = Instant::now();
    // Other routes, then other settings, then without them.
    assert_eq!(bench.reload(&yaml("", HOUR, "[beside]")).unwrap(), 2);
    let tuned = yaml("    queue: { max_records: 9 }\n", HOUR, "[beside]");
    assert_eq!(bench.reload(&tuned).unwrap(), 3);
    let other = "version: 1\ntargets:\n  new: { plugin: memory }\nroutes:\n  - { logger: 'app.**', to: new }\n";
    assert_eq!(bench.reload(other).unwrap(), 4);
    bench.log(5);
    let new = bench.host.memory("new").unwrap();
    assert!(new.wait_for(5, LONG), "nothing waits on a dead target");
    assert!(begun.elapsed() < PROMPT, "{:?}", begun.elapsed());
    // What the batch timer held is delivered by the end of the target, not an hour later.
    assert!(bench.host.memory("beside").unwrap().wait_for(3, LONG));
    // Alive again before its deadline, the removed target delivers what it has.
    bench.own.0.dead.store(false, Ordering::Relaxed);
    bench.until("delivered", || bench.written() == 3);
    let report = bench.host.dispose_blocking(LONG);
    assert!(report.ledger.balances() && report.is_complete(), "{report}");
    assert_eq!(report.lost(), 0, "{report}");
}

/// V#24948, V#18933.
#[test]
fn a_changed_queue_setting_counts_at_once_and_what_is_queued_stays() {
    let small = |most: u32| {
        let own = format!("    queue: {{ max_records: {most}, overflow: drop_newest }}\n");
        yaml(&own, "", "[own]")
    };
    let bench = Bench::dead(&small(5));
    bench.log(10);
    bench.until("full", || bench.queued() == 5);
    assert_eq!(bench.reload(&small(8)).unwrap(), 2);
    bench.log(10);
    bench.until("full again", || bench.queued() == 8);
    bench.own.0.dead.store(false, Ordering::Relaxed);
    assert_eq!(bench.host.flush_blocking(LONG), 0);
    assert_eq!(bench.written(), 8);
    assert!(bench.host.ledger().balances(), "{:?}", bench.host.ledger());
}

/// FB#2246, OC#6226, FB#8067.
#[test]
fn a_bad_file_keeps_the_backlog_and_the_service_and_is_no_success() {
    let good = yaml("", "", "[own]");
    let bench = Bench::dead(&good);
    bench.log(7);
    bench.until("queued", || bench.queued() == 10);
    for bad in ["version: [", "", "version: 1\nroutes: 7\n", "\u{0}\u{1}"] {
        assert!(bench.reload(bad).is_err(), "{bad:?}");
        assert_eq!(bench.queued(), 10);
    }
    assert_eq!(bench.reload(&good).unwrap(), 1, "nothing has changed since");
    bench.own.0.dead.store(false, Ordering::Relaxed);
    assert_eq!(bench.host.flush_blocking(LONG), 0);
    assert_eq!(bench.written(), 10);
}

/// V#3854, V#15602.
#[test]
fn every_part_can_be_replaced_at_once_and_a_fan_out_too() {
    let all = |targets: [&str; 3], logger: &str| {
        let each = targets.map(|name| format!("  {name}: {{ plugin: memory }}\n"));
        format!(
            "version: 1\ntargets:\n{}routes:\n  - {{ logger: '{logger}', to: [{}] }}\n",
            each.concat(),
            targets.join(", ")
        )
    };
    let bench = Bench::start(&all(["a", "b", "c"], "app.**"), false);
    bench.log(2);
    // What is still in the rings is routed by whatever is in force then.
    bench.host.flush_blocking(LONG);
    for (number, targets) in [(2, ["d", "e", "f"]), (3, ["a", "b", "c"])] {
        assert_eq!(bench.reload(&all(targets, "**")).unwrap(), number);
        bench.log(4);
        bench.host.flush_blocking(LONG);
        for target in targets {
            let memory = bench.host.memory(target).unwrap();
            let numbered = memory.records().into_iter().filter(|r| r.logger == "app.x");
            assert_eq!(numbered.count(), 4, "{target}");
        }
    }
    let report = bench.host.dispose_blocking(LONG);
    assert!(report.ledger.balances() && report.is_complete(), "{report}");
}

/// FD#3333, FB#11183.
#[test]
fn overlapping_reloads_take_turns_and_the_last_file_wins() {
    let text = |n: u32| {
        let beside = format!("  beside: {{ plugin: memory, config: {{ max_records: {n} }} }}\n");
        yaml("", &beside, "[own, beside]")
    };
    let bench = Bench::start(&text(1), true);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let bench = &bench;
            scope.spawn(move || {
                for n in 1..=20 {
                    bench.log(5);
                    let new = bench.folder.path().join(format!("new-{thread}"));
                    fs::write(&new, text(thread * 100 + n)).unwrap();
                    fs::rename(&new, bench.file()).unwrap();
                    bench.host.reload_blocking().unwrap();
                }
            });
        }
    });
    let last = rolog_host::config::load(bench.file(), &rolog_host::config::Env::empty()).unwrap();
    assert!(
        bench.host.plan(&last).is_empty(),
        "{}",
        bench.host.plan(&last)
    );
    let numbers: Vec<u32> = bench.host.generations().iter().map(|g| g.number).collect();
    assert!(numbers.is_sorted_by(|a, b| a + 1 == *b), "{numbers:?}");
    assert_eq!(bench.host.flush_blocking(LONG), 0);
    assert_eq!(bench.written(), 400);
}

/// FB#9354.
#[test]
fn a_busy_folder_puts_no_reload_off() {
    let bench = Bench::start(&yaml("", MEMORY, "[own]"), true);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let log = bench.folder.path().join("other.log");
            while !done.load(Ordering::Relaxed) {
                fs::write(&log, "busy").unwrap();
                std::thread::yield_now();
            }
        });
        fs::write(bench.file(), yaml("", MEMORY, "[beside]")).unwrap();
        let end = Instant::now() + LONG;
        while bench.host.generations().len() < 2 && Instant::now() < end {
            std::thread::yield_now();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(bench.host.generations().len(), 2);
}

/// Vector, Fluent Bit, `NLog`, Logback; the lossy build of log4rs.
#[test]
fn no_part_is_stopped_or_started_before_all_of_the_new_ones_work() {
    let bench = Bench::start(&yaml("", MEMORY, "[own, beside]"), false);
    let without = "version: 1\ntargets:\n  beside: { plugin: memory }\nroutes:\n  - { logger: 'app.**', to: beside }\n";
    assert_eq!(bench.reload(without).unwrap(), 2);
    let memory = bench.host.memory("beside").unwrap();
    // One part that is checked and cannot be made, beside one that is back, one that changes and one
    // that is new.
    let more = "  beside: { plugin: memory, config: { max_records: 3 } }\n  more: { plugin: memory }\n  last: { plugin: stillborn }\n";
    let error = bench
        .reload(&yaml("", more, "[own, beside, more, last]"))
        .unwrap_err();
    let text = error.problems()[0].to_string();
    assert!(
        text.contains(":8:9: targets.last: it cannot be made: nobody is there"),
        "{text}"
    );
    assert_eq!(bench.host.generations().len(), 2);
    assert!(bench.host.memory("more").is_none());
    bench.log(9);
    assert_eq!(bench.host.flush_blocking(LONG), 0);
    assert_eq!(
        memory.len(),
        9,
        "the memory that was there is the one that is shown"
    );
    assert_eq!(bench.host.memory("beside").unwrap().len(), 9);
}

/// log4rs, habitat-sh/habitat#6588.
#[test]
fn the_watch_survives_every_content_and_a_replaced_folder() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("etc");
    let file = inner.join("pipeline.yaml");
    fs::create_dir(&inner).unwrap();
    fs::write(&file, yaml("", MEMORY, "[own]")).unwrap();
    let own = Mortal::default();
    let host = Host::builder().file(&file).target("own", own.clone());
    let host = host.start().unwrap();
    let bench = Bench { folder, host, own };
    for content in [&b""[..], b"\xff\xfe", b"version: 1\n", b"- 1\n- 2\n"] {
        fs::write(&file, content).unwrap();
    }
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    fs::remove_dir(&file).unwrap();
    fs::write(&file, yaml("", MEMORY, "[beside]")).unwrap();
    let routed = |text: &str| {
        let spec = rolog_host::config::parse(
            text,
            &file.display().to_string(),
            &inner,
            &rolog_host::config::Env::empty(),
        );
        bench.host.plan(&spec.unwrap()).is_empty()
    };
    bench.until("taken over", || routed(&yaml("", MEMORY, "[beside]")));
    // The whole folder is another one.
    fs::rename(&inner, bench.folder.path().join("old")).unwrap();
    let next = bench.folder.path().join("next");
    fs::create_dir(&next).unwrap();
    fs::write(
        next.join("pipeline.yaml"),
        yaml("", MEMORY, "[own, beside]"),
    )
    .unwrap();
    fs::rename(&next, &inner).unwrap();
    bench.until("found again", || routed(&yaml("", MEMORY, "[own, beside]")));
    // And the watch is over that one now.
    let before = bench.host.generations().last().unwrap().number;
    fs::write(&file, yaml("", MEMORY, "[own]")).unwrap();
    bench.await_generation(before + 1);
}

/// A caller that waits for room is not left with a target that a reload takes away.
#[test]
fn who_waits_for_room_in_a_target_that_goes_is_led_to_where_records_go_now() {
    let own = "    queue: { max_records: 3 }\n";
    let bench = Bench::dead(&yaml(own, MEMORY, "[own]"));
    bench.until("full", || bench.queued() == 3);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let log = bench.host.factory().get_logger("app.x");
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            runtime
                .unwrap()
                .block_on(log.record(Level::Information, "waited").wait())
        });
        assert_eq!(bench.reload(&yaml(own, MEMORY, "[beside]")).unwrap(), 2);
        waiting.join().unwrap().unwrap();
    });
    assert!(bench.host.memory("beside").unwrap().wait_for(1, LONG));
}
