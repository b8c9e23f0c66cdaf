//! What the service does itself while a reload is under way.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::sync::OnceLock;
use std::time::Duration;

use rolog_core::delivery::{Failure, Outcome};
use rolog_core::frame::Batch;
use rolog_core::{Level, LogTarget, LoggerFactory, info};
use rolog_host::config::{self, Env};
use rolog_host::{Host, Memory};
use rolog_plugin::prelude as sdk;

const LONG: Duration = Duration::from_secs(30);

/// A target of the service's own, named as one of the configuration.
#[derive(Default, Clone)]
struct Own(Memory);

impl LogTarget for Own {
    fn name(&self) -> String {
        "app".into()
    }

    async fn log(&self, records: &Batch<'_>) -> Outcome {
        self.0.log(records).await
    }
}

/// Where the service adds its target while an [`Overtaken`] is made.
static SERVICE: OnceLock<(LoggerFactory, Own)> = OnceLock::new();

struct Overtaken;

#[derive(serde::Deserialize)]
struct Nothing {}

impl rolog_plugin::Target for Overtaken {
    type Config = Nothing;

    async fn create(_: Nothing, _: sdk::Context) -> Result<Self, Failure> {
        let (factory, own) = SERVICE.get().expect("it is set before the reload");
        factory.add_target(own.clone(), Level::Debug).unwrap();
        Ok(Overtaken)
    }

    async fn deliver(&self, _: &sdk::Batch, _: &sdk::Attempt) -> Outcome {
        Outcome::delivered()
    }
}

rolog_plugin::export_target!(Overtaken, name = "overtaken");

#[test]
fn a_target_that_the_service_adds_while_one_of_its_name_is_made_stays() {
    let builder = Host::builder().link(rolog_plugin::linked::<Overtaken>());
    let host = builder.start().unwrap();
    let own = Own::default();
    let service = (host.factory().clone(), own.clone());
    assert!(SERVICE.set(service).is_ok());
    let yaml = "
version: 1
targets: { app: { plugin: overtaken } }
routes: [{ to: app }]
";
    let spec = config::parse(yaml, "pipeline.yaml", "/nonexistent", &Env::empty()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let refused = runtime.unwrap().block_on(host.reconfigure(spec));
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("3:17: targets.app: the service has added"),
        "{refused}"
    );
    info!(host.factory().get_logger("shop"), "arrives");
    let report = host.dispose_blocking(LONG);
    assert!(report.is_complete() && report.ledger.balances(), "{report}");
    let arrived = |record: &rolog_host::MemoryRecord| record.message == "arrives";
    assert!(own.0.records().iter().any(arrived));
}
