//! Records kept in memory, for tests and for looking at the last ones.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rolog_core::delivery::{Class, Failure, Outcome};
use rolog_core::frame::{Batch, Record, RecordId};
use rolog_core::value::{OwnedError, OwnedValue, Timestamp, Value};
use rolog_core::{Level, LogTarget};

use super::{Refused, settings};
use crate::instance::{Attempt, BoxFuture, Buffer, Instance, Maker};
use crate::stage::AGES;

/// How many records are kept where the configuration does not say.
const KEPT: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not 0");

/// Keeps the newest records. Clones are the same memory.
///
/// In YAML `plugin: memory`, with `config: { max_records: 10000 }`; [`crate::Host::memory`] gives
/// the memory of such a target. In code it is a target like any other of the service's own.
#[derive(Clone, Debug)]
pub struct Memory {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    most: NonZeroUsize,
    kept: Mutex<VecDeque<MemoryRecord>>,
    arrived: Condvar,
}

/// A record that owns its parts.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryRecord {
    /// Its identity.
    pub id: RecordId,
    /// When it was logged.
    pub time: Timestamp,
    /// Its severity.
    pub level: Level,
    /// Its logger's name.
    pub logger: String,
    /// Its message, holes filled.
    pub message: String,
    /// Its template, if it has one.
    pub template: Option<String>,
    /// Its positional arguments.
    pub args: Vec<OwnedValue>,
    /// Its data.
    pub fields: Vec<(String, OwnedValue)>,
    /// The error that it tells of.
    pub error: Option<OwnedError>,
    /// The thread that logged.
    pub thread: Option<String>,
    /// The generation of the configuration that routed it.
    pub generation: u32,
    /// The target that gave it up, if one did.
    pub given_up_by: Option<String>,
}

impl MemoryRecord {
    /// The first value with this key.
    pub fn field(&self, key: &str) -> Option<&OwnedValue> {
        let mut fields = self.fields.iter();
        fields.find(|(name, _)| name == key).map(|(_, value)| value)
    }
}

impl From<&Record<'_>> for MemoryRecord {
    fn from(record: &Record<'_>) -> Self {
        let error = record.error().map(|error| Value::Error(error).to_owned());
        MemoryRecord {
            id: record.id(),
            time: record.time(),
            level: record.level(),
            logger: record.logger().to_owned(),
            message: record.message().to_string(),
            template: record.template().map(str::to_owned),
            args: record.args().map(OwnedValue::from).collect(),
            fields: record
                .fields()
                .map(|(key, value)| (key.to_owned(), value.into()))
                .collect(),
            error: match error {
                Some(OwnedValue::Error(error)) => Some(error),
                _ => None,
            },
            thread: record.thread().map(str::to_owned),
            generation: record.generation(),
            given_up_by: record.origin().target.map(str::to_owned),
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(KEPT)
    }
}

pub(super) fn from_config(config: &serde_json::Value) -> Result<Memory, Refused> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        #[serde(default = "kept")]
        max_records: NonZeroUsize,
    }
    fn kept() -> NonZeroUsize {
        KEPT
    }
    settings(config).map(|Settings { max_records }| Memory::new(max_records))
}

impl Memory {
    /// Keeps at most so many records; the oldest go first.
    pub fn new(most: NonZeroUsize) -> Self {
        Memory {
            shared: Arc::new(Shared {
                most,
                kept: Mutex::default(),
                arrived: Condvar::new(),
            }),
        }
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<MemoryRecord>> {
        let kept = self.shared.kept.lock();
        kept.unwrap_or_else(PoisonError::into_inner)
    }

    /// The records that are kept, the oldest first.
    pub fn records(&self) -> Vec<MemoryRecord> {
        self.kept().iter().cloned().collect()
    }

    /// Takes the records out.
    pub fn take(&self) -> Vec<MemoryRecord> {
        self.kept().drain(..).collect()
    }

    /// How many records are kept.
    pub fn len(&self) -> usize {
        self.kept().len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.kept().is_empty()
    }

    /// Waits until at least so many records are kept; false when `most` passed before.
    pub fn wait_for(&self, count: usize, most: Duration) -> bool {
        let until = Instant::now() + most.min(AGES);
        let mut kept = self.kept();
        while kept.len() < count {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.shared.arrived.wait_timeout(kept, left);
            kept = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn keep(&self, batch: &Batch<'_>) {
        let mut kept = self.kept();
        for record in batch.records() {
            if kept.len() == self.shared.most.get() {
                kept.pop_front();
            }
            kept.push_back(MemoryRecord::from(&record));
        }
        drop(kept);
        self.shared.arrived.notify_all();
    }
}

impl LogTarget for Memory {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    async fn log(&self, records: &Batch<'_>) -> Outcome {
        self.keep(records);
        Outcome::delivered()
    }
}

impl Maker for Memory {
    fn create(&self) -> BoxFuture<'_, Result<Arc<dyn Instance>, Failure>> {
        let instance: Arc<dyn Instance> = Arc::new(self.clone());
        Box::pin(std::future::ready(Ok(instance)))
    }

    fn preferred_batch(&self) -> Option<usize> {
        None
    }

    fn resources(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Instance for Memory {
    fn activate(&self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn deliver(&self, batch: Buffer, _: Attempt) -> BoxFuture<'_, Outcome> {
        let outcome = match Batch::parse(batch.as_slice()) {
            Ok(batch) => {
                self.keep(&batch);
                Outcome::delivered()
            }
            Err(error) => Outcome::refused(Failure::new(Class::Invalid, error.to_string())),
        };
        Box::pin(std::future::ready(outcome))
    }

    fn cancel(&self, _: u64) {}

    fn flush(&self, _: Duration) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn shutdown(&self, _: Duration) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn call<'a>(&'a self, op: &'a str, _: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Failure>> {
        let message = format!("a memory target has no operation `{op}`");
        Box::pin(std::future::ready(Err(Failure::new(
            Class::NotFound,
            message,
        ))))
    }
}
