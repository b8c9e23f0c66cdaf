//! Targets that write to `log` and `tracing`, and circles that do not close.

use std::sync::{Arc, Mutex};

use rolog_core::bridge::{log as log_bridge, tracing as tracing_bridge};
use rolog_core::delivery::Outcome;
use rolog_core::frame::Batch;
use rolog_core::{Level, LogTarget, exception, info, warning};
use rolog_host::Host;
use rolog_host::stage::TargetRow;
use tracing::field::{Field, Visit};
use tracing_subscriber::prelude::*;

use super::{LONG, alone, keeping, kept, messages};

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(String, String, String)>>>);

impl Seen {
    fn take(&self) -> Vec<(String, String, String)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Seen {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                use std::fmt::Write as _;
                write!(self.0, "{}={value:?} ", field.name()).unwrap();
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        let metadata = event.metadata();
        self.0.lock().unwrap().push((
            metadata.level().to_string(),
            metadata.target().to_owned(),
            text.0.trim_end().to_owned(),
        ));
    }
}

fn row(host: &Host, target: &str) -> TargetRow {
    let ledger = host.ledger();
    let found = ledger.targets.iter().find(|(name, _)| name == target);
    found.unwrap().1.clone()
}

#[test]
fn records_become_events_with_their_fields() {
    struct OnThisThread(Arc<Mutex<Vec<Vec<u8>>>>);
    impl LogTarget for OnThisThread {
        async fn log(&self, records: &Batch<'_>) -> Outcome {
            let mut builder = rolog_core::frame::BatchBuilder::new(1);
            for record in records.records() {
                builder.push_record(&record, None);
            }
            self.0.lock().unwrap().push(builder.finish());
            Outcome::delivered()
        }
    }
    let host = Host::builder().start().unwrap();
    let batches = Arc::default();
    let keeper = OnThisThread(Arc::clone(&batches));
    host.factory().add_target(keeper, Level::Trace).unwrap();
    let log = host.factory().get_logger("shop.db");
    info!(
        log,
        "order {id}",
        id = 42,
        name = "north",
        on = true,
        list = vec!["a", "b"]
    );
    let error = std::io::Error::other("full");
    exception!(log, error, "failed");
    assert_eq!(host.flush_blocking(LONG), 0);

    let seen = Seen::default();
    let subscriber = tracing_subscriber::registry().with(seen.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let give = |target: &tracing_bridge::ToTracing| {
        for bytes in batches.lock().unwrap().iter() {
            let batch = Batch::parse(bytes).unwrap();
            let outcome = runtime.block_on(LogTarget::log(target, &batch));
            assert!(outcome.is_delivered());
        }
    };
    tracing::subscriber::with_default(subscriber, || {
        give(&tracing_bridge::ToTracing::by_logger());
        give(&tracing_bridge::ToTracing::fixed("legacy"));
    });
    let seen = seen.take();
    assert_eq!(
        (seen[0].0.as_str(), seen[0].1.as_str()),
        ("INFO", "shop::db")
    );
    assert_eq!(
        seen[0].2,
        "message=\"order 42\" id=42 name=\"north\" on=true list=\"[\\\"a\\\", \\\"b\\\"]\""
    );
    assert_eq!(seen[1].0, "ERROR");
    assert!(
        seen[1].2.contains("error=") && seen[1].2.contains("full"),
        "{}",
        seen[1].2
    );
    assert_eq!(seen[2].1, "legacy");
    assert!(seen[2].2.contains("logger=\"shop.db\""), "{}", seen[2].2);
}

#[test]
fn both_directions_at_once_make_no_circle() {
    let _alone = alone();
    let host = keeping("{ \"**\": info }");
    log_bridge::install(host.factory()).unwrap();
    tracing_bridge::install(host.factory()).unwrap();
    let factory = host.factory();
    factory
        .add_target(log_bridge::ToLog::by_logger(), Level::Trace)
        .unwrap();
    factory
        .add_target(tracing_bridge::ToTracing::by_logger(), Level::Trace)
        .unwrap();
    log::info!("from log");
    tracing::info!("from tracing");
    let log = factory.get_logger("shop");
    warning!(log, "from a macro");
    for _ in 0..3 {
        assert_eq!(host.flush_blocking(LONG), 0);
    }
    assert_eq!(
        messages(&host),
        ["from log", "from tracing", "from a macro"]
    );
    assert_eq!(row(&host, "log").delivered, 3);
}

#[test]
fn a_target_that_logs_at_each_delivery_does_not_feed_itself() {
    struct Chatty(rolog_core::Logger);
    impl LogTarget for Chatty {
        fn name(&self) -> String {
            "chatty".to_owned()
        }
        async fn log(&self, records: &Batch<'_>) -> Outcome {
            log::info!(target: "client", "delivering {} through log", records.len());
            tracing::info!(target: "client", "delivering {} through tracing", records.len());
            info!(self.0, "delivering {n} through a macro", n = records.len());
            Outcome::delivered()
        }
    }
    let _alone = alone();
    let host = keeping("{ \"**\": info }");
    log_bridge::install(host.factory()).unwrap();
    tracing_bridge::install(host.factory()).unwrap();
    let own = host.factory().get_logger("client");
    host.factory()
        .add_target(Chatty(own), Level::Information)
        .unwrap();
    let log = host.factory().get_logger("shop");
    info!(log, "first");
    for _ in 0..5 {
        assert_eq!(host.flush_blocking(LONG), 0);
    }
    // The other target hears of each delivery; the target itself does not, and so makes no more.
    let records = kept(&host);
    let said: Vec<&str> = records
        .iter()
        .map(|record| record.message.as_str())
        .collect();
    assert_eq!(
        said,
        [
            "first",
            "delivering 1 through log",
            "delivering 1 through tracing",
            "delivering 1 through a macro"
        ]
    );
    assert_eq!(
        records[3].template.as_deref(),
        Some("delivering {n} through a macro")
    );
    assert_eq!(row(&host, "chatty").accepted, 1);
}
