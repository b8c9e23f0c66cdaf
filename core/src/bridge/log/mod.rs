//! The `log` crate: its records into a pipeline, and a target that writes to it.
//!
//! ```
//! # fn example(factory: &rolog_core::LoggerFactory) -> Result<(), rolog_core::Error> {
//! rolog_core::bridge::log::install(factory)?;
//! log::info!(target: "shop::db", order = 42; "stored");   // the logger `shop.db`
//! # Ok(())
//! # }
//! ```
//!
//! What holds for both facades stands in [the module above](super).

mod target;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ::log::kv::{self, Key, Value, VisitSource};
use ::log::{LevelFilter, Log, Metadata, Record};

pub use target::ToLog;

use super::outlet::{Outlet, Place};
use crate::capture::{Captured as _, SerdeArg};
use crate::error::Error;
use crate::factory::LoggerFactory;
use crate::level::Level;
use crate::logger::{GateWatch, Parts};

static BRIDGE: OnceLock<Arc<Bridge>> = OnceLock::new();

/// One installation at a time.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Brings everything that is logged through `log` into the pipeline of this factory. Called again, it
/// leads to the factory of the last call.
///
/// # Errors
/// Another logger is there already.
pub fn install(factory: &LoggerFactory) -> Result<(), Error> {
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let bridge = if let Some(bridge) = BRIDGE.get() {
        bridge.outlet.switch(factory);
        bridge
    } else {
        let bridge = Arc::new(Bridge {
            outlet: Outlet::new(factory),
        });
        ::log::set_boxed_logger(Box::new(Front(Arc::clone(&bridge)))).map_err(|_| {
            Error::setting(
                "the `log` crate has another logger already: install the bridge before it, or not \
                 the other one",
            )
        })?;
        BRIDGE.get_or_init(|| bridge)
    };
    let watch: Arc<dyn GateWatch> = Arc::clone(bridge) as _;
    bridge.outlet.watch(Arc::downgrade(&watch));
    bridge.gates_changed();
    Ok(())
}

struct Bridge {
    outlet: Outlet,
}

/// What `log` holds.
struct Front(Arc<Bridge>);

impl GateWatch for Bridge {
    fn gates_changed(&self) {
        ::log::set_max_level(match self.outlet.least() {
            Some(Level::Trace) => LevelFilter::Trace,
            Some(Level::Debug) => LevelFilter::Debug,
            Some(Level::Information) => LevelFilter::Info,
            Some(Level::Warning) => LevelFilter::Warn,
            // Nothing of `log` is critical.
            Some(Level::Error) => LevelFilter::Error,
            Some(Level::Critical) | None => LevelFilter::Off,
        });
    }
}

impl Log for Front {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let place = Place {
            target: metadata.target(),
            module: None,
            file: None,
            line: 0,
        };
        let level = level(metadata.level());
        self.0
            .outlet
            .with(&place, |logger, _| logger.is_enabled(level))
    }

    fn log(&self, record: &Record<'_>) {
        let place = Place {
            target: record.target(),
            module: record.module_path_static(),
            file: record.file_static(),
            line: record.line().unwrap_or(0),
        };
        let level = level(record.level());
        super::take(
            &self.0.outlet,
            &place,
            level,
            |parts| fill(record, parts),
            |logger, site, parts| logger.publish_parts(site, level, parts),
        );
    }

    fn flush(&self) {}
}

fn fill(record: &Record<'_>, parts: &mut Parts) {
    parts.message(*record.args());
    // Reading them fails only where they say so themselves; what came before stays.
    let _ = record.key_values().visit(&mut Fields(parts));
}

struct Fields<'p>(&'p mut Parts);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        match value.to_borrowed_error() {
            Some(error) => self.0.error(key.as_str(), error),
            None => SerdeArg(&value).encode(&mut self.0.field(key.as_str())),
        }
        Ok(())
    }
}

fn level(level: ::log::Level) -> Level {
    match level {
        ::log::Level::Error => Level::Error,
        ::log::Level::Warn => Level::Warning,
        ::log::Level::Info => Level::Information,
        ::log::Level::Debug => Level::Debug,
        ::log::Level::Trace => Level::Trace,
    }
}
