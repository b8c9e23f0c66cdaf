//! At home with `log` and `tracing`: what is said through them reaches the pipeline, under its levels
//! and routes, with the context that it was said in; and the other way round, without circles.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod backtraces;
mod capture;
mod context;
mod from_log;
mod from_tracing;
mod levels;
mod outward;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rolog_core::value::OwnedValue;
use rolog_host::config::{self, Env, PipelineSpec};
use rolog_host::{Host, MemoryRecord};

/// Longer than anything takes that does not hang.
const LONG: Duration = Duration::from_mins(1);

/// `log` has one logger, and `tracing` one default subscriber, in the whole process.
static ONE_BY_ONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spec(yaml: &str) -> PipelineSpec {
    let yaml = format!("version: 1\n{yaml}");
    let spec = config::parse(&yaml, "pipeline.yaml", "/nonexistent", &Env::empty());
    spec.unwrap_or_else(|problems| panic!("{problems}"))
}

fn host(yaml: &str) -> Host {
    Host::builder().pipeline(spec(yaml)).start().unwrap()
}

/// A pipeline that keeps everything from these levels on in the target `kept`.
fn keeping(levels: &str) -> Host {
    host(&format!(
        "levels: {levels}\ntargets:\n  kept: {{ plugin: memory }}\nroutes:\n  - to: kept\n"
    ))
}

/// Everything that was logged before, as the target `kept` has it; not what the pipeline says itself.
fn kept(host: &Host) -> Vec<MemoryRecord> {
    assert_eq!(host.flush_blocking(LONG), 0);
    let records = host.memory("kept").unwrap().records();
    records
        .into_iter()
        .filter(|record| record.logger != "rolog")
        .collect()
}

fn messages(host: &Host) -> Vec<String> {
    kept(host)
        .into_iter()
        .map(|record| record.message)
        .collect()
}

fn text(text: &str) -> OwnedValue {
    OwnedValue::Str(text.to_owned())
}

/// The keys of a record's data.
fn keys(record: &MemoryRecord) -> Vec<&str> {
    record.fields.iter().map(|(key, _)| key.as_str()).collect()
}
