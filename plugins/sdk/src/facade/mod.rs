//! The plugin's own `log`, `tracing` and `metrics`, led to the host.
//!
//! A loaded library has its own copies of these crates' statics, which nobody but the SDK can set:
//! without it, whatever the plugin or its dependencies say would be mute.

mod log;
mod metrics;
#[cfg(test)]
mod tests;
mod tracing;

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use rolog_core::Level;

/// The code of the least level that is handed over; above every level's for none.
static LEAST: AtomicU8 = AtomicU8::new(Level::Information.code());

/// Whether the facades are this library's own.
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Puts the facades in place, in a library that was just loaded.
pub(crate) fn install() {
    log::install();
    tracing::install();
    metrics::install();
    INSTALLED.store(true, Ordering::Release);
}

/// Sets the least level that is handed over.
pub(crate) fn set_level(level: u8) {
    LEAST.store(level, Ordering::Relaxed);
    // What is linked in shares these with the service, and must not change them.
    if INSTALLED.load(Ordering::Acquire) {
        log::set_level(level);
        tracing::level_changed();
    }
}

/// Whether a record of this level is handed over.
pub(crate) fn passes(level: Level) -> bool {
    level.code() >= LEAST.load(Ordering::Relaxed)
}
