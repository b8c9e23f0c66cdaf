//! Changing the pipeline while it runs: nothing is lost, doubled or stopped by it.

#![allow(clippy::unwrap_used, reason = "a test that fails to unwrap has failed")]

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rolog_core::{Level, debug, info};
use rolog_host::config::{TargetChange, TargetName};
use rolog_host::reload::{Cause, ReloadOutcome};
use rolog_host::stage::Event;
use rolog_host::{Host, Memory};

const LONG: Duration = Duration::from_secs(30);

/// Targets a and b; `more` goes into b's settings, `routes` is where records go.
fn yaml(more: &str, routes: &str) -> String {
    format!(
        "version: 1
levels: {{ '**': info }}
targets:
  a: {{ plugin: memory, config: {{ max_records: 1000000 }} }}
  b: {{ plugin: memory, {more} }}
routes:
  - {{ logger: 'app.**', to: {routes} }}
"
    )
}

struct Bench {
    folder: tempfile::TempDir,
    host: Host,
}

impl Bench {
    fn start(text: &str, watch: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pipeline.yaml");
        fs::write(&file, text).unwrap();
        let host = Host::builder().file(&file).watch(watch).start().unwrap();
        Bench { folder, host }
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("pipeline.yaml")
    }

    fn write(&self, text: &str) {
        fs::write(self.file(), text).unwrap();
    }

    fn memory(&self, target: &str) -> Memory {
        self.host.memory(target).unwrap()
    }

    /// Waits until this generation is in force.
    fn await_generation(&self, number: u32) {
        let until = Instant::now() + LONG;
        while self.host.generations().last().unwrap().number < number {
            assert!(Instant::now() < until, "{:#?}", self.host.generations());
            std::thread::yield_now();
        }
    }
}

impl Bench {
    fn await_refusals(&self, count: u64) {
        self.await_reloads(ReloadOutcome::Refused, count);
    }

    /// Waits until so many reloads have ended so.
    fn await_reloads(&self, outcome: ReloadOutcome, count: u64) {
        let until = Instant::now() + LONG;
        while self.host.metrics().reloads.with(outcome) < count {
            assert!(Instant::now() < until, "{:#?}", self.host.metrics().reloads);
            std::thread::yield_now();
        }
    }
}

fn names(changed: &[&str]) -> Vec<TargetName> {
    changed.iter().map(|name| name.parse().unwrap()).collect()
}

#[test]
fn a_reload_that_changes_nothing_keeps_the_generation() {
    let bench = Bench::start(&yaml("", "[a, b]"), false);
    let reordered = yaml("", "[a, b]").replace("version: 1\n", "# a comment\nversion: 1\n\n");
    bench.write(&reordered);
    let generation = bench.host.reload_blocking().unwrap();
    assert_eq!((generation.number, generation.cause), (1, Cause::Start));
}

#[test]
fn each_target_gets_what_its_change_needs_and_no_more() {
    let bench = Bench::start(&yaml("", "[a, b]"), false);
    let log = bench.host.factory().get_logger("app.x");
    info!(log, "one");
    bench.host.flush_blocking(LONG);
    let (a, b) = (bench.memory("a"), bench.memory("b"));

    // Flush settings: the instance stays. Routes and levels: no target is touched.
    let retuned = yaml("flush: { interval: 10ms }", "[b]").replace("info", "debug");
    bench.write(&retuned);
    let generation = bench.host.reload_blocking().unwrap();
    assert_eq!(generation.number, 2);
    let with = |change| generation.with(change).cloned().collect::<Vec<_>>();
    assert_eq!(with(TargetChange::Kept), names(&["a"]));
    assert_eq!(with(TargetChange::Retuned), names(&["b"]));
    debug!(log, "two");
    bench.host.flush_blocking(LONG);
    let texts = |memory: &Memory| -> Vec<String> {
        memory
            .records()
            .into_iter()
            .map(|record| record.message)
            .collect()
    };
    assert_eq!(texts(&a), ["one"]);
    assert_eq!(texts(&b), ["one", "two"]);
    assert_eq!(b.records()[1].generation, 2);

    // The plugin's own settings: a new instance; a target that is new; one that is gone.
    bench.write(
        "version: 1
targets:
  b: { plugin: memory, config: { max_records: 7 } }
  c: { plugin: memory }
routes:
  - { logger: 'app.**', to: [b, c] }
",
    );
    let generation = bench.host.reload_blocking().unwrap();
    assert_eq!(
        generation.to_string(),
        "generation 3 (asked for): 1 started (c), 1 replaced (b), 1 drained (a)"
    );
    info!(log, "three");
    bench.host.flush_blocking(LONG);
    assert_eq!(texts(&bench.memory("b")), ["three"]);
    assert_eq!(texts(&bench.memory("c")), ["three"]);
    let report = bench.host.dispose_blocking(LONG);
    assert!(report.ledger.balances() && report.is_complete(), "{report}");
    assert_eq!(report.ledger.removed.delivered, 1, "{report}");
}

#[test]
fn a_file_that_is_wrong_changes_nothing_and_says_where() {
    let bench = Bench::start(&yaml("", "[a, b]"), false);
    let log = bench.host.factory().get_logger("app.x");
    for (wrong, place, what) in [
        (yaml("flush: { max_sise: 1 }", "[a]"), ":5:", "max_sise"),
        (yaml("", "[a, z]"), ":7:", "`z`"),
        (yaml("config: { nope: 1 }", "[a]"), ":5:", "nope"),
        (
            yaml("", "[a]") + "rings: { bytes: 32MiB }\n",
            ":8:",
            "cannot change",
        ),
        (String::new(), "", ""),
        ("version: [".to_owned(), ":", ""),
    ] {
        bench.write(&wrong);
        let error = bench.host.reload_blocking().unwrap_err();
        assert!(error.is_config(), "{error}");
        let line = error.problems()[0].to_string();
        assert!(line.contains(place) && line.contains(what), "{line}");
        assert_eq!(bench.host.generations().len(), 1);
        info!(log, "goes on");
    }
    fs::remove_file(bench.file()).unwrap();
    assert!(bench.host.reload_blocking().unwrap_err().is_config());
    bench.host.flush_blocking(LONG);
    let kept = bench.memory("a").records();
    assert_eq!(
        kept.iter()
            .filter(|record| record.message == "goes on")
            .count(),
        6
    );
}

#[test]
fn a_rollback_brings_the_generation_before_back() {
    let bench = Bench::start(&yaml("", "[a]"), false);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    assert!(runtime.block_on(bench.host.rollback()).is_err());
    bench.write(&yaml("", "[b]"));
    bench.host.reload_blocking().unwrap();
    let generation = runtime.block_on(bench.host.rollback()).unwrap();
    assert_eq!((generation.number, generation.cause), (3, Cause::Rollback));
    info!(bench.host.factory().get_logger("app.x"), "to a again");
    bench.host.flush_blocking(LONG);
    assert_eq!((bench.memory("a").len(), bench.memory("b").len()), (1, 0));
}

fn rename_over(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, file).unwrap();
}

#[test]
fn the_watch_sees_every_way_in_which_a_file_changes() {
    let bench = Bench::start(&yaml("", "[a]"), true);
    let (to_a, to_b) = (yaml("", "[a]"), yaml("", "[b]"));
    bench.write(&to_b);
    bench.await_generation(2);
    rename_over(&bench.file(), &to_a);
    bench.await_generation(3);
    fs::remove_file(bench.file()).unwrap();
    bench.write(&to_b);
    bench.await_generation(4);
    // Broken content does not end the watch.
    bench.write("version: [");
    bench.write(&to_a);
    bench.await_generation(5);
    assert_eq!(
        bench.host.generations().last().unwrap().cause,
        Cause::Watched
    );
}

#[cfg(unix)]
#[test]
fn the_watch_follows_the_links_of_a_config_map() {
    use std::os::unix::fs::symlink;
    // As a kubelet mounts it: pipeline.yaml -> ..data/pipeline.yaml, ..data -> ..1, and then ..2.
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (version, to) in [("..1", "[a]"), ("..2", "[b]"), ("..3", "[a, b]")] {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("pipeline.yaml"), yaml("", to)).unwrap();
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/pipeline.yaml", at("pipeline.yaml")).unwrap();
    let host = Host::start(at("pipeline.yaml")).unwrap();
    let bench = Bench { folder, host };
    for (number, version) in [(2, "..2"), (3, "..3")] {
        symlink(version, bench.folder.path().join("..tmp")).unwrap();
        fs::rename(
            bench.folder.path().join("..tmp"),
            bench.folder.path().join("..data"),
        )
        .unwrap();
        bench.await_generation(number);
    }
}

#[test]
fn a_changed_secret_file_is_a_change() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("format"), "text").unwrap();
    let text = "version: 1
targets:
  a: { plugin: console, config: { format: '${file:format}' } }
routes:
  - { logger: app, to: a }
";
    fs::write(folder.path().join("pipeline.yaml"), text).unwrap();
    let host = Host::start(folder.path().join("pipeline.yaml")).unwrap();
    let bench = Bench { folder, host };
    fs::write(bench.folder.path().join("format"), "json").unwrap();
    bench.await_generation(2);
    let generation = bench.host.generations().pop().unwrap();
    assert_eq!(generation.with(TargetChange::Replaced).count(), 1);
}

#[test]
fn a_secret_file_that_comes_after_the_file_that_names_it_is_waited_for() {
    let bench = Bench::start(&yaml("", "[a]"), true);
    bench.write(&yaml("", "[a]").replace("info", "'${file:late/level}'"));
    bench.await_refusals(1);
    fs::create_dir(bench.folder.path().join("late")).unwrap();
    fs::write(bench.folder.path().join("late/level"), "debug").unwrap();
    bench.await_generation(2);
}

#[test]
fn a_secret_file_that_comes_back_as_it_was_is_a_reason_to_try_again() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("level");
    let text = yaml("", "[a]").replace("info", "'${file:level}'");
    fs::write(&secret, "info").unwrap();
    fs::write(folder.path().join("pipeline.yaml"), &text).unwrap();
    let host = Host::start(folder.path().join("pipeline.yaml")).unwrap();
    let bench = Bench { folder, host };
    // Until the watch knows what is in the files.
    bench.await_reloads(ReloadOutcome::Unchanged, 1);
    fs::remove_file(&secret).unwrap();
    bench.write(&text.replace("[a]", "[b]"));
    bench.await_refusals(1);
    fs::write(&secret, "info").unwrap();
    bench.await_generation(2);
}

#[test]
fn a_plan_says_what_would_happen_and_why_without_doing_it() {
    let bench = Bench::start(&yaml("", "[a]"), false);
    let text = yaml("config: { max_records: 5 }", "[b]").replace("  a: {", "  d: {");
    let spec = rolog_host::config::parse(
        text.replace("[b]", "[b, d]"),
        "new.yaml",
        bench.folder.path(),
        &rolog_host::config::Env::empty(),
    )
    .unwrap();
    let plan = bench.host.plan(&spec).to_string();
    assert_eq!(
        plan,
        "a: drained, then removed
b: replaced: its queue stays, a new instance takes over
  config.max_records: (none) -> 5
d: started
routes: changed
0 kept"
    );
    assert_eq!(bench.host.generations().len(), 1);
    assert!(
        bench
            .host
            .factory()
            .get_logger("app")
            .is_enabled(Level::Information)
    );
}

#[test]
fn every_reload_is_counted_and_one_that_is_refused_is_an_event() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pipeline.yaml");
    fs::write(&file, yaml("", "[a, b]")).unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let ended = Arc::new(Mutex::new(Vec::new()));
    let (heard, told) = (Arc::clone(&events), Arc::clone(&ended));
    let host = Host::builder()
        .file(&file)
        .watch(false)
        .on_event(move |event| heard.lock().unwrap().push(event.clone()))
        .on_reload(move |reloaded| {
            told.lock().unwrap().push(reloaded.is_ok());
            assert!(reloaded.is_ok(), "a callback that panics");
        })
        .start()
        .unwrap();
    let counts = || {
        let reloads = host.metrics().reloads;
        let last = reloads.last.map(|last| last.outcome);
        (
            ReloadOutcome::ALL.map(|outcome| reloads.with(outcome)),
            last,
        )
    };
    assert_eq!(counts(), ([0, 0, 0], None));
    assert_eq!(host.metrics().generation, 1);

    fs::write(&file, yaml("", "[a]")).unwrap();
    host.reload_blocking().unwrap();
    host.reload_blocking().unwrap();
    fs::write(&file, yaml("", "[nowhere]")).unwrap();
    host.reload_blocking().unwrap_err();
    assert_eq!(counts(), ([1, 1, 1], Some(ReloadOutcome::Refused)));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(host.rollback()).unwrap();
    assert_eq!(counts(), ([2, 1, 1], Some(ReloadOutcome::Applied)));
    assert_eq!(*ended.lock().unwrap(), [true, true, false, true]);
    let metrics = host.metrics();
    assert_eq!(metrics.generation, 3);
    let last = metrics.reloads.last.unwrap();
    assert_eq!(host.generations().last().unwrap().cause, Cause::Rollback);
    assert!(last.at >= host.generations().last().unwrap().since);
    assert!(last.took > Duration::ZERO);

    let events: Vec<_> = events
        .lock()
        .unwrap()
        .iter()
        .map(Event::to_string)
        .collect();
    let path = file.display();
    assert_eq!(
        events,
        [format!(
            "the configuration was not taken over; the one before goes on: {path}:7:30: \
             routes[0].to[0]: no target has the name `nowhere`; expected a or b"
        )]
    );
    let page = rolog_host::metrics::render(&metrics);
    for line in [
        "rolog_generation 3",
        "rolog_reloads_total{outcome=\"refused\"} 1",
        "rolog_reload_last_successful 1",
        "rolog_plugin_versions_limit 32",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
}
