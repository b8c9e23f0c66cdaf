//! Events and spans of the `tracing` crates.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rolog_core::bridge::tracing::{install, layer};
use rolog_core::context::{Context, InContext as _};
use rolog_core::value::OwnedValue;
use rolog_core::{Level, context, info};
use rolog_host::Host;
use tracing::instrument::{Instrument as _, WithSubscriber as _};
use tracing::{Dispatch, field};
use tracing_subscriber::prelude::*;

use super::{alone, keeping, kept, keys, messages, spec, text};

/// Only for this thread: tests stay apart.
fn dispatch(host: &Host) -> Dispatch {
    Dispatch::new(tracing_subscriber::registry().with(layer(host.factory())))
}

fn within<R>(host: &Host, work: impl FnOnce() -> R) -> R {
    tracing::dispatcher::with_default(&dispatch(host), work)
}

#[test]
fn an_event_keeps_its_level_target_message_fields_and_place() {
    let host = keeping("{ \"**\": trace }");
    let cause = std::io::Error::other("the disk is full");
    within(&host, || {
        tracing::warn!(
            target: "shop::db",
            { order = 42_u64, ratio = 0.5, name = %"north", state = ?Some(1), on = true,
              error = &cause as &dyn std::error::Error },
            "stored {} of {}", 1, 2
        );
        tracing::trace!(alone = -1);
    });
    let records = kept(&host);
    let record = &records[0];
    assert_eq!(
        (record.level, record.logger.as_str()),
        (Level::Warning, "shop::db")
    );
    assert_eq!(record.message, "stored 1 of 2");
    assert_eq!(
        record.fields,
        [
            ("order".to_owned(), OwnedValue::U64(42)),
            ("ratio".to_owned(), OwnedValue::F64(0.5)),
            ("name".to_owned(), text("north")),
            ("state".to_owned(), text("Some(1)")),
            ("on".to_owned(), OwnedValue::Bool(true)),
        ]
    );
    assert_eq!(record.error.as_ref().unwrap().text, "the disk is full");
    assert_eq!(records[1].message, "");
    assert_eq!(records[1].field("alone"), Some(&OwnedValue::I64(-1)));
}

#[test]
fn the_fields_of_spans_are_context_and_the_inner_and_own_ones_win() {
    let host = keeping("{ \"**\": info }");
    within(&host, || {
        let outer = tracing::info_span!("request", id = 1, user = "ann", step = field::Empty);
        outer.in_scope(|| {
            outer.record("step", "early");
            outer.record("step", "late");
            let inner = tracing::info_span!("query", id = 2, table = "orders");
            inner.in_scope(|| {
                tracing::info!(table = "own", "event");
                let log = host.factory().get_logger("macros");
                info!(log, "record", id = 3);
            });
            tracing::info!("between");
            tracing::info!(parent: None, "root");
            tracing::info!(parent: &inner, "adopted");
        });
        tracing::info!("outside");
    });
    let records = kept(&host);
    let of = |n: usize| {
        let field = |key| match records[n].field(key) {
            Some(OwnedValue::Str(text)) => text.clone(),
            Some(OwnedValue::I64(number)) => number.to_string(),
            None => String::new(),
            other => panic!("{other:?}"),
        };
        ["span", "id", "user", "step", "table"].map(field)
    };
    assert_eq!(of(0), ["request:query", "2", "ann", "late", "own"]);
    assert_eq!(of(1), ["request:query", "3", "ann", "late", "orders"]);
    assert_eq!(of(2), ["request", "1", "ann", "late", ""]);
    assert_eq!(of(3), ["", "", "", "", ""]);
    assert_eq!(of(4), ["request:query", "2", "ann", "late", "orders"]);
    assert_eq!(of(5), ["", "", "", "", ""]);
}

#[test]
fn a_span_that_crosses_threads_and_tasks_takes_its_fields_along() {
    let host = keeping("{ \"**\": info }");
    let log = host.factory().get_logger("macros");
    let dispatch = dispatch(&host);
    let span = tracing::dispatcher::with_default(&dispatch, || {
        tracing::info_span!("job", id = 7).in_scope(|| tracing::info_span!("part", n = 1))
    });
    let (theirs, other_log) = (dispatch.clone(), log.clone());
    let there = span.clone();
    std::thread::spawn(move || {
        tracing::dispatcher::with_default(&theirs, || {
            there.in_scope(|| info!(other_log, "elsewhere"));
        });
    })
    .join()
    .unwrap();

    // Two tasks on one thread, polled in turn: each has its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let task = |name: &'static str, log: rolog_core::Logger| async move {
        for _ in 0..3 {
            info!(log, "{name}", name = name);
            tokio::task::yield_now().await;
        }
    };
    runtime.block_on(
        async {
            let local = tokio::task::LocalSet::new();
            let a = local.spawn_local(
                task("a", log.clone())
                    .instrument(tracing::info_span!("task", own = "a"))
                    .with_current_subscriber(),
            );
            let b = local.spawn_local(task("b", log.clone()).in_context(context!(own = "b")));
            local.await;
            a.await.unwrap();
            b.await.unwrap();
        }
        .with_subscriber(dispatch.clone()),
    );
    // The registry closes the parent of a span through the subscriber that is there at that moment.
    tracing::dispatcher::with_default(&dispatch, || drop(span));
    let records = kept(&host);
    assert_eq!(records[0].field("id"), Some(&OwnedValue::I64(7)));
    assert_eq!(records[0].field("span"), Some(&text("job:part")));
    assert_eq!(records[1..].len(), 6);
    for record in &records[1..] {
        assert_eq!(record.field("own"), Some(&text(&record.message)));
    }
    assert!(Context::current().is_empty());
}

#[test]
fn a_disabled_event_is_off_at_its_call_site_and_a_reload_turns_it_on() {
    static READ: AtomicUsize = AtomicUsize::new(0);
    let _alone = alone();
    let yaml = |level: &str| {
        format!(
            "levels: {{ \"**\": {level} }}\ntargets:\n  kept: {{ plugin: memory }}\nroutes:\n  - to: kept\n"
        )
    };
    let event = || tracing::debug!(n = READ.fetch_add(1, Ordering::Relaxed), "event");
    let host = keeping("{ \"**\": info }");
    install(host.factory()).unwrap();
    event();
    event();
    assert_eq!(READ.load(Ordering::Relaxed), 0);

    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime
        .block_on(host.reconfigure(spec(&yaml("debug"))))
        .unwrap();
    event();
    assert_eq!(READ.load(Ordering::Relaxed), 1);
    assert_eq!(messages(&host), ["event"]);
    runtime
        .block_on(host.reconfigure(spec(&yaml("warning"))))
        .unwrap();
    event();
    assert_eq!(READ.load(Ordering::Relaxed), 1);
    // Spans from info on go on being context.
    tracing::info_span!("request", id = 1).in_scope(|| tracing::warn!("in it"));
    let records = kept(&host);
    assert_eq!(records.len(), 2);
    assert_eq!(keys(&records[1]), ["span", "id"]);

    // A second pipeline takes over.
    let second = keeping("{ \"**\": debug }");
    install(second.factory()).unwrap();
    event();
    assert_eq!(messages(&second), ["event"]);
    assert_eq!(messages(&host).len(), 2);
}

#[test]
fn the_layers_beside_it_get_what_the_pipeline_does_not_want() {
    struct Counts(Arc<AtomicUsize>);
    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Counts {
        fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let host = keeping("{ \"**\": error }");
    let count = Arc::new(AtomicUsize::new(0));
    let both = tracing_subscriber::registry()
        .with(layer(host.factory()))
        .with(Counts(Arc::clone(&count)));
    tracing::subscriber::with_default(both, || {
        tracing::debug!("for the other");
        tracing::error!("for both");
    });
    assert_eq!(count.load(Ordering::Relaxed), 2);
    assert_eq!(messages(&host), ["for both"]);
}

#[test]
fn of_deeply_nested_spans_all_fields_are_there() {
    const DEPTH: usize = 200;
    let host = keeping("{ \"**\": info }");
    within(&host, || {
        let mut spans = vec![tracing::info_span!("first", first = 1)];
        for n in 0..DEPTH {
            let parent = &spans[n];
            spans.push(tracing::info_span!(parent: parent, "next"));
        }
        tracing::info!(parent: &spans[DEPTH], "deep");
        // The innermost last: each keeps those around it.
        drop(spans);
    });
    let records = kept(&host);
    assert_eq!(records[0].field("first"), Some(&OwnedValue::I64(1)));
}

#[test]
fn the_ids_of_a_trace_stand_in_records_of_a_span() {
    fn ids() -> Option<rolog_core::context::TraceIds> {
        IN_TRACE.get().then_some(rolog_core::context::TraceIds {
            trace: 0xfeed,
            span: 0xbeef,
        })
    }
    thread_local! {
        static IN_TRACE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }
    assert!(rolog_core::context::set_trace_ids(ids));
    assert!(!rolog_core::context::set_trace_ids(ids));
    let host = keeping("{ \"**\": info }");
    let log = host.factory().get_logger("macros");
    IN_TRACE.set(true);
    within(&host, || {
        tracing::info!("event");
        tracing::info_span!("s").in_scope(|| info!(log, "record"));
    });
    IN_TRACE.set(false);
    within(&host, || tracing::info!("without"));
    let records = kept(&host);
    for record in &records[..2] {
        assert_eq!(
            record.field("trace_id"),
            Some(&text("0000000000000000000000000000feed"))
        );
        assert_eq!(record.field("span_id"), Some(&text("000000000000beef")));
    }
    assert_eq!(keys(&records[2]), [""; 0]);
}
