//! Events of the `tracing` crates. Spans are not followed: an event carries its own fields.

use std::error::Error;
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use rolog_core::Level;
use rolog_core::capture::{Captured as _, ErrorArg};
use rolog_core::value::Encoder;
use tracing_core::callsite::rebuild_interest_cache;
use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::subscriber::Interest;
use tracing_core::{Dispatch, Event, LevelFilter, Metadata, Subscriber};

use crate::hosted;

#[derive(Default)]
struct ToHost {
    spans: AtomicU64,
}

pub(super) fn install() {
    // It fails only where the plugin has set a subscriber of its own before; then that one stays.
    let _ = tracing_core::dispatcher::set_global_default(Dispatch::new(ToHost::default()));
}

pub(super) fn level_changed() {
    rebuild_interest_cache();
}

impl Subscriber for ToHost {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        // Whether it passes may change with `set_level`; that is asked each time.
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        super::passes(level(*metadata.level()))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        use tracing_core::Level as Theirs;
        [
            Theirs::TRACE,
            Theirs::DEBUG,
            Theirs::INFO,
            Theirs::WARN,
            Theirs::ERROR,
        ]
        .into_iter()
        .find(|theirs| super::passes(level(*theirs)))
        .map(LevelFilter::from_level)
        .or(Some(LevelFilter::OFF))
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = String::new();
        let fields = hosted::fields(|fields| {
            event.record(&mut Visitor {
                message: &mut message,
                fields,
            });
        });
        let metadata = event.metadata();
        hosted::log(
            level(*metadata.level()),
            metadata.target(),
            &message,
            &fields,
        );
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Visitor<'v, 'b> {
    message: &'v mut String,
    fields: &'v mut Encoder<'b>,
}

impl Visit for Visitor<'_, '_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.fields.key(field.name()).f64(value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.key(field.name()).i64(value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.key(field.name()).u64(value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.fields.key(field.name()).i128(value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.fields.key(field.name()).u128(value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.key(field.name()).bool(value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.fields.key(field.name()).str(value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        ErrorArg(value).encode(self.fields.key(field.name()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            self.fields.key(field.name()).str(&format!("{value:?}"));
        }
    }
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

#[cfg(test)]
mod tests {
    use rolog_core::value::OwnedValue;
    use tracing_core::callsite::Callsite;
    use tracing_core::{Kind, metadata};

    use super::*;
    use crate::facade::tests::read;

    struct Site;

    static SITE: Site = Site;
    static METADATA: Metadata<'static> = metadata! {
        name: "event",
        target: "here",
        level: tracing_core::Level::WARN,
        fields: &["cause"],
        callsite: &SITE,
        kind: Kind::EVENT
    };

    impl Callsite for Site {
        fn set_interest(&self, _: Interest) {}

        fn metadata(&self) -> &Metadata<'_> {
            &METADATA
        }
    }

    /// Its source is itself. Asked more often than anybody should, it fails the test.
    #[derive(Debug, Default)]
    struct Endless(AtomicU64);

    impl fmt::Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("again")
        }
    }

    impl Error for Endless {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            assert!(self.0.fetch_add(1, Ordering::Relaxed) < 1000, "no end");
            Some(self)
        }
    }

    #[test]
    fn an_error_that_is_its_own_source_comes_to_an_end() {
        let mut message = String::new();
        let fields = hosted::fields(|fields| {
            let message = &mut message;
            let field = METADATA.fields().field("cause").unwrap();
            Visitor { message, fields }.record_error(&field, &Endless::default());
        });
        let fields = read(&fields);
        let ("cause", OwnedValue::Error(cause)) = (&*fields[0].0, &fields[0].1) else {
            panic!("{fields:?}");
        };
        assert_eq!((&*cause.text, cause.sources.len()), ("again", 32));
    }
}
