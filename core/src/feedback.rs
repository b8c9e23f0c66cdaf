//! Who speaks on a thread: the service, the pipeline itself, or a target.
//!
//! A pipeline that logs can feed itself: a target that logs at each delivery makes a record, which is
//! delivered, and so on. So the threads of the pipeline say what they are, and what is logged there,
//! through the macros or through a `bridge`, takes the way of the pipeline's own
//! records: a small queue that drops, a bounded rate, and never to the target that it comes from.
//!
//! For the host crate, the SDK, and whoever drives threads for a target.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use crate::context;
use crate::level::Level;
use crate::value::Timestamp;

thread_local! {
    static VOICE: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
    static SILENT: Cell<u32> = const { Cell::new(0) };
}

/// A record that was made on a thread of the pipeline or of a target.
#[derive(Debug)]
pub struct OwnVoice {
    /// The target that the thread works for, if it is one's.
    pub target: Option<Arc<str>>,
    /// The logger's name.
    pub logger: Arc<str>,
    /// The level.
    pub level: Level,
    /// When it was made.
    pub time: Timestamp,
    /// The id of its call site, 0 for none.
    pub call_site: u32,
    /// Its [`flags`](crate::frame::flags); the logger's name is always part of the payload.
    pub flags: u16,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// From now on, what is logged on this thread is the pipeline's own, or that of `target`.
pub fn mark_thread(target: Option<&str>) {
    let _ = VOICE.try_with(|voice| *voice.borrow_mut() = target.map(Arc::from));
    context::set_voice(true);
}

/// For whom a thread speaks that is marked.
pub(crate) struct Voice {
    /// The target that it works for, if it is one's.
    pub(crate) target: Option<Arc<str>>,
}

/// For whom this thread speaks; `None` where that is the service.
pub(crate) fn voice() -> Option<Voice> {
    context::has_voice().then(|| {
        let voice =
            VOICE.try_with(|voice| voice.try_borrow().ok().and_then(|target| target.clone()));
        Voice {
            target: voice.ok().flatten(),
        }
    })
}

/// While it lives, the bridges take nothing from this thread: what a target writes into another
/// facade must not come back.
#[derive(Debug)]
#[must_use = "the bridges listen again when this is dropped"]
pub struct Silence(PhantomData<*const ()>);

/// Makes the bridges deaf for what this thread logs until the guard is dropped.
pub fn silence() -> Silence {
    let _ = SILENT.try_with(|silent| silent.set(silent.get() + 1));
    Silence(PhantomData)
}

impl Drop for Silence {
    fn drop(&mut self) {
        let _ = SILENT.try_with(|silent| silent.set(silent.get() - 1));
    }
}

/// Whether the bridges are to take nothing from this thread.
#[cfg(any(feature = "log", feature = "tracing"))]
pub(crate) fn is_silent() -> bool {
    SILENT.try_with(|silent| silent.get() > 0).unwrap_or(true)
}

/// The way of what linked plugins log: their code shares the facades with the service.
#[derive(Debug)]
pub struct PluginVoice {
    /// Whether a plugin's code runs on this thread just now.
    pub speaks: fn() -> bool,
    /// Takes what it logs: level, logger, message, and pairs of key and value.
    pub log: fn(Level, &str, &str, &[u8]),
}

static PLUGINS: OnceLock<PluginVoice> = OnceLock::new();

/// Tells, once, how the code of linked plugins is known. For the SDK.
pub fn set_plugin_voice(voice: PluginVoice) {
    // There is one SDK in a program, so a second call says the same.
    let _ = PLUGINS.set(voice);
}

/// The way of what the plugin says whose code runs on this thread, if it is one's.
#[cfg(any(feature = "log", feature = "tracing"))]
pub(crate) fn plugin() -> Option<&'static PluginVoice> {
    PLUGINS.get().filter(|plugin| (plugin.speaks)())
}
