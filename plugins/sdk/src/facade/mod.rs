//! The plugin's own `log`, `tracing` and `metrics`, led to the host.
//!
//! A loaded library has its own copies of these crates' statics, which nobody but the SDK can set:
//! without it, whatever the plugin or its dependencies say would be mute.

mod log;
mod metrics;
mod tracing;

use std::sync::atomic::{AtomicU8, Ordering};

use rolog_core::Level;

/// The code of the least level that is handed over; above every level's for none.
static LEAST: AtomicU8 = AtomicU8::new(Level::Information.code());

/// Puts the facades in place, in a library that was just loaded.
pub(crate) fn install(level: u8) {
    LEAST.store(level, Ordering::Relaxed);
    log::install(level);
    tracing::install();
    metrics::install();
}

/// Sets the least level that is handed over.
pub(crate) fn set_level(level: u8) {
    LEAST.store(level, Ordering::Relaxed);
    log::set_level(level);
    tracing::level_changed();
}

fn passes(level: Level) -> bool {
    level.code() >= LEAST.load(Ordering::Relaxed)
}
