//! What records carry when they leave: the fields of the pipeline, and nothing that it hides.

#![allow(clippy::unwrap_used, reason = "a test that fails to unwrap has failed")]

mod added;
mod bounds;
mod hidden;
mod refused;

use std::collections::BTreeMap;
use std::time::Duration;

use rolog_core::value::OwnedValue;
use rolog_host::config::{self, Env};
use rolog_host::{Host, MemoryRecord};

const LONG: Duration = Duration::from_secs(20);

fn yaml(sections: &str) -> String {
    format!(
        "
version: 1
levels: {{ '**': trace }}
targets:
  memory: {{ plugin: memory, flush: {{ interval: 10ms }} }}
routes: [ {{ to: memory }} ]
{sections}
"
    )
}

fn spec(sections: &str, env: &Env) -> config::PipelineSpec {
    config::parse(yaml(sections), "pipeline.yaml", "/nonexistent", env)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

fn host(sections: &str) -> Host {
    Host::builder()
        .pipeline(spec(sections, &Env::empty()))
        .start()
        .unwrap()
}

fn taken(host: &Host) -> Vec<MemoryRecord> {
    assert_eq!(host.flush_blocking(LONG), 0);
    let mut records = host.memory("memory").unwrap().take();
    records.retain(|record| record.logger != "rolog");
    records
}

fn one(host: &Host) -> MemoryRecord {
    let mut records = taken(host);
    assert_eq!(records.len(), 1, "{records:?}");
    records.remove(0)
}

fn text(value: &str) -> OwnedValue {
    OwnedValue::Str(value.to_owned())
}

fn fields(record: &MemoryRecord) -> BTreeMap<&str, &OwnedValue> {
    record
        .fields
        .iter()
        .map(|(key, value)| (&**key, value))
        .collect()
}
