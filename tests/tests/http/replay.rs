//! Batches that broke midway end as dead letters, and are sent again under the keys that they had.

use std::fs;
use std::process::Command;

use rolog_core::info;
use rolog_host::Host;
use rolog_host::config::{self, Env};
use rolog_tests::artifacts;

use super::LONG;
use super::receiver::Receiver;

const BATCHES: usize = 10;
const BATCH: usize = 100;
const RECORDS: usize = BATCHES * BATCH;

#[test]
fn a_replay_has_the_keys_of_the_first_attempts_so_that_nothing_comes_twice() {
    let (receiver, folder) = (Receiver::start(true), tempfile::tempdir().unwrap());
    let path = folder.path().join("pipeline.yaml");
    // A batch is three requests, of which only the first is sent while nobody answers.
    let yaml = format!(
        "
version: 1
plugins: {{ search: ['{}'] }}
dead_letters: {{ path: dead }}
targets:
  web:
    plugin: http
    config: {{ url: 'http://127.0.0.1:{}/in', proxy: none, max_records: 40 }}
    flush: {{ max_size: {BATCH}, interval: 60s, concurrency: 2, max_retries: 1, retry_delay: 10ms }}
routes:
  - {{ logger: shop, to: web }}
",
        artifacts::library_folder().display(),
        receiver.port
    );
    fs::write(&path, yaml).unwrap();
    let spec = config::load(&path, &Env::empty()).unwrap_or_else(|problems| panic!("{problems}"));

    receiver.hangs_up(true);
    let host = Host::builder().pipeline(spec).start().unwrap();
    let log = host.factory().get_logger("shop");
    for n in 0..RECORDS {
        info!(log, "order {n}", n = n);
    }
    let report = host.dispose_blocking(LONG);
    drop(host);
    let row = report.ledger.target("web").unwrap();
    assert_eq!(row.dead_lettered, RECORDS as u64, "{report}");
    assert!(row.maybe_written > 0, "{report}");
    let first = receiver.arrived(|arrived| {
        assert_eq!(
            arrived.repeated, BATCHES as u64,
            "each was tried twice with one key"
        );
        arrived.keys.clone()
    });
    assert_eq!(first.len(), BATCHES);

    receiver.hangs_up(false);
    let mut replay = Command::new(artifacts::command());
    replay.current_dir(folder.path()).args(["replay", "dead"]);
    let output = replay.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    receiver.arrived(|arrived| {
        assert!(arrived.keys.is_superset(&first));
        assert_eq!(
            arrived.keys.len(),
            3 * BATCHES,
            "those of the requests that were never sent"
        );
        assert_eq!(arrived.repeated, 2 * BATCHES as u64);
        assert_eq!((arrived.missing(RECORDS), arrived.doubled()), (0, 0));
    });
}
