//! What a test's code logs, for the test to look at.
//!
//! A capture is a pipeline of its own, so that tests that run side by side see nothing of each other,
//! whatever threads and tasks they use: the code under test is given the capture's factory, or a logger
//! from it.
//!
//! ```
//! use rolog_core::{Level, LoggerFactory, exception, info};
//! use rolog_host::capture::capture;
//!
//! fn accept(factory: &LoggerFactory, quantity: &str) {
//!     let log = factory.get_logger("shop.orders");
//!     match quantity.parse::<u32>() {
//!         Ok(n) => info!(log, "accepted {n}", n = n),
//!         Err(error) => exception!(log, error, "what is {quantity}?", quantity = quantity),
//!     }
//! }
//!
//! let logs = capture();
//! accept(logs.factory(), "3");
//! accept(logs.factory(), "three");
//!
//! logs.one().level(Level::Information).template("accepted {n}").field("n", 3_u32);
//! logs.one().logger("shop.orders").error("invalid digit").field("quantity", "three");
//! logs.none();
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rolog_core::context::Context;
use rolog_core::value::OwnedValue;
use rolog_core::{Level, LoggerFactory};
use serde::Serialize;

use crate::builtin::{Memory, MemoryRecord};
use crate::host::Host;

/// Longer than the delivery into memory takes on any machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The records of one test. See [the module](self).
pub struct Capture {
    host: Host,
    memory: Memory,
    taken: Mutex<VecDeque<MemoryRecord>>,
}

/// Starts a pipeline that keeps every record, from level trace on, for the test that calls it.
///
/// # Panics
/// A machine that has no thread left for it.
pub fn capture() -> Capture {
    let memory = Memory::default();
    let started = Host::builder().min_level(Level::Trace).start();
    let host = started.unwrap_or_else(|error| panic!("the capture does not start: {error}"));
    let added = host.factory().add_target(memory.clone(), Level::Trace);
    if let Err(error) = added {
        panic!("the capture does not start: {error}");
    }
    Capture {
        host,
        memory,
        taken: Mutex::default(),
    }
}

impl Capture {
    /// Where the code under test gets its loggers.
    pub fn factory(&self) -> &LoggerFactory {
        self.host.factory()
    }

    /// The pipeline.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// What has been logged since the last look, in order.
    pub fn take(&self) -> Vec<MemoryRecord> {
        let left = self.host.flush_blocking(PATIENCE);
        assert_eq!(left, 0, "records are still on their way after {PATIENCE:?}");
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let new = self.memory.take().into_iter();
        // The pipeline's own are not the test's.
        taken.extend(new.filter(|record| record.logger != "rolog"));
        taken.drain(..).collect()
    }

    /// The next record, to be looked at.
    ///
    /// # Panics
    /// Nothing more was logged.
    #[track_caller]
    pub fn one(&self) -> Expect {
        let mut records = self.take().into_iter();
        let Some(record) = records.next() else {
            panic!("a record was expected, and nothing more was logged");
        };
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.extend(records);
        Expect(record)
    }

    /// That nothing more was logged.
    ///
    /// # Panics
    /// Something was.
    #[track_caller]
    pub fn none(&self) {
        let records = self.take();
        assert!(
            records.is_empty(),
            "nothing more was expected, and this was logged:\n{}",
            records.iter().map(shown).collect::<Vec<_>>().join("\n")
        );
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").finish_non_exhaustive()
    }
}

/// A record, and what is expected of it. What is not so panics, and shows the record.
#[derive(Clone, Debug)]
pub struct Expect(MemoryRecord);

impl Expect {
    /// The record itself.
    pub fn record(&self) -> &MemoryRecord {
        &self.0
    }

    /// Its level is this.
    #[track_caller]
    pub fn level(&self, level: Level) -> &Self {
        self.is(self.0.level == level, "level", &level)
    }

    /// Its logger has this name.
    #[track_caller]
    pub fn logger(&self, name: &str) -> &Self {
        self.is(self.0.logger == name, "logger", &name)
    }

    /// Its template is this.
    #[track_caller]
    pub fn template(&self, template: &str) -> &Self {
        self.is(
            self.0.template.as_deref() == Some(template),
            "template",
            &template,
        )
    }

    /// Its message, with the holes filled, is this.
    #[track_caller]
    pub fn message(&self, message: &str) -> &Self {
        self.is(self.0.message == message, "message", &message)
    }

    /// It has this value by this key: a number is a number, whatever its type at the call.
    #[track_caller]
    pub fn field(&self, key: &str, value: impl Serialize) -> &Self {
        let expected = owned(value);
        let has = self.0.field(key).is_some_and(|own| same(own, &expected));
        self.is(has, key, &format_args!("{expected:?}"))
    }

    /// It has nothing by this key.
    #[track_caller]
    pub fn no_field(&self, key: &str) -> &Self {
        self.is(self.0.field(key).is_none(), key, &"nothing")
    }

    /// It tells of an error with this in its text or in that of one of its sources.
    #[track_caller]
    pub fn error(&self, text: &str) -> &Self {
        let has = self.0.error.as_ref().is_some_and(|error| {
            error.text.contains(text) || error.sources.iter().any(|source| source.contains(text))
        });
        self.is(has, "error", &text)
    }

    #[track_caller]
    fn is(&self, is: bool, what: &str, expected: &dyn fmt::Display) -> &Self {
        assert!(
            is,
            "{what} was expected to be {expected}, and this was logged:\n{}",
            shown(&self.0)
        );
        self
    }
}

fn owned(value: impl Serialize) -> OwnedValue {
    let captured = Context::new().with("value", value);
    captured
        .get("value")
        .map_or(OwnedValue::Null, OwnedValue::from)
}

fn same(a: &OwnedValue, b: &OwnedValue) -> bool {
    let whole = |value: &OwnedValue| match *value {
        OwnedValue::I64(n) => Some(i128::from(n)),
        OwnedValue::U64(n) => Some(i128::from(n)),
        OwnedValue::I128(n) => Some(n),
        OwnedValue::U128(n) => i128::try_from(n).ok(),
        _ => None,
    };
    a == b || whole(a).is_some_and(|a| Some(a) == whole(b))
}

fn shown(record: &MemoryRecord) -> String {
    let fields = record.fields.iter();
    let mut parts: Vec<String> = fields
        .map(|(key, value)| format!(" {key}={value:?}"))
        .collect();
    if let Some(error) = &record.error {
        parts.push(format!(" error={:?}", error.text));
    }
    let (level, logger, message) = (record.level, &record.logger, &record.message);
    format!("  {level} {logger}: {message}{}", parts.concat())
}
