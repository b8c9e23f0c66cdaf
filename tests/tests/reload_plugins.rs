//! New builds of a plugin, taken up while the service runs: nothing is lost, doubled or stopped, and
//! a build that cannot be used changes nothing.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rolog_core::info;
use rolog_host::config::TargetChange;
use rolog_host::loader::Loader;
use rolog_host::reload::{Cause, PluginVersions};
use rolog_host::{Host, HostBuilder};
use rolog_tests::artifacts;
use rolog_tests::plugins::LONG;

/// Loaded versions are the whole process'; they are counted by one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A folder with a pipeline and the library that it searches.
struct Bench {
    folder: tempfile::TempDir,
    host: Host,
}

impl Bench {
    /// The targets are of the plugin `good`, and write into files of their names.
    fn start(targets: &[&str], build: impl FnOnce(HostBuilder) -> HostBuilder) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("pipeline.yaml"), yaml(targets)).unwrap();
        put(folder.path(), &artifacts::library("good"));
        let builder = Host::builder().file(folder.path().join("pipeline.yaml"));
        let host = build(builder.watch(false).plugin_versions(1000))
            .start()
            .unwrap_or_else(|error| panic!("{error}"));
        Bench { folder, host }
    }

    fn put(&self, library: &Path) {
        put(self.folder.path(), library);
    }

    /// Puts something else in the library's place.
    fn write(&self, bytes: &[u8]) {
        deploy(&self.library(), bytes);
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("librolog_good.so")
    }

    fn out(&self, target: &str) -> String {
        fs::read_to_string(self.folder.path().join(target)).unwrap_or_default()
    }

    fn good(&self) -> PluginVersions {
        self.host.plugins()["good"].clone()
    }

    /// The versions that targets use, as often as they are used.
    fn used(&self) -> Vec<String> {
        let versions = self.good().versions;
        let used = versions.iter().flat_map(|v| {
            let version = v.version.clone();
            std::iter::repeat_n(version, v.targets.len())
        });
        used.collect()
    }

    /// Waits for what a stage does after its replacement was asked for.
    fn await_used(&self, versions: &[&str]) {
        let until = Instant::now() + LONG;
        while self.used() != versions {
            assert!(Instant::now() < until, "{:#?}", self.good());
            std::thread::yield_now();
        }
    }
}

fn yaml(targets: &[&str]) -> String {
    let each = targets.iter().map(|name| {
        format!(
            "  {name}: {{ plugin: good, config: {{ path: {name} }}, flush: {{ interval: 5ms }} }}\n"
        )
    });
    format!(
        "version: 1
plugins: {{ search: [.] }}
targets:
{}routes:
  - {{ logger: 'app.**', to: [{}] }}
",
        each.collect::<String>(),
        targets.join(", ")
    )
}

/// Another build of the library: what stands behind its tables is nobody's.
fn put(folder: &Path, library: &Path) {
    static BUILDS: AtomicU32 = AtomicU32::new(1);
    let mut bytes = fs::read(library).unwrap();
    bytes.extend(BUILDS.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    deploy(&folder.join("librolog_good.so"), &bytes);
}

/// In one step, as deployments do it.
fn deploy(library: &Path, bytes: &[u8]) {
    let new = library.with_extension("new");
    fs::write(&new, bytes).unwrap();
    fs::rename(new, library).unwrap();
}

#[test]
fn a_new_version_takes_over_and_the_old_one_is_left_in_order() {
    let _alone = alone();
    let bench = Bench::start(&["a", "b"], |builder| builder);
    let log = bench.host.factory().get_logger("app.x");
    info!(log, "one");
    assert_eq!(bench.host.flush_blocking(LONG), 0);
    assert_eq!(bench.used(), ["1.0.0", "1.0.0"]);
    let before = bench.good();

    let same = bench.host.reload_plugins_blocking().unwrap();
    assert_eq!(same.number, 1, "nothing has changed");
    bench.put(&artifacts::library("good_next"));
    let kept = bench.host.reload_blocking().unwrap();
    assert_eq!(kept.number, 1, "a reload of the file looks at the file");

    let taken = bench.host.reload_plugins_blocking().unwrap();
    assert_eq!((taken.number, taken.cause), (2, Cause::Plugins));
    assert_eq!(taken.with(TargetChange::Replaced).count(), 2);
    bench.await_used(&["2.0.0", "2.0.0"]);
    info!(log, "two");
    assert_eq!(bench.host.flush_blocking(LONG), 0);
    for target in ["a", "b"] {
        // The successor has the file from the moment when the predecessor has made it durable.
        assert_eq!(
            bench.out(target),
            "activated\napp.x one\nflushed\nactivated\nshut down\napp.x two\n"
        );
    }
    let after = bench.good();
    assert_eq!(after.opened, before.opened + 1);
    assert_eq!(after.versions.len(), before.versions.len() + 1);
    let loaded = after.versions.iter().find(|v| !v.targets.is_empty());
    let size = fs::metadata(bench.library()).unwrap().len();
    assert_eq!(loaded.unwrap().bytes, size);
    assert_eq!(after.bytes, before.bytes + size);
    let report = bench.host.dispose_blocking(LONG);
    assert!(report.ledger.balances() && report.is_complete(), "{report}");
}

#[test]
fn a_rollback_goes_to_the_configuration_before_whatever_was_built_anew_since() {
    let _alone = alone();
    let bench = Bench::start(&["a"], |builder| builder);
    let file = bench.folder.path().join("pipeline.yaml");
    fs::write(file, yaml(&["a", "b"])).unwrap();
    assert_eq!(bench.host.reload_blocking().unwrap().number, 2);
    bench.put(&artifacts::library("good_next"));
    assert_eq!(bench.host.reload_plugins_blocking().unwrap().number, 3);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let back = runtime.unwrap().block_on(bench.host.rollback()).unwrap();
    assert_eq!(back.number, 4);
    assert_eq!(back.with(TargetChange::Removed).count(), 1);
    assert!(bench.host.dispose_blocking(LONG).ledger.balances());
}

#[test]
fn a_build_that_cannot_be_used_leaves_the_old_one_running_and_says_so() {
    let _alone = alone();
    let bench = Bench::start(&["a"], |builder| builder);
    let log = bench.host.factory().get_logger("app.x");
    let whole = fs::read(bench.library()).unwrap();
    let opened = bench.good().opened;
    let misbehaving = fs::read(artifacts::library("misbehaving")).unwrap();
    for (bytes, what) in [
        (&b"not a library"[..], "not a"),
        (&whole[..whole.len() / 2], "cut"),
        (&misbehaving[..], "misbehaving"),
    ] {
        bench.write(bytes);
        let error = bench.host.reload_plugins_blocking().unwrap_err();
        assert!(error.is_config(), "{error}");
        let text = error.problems()[0].to_string();
        assert!(text.contains(":4:") && text.contains(what), "{text}");
        info!(log, "goes on");
    }
    fs::remove_file(bench.library()).unwrap();
    let error = bench.host.reload_plugins_blocking().unwrap_err();
    assert!(error.is_config(), "{error}");
    assert_eq!(bench.host.generations().len(), 1);
    assert_eq!(bench.used(), ["1.0.0"]);
    assert_eq!(bench.good().opened, opened);
    assert_eq!(bench.host.flush_blocking(LONG), 0);
    assert_eq!(
        bench.out("a"),
        "activated\n".to_owned() + &"app.x goes on\n".repeat(3)
    );

    // The same build again, under the same path: nothing has happened.
    bench.write(&whole);
    assert_eq!(bench.host.reload_plugins_blocking().unwrap().number, 1);
}

#[test]
fn a_version_past_the_limit_is_refused_and_the_targets_keep_theirs() {
    let _alone = alone();
    let limit = Loader::versions().get("good").copied().unwrap_or(0) + 2;
    let bench = Bench::start(&["a"], |builder| builder.plugin_versions(limit));
    bench.put(&artifacts::library("good_next"));
    assert_eq!(bench.host.reload_plugins_blocking().unwrap().number, 2);
    bench.await_used(&["2.0.0"]);
    assert_eq!((bench.good().opened, bench.good().limit), (limit, limit));

    bench.put(&artifacts::library("good"));
    let error = bench.host.reload_plugins_blocking().unwrap_err();
    let text = error.problems()[0].to_string();
    assert!(text.contains(&limit.to_string()), "{text}");
    assert!(text.contains(":4:") && text.contains("`good`"), "{text}");
    assert_eq!(bench.host.generations().len(), 2);
    assert_eq!(bench.used(), ["2.0.0"]);
    info!(bench.host.factory().get_logger("app.x"), "goes on");
    assert_eq!(bench.host.flush_blocking(LONG), 0);
    assert!(bench.out("a").ends_with("app.x goes on\n"));
}

#[test]
fn twenty_versions_under_load_lose_and_double_nothing() {
    let _alone = alone();
    let bench = Bench::start(&["a"], |builder| builder);
    let before = bench.good().opened;
    let done = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let log = bench.host.factory().get_logger(&format!("app.{thread}"));
            let done = Arc::clone(&done);
            std::thread::spawn(move || {
                let mut n = 0u64;
                while !done.load(Ordering::Relaxed) {
                    info!(log, "numbered", n = n);
                    n += 1;
                    // Slow enough that no queue overflows: this is about what is replaced.
                    if n.is_multiple_of(4) {
                        std::thread::park_timeout(std::time::Duration::from_millis(1));
                    }
                }
                n
            })
        })
        .collect();
    for round in 0..20 {
        let (library, version) = match round % 2 {
            0 => ("good_next", "2.0.0"),
            _ => ("good", "1.0.0"),
        };
        bench.put(&artifacts::library(library));
        let taken = bench.host.reload_plugins_blocking().unwrap();
        assert_eq!(taken.number, round + 2);
        bench.await_used(&[version]);
    }
    done.store(true, Ordering::Relaxed);
    let logged: Vec<u64> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    assert_eq!(bench.good().opened, before + 20);
    let report = bench.host.dispose_blocking(LONG);
    assert!(report.ledger.balances() && report.is_complete(), "{report}");
    assert_eq!(report.lost(), 0, "{report}");
    assert_eq!(report.ledger.source.slow_path, 0, "{report}");
    assert!(report.ledger.source.dropped.is_empty(), "{report}");
    let out = bench.out("a");
    for (thread, count) in logged.into_iter().enumerate() {
        let start = format!("app.{thread} numbered n=U64(");
        let numbers = out.lines().filter_map(|line| {
            let number = line.strip_prefix(&start)?.strip_suffix(')')?;
            Some(number.parse::<u64>().unwrap())
        });
        // In order, too: no successor writes before its predecessor has settled.
        assert!(numbers.eq(0..count), "app.{thread} of {count}");
    }
}

/// Two writers on one file tear lines.
#[test]
fn who_takes_over_a_file_under_another_name_waits_until_its_owner_has_ended() {
    let _alone = alone();
    let bench = Bench::start(&["old"], |builder| builder);
    let log = bench.host.factory().get_logger("app.x");
    let file = |name: &str| yaml(&[name]).replace(&format!("path: {name}"), "path: old");
    let mut lines = String::new();
    for (round, name) in ["new", "old", "new", "old"].into_iter().enumerate() {
        info!(log, "before");
        fs::write(bench.folder.path().join("pipeline.yaml"), file(name)).unwrap();
        bench.host.reload_blocking().unwrap();
        info!(log, "after");
        lines += "app.x before\napp.x after\n";
        assert_eq!(bench.host.flush_blocking(LONG), 0, "round {round}");
    }
    let report = bench.host.dispose_blocking(LONG);
    assert!(report.ledger.balances() && report.is_complete(), "{report}");
    assert_eq!(report.lost(), 0, "{report}");
    let out = bench.out("old");
    let records: String = out
        .lines()
        .filter(|l| l.starts_with("app."))
        .fold(String::new(), |all, line| all + line + "\n");
    assert_eq!(records, lines);
    let mut held = false;
    for line in out.lines() {
        match line {
            "activated" => assert!(!std::mem::replace(&mut held, true), "{out}"),
            "shut down" => held = false,
            _ => assert!(held, "{out}"),
        }
    }
}

#[test]
fn a_watched_library_is_taken_up_by_itself() {
    let _alone = alone();
    let bench = Bench::start(&["a"], |builder| builder.watch_plugins(true));
    // What is not a library yet, while it is being copied, ends no watch.
    bench.write(b"\x7fELF");
    bench.put(&artifacts::library("good_next"));
    bench.await_used(&["2.0.0"]);
    bench.put(&artifacts::library("good"));
    bench.await_used(&["1.0.0"]);
}
