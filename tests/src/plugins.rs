//! What the tests of the plugin boundary share: batches, a loader, and ears for what plugins say.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rolog_core::frame::{BatchBuilder, FrameMeta, LoggerRef, RecordId};
use rolog_core::value::{Encoder, Map, Timestamp};
use rolog_core::{Level, delivery::Failure};
use rolog_host::instance::{Attempt, Buffer, Instance, Maker};
use rolog_host::loader::{Library, Loader, LoaderSettings, PluginEvents, Speaker};
use rolog_plugin::Setup;
use rolog_plugin::abi::MetricOp;
use serde_json::Value;

/// Longer than anything takes that does not hang.
pub const LONG: Duration = Duration::from_mins(1);

/// A batch of records of the logger `shop`, with these messages and a field `n` that counts them.
pub fn batch<'m>(messages: impl IntoIterator<Item = &'m str>) -> Buffer {
    let mut builder = BatchBuilder::new(7);
    for (index, message) in messages.into_iter().enumerate() {
        let mut payload = (message.len() as u32).to_le_bytes().to_vec();
        payload.extend_from_slice(message.as_bytes());
        Encoder::new(&mut payload).key("n").u64(index as u64);
        let meta = FrameMeta::literal(
            RecordId {
                epoch: 7,
                sequence: index as u64,
            },
            Timestamp::from_nanos(1_700_000_000_000_000_000),
            Level::Information,
            LoggerRef {
                id: 1,
                name: "shop",
            },
        );
        builder.push(&meta, &payload);
    }
    Buffer::new(builder.finish().into())
}

/// A first attempt with plenty of time.
pub fn attempt(id: u64) -> Attempt {
    Attempt {
        id,
        number: 1,
        deadline: LONG,
    }
}

/// A loader with these settings, and what the plugins say that it loads.
pub fn loader(settings: LoaderSettings) -> (Loader, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    (Loader::new(settings, Arc::clone(&heard) as _), heard)
}

/// What builds instances of `setup`'s target.
///
/// # Panics
/// When the configuration is refused.
pub fn maker(library: &Library, setup: &Setup, config: &Value) -> impl Maker + use<> {
    let plan = library
        .validate(config, setup)
        .unwrap_or_else(|error| panic!("{error}"));
    library.maker(setup, config, plan)
}

/// An instance for the target of this name.
///
/// # Errors
/// Whatever keeps it from being made.
///
/// # Panics
/// When the configuration is refused.
pub async fn instance(
    library: &Library,
    target: &str,
    config: &Value,
) -> Result<Arc<dyn Instance>, Failure> {
    maker(library, &Setup::new(target), config).create().await
}

/// Loads a copy of a library that no other test shares, to be used with these settings.
///
/// # Panics
/// When it cannot be loaded.
pub fn own_copy(library: &Path, settings: LoaderSettings) -> (Library, Arc<Heard>) {
    static COUNT: AtomicU32 = AtomicU32::new(0);

    let mut bytes = fs::read(library).expect("the library can be read");
    // What stands behind the end of the tables is nobody's; it makes another digest.
    bytes.extend(COUNT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("copy.so");
    fs::write(&path, bytes).expect("the copy can be written");
    // Opened with all the time that it takes, whatever deadlines it is used with.
    let (patient, _heard) = loader(LoaderSettings::default());
    patient
        .load(&path)
        .unwrap_or_else(|error| panic!("{error}"));
    let (loader, heard) = loader(settings);
    let library = loader.load(&path).unwrap_or_else(|error| panic!("{error}"));
    (library, heard)
}

/// Keeps what plugins say.
#[derive(Debug, Default)]
pub struct Heard {
    said: Mutex<Vec<String>>,
    more: Condvar,
}

impl Heard {
    /// Everything so far.
    pub fn all(&self) -> Vec<String> {
        self.said.lock().expect("no listener panics").clone()
    }

    /// Waits until something is said that contains this text.
    ///
    /// # Panics
    /// When it is not said for a long time.
    pub fn wait_for(&self, text: &str) -> String {
        let said = self.said.lock().expect("no listener panics");
        let find = |said: &[String]| said.iter().find(|line| line.contains(text)).cloned();
        let (said, _) = self
            .more
            .wait_timeout_while(said, LONG, |said| find(said).is_none())
            .expect("no listener panics");
        find(&said).unwrap_or_else(|| panic!("`{text}` is not among {said:?}"))
    }

    fn note(&self, from: &Speaker, text: &str) {
        let line = format!("{}/{}: {text}", from.plugin(), from.target().unwrap_or("-"));
        self.said.lock().expect("no listener panics").push(line);
        self.more.notify_all();
    }
}

impl PluginEvents for Heard {
    fn log(&self, from: &Speaker, level: Level, logger: &str, message: &str, fields: Map<'_>) {
        self.note(from, &format!("{level} {logger} {message} {fields:?}"));
    }

    fn metric(&self, from: &Speaker, op: MetricOp, name: &str, labels: Map<'_>, value: u64) {
        self.note(from, &format!("{op:?} {name} {labels:?} {value}"));
    }

    fn describe_metric(&self, from: &Speaker, name: &str, unit: &str, description: &str) {
        self.note(from, &format!("{name} in `{unit}`: {description}"));
    }

    fn panicked(&self, from: &Speaker, place: &str, text: &str) {
        self.note(from, &format!("panicked in {place}: {text}"));
    }
}
