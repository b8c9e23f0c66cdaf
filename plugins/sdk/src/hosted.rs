//! The host, as this library sees it: its functions, and what they are called with.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use abi_stable::std_types::{RSlice, RStr};
use rolog_core::Level;
use rolog_core::feedback::PluginVoice;
use rolog_core::value::Encoder;

use crate::abi::{HostCallsRef, MetricOp};
use crate::scope::{self, Instance};

static CALLS: OnceLock<HostCallsRef> = OnceLock::new();
static LIBRARY: AtomicU64 = AtomicU64::new(0);

/// Sets the host's functions. The first host of the process stays.
pub(crate) fn attach(calls: HostCallsRef, library: u64) -> bool {
    let first = CALLS.set(calls).is_ok();
    if first {
        LIBRARY.store(library, Ordering::Release);
        // A plugin that is linked in shares the facades with the service; what its code says through
        // a bridge of the service is still the plugin's.
        rolog_core::feedback::set_plugin_voice(PluginVoice {
            speaks: || scope::current() != Instance::NONE,
            log,
        });
    }
    first
}

/// Hands the host a record of the instance whose code runs here.
pub(crate) fn log(level: Level, logger: &str, message: &str, fields: &[u8]) {
    log_as(scope::current(), level, logger, message, fields);
}

/// Hands the host a record of this instance.
pub(crate) fn log_as(instance: Instance, level: Level, logger: &str, message: &str, fields: &[u8]) {
    if let Some(calls) = CALLS.get() {
        calls.log()(
            speaker(instance),
            level.code(),
            RStr::from_str(logger),
            RStr::from_str(message),
            RSlice::from_slice(fields),
        );
    }
}

/// Encodes fields the way that a frame holds them: pairs of key and value.
pub(crate) fn fields(fill: impl FnOnce(&mut Encoder<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    fill(&mut Encoder::new(&mut bytes));
    bytes
}

/// Tells the host a step of a metric.
pub(crate) fn metric(op: MetricOp, name: &str, labels: &[u8], value: u64) {
    if let Some(calls) = CALLS.get() {
        calls.metric()(
            speaker(scope::current()),
            op as u8,
            RStr::from_str(name),
            RSlice::from_slice(labels),
            value,
        );
    }
}

/// Tells the host what a metric means.
pub(crate) fn describe_metric(name: &str, unit: &str, description: &str) {
    if let Some(describe) = CALLS.get().and_then(HostCallsRef::describe_metric) {
        describe(
            speaker(scope::current()),
            RStr::from_str(name),
            RStr::from_str(unit),
            RStr::from_str(description),
        );
    }
}

/// Reports a panic that no call can report.
pub(crate) fn panicked(instance: Instance, place: &str, text: &str) {
    if let Some(calls) = CALLS.get() {
        calls.panicked()(
            speaker(instance),
            RStr::from_str(place),
            RStr::from_str(text),
        );
    }
}

fn speaker(instance: Instance) -> u64 {
    if instance == Instance::NONE {
        LIBRARY.load(Ordering::Acquire)
    } else {
        instance.0
    }
}
