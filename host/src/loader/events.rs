//! What plugins say to their host: records, metrics, and panics that no call reports.
//!
//! The functions that plugins call stay valid for as long as the process lives. Whom they speak for
//! is a number; one that nobody knows any more, or whose pipeline is gone, makes the call a no-op.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock, Weak};

use abi_stable::prefix_type::WithMetadata;
use abi_stable::std_types::{RSlice, RStr};
use rolog_core::Level;
use rolog_core::value::Map;
use rolog_plugin::abi::{HostCalls, HostCallsRef, MetricOp};

/// Receives what plugins say. Called on the plugins' threads: it must neither block nor call back
/// into a plugin.
pub trait PluginEvents: Send + Sync {
    /// A record of the plugin's own logging.
    fn log(&self, from: &Speaker, level: Level, logger: &str, message: &str, fields: Map<'_>) {
        let _ = (from, level, logger, message, fields);
    }

    /// A step of a metric, with its labels. `value` is the number itself for counters, and the bits
    /// of an `f64` for gauges and histograms.
    fn metric(&self, from: &Speaker, op: MetricOp, name: &str, labels: Map<'_>, value: u64) {
        let _ = (from, op, name, labels, value);
    }

    /// What a metric means, and its unit in the words of the `metrics` crate, or nothing.
    fn describe_metric(&self, from: &Speaker, name: &str, unit: &str, description: &str) {
        let _ = (from, name, unit, description);
    }

    /// A panic in a task or a `Drop`, which no call reports.
    fn panicked(&self, from: &Speaker, place: &str, text: &str) {
        let _ = (from, place, text);
    }
}

/// Hears nothing.
impl PluginEvents for () {}

/// Who says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speaker {
    plugin: String,
    target: Option<String>,
}

impl Speaker {
    /// The plugin's name.
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// The target whose instance speaks, where that can be told.
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }
}

struct Listener {
    speaker: Speaker,
    events: Weak<dyn PluginEvents>,
}

/// The number of a library stands in the upper half, that of its instance in the lower; 0 there
/// speaks for the library.
static LISTENERS: LazyLock<RwLock<HashMap<u64, Arc<Listener>>>> = LazyLock::new(RwLock::default);
static LIBRARIES: AtomicU32 = AtomicU32::new(0);

const LIBRARY: u64 = !0 << 32;

/// A new number for a library.
pub(super) fn new_library() -> u64 {
    u64::from(LIBRARIES.fetch_add(1, Ordering::Relaxed) + 1) << 32
}

/// From now on, what is said under this number goes to `events`.
pub(super) fn listen(
    number: u64,
    plugin: &str,
    target: Option<&str>,
    events: &Arc<dyn PluginEvents>,
) {
    let listener = Arc::new(Listener {
        speaker: Speaker {
            plugin: plugin.to_owned(),
            target: target.map(str::to_owned),
        },
        events: Arc::downgrade(events),
    });
    let mut listeners = LISTENERS.write().unwrap_or_else(PoisonError::into_inner);
    listeners.insert(number, listener);
}

/// What an instance says from now on is taken for what its library says.
pub(super) fn forget(number: u64) {
    let mut listeners = LISTENERS.write().unwrap_or_else(PoisonError::into_inner);
    listeners.remove(&number);
}

/// The target that an instance serves.
pub(super) fn target(number: u64) -> Option<String> {
    let listeners = LISTENERS.read().unwrap_or_else(PoisonError::into_inner);
    listeners.get(&number)?.speaker.target.clone()
}

/// The target that an instance serves, if it speaks to `events`.
pub(super) fn target_of(number: u64, events: &Arc<dyn PluginEvents>) -> Option<String> {
    let listeners = LISTENERS.read().unwrap_or_else(PoisonError::into_inner);
    let listener = listeners.get(&number)?;
    let ours = std::ptr::addr_eq(listener.events.as_ptr(), Arc::as_ptr(events));
    listener.speaker.target.clone().filter(|_| ours)
}

/// The functions that plugins call.
pub(super) fn calls() -> HostCallsRef {
    const CALLS: &WithMetadata<HostCalls> = &WithMetadata::new(HostCalls {
        log,
        metric,
        panicked,
        describe_metric,
    });
    HostCallsRef(CALLS.static_as_prefix())
}

/// Finds the listener, lets go of every lock, and guards what it does.
fn tell(number: u64, say: impl FnOnce(&dyn PluginEvents, &Speaker)) {
    let found = {
        let listeners = LISTENERS.read().unwrap_or_else(PoisonError::into_inner);
        listeners
            .get(&number)
            .or_else(|| listeners.get(&(number & LIBRARY)))
            .cloned()
    };
    let Some(listener) = found else { return };
    let Some(events) = listener.events.upgrade() else {
        return;
    };
    // A panic that went back into the plugin would end the process. Its payload is leaked, since
    // dropping it may panic again.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| say(&*events, &listener.speaker))) {
        std::mem::forget(payload);
    }
}

extern "C" fn log(
    number: u64,
    level: u8,
    logger: RStr<'_>,
    message: RStr<'_>,
    fields: RSlice<'_, u8>,
) {
    tell(number, |events, speaker| {
        let fields = map(fields.as_slice());
        events.log(
            speaker,
            nearest(level),
            logger.as_str(),
            message.as_str(),
            fields,
        );
    });
}

extern "C" fn metric(number: u64, op: u8, name: RStr<'_>, labels: RSlice<'_, u8>, value: u64) {
    if let Some(op) = MetricOp::from_code(op) {
        tell(number, |events, speaker| {
            events.metric(speaker, op, name.as_str(), map(labels.as_slice()), value);
        });
    }
}

extern "C" fn panicked(number: u64, place: RStr<'_>, text: RStr<'_>) {
    tell(number, |events, speaker| {
        events.panicked(speaker, place.as_str(), text.as_str());
    });
}

extern "C" fn describe_metric(number: u64, name: RStr<'_>, unit: RStr<'_>, description: RStr<'_>) {
    tell(number, |events, speaker| {
        events.describe_metric(speaker, name.as_str(), unit.as_str(), description.as_str());
    });
}

/// The entries, or none of them when they are damaged: the record itself is worth more than they.
fn map(entries: &[u8]) -> Map<'_> {
    Map::parse(entries)
        .or_else(|_| Map::parse(&[]))
        .expect("nothing is not damaged")
}

/// The level with this code, or the nearest below it.
fn nearest(code: u8) -> Level {
    Level::ALL
        .into_iter()
        .rev()
        .find(|level| level.code() <= code)
        .unwrap_or(Level::Trace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl PluginEvents for Heard {
        fn log(&self, from: &Speaker, level: Level, logger: &str, message: &str, fields: Map<'_>) {
            assert_ne!(message, "panic");
            let target = from.target().unwrap_or("-");
            self.0.lock().unwrap().push(format!(
                "{} {target} {level} {logger} {message} {fields:?}",
                from.plugin()
            ));
        }
    }

    fn say(number: u64, level: u8, message: &str, fields: &[u8]) {
        calls().log()(number, level, "l".into(), message.into(), fields.into());
    }

    #[test]
    fn what_is_said_reaches_the_pipeline_until_that_is_gone() {
        let heard = Arc::new(Heard::default());
        let events: Arc<dyn PluginEvents> = Arc::clone(&heard) as _;
        let library = new_library();
        listen(library, "good", None, &events);
        listen(library + 1, "good", Some("app"), &events);
        say(library + 1, 25, "of an instance", &[]);
        forget(library + 1);
        say(library + 1, 3, "of one that is gone", &[0xff; 3]);
        say(1, 20, "of nobody", &[]);
        say(library, 20, "panic", &[]);
        drop(events);
        assert_eq!(
            *heard.0.lock().unwrap(),
            [
                "good app info l of an instance {}",
                "good - trace l of one that is gone {}"
            ]
        );
        drop(heard);
        say(library, 20, "after dispose", &[]);
    }
}
