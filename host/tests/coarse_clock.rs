//! The coarse clock by the pipeline file: chosen once for the process, and not changed while it runs.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::time::{Duration, SystemTime};

use rolog_core::clock::{Counter, counter};
use rolog_core::info;
use rolog_host::Host;
use rolog_host::config::{self, Env, PipelineSpec};

fn spec(clock: &str) -> PipelineSpec {
    let yaml = format!(
        "version: 1\ntargets: {{ kept: {{ plugin: memory }} }}\nroutes: [{{ to: kept }}]\n{clock}"
    );
    let spec = config::parse(yaml, "pipeline.yaml", "/", &Env::empty());
    spec.unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn a_pipeline_file_chooses_the_coarse_clock_before_the_first_call() {
    let host = Host::builder().pipeline(spec("clock: coarse\n"));
    let host = host.start().unwrap();
    assert_eq!(host.warnings(), []);
    assert_eq!(counter(), Counter::Coarse);
    info!(host.factory().get_logger("shop"), "now");
    assert_eq!(host.flush_blocking(Duration::from_mins(1)), 0);
    let record = host.memory("kept").unwrap().records().pop().unwrap();
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let behind = since.unwrap().as_nanos() as i64 - record.time.nanos();
    assert!(behind < 60_000_000_000, "{behind} ns");

    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let changed = runtime.unwrap().block_on(host.reconfigure(spec("")));
    let error = changed.unwrap_err().to_string();
    assert!(
        error.contains("clock: the clock of calls cannot change while the pipeline runs"),
        "{error}"
    );
    assert!(host.dispose_blocking(Duration::from_mins(1)).is_complete());
}
