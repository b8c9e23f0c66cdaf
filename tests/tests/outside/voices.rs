//! What a loaded plugin says through `log`, `tracing` and its context, in a pipeline of YAML.

use std::fs;
use std::time::Duration;

use rolog_core::{Level, info};
use rolog_host::Host;
use rolog_host::config::{self, Env};
use rolog_tests::artifacts;

const LONG: Duration = Duration::from_mins(1);

#[test]
fn what_a_plugin_logs_while_it_delivers_arrives_elsewhere_and_never_comes_back_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = format!(
        "
version: 1
plugins: {{ search: ['{}'] }}
levels: {{ '**': info }}
targets:
  web: {{ plugin: good, config: {{ path: out, talkative: true }}, flush: {{ interval: 10ms }} }}
  kept: {{ plugin: memory }}
routes:
  - {{ to: [web, kept] }}
",
        artifacts::library_folder().display()
    );
    let spec = config::parse(yaml, "pipeline.yaml", folder.path(), &Env::empty());
    let spec = spec.unwrap_or_else(|problems| panic!("{problems}"));
    let host = Host::builder().pipeline(spec).start().unwrap();
    info!(host.factory().get_logger("shop"), "hello");
    // What is said of a delivery is routed as what was said before it.
    for _ in 0..5 {
        assert_eq!(host.flush_blocking(LONG), 0);
    }
    let records = host.memory("kept").unwrap().records();
    let said: Vec<_> = records
        .iter()
        .filter(|record| record.logger != "rolog")
        .map(|record| {
            (
                record.logger.as_str(),
                record.level,
                record.message.as_str(),
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            ("shop", Level::Information, "hello"),
            ("good.client", Level::Warning, "sent 11 bytes"),
            ("rolog_good", Level::Error, "sent them"),
            ("good.own", Level::Information, "kept 11"),
        ]
    );
    let written = fs::read_to_string(folder.path().join("out")).unwrap();
    let theirs: Vec<_> = written.lines().filter(|line| line.contains(' ')).collect();
    assert_eq!(theirs, ["shop hello"], "{written}");
    let report = host.dispose_blocking(LONG);
    assert!(report.is_complete() && report.ledger.balances(), "{report}");
}
