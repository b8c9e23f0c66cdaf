//! What broke in other systems between the log call and the target: queues, retries and fallbacks, each
//! shown not to break here, through the host and with targets of the service's own.
//!
//! The same stories on a paused clock, policy by policy, are the tests of `host/src/stage`.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rolog_core::delivery::{Class, Failure, Outcome};
use rolog_core::frame::Batch;
use rolog_core::{LogTarget, Logger, info};
use rolog_host::config::{self, Env};
use rolog_host::stage::{EventKind, Measure, Mode};
use rolog_host::{Host, HostBuilder, Memory};

/// Longer than anything takes that does not hang.
const LONG: Duration = Duration::from_mins(1);

fn host(yaml: &str) -> HostBuilder {
    let yaml = format!("version: 1\n{yaml}");
    let spec = config::parse(&yaml, "pipeline.yaml", "/nonexistent", &Env::empty());
    Host::builder().pipeline(spec.unwrap_or_else(|problems| panic!("{problems}")))
}

/// What a target keeps of the service's records; those of the pipeline itself are left out.
fn kept(memory: &Memory) -> Vec<String> {
    let records = memory.records().into_iter();
    let of_service = records.filter(|record| record.logger == "shop");
    of_service.map(|record| record.message).collect()
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| n.to_string()).collect()
}

/// Logs `0`, `1`, … as the logger `shop`.
fn log(host: &Host, count: usize) {
    let log = host.factory().get_logger("shop");
    for n in 0..count {
        info!(log, "{n}", n = n);
    }
}

/// Waits for something that comes by itself.
fn until(what: &str, happens: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !happens() {
        assert!(Instant::now() < end, "{what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// A door that is shut until it is opened.
#[derive(Clone, Default)]
struct Door(Arc<(Mutex<bool>, Condvar)>);

impl Door {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let open = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(open, |open| !*open).unwrap());
    }
}

/// Blocks its thread before each batch, until its door is open.
struct Blocked {
    door: Door,
    kept: Memory,
}

impl LogTarget for Blocked {
    async fn log(&self, records: &Batch<'_>) -> Outcome {
        self.door.pass();
        self.kept.log(records).await
    }
}

fn blocked() -> (Blocked, Door, Memory) {
    let (door, kept) = (Door::default(), Memory::default());
    let target = Blocked {
        door: door.clone(),
        kept: kept.clone(),
    };
    (target, door, kept)
}

/// Fails so many times, then keeps what it gets.
struct Failing {
    times: AtomicUsize,
    kept: Memory,
}

impl LogTarget for Failing {
    async fn log(&self, records: &Batch<'_>) -> Outcome {
        let less = |left: usize| left.checked_sub(1);
        let failing = self
            .times
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        match failing {
            Ok(_) => Outcome::retry(Failure::new(Class::Connection, "nobody listens")),
            Err(_) => self.kept.log(records).await,
        }
    }
}

fn failing(times: usize) -> (Failing, Memory) {
    let kept = Memory::default();
    let target = Failing {
        times: AtomicUsize::new(times),
        kept: kept.clone(),
    };
    (target, kept)
}

/// vector#22064, fluentd#2327.
#[test]
fn a_dead_target_with_a_full_queue_stops_no_other() {
    let (dead, door, kept_late) = blocked();
    let host = host(
        "
targets:
  dead: { plugin: in-process, queue: { max_records: 10 } }
  app: { plugin: memory, config: { max_records: 100000 } }
routes: [{ logger: shop, to: [dead, app] }]
",
    )
    .target("dead", dead)
    .start()
    .unwrap();
    log(&host, 5000);
    until("the other target gets everything", || {
        kept(&host.memory("app").unwrap()).len() == 5000
    });
    let ledger = host.ledger();
    let row = ledger.target("dead").unwrap();
    assert_eq!((row.accepted, row.queued, row.delivered), (10, 10, 0));
    assert_eq!(row.refused.total(), 4990);
    door.open();
    let report = host.dispose_blocking(LONG);
    assert!(report.ledger.balances(), "{report}");
    assert_eq!(kept(&kept_late), numbers(10), "what was accepted was kept");
}

/// fluentd#2123, rsyslog#3961, opentelemetry-collector-contrib#34582: a queue in front of a target must
/// not hide its failures from the fallback.
#[test]
fn every_record_of_a_failed_primary_reaches_the_fallback_once_and_in_order() {
    let (main, never) = failing(usize::MAX);
    let host = host(
        "
targets:
  main:
    plugin: in-process
    flush: { max_size: 100, interval: 10ms, max_retries: 1, retry_delay: 1ms, fallback: rescue }
  rescue: { plugin: memory, config: { max_records: 100000 } }
routes: [{ logger: shop, to: main }]
",
    )
    .target("main", main)
    .start()
    .unwrap();
    log(&host, 5000);
    assert_eq!(host.flush_blocking(LONG), 0);
    assert_eq!(kept(&host.memory("rescue").unwrap()), numbers(5000));
    assert!(never.is_empty());
    let report = host.dispose_blocking(LONG);
    assert!(report.ledger.balances(), "{report}");
    assert_eq!(report.ledger.target("main").unwrap().fell_back, 5000);
}

/// vector#26123: a chain of retries is not one long request.
#[test]
fn each_attempt_is_measured_by_itself() {
    let (main, kept_at_last) = failing(3);
    let host = host(
        "
targets:
  main: { plugin: in-process, flush: { interval: 10ms, max_retries: 5, retry_delay: 100ms } }
routes: [{ logger: shop, to: main }]
",
    )
    .target("main", main)
    .start()
    .unwrap();
    let begun = Instant::now();
    log(&host, 1);
    assert_eq!(host.flush_blocking(LONG), 0);
    assert_eq!(kept(&kept_at_last), numbers(1));
    let snapshot = host.metrics();
    let took = snapshot.targets[0].measures.of(Measure::DeliverySeconds);
    assert_eq!(took.count(), 4);
    // Of the whole time, 100, 200 and 300 ms were waits in which nothing was delivered.
    assert!(took.sum() <= begun.elapsed().as_secs_f64() - 0.6);
    let row = snapshot.ledger.target("main").unwrap();
    assert_eq!((row.retries, row.delivered), (3, 1));
}

/// fluent-bit#7887, opentelemetry-collector#12443, Serilog's batching sink, Log4j2's discard policy.
#[test]
fn no_drop_is_uncounted_and_what_arrived_is_what_was_counted() {
    let (app, door, arrived) = blocked();
    let told = Arc::new(Mutex::new(0));
    let hears = Arc::clone(&told);
    let host = host(
        "
targets:
  app: { plugin: in-process, queue: { max_records: 500, overflow: drop_oldest }, flush: { max_size: 10 } }
routes: [{ logger: shop, to: app }]
",
    )
    .target("app", app)
    .on_event(move |event| {
        if let EventKind::Dropped { records, .. } | EventKind::Refused { records, .. } = event.kind {
            *hears.lock().unwrap() += records;
        }
    })
    .start()
    .unwrap();
    log(&host, 20_000);
    until("everything is routed", || {
        host.ledger().source.routed == 20_000
    });
    door.open();
    let report = host.dispose_blocking(LONG);
    let ledger = &report.ledger;
    assert!(ledger.balances(), "{report}");
    let row = ledger.target("app").unwrap();
    let lost = row.lost() + row.refused.total();
    assert!(lost > 0, "{report}");
    assert_eq!(arrived.len() as u64, row.delivered);
    assert_eq!(row.delivered + lost, 20_000);
    assert!(*told.lock().unwrap() > 0, "nobody was told");
    // The oldest went, so the youngest is there.
    assert_eq!(kept(&arrived).last().unwrap(), "19999");
}

/// vector#10806.
#[test]
fn the_last_record_does_not_wait_for_the_next_one() {
    let host = host(
        "
targets: { app: { plugin: memory, flush: { max_size: 1000, interval: 50ms } } }
routes: [{ logger: shop, to: app }]
",
    )
    .start()
    .unwrap();
    log(&host, 1);
    let app = host.memory("app").unwrap();
    until("it comes without another, and without a flush", || {
        kept(&app) == ["0"]
    });
}

/// cockroachdb/cockroach#72459.
#[test]
fn a_target_that_never_ends_does_not_keep_the_service_from_ending() {
    let (stuck, door, _) = blocked();
    let host = host(
        "
targets:
  stuck: { plugin: in-process }
  app: { plugin: memory, config: { max_records: 100000 } }
routes: [{ logger: shop, to: [stuck, app] }]
",
    )
    .target("stuck", stuck)
    .start()
    .unwrap();
    log(&host, 1000);
    let begun = Instant::now();
    let report = host.dispose_blocking(Duration::from_secs(1));
    assert!(begun.elapsed() < LONG / 2, "{:?}", begun.elapsed());
    assert!(report.ledger.balances(), "{report}");
    assert_eq!(report.ledger.target("app").unwrap().delivered, 1000);
    let row = report.ledger.target("stuck").unwrap();
    assert_eq!(row.lost(), 1000, "{report}");
    let errors = report.errors();
    let names: Vec<_> = errors.iter().map(|error| error.target.as_str()).collect();
    assert_eq!(names, ["stuck"]);
    door.open();
}

/// opentelemetry-collector#15677: shutdown must not drain by deleting.
#[test]
fn what_is_queued_at_the_end_is_delivered() {
    let (app, door, arrived) = blocked();
    let host = host(
        "
targets: { app: { plugin: in-process, flush: { max_size: 7 } } }
routes: [{ logger: shop, to: app }]
",
    )
    .target("app", app)
    .start()
    .unwrap();
    log(&host, 3000);
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| host.dispose_blocking(LONG));
        until("the end has begun", || {
            host.status()["app"].mode == Mode::Draining
        });
        assert!(arrived.is_empty());
        door.open();
        let report = ended.join().unwrap();
        assert!(report.is_complete(), "{report}");
    });
    assert_eq!(kept(&arrived), numbers(3000));
}

/// Logs as it delivers, as an HTTP client would.
struct Talkative {
    log: Arc<Mutex<Option<Logger>>>,
    kept: Memory,
}

impl LogTarget for Talkative {
    async fn log(&self, records: &Batch<'_>) -> Outcome {
        if let Some(log) = &*self.log.lock().unwrap() {
            for _ in 0..100 {
                info!(log, "sending a batch of {n}", n = records.len());
            }
        }
        self.kept.log(records).await
    }
}

/// logging-log4j2#2893, logback#788.
#[test]
fn a_target_that_logs_into_its_own_full_queue_does_not_lock_up() {
    let (slot, arrived) = (Arc::default(), Memory::default());
    let target = Talkative {
        log: Arc::clone(&slot),
        kept: arrived.clone(),
    };
    let host = host(
        "
targets:
  app:
    plugin: in-process
    queue: { max_records: 5, overflow: { block: { max_wait: 1h } } }
    flush: { max_size: 1, interval: 10ms }
routes: [{ logger: '**', to: app }]
",
    )
    .target("app", target)
    .start()
    .unwrap();
    *slot.lock().unwrap() = Some(host.factory().get_logger("shop.client"));
    log(&host, 20);
    until("the service's own records get through", || {
        kept(&arrived).len() == 20
    });
    *slot.lock().unwrap() = None;
    let report = host.dispose_blocking(LONG);
    assert!(report.ledger.balances(), "{report}");
}

/// A reload that routes a logger to a target whose callers wait makes its callers wait as well.
#[test]
fn who_is_routed_to_a_full_queue_by_a_reload_waits_as_the_others_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipeline.yaml");
    let routed = |logger: &str| {
        let text = format!(
            "version: 1
targets:
  app:
    plugin: in-process
    queue: {{ max_records: 5, overflow: {{ block: {{ max_wait: 1ms }} }} }}
    flush: {{ max_size: 1, interval: 10ms }}
routes: [{{ logger: {logger}, to: app }}]
"
        );
        std::fs::write(&path, text).unwrap();
    };
    routed("shop");
    let (target, door, _) = blocked();
    let builder = Host::builder().file(&path).watch(false);
    let host = builder.target("app", target).start().unwrap();
    let audit = host.factory().get_logger("audit");
    let waited = || host.ledger().source.slow_path;
    until("callers wait", || {
        log(&host, 1);
        waited() > 0
    });
    let before = waited();
    info!(audit, "goes nowhere");
    assert_eq!(waited(), before);
    routed("'**'");
    host.reload_blocking().unwrap();
    info!(audit, "waits");
    assert_eq!(waited(), before + 1);
    door.open();
    let report = host.dispose_blocking(LONG);
    assert!(report.ledger.balances(), "{report}");
}

/// tracing#1155, and the empty error arm of tracing-appender.
#[test]
fn a_failure_is_told_when_it_comes_and_again_at_the_end() {
    let (app, _) = failing(usize::MAX);
    let told = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&told);
    let host = host(
        "
targets:
  app: { plugin: in-process, flush: { interval: 10ms, max_retries: 0 } }
  own: { plugin: memory }
routes:
  - { logger: shop, to: app }
  - { logger: rolog, to: own }
",
    )
    .target("app", app)
    .on_event(move |event| {
        let event = (event.target.to_string(), event.kind.name());
        hears.lock().unwrap().push(event);
    })
    .start()
    .unwrap();
    log(&host, 1);
    assert_eq!(host.flush_blocking(LONG), 0);
    for kind in ["failed", "dropped"] {
        until(kind, || {
            told.lock().unwrap().contains(&("app".to_owned(), kind))
        });
    }
    let own = host.memory("own").unwrap();
    until("the pipeline's own log has it too", || {
        let mut records = own.records().into_iter();
        records.any(|record| {
            record
                .message
                .contains("target `app`: an attempt failed: nobody listens")
        })
    });
    let report = host.dispose_blocking(LONG);
    let errors = report.errors();
    assert_eq!((errors.len(), errors[0].lost), (1, 1), "{report}");
}
