//! Why a record is or is not there, told by what routes it.

#![allow(clippy::unwrap_used, reason = "a test that fails to unwrap has failed")]

use std::time::Duration;

use rolog_core::delivery::{Class, Failure, Outcome};
use rolog_core::frame::{Batch, RecordId};
use rolog_core::{Level, LogTarget, Threshold, error};
use rolog_host::config::{self, Env};
use rolog_host::explain::{
    Explanation, Fate, QueueStep, RecordExplanation, RouteAnswer, ThresholdSource,
};
use rolog_host::stage::{DropReason, RefusalReason};
use rolog_host::{Host, Memory};

const PIPELINE: &str = "
version: 1
levels:
  shop.db: debug
  shop.noise: off
targets:
  app: { plugin: memory }
  rescue: { plugin: memory }
routes:
  - { logger: shop.health, to: [], final: true }
  - { logger: shop.payments.**, level: warning.., to: [rescue], final: true }
  - { logger: shop.**, to: [app, rescue] }
";

fn explain(logger: &str, level: Level) -> Explanation {
    let spec = config::parse(PIPELINE, "shop.yaml", "/", &Env::empty()).unwrap();
    Explanation::of(&spec, logger, level)
}

#[test]
fn a_record_that_is_recorded_is_told_with_its_rule_its_routes_and_its_targets() {
    let told = explain("shop.db.pool", Level::Debug);
    assert!(told.is_recorded());
    assert_eq!(
        told.to_string(),
        "shop.db.pool at debug: goes to app, rescue

level
  debug and above, by `shop.db.**` under `levels` (shop.yaml:4:3)

routes
  1. `shop.health` trace..: other loggers (shop.yaml:10:5)
  2. `shop.payments.**` warning..: other loggers (shop.yaml:11:5)
  3. `shop.**` trace..: takes it to app, rescue (shop.yaml:12:5)

targets
  app: by route 3
  rescue: by route 3
"
    );
}

#[test]
fn places_are_those_of_the_file_as_it_is_now() {
    let read = |text: &str| config::parse(text, "shop.yaml", "/", &Env::empty()).unwrap();
    let host = Host::builder().pipeline(read(PIPELINE)).start().unwrap();
    let later = format!("# A word on it.\n{PIPELINE}");
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let same = runtime.unwrap().block_on(host.reconfigure(read(&later)));
    assert_eq!(same.unwrap().number, 1);
    let told = host.explain("shop.db", Level::Debug).to_string();
    assert!(told.contains("under `levels` (shop.yaml:5:3)"), "{told}");
}

#[test]
fn each_reason_why_a_record_is_nowhere_has_its_words() {
    let first = |logger: &str, level| {
        let told = explain(logger, level);
        assert!(!told.is_recorded(), "{told}");
        told.to_string().lines().next().unwrap().to_owned()
    };
    for (logger, level, words) in [
        (
            "shop.api",
            Level::Debug,
            "not recorded, below the logger's level",
        ),
        (
            "shop.noise",
            Level::Critical,
            "not recorded, below the logger's level",
        ),
        (
            "shop.health",
            Level::Error,
            "discarded by a final route without targets",
        ),
        ("other", Level::Error, "goes nowhere, no route takes it"),
    ] {
        assert_eq!(
            first(logger, level),
            format!("{logger} at {level}: {words}")
        );
    }
    let ended = explain("shop.payments.card", Level::Error);
    assert_eq!(ended.routes[2].answer, RouteAnswer::Ended(2));
    let levels = explain("shop.payments.card", Level::Information);
    assert_eq!(levels.routes[1].answer, RouteAnswer::OtherLevel);
    assert_eq!(levels.threshold.source, ThresholdSource::Default);
}

#[test]
fn a_running_pipeline_adds_its_generation_its_own_targets_and_what_they_do() {
    let spec = config::parse(PIPELINE, "shop.yaml", "/", &Env::empty()).unwrap();
    let host = Host::builder().pipeline(spec).start().unwrap();
    let factory = host.factory();
    factory.add_target(Memory::default(), Level::Error).unwrap();
    error!(factory.get_logger("shop.api"), "one");
    assert_eq!(host.flush_blocking(Duration::from_secs(20)), 0);
    let told = host.explain("shop.api", Level::Warning);
    assert_eq!(told.generation, Some(1));
    let own = told.targets.iter().find(|t| t.route.is_none()).unwrap();
    assert!(!own.takes, "{told}");
    let app = &told.targets[0].state.as_ref().unwrap();
    assert!(app.is_well(), "{told}");
    assert_eq!((app.row.delivered, app.row.queued), (1, 0), "{told}");
    assert_eq!(
        told.threshold.least,
        Threshold::At(Level::Debug),
        "as in debug builds"
    );
    assert!(
        host.explain("shop.api", Level::Error)
            .targets
            .iter()
            .all(|t| t.takes)
    );
}

/// Never answers.
struct Hangs;

impl LogTarget for Hangs {
    async fn log(&self, _: &Batch<'_>) -> Outcome {
        std::future::pending().await
    }
}

/// Fails for good.
struct Refuses;

impl LogTarget for Refuses {
    async fn log(&self, _: &Batch<'_>) -> Outcome {
        Outcome::refused(Failure::new(Class::Invalid, "no such table"))
    }
}

const RECORDS: &str = "
version: 1
explain: { drops: 3 }
targets:
  memory: { plugin: memory, flush: { interval: 10ms } }
  hangs:
    plugin: in-process
    queue: { max_records: 4, overflow: drop_oldest }
    flush: { max_size: 2, interval: 10ms }
  full:
    plugin: in-process
    queue: { max_records: 2 }
    flush: { max_size: 2 }
  waits: { plugin: memory, flush: { interval: 1h } }
  refuses: { plugin: in-process, flush: { interval: 10ms } }
routes:
  - { logger: hangs, to: [hangs, memory] }
  - { logger: full, to: [full, memory] }
  - { logger: waits, to: [waits, memory] }
  - { logger: refuses, to: [refuses, memory] }
  - { logger: discarded, to: [], final: true }
";

fn records() -> Host {
    let spec = config::parse(RECORDS, "shop.yaml", "/", &Env::empty()).unwrap();
    Host::builder()
        .pipeline(spec)
        .target("hangs", Hangs)
        .target("full", Hangs)
        .target("refuses", Refuses)
        .start()
        .unwrap()
}

impl Told {
    fn of(host: &Host, id: RecordId) -> Self {
        let told = host.explain_record_blocking(id).unwrap();
        let text = told.to_string();
        Told(told, text)
    }
}

struct Told(RecordExplanation, String);

/// The ids of what a logger has logged, once all of it is in memory.
fn ids(memory: &Memory, logger: &str, count: usize) -> Vec<RecordId> {
    assert!(memory.wait_for(count, Duration::from_secs(20)));
    let records = memory.take();
    assert_eq!(records.len(), count, "{records:?}");
    assert!(records.iter().all(|record| record.logger == logger));
    records.iter().map(|record| record.id).collect()
}

#[test]
fn a_record_is_found_in_its_queue_or_among_the_last_losses() {
    let host = records();
    let memory = host.memory("memory").unwrap();
    let log = |name: &str, count: u64| {
        let logger = host.factory().get_logger(name);
        (0..count).for_each(|n| error!(logger, "{n}", n = n));
        ids(&memory, name, count as usize)
    };

    let waiting = log("waits", 3);
    let told = Told::of(&host, waiting[1]);
    let queued = told.0.copies[0].queued.as_ref().unwrap();
    assert_eq!(
        (queued.step, queued.batch),
        (QueueStep::Filling, 3),
        "{}",
        told.1
    );
    assert!(told.0.is_known() && told.0.copies.len() == 1, "{}", told.1);
    assert!(
        told.1
            .contains("waits: queued, in the batch that is being filled, in a batch of 3, for "),
        "{}",
        told.1
    );

    // Two are being delivered for ever, two are queued, and two made room for those.
    let hanging = log("hangs", 6);
    let state = |n: usize| Told::of(&host, hanging[n]);
    let look = || -> Vec<Option<QueueStep>> {
        let step = |n| {
            state(n).0.copies[0]
                .queued
                .as_ref()
                .map(|queued| queued.step)
        };
        (0..6).map(step).collect()
    };
    let until = std::time::Instant::now() + Duration::from_secs(20);
    let steps = loop {
        let steps = look();
        let delivering = |step: &&Option<QueueStep>| **step == Some(QueueStep::Delivering);
        if steps.iter().filter(delivering).count() == 2 {
            break steps;
        }
        assert!(std::time::Instant::now() < until, "{steps:?}");
    };
    let gone = steps.iter().filter(|step| step.is_none()).count();
    assert_eq!(gone, 2, "{steps:?}");
    assert!(
        matches!(steps[5], Some(QueueStep::Waiting { .. })),
        "{steps:?}"
    );
    let gone = steps.iter().position(Option::is_none).unwrap();
    let told = state(gone);
    let fate = told.0.copies[0].lost.unwrap().fate;
    assert_eq!(fate, Fate::Dropped(DropReason::Overflow));
    assert!(
        told.1.contains("hangs: dropped (overflow) at 2"),
        "{}",
        told.1
    );

    let full = log("full", 5);
    let told = Told::of(&host, full[4]);
    assert_eq!(
        told.0.copies[0].lost.unwrap().fate,
        Fate::Refused(RefusalReason::Full)
    );
    assert!(told.1.contains("full: refused (full) at 2"), "{}", told.1);

    let refused = log("refuses", 1);
    assert_eq!(host.factory().targets().len(), 5);
    let lost = || host.ledger().target("refuses").unwrap().lost() == 1;
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while !lost() && std::time::Instant::now() < until {
        std::thread::yield_now();
    }
    let told = Told::of(&host, refused[0]);
    assert!(
        told.1.contains("refuses: dropped (rejected) at "),
        "{}",
        told.1
    );
    host.dispose_blocking(Duration::from_millis(100));
}

#[test]
fn what_is_not_known_any_more_or_not_yet_or_not_here_is_said_so() {
    let host = records();
    let memory = host.memory("memory").unwrap();
    let log = |name: &str| {
        let logger = host.factory().get_logger(name);
        error!(logger, "x");
        ids(&memory, name, 1)[0]
    };
    let waits = host.factory().get_logger("waits");
    let first = log("refuses");
    let lost = |n: u64| {
        let until = std::time::Instant::now() + Duration::from_secs(20);
        while host.ledger().target("refuses").unwrap().lost() < n {
            assert!(std::time::Instant::now() < until);
            std::thread::yield_now();
        }
    };
    lost(1);
    assert!(Told::of(&host, first).0.is_known());
    // Others between them, so that no two are in a row.
    for n in 2..=4 {
        error!(waits, "between");
        assert!(memory.wait_for(1, Duration::from_secs(20)));
        memory.take();
        log("refuses");
        lost(n);
    }
    let told = Told::of(&host, first);
    assert!(!told.0.is_known());
    assert!(
        told.1
            .contains("not known: delivered, or lost before the last 3 losses of each target"),
        "{}",
        told.1
    );
    let not_yet = RecordId {
        sequence: first.sequence + 1_000_000,
        ..first
    };
    assert!(
        Told::of(&host, not_yet)
            .1
            .contains("this process has not given out this id yet")
    );
    let other = RecordId {
        epoch: first.epoch ^ 1,
        ..first
    };
    assert!(Told::of(&host, other).1.contains("another process made it"));
    host.dispose_blocking(Duration::from_millis(100));
}
