//! The last words of a service that panics.

use std::panic::PanicHookInfo;
use std::sync::Weak;
use std::time::Duration;

use rolog_core::logger::is_capturing;
use rolog_core::{Level, LoggerFactory};

use crate::in_process::panic_text;
use crate::pipeline::Pipeline;

/// Puts a hook before the one that there is: a panic becomes a record of level critical of the logger
/// `panic`, and the panicking thread waits for its delivery, at most `most`.
///
/// A thread of the pipeline itself does not wait, for nobody else would deliver; neither does one
/// that panics in a value which it is logging, for that panic is caught there.
pub(crate) fn install(pipeline: Weak<Pipeline>, factory: LoggerFactory, most: Duration) {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !is_capturing()
            && let Some(running) = pipeline.upgrade().filter(|p| !p.is_forked())
        {
            record(&factory, info);
            if !is_ours(std::thread::current().name()) {
                running.flush_and_wait(most);
            }
        }
        before(info);
    }));
}

fn record(factory: &LoggerFactory, info: &PanicHookInfo<'_>) {
    let log = factory.get_logger("panic");
    let thread = std::thread::current();
    let record = log
        .record(Level::Critical, "a thread panicked")
        .field("panic", panic_text(info.payload()))
        .field("panicked_thread", thread.name().unwrap_or_default());
    match info.location() {
        Some(at) => record
            .field("panic_file", at.file())
            .field("panic_line", at.line())
            .send(),
        None => record.send(),
    }
}

/// Whether a thread of this name belongs to a pipeline: all of those begin alike.
fn is_ours(name: Option<&str>) -> bool {
    name.is_some_and(|name| name.starts_with("rolog"))
}
