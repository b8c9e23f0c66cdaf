//! Records of the `log` crate.

use log::{LevelFilter, Log, Metadata, Record};
use rolog_core::Level;

use crate::hosted;

struct ToHost;

pub(super) fn install() {
    // It fails only where the plugin has set a logger of its own before; then that one stays.
    let _ = log::set_logger(&ToHost);
}

pub(super) fn set_level(level: u8) {
    let filter = [
        (Level::Trace, LevelFilter::Trace),
        (Level::Debug, LevelFilter::Debug),
        (Level::Information, LevelFilter::Info),
        (Level::Warning, LevelFilter::Warn),
        (Level::Critical, LevelFilter::Error),
    ]
    .into_iter()
    .find(|(at, _)| level <= at.code())
    .map_or(LevelFilter::Off, |(_, filter)| filter);
    log::set_max_level(filter);
}

impl Log for ToHost {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        super::passes(level(metadata.level()))
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let written;
        let message = if let Some(literal) = record.args().as_str() {
            literal
        } else {
            written = record.args().to_string();
            &written
        };
        hosted::log(level(record.level()), record.target(), message, &[]);
    }

    fn flush(&self) {}
}

fn level(level: log::Level) -> Level {
    match level {
        log::Level::Error => Level::Error,
        log::Level::Warn => Level::Warning,
        log::Level::Info => Level::Information,
        log::Level::Debug => Level::Debug,
        log::Level::Trace => Level::Trace,
    }
}
