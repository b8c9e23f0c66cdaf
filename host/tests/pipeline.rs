//! A pipeline from log call to target, in one process and without a library.

#![allow(clippy::unwrap_used, reason = "a test that fails to unwrap has failed")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rolog_core::delivery::{Class, Failure, Outcome};
use rolog_core::frame::Batch;
use rolog_core::receipt::End;
use rolog_core::{Level, LogTarget, LoggerFactory, Threshold, debug, error, info, warning};
use rolog_host::config::{self, Env, PipelineSpec};
use rolog_host::{Host, Memory, MemoryRecord};

const LONG: Duration = Duration::from_secs(20);

fn spec(yaml: &str) -> PipelineSpec {
    config::parse(yaml, "pipeline.yaml", "/nonexistent", &Env::empty()).unwrap()
}

fn start(yaml: &str) -> Host {
    Host::builder().pipeline(spec(yaml)).start().unwrap()
}

fn messages(memory: &Memory) -> Vec<String> {
    memory
        .records()
        .into_iter()
        .map(|record| record.message)
        .collect()
}

fn block<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(future)
}

const ONE: &str = "
version: 1
levels: { '**': debug }
targets:
  app: { plugin: memory, config: { max_records: 1000000 } }
routes:
  - { logger: '**', to: app }
";

#[test]
fn a_record_arrives_with_everything_that_was_said() {
    let host = start(ONE);
    let log = host.factory().get_logger("shop.orders");
    info!(log, "order {id} accepted", id = 42, total = 19.99);
    assert_eq!(host.flush_blocking(LONG), 0);
    let records = host.memory("app").unwrap().records();
    let [record] = &records[..] else {
        panic!("{records:?}");
    };
    assert_eq!(record.message, "order 42 accepted");
    assert_eq!(
        (record.logger.as_str(), record.level),
        ("shop.orders", Level::Information)
    );
    assert_eq!((record.id.sequence, record.generation), (1, 1));
    let report = host.dispose_blocking(LONG);
    assert!(report.is_complete() && report.ledger.balances(), "{report}");
    assert_eq!(report.ledger.target("app").unwrap().delivered, 1);
}

#[test]
fn records_of_one_thread_keep_their_order_and_none_is_lost() {
    let host = start(ONE);
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let log = host.factory().get_logger(&format!("thread.{thread}"));
            std::thread::spawn(move || {
                for n in 0..20_000u32 {
                    debug!(log, "numbered", n = n);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let report = host.dispose_blocking(LONG);
    assert!(report.ledger.balances(), "{report}");
    assert_eq!(report.lost(), 0, "{report}");
    let records = host.memory("app").unwrap().records();
    for thread in 0..4 {
        let name = format!("thread.{thread}");
        let numbers: Vec<String> = records
            .iter()
            .filter(|record| record.logger == name)
            .map(|record| record.field("n").unwrap().to_string())
            .collect();
        let expected: Vec<String> = (0..20_000).map(|n: u32| n.to_string()).collect();
        assert_eq!(numbers, expected);
    }
}

#[test]
fn routes_decide_by_logger_and_level_and_a_target_gets_a_record_once() {
    let host = start(
        "
version: 1
levels: { '**': info, shop.db: debug, shop.db.pool: off }
targets:
  all: { plugin: memory }
  alarm: { plugin: memory }
routes:
  - { logger: 'shop.payments.**', level: warning.., to: [alarm, all], final: true }
  - { logger: '**', to: all }
  - { logger: '**', level: error, to: [alarm, all] }
",
    );
    let factory = host.factory();
    info!(factory.get_logger("shop::payments"), "paid");
    warning!(factory.get_logger("shop.payments.card"), "declined");
    debug!(factory.get_logger("shop.db"), "select");
    debug!(factory.get_logger("shop.web"), "below its level");
    error!(factory.get_logger("shop.db.pool"), "off");
    error!(factory.get_logger("shop.web"), "broken");
    host.flush_blocking(LONG);
    let memory = |name: &str| messages(&host.memory(name).unwrap());
    assert_eq!(memory("all"), ["paid", "declined", "select", "broken"]);
    assert_eq!(memory("alarm"), ["declined", "broken"]);
    let ledger = host.ledger();
    assert!(ledger.balances(), "{ledger}");
    assert_eq!((ledger.source.emitted, ledger.copies), (4, 6));
}

/// Fails as long as it is told to.
struct Flaky {
    failures: AtomicUsize,
    kept: Memory,
}

impl LogTarget for Flaky {
    async fn log(&self, records: &Batch<'_>) -> Outcome {
        let more = |left: usize| left.checked_sub(1);
        let failing = self
            .failures
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        match failing {
            Ok(_) => Outcome::retry(Failure::new(Class::Unavailable, "down")),
            Err(_) => self.kept.log(records).await,
        }
    }
}

fn flaky(failures: usize) -> (Flaky, Memory) {
    let kept = Memory::default();
    let target = Flaky {
        failures: AtomicUsize::new(failures),
        kept: kept.clone(),
    };
    (target, kept)
}

const FAILOVER: &str = "
version: 1
targets:
  main:
    plugin: in-process
    flush: { max_retries: 2, retry_delay: 1ms, interval: 10ms, fallback: rescue }
  rescue: { plugin: memory }
routes:
  - { logger: '**', to: main }
";

#[test]
fn a_target_that_fails_for_a_while_gets_its_records_all_the_same() {
    let (target, kept) = flaky(2);
    let host = Host::builder()
        .pipeline(spec(FAILOVER))
        .target("main", target)
        .start()
        .unwrap();
    info!(host.factory().get_logger("a"), "tried three times");
    assert_eq!(host.flush_blocking(LONG), 0);
    assert_eq!(messages(&kept)[0], "tried three times");
    let row = host.ledger().target("main").unwrap().clone();
    assert_eq!((row.retries, row.delivered), (2, row.accepted));
    assert!(!messages(&host.memory("rescue").unwrap()).contains(&"tried three times".to_owned()));
}

#[test]
fn a_record_that_falls_back_keeps_its_id_and_says_where_it_was() {
    let (target, kept) = flaky(usize::MAX);
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let host = Host::builder()
        .pipeline(spec(FAILOVER))
        .target("main", target)
        .on_event(move |event| heard.lock().unwrap().push(event.kind.name()))
        .start()
        .unwrap();
    let log = host.factory().get_logger("a");
    let delivery = block(async {
        let receipt = info!(log.receipt(), "rescued").await.unwrap();
        receipt.await
    });
    let [end] = &delivery.targets[..] else {
        panic!("{delivery:?}");
    };
    assert_eq!((end.target.as_str(), end.at.as_str()), ("main", "rescue"));
    assert_eq!(end.end, End::Delivered);
    assert!(kept.is_empty());
    let rescued: Vec<MemoryRecord> = host
        .memory("rescue")
        .unwrap()
        .records()
        .into_iter()
        .filter(|record| record.message == "rescued")
        .collect();
    assert_eq!(rescued.len(), 1);
    assert_eq!(rescued[0].given_up_by.as_deref(), Some("main"));
    let report = host.dispose_blocking(LONG);
    assert!(report.ledger.balances(), "{report}");
    let events = events.lock().unwrap().clone();
    assert!(
        events.contains(&"failed") && events.contains(&"fallback_in_use"),
        "{events:?}"
    );
}

#[test]
fn targets_of_the_services_own_take_their_levels_and_chain() {
    let host = Host::builder().min_level(Level::Debug).start().unwrap();
    let (all, errors) = (Memory::default(), Memory::default());
    let factory: &LoggerFactory = host.factory();
    let log = factory.get_logger("early");
    assert!(
        !log.is_enabled(Level::Critical),
        "there is nowhere to go yet"
    );
    factory
        .add_target(all.clone(), Threshold::Inherit)
        .unwrap()
        .add_target(errors.clone(), Level::Error)
        .unwrap();
    assert!(log.is_enabled(Level::Debug));
    debug!(log, "one");
    error!(log, "two");
    host.flush_blocking(LONG);
    assert_eq!(messages(&all), ["one", "two"]);
    assert_eq!(messages(&errors), ["two"]);
    let names: Vec<String> = factory
        .targets()
        .into_iter()
        .map(|target| target.name)
        .collect();
    assert_eq!(names, ["memory", "memory-2"]);
}

struct Broken;

impl LogTarget for Broken {
    async fn log(&self, _: &Batch<'_>) -> Outcome {
        Outcome::refused(Failure::new(Class::Invalid, "never"))
    }
    async fn dispose(&self) -> Result<(), Failure> {
        Err(Failure::new(Class::Io, "cannot be closed"))
    }
}

#[test]
fn dispose_flushes_every_target_even_when_one_fails_and_reports_each_error() {
    let host = Host::builder().min_level(Level::Debug).start().unwrap();
    let kept = Memory::default();
    host.factory()
        .add_target(Broken, Level::Debug)
        .unwrap()
        .add_target(kept.clone(), Level::Debug)
        .unwrap();
    info!(host.factory().get_logger("a"), "kept");
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    host.factory()
        .on_dispose_error(move |error| heard.lock().unwrap().push(error.to_string()));
    let errors = block(host.factory().dispose());
    assert!(messages(&kept).contains(&"kept".to_owned()));
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].target, "Broken");
    assert!(told.lock().unwrap()[0].contains("cannot be closed"));
    let late = host.factory().add_target(Memory::default(), Level::Debug);
    assert!(late.unwrap_err().is_disposed());
}

#[test]
fn the_awaitable_form_waits_for_room_whatever_the_policy() {
    let host = start(
        "
version: 1
targets:
  app:
    plugin: memory
    queue: { max_records: 10, overflow: drop_newest }
    flush: { max_size: 5, interval: 5ms }
routes:
  - { logger: '**', to: app }
",
    );
    let log = host.factory().get_logger("a");
    block(async {
        for n in 0..500 {
            info!(log.wait(), "waits", n = n).await.unwrap();
        }
    });
    for n in 0..500 {
        info!(log.blocking(), "blocks", n = n).unwrap();
    }
    let report = host.dispose_blocking(LONG);
    assert_eq!(report.lost(), 0, "{report}");
    assert_eq!(
        report.ledger.target("app").unwrap().delivered,
        1000,
        "{report}"
    );
    let late = block(info!(log.wait(), "late"));
    assert!(late.unwrap_err().is_disposed());
}

#[test]
fn who_gives_no_bound_waits_for_as_long_as_it_takes() {
    let (flaky, memory) = flaky(2);
    let spec = spec(
        "
version: 1
targets:
  app: { plugin: in-process, flush: { interval: 10ms, retry_delay: 10ms } }
routes:
  - { logger: '**', to: app }
",
    );
    let host = Host::builder().pipeline(spec).target("app", flaky);
    let host = host.start().unwrap();
    let log = host.factory().get_logger("x");
    (0..5).for_each(|n| info!(log, "{n}", n = n));
    assert_eq!(host.flush_blocking(Duration::MAX), 0);
    assert!(memory.wait_for(5, Duration::MAX));
    let folder = tempfile::tempdir().unwrap();
    let nothing = folder.path().join("dead.jsonl");
    std::fs::write(&nothing, "").unwrap();
    let replay = host.replay_blocking(nothing, None, Duration::MAX).unwrap();
    assert!(replay.is_complete());
    (5..10).for_each(|n| info!(log, "{n}", n = n));
    let report = host.dispose_blocking(Duration::MAX);
    assert!(report.is_complete() && report.ledger.balances(), "{report}");
    assert_eq!(memory.records().len(), 10);
}

#[test]
fn a_host_that_is_dropped_delivers_what_it_has() {
    let host = start(ONE);
    let memory = host.memory("app").unwrap();
    info!(host.factory().get_logger("a"), "last words");
    drop(host);
    assert_eq!(messages(&memory), ["last words"]);
}

#[test]
fn what_is_wrong_with_targets_is_told_at_its_place_all_at_once() {
    let yaml = "
version: 1
targets:
  one: { plugin: memory, config: { max_record: 5 } }
  two: { plugin: memry }
  three: { plugin: in-process }
routes:
  - { logger: '**', to: [one, two, three] }
";
    let error = Host::builder().pipeline(spec(yaml)).start().unwrap_err();
    assert!(error.is_config());
    let lines: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[0].starts_with("pipeline.yaml:4:"), "{lines:#?}");
    assert!(lines[0].contains("max_record"), "{lines:#?}");
    assert!(lines[1].contains("did you mean `memory`?"), "{lines:#?}");
    assert!(lines[2].contains("no target of its own"), "{lines:#?}");
}
