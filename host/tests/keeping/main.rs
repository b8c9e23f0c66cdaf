//! What goes on and what does not: the rules of routes and the flight recorder, from YAML to target.

#![allow(clippy::unwrap_used, reason = "a test that fails to unwrap has failed")]

mod books;
mod recorder;
mod rules;

use std::time::Duration;

use rolog_host::config::{self, Env, PipelineSpec};
use rolog_host::{Host, MemoryRecord};

const LONG: Duration = Duration::from_secs(20);

fn spec(yaml: &str) -> PipelineSpec {
    let parsed = config::parse(yaml, "pipeline.yaml", "/nonexistent", &Env::empty());
    parsed.unwrap_or_else(|problems| panic!("{problems}"))
}

fn start(yaml: &str) -> Host {
    Host::builder().pipeline(spec(yaml)).start().unwrap()
}

/// A pipeline of one target and one route with this rule.
fn with(rule: &str) -> Host {
    start(&format!(
        "
version: 1
targets: {{ app: {{ plugin: memory, config: {{ max_records: 1000000 }} }} }}
routes: [{{ to: app, {rule} }}]
"
    ))
}

fn records(host: &Host, target: &str) -> Vec<MemoryRecord> {
    host.memory(target).unwrap().records()
}

fn said(records: &[MemoryRecord]) -> Vec<&str> {
    records.iter().map(|record| &*record.message).collect()
}

/// Ends the pipeline, and returns the records of its target.
fn end(host: &Host) -> Vec<MemoryRecord> {
    let memory = host.memory("app").unwrap();
    let report = host.dispose_blocking(LONG);
    assert!(report.is_complete() && report.ledger.balances(), "{report}");
    memory.records()
}
