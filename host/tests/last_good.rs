//! A start whose file is broken uses the last configuration that ran, and says so.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rolog_core::info;
use rolog_host::reload::{Cause, ReloadOutcome};
use rolog_host::stage::Event;
use rolog_host::{Error, Host, HostBuilder};

const LONG: Duration = Duration::from_secs(30);

fn yaml(keeps: &str, max: &str) -> String {
    format!(
        "version: 1
last_good: {keeps}
levels: {{ '**': '${{file:level}}' }}
targets:
  app:
    plugin: memory
    config:
      max_records: {max}
routes: [{{ to: app }}]
"
    )
}

struct Bench {
    folder: tempfile::TempDir,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("level"), "info\n").unwrap();
        Bench {
            folder,
            events: Arc::default(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, text: &str) {
        fs::write(self.path("pipeline.yaml"), text).unwrap();
    }

    fn kept(&self) -> Option<String> {
        fs::read_to_string(self.path("deeper/good.yaml")).ok()
    }

    fn builder(&self) -> HostBuilder {
        let events = Arc::clone(&self.events);
        Host::builder()
            .file(self.path("pipeline.yaml"))
            .watch(false)
            .on_event(move |event| events.lock().unwrap().push(event.clone()))
    }

    fn start(&self) -> Result<Host, Error> {
        self.builder().start()
    }
}

fn cause(host: &Host) -> Cause {
    host.generations()[0].cause
}

#[test]
fn what_came_into_force_is_kept_as_it_was_written() {
    let bench = Bench::new();
    let one = format!("# {}\n{}", "a comment", yaml("deeper/good.yaml", "1234"));
    bench.write(&one);
    let host = bench.start().unwrap();
    assert_eq!(bench.kept().as_ref(), Some(&one), "with the start");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let kept = fs::metadata(bench.path("deeper/good.yaml")).unwrap();
        assert_eq!(kept.permissions().mode() & 0o777, 0o600);
    }
    let two = yaml("deeper/good.yaml", "7");
    bench.write(&two);
    host.reload_blocking().unwrap();
    assert_eq!(bench.kept().as_ref(), Some(&two));
    for broken in ["version: [", &yaml("deeper/good.yaml", "many"), ""] {
        bench.write(broken);
        host.reload_blocking().unwrap_err();
        assert_eq!(bench.kept().as_ref(), Some(&two), "{broken:?}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(host.rollback()).unwrap();
    assert_eq!(bench.kept().as_ref(), Some(&one), "what it went back to");
    bench.write(&yaml("elsewhere", "7"));
    host.reload_blocking().unwrap();
    assert_eq!(bench.kept().as_ref(), Some(&one));
    assert!(bench.path("elsewhere").exists());
    let left: Vec<_> = fs::read_dir(bench.path("deeper")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_start_with_a_broken_file_uses_the_last_good_one_and_says_so() {
    let bench = Bench::new();
    let good = yaml("deeper/good.yaml", "1234");
    bench.write(&good);
    drop(bench.start().unwrap());
    for broken in [
        // Broken before and behind the line that says where.
        "version: [\nlast_good: deeper/good.yaml\n",
        "version: 1\nlast_good: deeper/good.yaml\ntargets: { app: { plugin: ",
        // Well-formed, and wrong for the pipeline, or for the target only.
        &good.replace("to: app", "to: ap"),
        &good.replace("1234", "many"),
    ] {
        bench.write(broken);
        bench.events.lock().unwrap().clear();
        let host = bench
            .start()
            .unwrap_or_else(|error| panic!("{broken}: {error}"));
        assert_eq!(cause(&host), Cause::LastGood, "{broken}");
        let warnings: Vec<String> = host.warnings().iter().map(ToString::to_string).collect();
        let last = warnings.last().unwrap();
        assert!(
            warnings[0].contains("pipeline.yaml:")
                && last.ends_with("this is used instead: the last configuration that ran"),
            "{warnings:#?}"
        );
        let told = bench.events.lock().unwrap()[0].to_string();
        assert!(
            told.contains("started from the last good file") && told.contains("pipeline.yaml:"),
            "{told}"
        );
        let last = host.metrics().reloads.last.unwrap();
        assert_eq!(last.outcome, ReloadOutcome::Refused);
        info!(host.factory().get_logger("a"), "one");
        assert_eq!(host.flush_blocking(LONG), 0);
        assert!(host.ledger().target("app").unwrap().delivered >= 1);
        assert_eq!(bench.kept().as_ref(), Some(&good), "it is still kept");
        host.reload_blocking().unwrap_err();
        bench.write(&yaml("deeper/good.yaml", "8"));
        assert_eq!(host.reload_blocking().unwrap().number, 2);
        bench.write(&good);
        host.reload_blocking().unwrap();
    }
}

#[test]
fn what_a_start_has_missed_is_watched_for() {
    let bench = Bench::new();
    let good = yaml("deeper/good.yaml", "1234");
    bench.write(&good);
    drop(bench.start().unwrap());
    bench.write(&good.replace("'**'", "a: '${file:late}', '**'"));
    let host = bench.builder().watch(true).start().unwrap();
    assert_eq!(cause(&host), Cause::LastGood);
    // The start and the watch's first look.
    let refused = || host.metrics().reloads.with(ReloadOutcome::Refused);
    until(|| refused() >= 2);
    fs::write(bench.path("late"), "debug").unwrap();
    until(|| host.generations().last().unwrap().number == 2);
}

fn until(met: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !met() {
        assert!(Instant::now() < end, "it does not come");
        std::thread::yield_now();
    }
}

#[test]
fn a_file_that_is_gone_or_empty_needs_the_services_own_word_for_it() {
    let bench = Bench::new();
    let kept = bench.path("deeper/good.yaml");
    bench.write(&yaml("off", "5"));
    drop(bench.builder().last_good(&kept).start().unwrap());
    assert_eq!(bench.kept().unwrap(), yaml("off", "5"));
    fs::remove_file(bench.path("pipeline.yaml")).unwrap();
    bench.start().unwrap_err();
    let host = bench
        .builder()
        .last_good(&kept)
        .watch(true)
        .start()
        .unwrap();
    assert_eq!(cause(&host), Cause::LastGood);
    // The watch is there all the same.
    bench.write(&yaml("off", "6"));
    let until = Instant::now() + LONG;
    while host.generations().len() == 1 {
        assert!(Instant::now() < until, "the file that came is not seen");
        std::thread::yield_now();
    }
    drop(host);
    bench.write("");
    let host = bench.builder().last_good(&kept).start().unwrap();
    assert_eq!(cause(&host), Cause::LastGood);
}

#[test]
fn without_a_good_one_the_errors_are_those_of_the_file_and_of_what_was_kept() {
    let bench = Bench::new();
    let broken = yaml("deeper/good.yaml", "many");
    bench.write(&broken);
    let alone = bench.start().unwrap_err();
    assert_eq!(alone.problems().len(), 1, "{alone}");
    fs::create_dir(bench.path("deeper")).unwrap();
    fs::write(bench.path("deeper/good.yaml"), "version: 2\n").unwrap();
    let both = bench.start().unwrap_err().to_string();
    assert!(
        both.contains("pipeline.yaml:8:") && both.contains("good.yaml:1:10: version"),
        "{both}"
    );
    // `rolog check` is about the file.
    bench.write(&yaml("off", "many"));
    assert!(bench.builder().last_good(bench.path("x")).check().is_err());
}

#[test]
fn what_cannot_be_kept_is_told_and_stops_nothing() {
    let bench = Bench::new();
    fs::write(bench.path("deeper"), "a file").unwrap();
    bench.write(&yaml("deeper/good.yaml", "5"));
    let host = bench.start().unwrap();
    assert_eq!(host.flush_blocking(LONG), 0);
    let records = host.memory("app").unwrap().records();
    let told = records
        .iter()
        .find(|record| record.logger == "rolog")
        .unwrap();
    assert!(
        told.message
            .starts_with("the last good file cannot be kept in "),
        "{}",
        told.message
    );
}
