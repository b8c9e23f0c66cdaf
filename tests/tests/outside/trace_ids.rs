//! The ids of real OpenTelemetry traces in records, by the crates that services use for them.

use std::time::Duration;

use opentelemetry::trace::{TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::trace::SdkTracerProvider;
use rolog_core::bridge::tracing as bridge;
use rolog_core::value::OwnedValue;
use rolog_core::{context, info};
use rolog_host::config::{self, Env};
use rolog_host::{Host, MemoryRecord};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::prelude::*;

const YAML: &str = "
version: 1
levels: { '**': info }
targets: { kept: { plugin: memory } }
routes: [{ to: kept }]
";

/// The ids in a record, as it has them.
fn ids(record: &MemoryRecord) -> Option<(String, String)> {
    let text = |key| match record.field(key) {
        Some(OwnedValue::Str(text)) => Some(text.clone()),
        _ => None,
    };
    Some((text("trace_id")?, text("span_id")?))
}

#[test]
fn records_within_spans_of_opentelemetry_have_their_ids() {
    let spec = config::parse(YAML, "pipeline.yaml", "/", &Env::empty());
    let spec = spec.unwrap_or_else(|problems| panic!("{problems}"));
    let host = Host::builder().pipeline(spec).start().unwrap();
    assert!(context::set_trace_ids(rolog_core::opentelemetry_ids!()));
    let log = host.factory().get_logger("shop");
    let provider = SdkTracerProvider::builder().build();
    let tracer = provider.tracer("test");
    let mut expected = Vec::new();
    let told = |context: &opentelemetry::Context| {
        let span = context.span();
        let ids = span.span_context();
        assert!(ids.is_valid());
        Some((ids.trace_id().to_string(), ids.span_id().to_string()))
    };

    // By OpenTelemetry's own interface: records of the bridges, and of loggers within a context.
    info!(log, "before");
    expected.push(None);
    tracer.in_span("request", |context| {
        let bridge = tracing_subscriber::registry().with(bridge::layer(host.factory()));
        tracing::subscriber::with_default(bridge, || tracing::info!("within"));
        expected.push(told(&context));
        let _entered = context!(job = "sweep").enter();
        tracer.in_span("query", |context| {
            info!(log, "deeper");
            expected.push(told(&context));
        });
    });

    // Through `tracing`, with the layer that makes OpenTelemetry's spans of its own.
    let layers = tracing_subscriber::registry()
        .with(tracing_opentelemetry::layer().with_tracer(tracer))
        .with(bridge::layer(host.factory()));
    tracing::subscriber::with_default(layers, || {
        let outer = tracing::info_span!("job", number = 7);
        outer.in_scope(|| {
            tracing::info!("an event");
            expected.push(told(&outer.context()));
            let inner = tracing::info_span!("step");
            inner.in_scope(|| {
                info!(log, "by a logger");
                expected.push(told(&inner.context()));
            });
            tracing::info!("outside again");
            expected.push(told(&outer.context()));
        });
        tracing::info!("after");
        expected.push(None);
    });

    assert_eq!(host.flush_blocking(Duration::from_mins(1)), 0);
    let records = host.memory("kept").unwrap().records();
    let records = records.iter().filter(|record| record.logger != "rolog");
    let found: Vec<_> = records.map(ids).collect();
    assert_eq!(found, expected);
    assert_eq!(found[1].as_ref().unwrap().0, found[2].as_ref().unwrap().0);
    assert_ne!(found[1].as_ref().unwrap().1, found[2].as_ref().unwrap().1);
}
