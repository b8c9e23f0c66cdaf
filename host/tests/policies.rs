//! The policies of the pipeline file, at work in a host.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::time::Duration;

use rolog_core::delivery::{Class, Failure, Outcome};
use rolog_core::frame::Batch;
use rolog_core::{LogTarget, info};
use rolog_host::config::{self, Env, PipelineSpec};
use rolog_host::{Host, HostBuilder};
use rolog_plugin::prelude as sdk;

const LONG: Duration = Duration::from_secs(20);

fn spec(yaml: &str) -> PipelineSpec {
    config::parse(yaml, "pipeline.yaml", "/nonexistent", &Env::empty()).unwrap()
}

fn lines(builder: HostBuilder) -> Vec<String> {
    let error = builder.check().unwrap_err();
    assert!(error.is_config());
    error.problems().iter().map(ToString::to_string).collect()
}

/// A plugin that says of each instance whether it is to be alone.
struct Hermit;

#[derive(serde::Deserialize)]
struct Nothing {}

impl rolog_plugin::Target for Hermit {
    type Config = Nothing;

    fn validate(_: &Nothing, setup: &sdk::Setup) -> Result<sdk::Plan, sdk::ConfigError> {
        let plan = sdk::Plan::new();
        Ok(if setup.is_isolated() {
            plan.warning("alone")
        } else {
            plan
        })
    }

    async fn create(_: Nothing, _: sdk::Context) -> Result<Self, Failure> {
        Ok(Hermit)
    }

    async fn deliver(&self, _: &sdk::Batch, _: &sdk::Attempt) -> Outcome {
        Outcome::delivered()
    }
}

rolog_plugin::export_target!(Hermit, name = "hermit");

#[test]
fn isolation_reaches_the_plugin_of_that_target_alone() {
    let yaml = "
version: 1
targets:
  alone: { plugin: hermit, isolate: true }
  among: { plugin: hermit }
  stated: { plugin: hermit, isolate: false }
routes: [{ to: [alone, among, stated] }]
";
    let linked = || rolog_plugin::linked::<Hermit>();
    let builder = Host::builder().link(linked()).pipeline(spec(yaml));
    let warnings: Vec<String> = builder
        .check()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("targets.alone") && warnings[0].contains("alone"),
        "{warnings:?}"
    );
}

#[test]
fn isolation_is_refused_where_there_is_no_plugin_to_isolate() {
    let yaml = "
version: 1
targets:
  screen: { plugin: console, isolate: true }
  kept: { plugin: memory, isolate: true }
  nowhere: { plugin: 'null', isolate: true }
  own: { plugin: in-process, isolate: true }
  shared: { plugin: memory, isolate: false }
routes: [{ to: [screen, kept, nowhere, own, shared] }]
";
    let found = lines(Host::builder().target("own", Panics).pipeline(spec(yaml)));
    assert_eq!(
        found,
        [
            "pipeline.yaml:4:39: targets.screen.isolate: the built-in targets need no runtime; expected no `isolate` here, or a plugin",
            "pipeline.yaml:5:36: targets.kept.isolate: the built-in targets need no runtime; expected no `isolate` here, or a plugin",
            "pipeline.yaml:6:39: targets.nowhere.isolate: the built-in targets need no runtime; expected no `isolate` here, or a plugin",
            "pipeline.yaml:7:39: targets.own.isolate: the service's own targets have a thread and a runtime each anyway; expected no `isolate` here, or a plugin",
        ]
    );
}

struct Panics;

impl LogTarget for Panics {
    async fn log(&self, _: &Batch<'_>) -> Outcome {
        panic!("as it always does")
    }
}

/// One record at a target that panics, with a fallback and these flush settings.
fn one_record(flush: &str) -> (Host, u64) {
    let yaml = format!(
        "
version: 1
levels: {{ rolog: off }}
targets:
  own: {{ plugin: in-process, flush: {{ fallback: rescue, interval: 1ms, {flush} }} }}
  rescue: {{ plugin: memory }}
routes: [{{ to: own }}]
"
    );
    let builder = Host::builder().target("own", Panics).pipeline(spec(&yaml));
    let host = builder.start().unwrap();
    info!(host.factory().get_logger("a"), "one");
    assert_eq!(host.flush_blocking(LONG), 0);
    let failures = host
        .ledger()
        .target("own")
        .unwrap()
        .failures
        .get(Class::Panic);
    assert_eq!(host.memory("rescue").unwrap().records().len(), 1);
    (host, failures)
}

#[test]
fn an_instance_is_quarantined_after_as_many_panics_as_the_file_says() {
    let retry = "max_retries: 3, retry_delay: 1ms, breaker: off";
    let quarantines = |host: &Host| host.ledger().target("own").unwrap().quarantines;
    let (host, panics) = one_record(&format!("{retry}, quarantine_after: 2"));
    assert_eq!((panics, quarantines(&host)), (2, 1));
    let (host, panics) = one_record(&format!("{retry}, quarantine_after: off"));
    assert_eq!((panics, quarantines(&host)), (4, 0), "three retries");
}

#[test]
fn a_breaker_opens_after_as_many_failures_as_the_file_says() {
    // How many attempts a second record costs.
    let second = |breaker: &str| {
        let retry = "max_retries: 3, retry_delay: 1ms, quarantine_after: off";
        let (host, first) = one_record(&format!("{retry}, breaker: {breaker}"));
        info!(host.factory().get_logger("a"), "two");
        assert_eq!(host.flush_blocking(LONG), 0);
        assert_eq!(host.memory("rescue").unwrap().records().len(), 2);
        host.ledger().target("own").unwrap().attempts - first
    };
    assert_eq!(second("{ failures: 4, probe: 1h, max_probe: 1h }"), 0);
    assert_eq!(second("off"), 4);
}

#[test]
fn a_batch_is_given_up_when_its_time_is_over() {
    let give_up = "max_retries: 1000, retry_delay: 1s, breaker: off, quarantine_after: off, \
                   retry: { kind: exponential, jitter: 0, give_up_after: 1500ms }";
    let (_host, panics) = one_record(give_up);
    assert_eq!(
        panics, 2,
        "the third would start 3 s after the first failure"
    );
}
