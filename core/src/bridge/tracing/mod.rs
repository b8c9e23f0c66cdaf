//! The `tracing` crates: events and spans into a pipeline, and a target that makes events.
//!
//! ```
//! # fn example(factory: &rolog_core::LoggerFactory) -> Result<(), rolog_core::Error> {
//! rolog_core::bridge::tracing::install(factory)?;
//!
//! let span = tracing::info_span!("order", id = 42);
//! span.in_scope(|| {
//!     tracing::info!(total = 19.99, "accepted");   // has `id`, `total`, and `span: "order"`
//! });
//! # Ok(())
//! # }
//! ```
//!
//! With other layers beside it, that of OpenTelemetry for instance, it is [`layer`]; its levels then
//! filter what it gets, and not what they get:
//!
//! ```
//! # fn example(factory: &rolog_core::LoggerFactory) {
//! use tracing_subscriber::prelude::*;
//!
//! let subscriber = tracing_subscriber::registry()
//!     .with(rolog_core::bridge::tracing::layer(factory));
//! # let _ = subscriber;
//! # }
//! ```
//!
//! **Which spans are followed.** Those from level info on, whatever the pipeline's levels are, because
//! they are the context of whatever is logged in them; those below it where their target's logger lets
//! their level through. A record has the fields of the span it is made in and of all around that one,
//! inner ones first, and `span` with their names, `outer:inner`.
//!
//! What holds for both facades stands in [the module above](super).

mod target;
mod visit;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tracing_core::callsite::rebuild_interest_cache;
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::subscriber::Interest;
use tracing_core::{Dispatch, Event, LevelFilter, Metadata, Subscriber, dispatcher};
use tracing_subscriber::filter::Filtered;
use tracing_subscriber::layer::{Context, Filter, Layer, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Registry};

pub use target::ToTracing;

use super::outlet::{Outlet, Place};
use crate::context::{self, Span};
use crate::error::Error;
use crate::factory::LoggerFactory;
use crate::level::Level;
use crate::logger::GateWatch;
use visit::{Fields, Pairs};

/// What [`install`] has put in place.
static INSTALLED: OnceLock<Arc<Shared>> = OnceLock::new();

/// One installation at a time.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Brings the events and spans of `tracing` into the pipeline of this factory, as the process' default
/// subscriber. Called again, it leads to the factory of the last call.
///
/// # Errors
/// Another default subscriber is there already; [`layer`] goes beside others.
pub fn install(factory: &LoggerFactory) -> Result<(), Error> {
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(shared) = INSTALLED.get() {
        shared.outlet.switch(factory);
        Shared::watch(shared);
        shared.gates_changed();
        return Ok(());
    }
    let shared = Shared::new(factory);
    let subscriber = Registry::default().with(of(&shared));
    dispatcher::set_global_default(Dispatch::new(subscriber)).map_err(|_| {
        Error::setting(
            "`tracing` has another default subscriber already: add `bridge::tracing::layer` to it, \
             or install the bridge before it",
        )
    })?;
    INSTALLED.get_or_init(|| shared);
    Ok(())
}

/// The bridge as a layer for a registry of `tracing-subscriber`, beside others.
pub fn layer<S>(factory: &LoggerFactory) -> Filtered<Bridge, Gates, S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    of(&Shared::new(factory))
}

fn of<S>(shared: &Arc<Shared>) -> Filtered<Bridge, Gates, S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let gates = Gates(Arc::clone(shared));
    Bridge(Arc::clone(shared)).with_filter(gates)
}

struct Shared {
    outlet: Outlet,
}

impl Shared {
    fn new(factory: &LoggerFactory) -> Arc<Self> {
        let shared = Arc::new(Shared {
            outlet: Outlet::new(factory),
        });
        Self::watch(&shared);
        shared
    }

    fn watch(shared: &Arc<Self>) {
        let watch: Arc<dyn GateWatch> = Arc::clone(shared) as _;
        shared.outlet.watch(Arc::downgrade(&watch));
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let own = level(*metadata.level());
        if metadata.is_span() && own >= Level::Information {
            return true;
        }
        // Without its place in the source: that is asked for once for each call site.
        let place = Place {
            target: metadata.target(),
            module: None,
            file: None,
            line: 0,
        };
        self.outlet.with(&place, |logger, _| logger.is_enabled(own))
    }
}

impl GateWatch for Shared {
    fn gates_changed(&self) {
        rebuild_interest_cache();
    }
}

/// The levels of the pipeline, as a filter of the bridge's layer.
pub struct Gates(Arc<Shared>);

impl<S> Filter<S> for Gates {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.0.wants(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.0.wants(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.0.outlet.least() {
            Some(Level::Trace) => LevelFilter::TRACE,
            Some(Level::Debug) => LevelFilter::DEBUG,
            // Spans from info on are followed in any case.
            _ => LevelFilter::INFO,
        })
    }
}

/// The layer that [`layer`] makes.
pub struct Bridge(Arc<Shared>);

impl<S> Layer<S> for Bridge
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, cx: Context<'_, S>) {
        let Some(span) = cx.span(id) else { return };
        let mut pairs = Pairs::default();
        attributes.record(&mut pairs);
        let parent = span
            .parent()
            .and_then(|parent| parent.extensions().get::<Arc<Span>>().cloned());
        let ours = Span::new(attributes.metadata().name(), pairs.into_bytes(), parent);
        span.extensions_mut().insert(Arc::new(ours));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, cx: Context<'_, S>) {
        if let Some(span) = find(id, &cx) {
            let mut pairs = Pairs::default();
            values.record(&mut pairs);
            span.record(&pairs.into_bytes());
        }
    }

    fn on_event(&self, event: &Event<'_>, cx: Context<'_, S>) {
        let metadata = event.metadata();
        let level = level(*metadata.level());
        let place = Place {
            target: metadata.target(),
            module: metadata.module_path(),
            file: metadata.file(),
            line: metadata.line().unwrap_or(0),
        };
        super::take(
            &self.0.outlet,
            &place,
            level,
            |parts| event.record(&mut Fields(parts)),
            |logger, site, parts| {
                let span = cx
                    .event_span(event)
                    .and_then(|span| span.extensions().get::<Arc<Span>>().cloned());
                logger.publish_event(site, level, parts, span.as_deref());
            },
        );
    }

    fn on_enter(&self, id: &Id, cx: Context<'_, S>) {
        if let Some(span) = find(id, &cx) {
            context::enter_span(&span);
        }
    }

    fn on_exit(&self, id: &Id, cx: Context<'_, S>) {
        if let Some(span) = find(id, &cx) {
            context::exit_span(&span);
        }
    }
}

fn find<S>(id: &Id, cx: &Context<'_, S>) -> Option<Arc<Span>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let span = cx.span(id)?;
    span.extensions().get::<Arc<Span>>().cloned()
}

fn level(level: tracing_core::Level) -> Level {
    match level {
        tracing_core::Level::ERROR => Level::Error,
        tracing_core::Level::WARN => Level::Warning,
        tracing_core::Level::INFO => Level::Information,
        tracing_core::Level::DEBUG => Level::Debug,
        tracing_core::Level::TRACE => Level::Trace,
    }
}
