//! Records that no target takes: buried, read by people, sent again. And the numbers that tell of it.

#![allow(clippy::unwrap_used, reason = "a test that fails to unwrap has failed")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use rolog_core::delivery::{Class, Failure, Outcome};
use rolog_core::frame::Batch;
use rolog_core::{LogTarget, Logger, info};
use rolog_host::Host;
use rolog_host::config::{self, Env};
use rolog_host::dead_letters::{DeadLetterSettings, LetterFile};

const LONG: Duration = Duration::from_secs(20);

const BROKEN: &str = "
version: 1
targets:
  db:
    plugin: in-process
    flush: { max_retries: 0, interval: 10ms }
routes:
  - { logger: '**', to: db }
";

const WORKING: &str = "
version: 1
targets:
  db: { plugin: memory, flush: { interval: 10ms } }
  other: { plugin: memory, flush: { interval: 10ms } }
routes:
  - { logger: '**', to: db }
";

struct Broken;

impl LogTarget for Broken {
    async fn log(&self, _: &Batch<'_>) -> Outcome {
        Outcome::retry(Failure::new(Class::Unavailable, "the database is away"))
    }
}

/// Logs `n` records to a target that is broken; they are in the dead letters then.
fn bury(path: &Path, n: u64) {
    bury_each(path, n, |log, id| {
        info!(log, "order {id} accepted", id = id);
    });
}

fn bury_each(path: &Path, n: u64, call: impl Fn(&Logger, u64)) {
    let spec = config::parse(BROKEN, "pipeline.yaml", "/nonexistent", &Env::empty()).unwrap();
    let host = Host::builder()
        .pipeline(spec)
        .target("db", Broken)
        .dead_letters(DeadLetterSettings::new(path))
        .start()
        .unwrap();
    let log = host.factory().get_logger("shop.orders");
    (0..n).for_each(|id| call(&log, id));
    let report = host.dispose_blocking(LONG);
    let row = report.ledger.target("db").unwrap();
    assert!(report.ledger.balances(), "{report}");
    // The pipeline's own record of the failure never goes to the target it tells of.
    assert_eq!((row.dead_lettered, row.lost()), (n, 0), "{report}");
}

fn working() -> Host {
    let spec = config::parse(WORKING, "pipeline.yaml", "/nonexistent", &Env::empty()).unwrap();
    Host::builder().pipeline(spec).start().unwrap()
}

#[test]
fn what_was_buried_arrives_when_it_is_sent_again_with_its_ids() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    bury(&path, 25);
    let file = LetterFile::open(&path).unwrap();
    let ids: Vec<_> = file
        .letters()
        .unwrap()
        .map(|letter| letter.unwrap().unwrap())
        .inspect(|letter| assert_eq!(letter.failure.class, Class::Unavailable))
        .map(|letter| letter.id)
        .collect();
    drop(file);
    assert_eq!(ids.len(), 25);

    let host = working();
    let replay = host.replay_blocking(&path, None, LONG).unwrap();
    assert_eq!((replay.read, replay.delivered, replay.left), (25, 25, 0));
    assert!(replay.is_complete());
    assert!(!path.exists(), "nothing is left to replay");
    let records = host.memory("db").unwrap().records();
    assert_eq!(records.iter().map(|r| r.id).collect::<Vec<_>>(), ids);
    assert_eq!(records[7].message, "order 7 accepted");
    let report = host.dispose_blocking(LONG);
    assert!(report.ledger.balances(), "{report}");
    assert_eq!(report.ledger.target("db").unwrap().replayed, 25);
}

#[test]
fn all_of_it_can_go_to_another_target() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    bury(&path, 3);
    let host = working();
    let replay = host.replay_blocking(&path, Some("other"), LONG).unwrap();
    assert_eq!(replay.delivered, 3);
    assert_eq!(host.memory("other").unwrap().records().len(), 3);
}

#[test]
fn what_does_not_arrive_stays_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    bury(&path, 3);
    let before = std::fs::read_to_string(&path).unwrap();
    let host = working();
    let replay = host.replay_blocking(&path, Some("nobody"), LONG).unwrap();
    assert_eq!((replay.delivered, replay.left), (0, 3));
    assert_eq!(replay.unknown["nobody"], 3);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
    let spec = config::parse(BROKEN, "pipeline.yaml", "/nonexistent", &Env::empty()).unwrap();
    let broken = Host::builder().pipeline(spec).target("db", Broken);
    let broken = broken.start().unwrap();
    let replay = broken.replay_blocking(&path, None, LONG).unwrap();
    assert_eq!((replay.delivered, replay.left), (0, 3));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
    assert!(broken.dispose_blocking(LONG).ledger.balances());
}

#[test]
fn of_a_records_letters_each_goes_when_it_has_arrived_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    let two = BROKEN.replace(
        "targets:",
        "targets:\n  away: { plugin: in-process, flush: { max_retries: 0, interval: 10ms } }",
    );
    let two = two.replace("to: db", "to: [db, away]");
    let spec = config::parse(&two, "pipeline.yaml", "/nonexistent", &Env::empty()).unwrap();
    let host = Host::builder()
        .pipeline(spec)
        .target("db", Broken)
        .target("away", Broken)
        .dead_letters(DeadLetterSettings::new(&path))
        .start()
        .unwrap();
    let log = host.factory().get_logger("shop.orders");
    (0..3).for_each(|id| info!(log, "order {id} accepted", id = id));
    assert!(host.dispose_blocking(LONG).ledger.balances());

    // Of the two, it only has the first.
    let replay = working().replay_blocking(&path, None, LONG).unwrap();
    assert_eq!((replay.delivered, replay.left), (3, 3));
    let file = LetterFile::open(&path).unwrap();
    let left = file
        .letters()
        .unwrap()
        .map(|letter| letter.unwrap().unwrap());
    let left: Vec<_> = left.map(|letter| letter.routed).collect();
    assert_eq!(left, ["away"; 3]);
}

#[test]
fn what_is_larger_than_the_whole_queue_is_told_by_its_target_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    let wide = "x".repeat(2000);
    bury_each(&path, 3, |log, id| {
        let why = if id == 1 { "full" } else { &*wide };
        info!(log, "order {id} refused", id = id, why = why);
    });
    let before = std::fs::read_to_string(&path).unwrap();
    let narrow = WORKING.replace("memory,", "memory, queue: { max_bytes: 1KiB },");
    let spec = config::parse(&narrow, "pipeline.yaml", "/nonexistent", &Env::empty()).unwrap();
    let host = Host::builder().pipeline(spec).start().unwrap();
    let replay = host.replay_blocking(&path, None, LONG).unwrap();
    assert_eq!((replay.read, replay.delivered, replay.left), (3, 1, 2));
    assert_eq!(replay.too_large["db"], 2);
    assert!(replay.unknown.is_empty());
    let left = std::fs::read_to_string(&path).unwrap();
    assert!(left.lines().eq(before.lines().step_by(2)), "{left}");
    assert!(host.dispose_blocking(LONG).ledger.balances());
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let error = working()
        .replay_blocking("/nonexistent/dead.jsonl", None, LONG)
        .unwrap_err();
    assert!(error.is_system(), "{error}");
}

fn get(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_page_for_prometheus_tells_the_ledger() {
    let spec = config::parse(WORKING, "pipeline.yaml", "/nonexistent", &Env::empty()).unwrap();
    let host = Host::builder()
        .pipeline(spec)
        .prometheus("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap();
    let log = host.factory().get_logger("shop.orders");
    (0..5).for_each(|id| info!(log, "order {id} accepted", id = id));
    assert_eq!(host.flush_blocking(LONG), 0);
    let page = get(host.prometheus().unwrap());
    assert!(page.contains("\nrolog_records_emitted_total 5\n"), "{page}");
    let delivered = "\nrolog_target_delivered_records_total{target=\"db\"} 5\n";
    assert!(page.contains(delivered), "{page}");
    let active = "\nrolog_target_mode{target=\"db\",mode=\"active\"} 1\n";
    assert!(page.contains(active), "{page}");
}
