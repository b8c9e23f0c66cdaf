//! Records whose parts are only known at run time.

use std::error::Error as StdError;

use serde::Serialize;

use super::waiting::Pending;
use super::{Accepted, Encode, Logger, Receipt, with_scratch};
use crate::capture::{Captured, ErrorArg, SerdeArg};
use crate::error::Error;
use crate::frame::flags;
use crate::level::Level;
use crate::value::{Encoder, Timestamp, Value, take_pair};

/// A record under way: message, positional arguments, data by key, an error.
///
/// ```
/// # fn example(log: &rolog_core::Logger, text: &str, error: &std::io::Error) {
/// use rolog_core::Level;
///
/// log.record(Level::Warning, text)
///     .arg(7)
///     .field("shop", "north")
///     .error(error)
///     .send();
/// # }
/// ```
///
/// Keys and message may be of any origin: they are never kept beyond the record. A value that panics
/// while it is asked, or builds records of itself without end, drops the record, which is counted; the
/// forms that wait say so.
#[derive(Debug)]
#[must_use = "a record is made by `send`"]
pub struct RecordBuilder<'a> {
    logger: &'a Logger,
    level: Level,
    message: &'a str,
    state: State,
    time: Option<Timestamp>,
    truncated: bool,
    #[cfg(feature = "backtrace")]
    traced: bool,
    args: Vec<u8>,
    error: Vec<u8>,
    fields: Vec<u8>,
}

/// What is to become of a record under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Kept,
    /// It is below the logger's level.
    Off,
    /// One of its values panicked or logs itself without end, which is counted already.
    Dropped,
}

impl<'a> RecordBuilder<'a> {
    pub(super) fn new(logger: &'a Logger, level: Level, message: &'a str) -> Self {
        RecordBuilder {
            logger,
            level,
            message,
            state: if logger.is_enabled(level) {
                State::Kept
            } else {
                State::Off
            },
            time: None,
            truncated: false,
            #[cfg(feature = "backtrace")]
            traced: false,
            args: Vec::new(),
            error: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// When it happened, for a record that comes from elsewhere; the record then also says when it
    /// was read. By default it happens now.
    pub fn time(mut self, time: Timestamp) -> Self {
        self.time = Some(time);
        self
    }

    /// Whether the caller has cut it already, so that a part of it is missing.
    pub fn truncated(mut self, truncated: bool) -> Self {
        self.truncated = truncated;
        self
    }

    /// The next positional argument.
    pub fn arg(mut self, value: impl Serialize) -> Self {
        self.capture(|record| {
            SerdeArg(&value).encode(&mut Encoder::new(&mut record.args));
        });
        self
    }

    /// Data: a value by its key.
    pub fn field(mut self, key: &str, value: impl Serialize) -> Self {
        self.capture(|record| {
            SerdeArg(&value).encode(Encoder::new(&mut record.fields).key(key));
        });
        self
    }

    /// Data: a value that was read from elsewhere.
    pub fn value(mut self, key: &str, value: Value<'_>) -> Self {
        if self.state == State::Kept {
            Encoder::new(&mut self.fields).key(key).value(value);
        }
        self
    }

    /// Data that is encoded already: pairs of [`Encoder::key`] and a value.
    ///
    /// # Errors
    /// Bytes that are not that.
    pub fn encoded_fields(mut self, pairs: &[u8]) -> Result<Self, Error> {
        let mut rest = pairs;
        while !rest.is_empty() {
            crate::value::check_text(&mut rest)?;
            crate::value::check(&mut rest, 0)?;
        }
        if self.state == State::Kept {
            self.fields.extend_from_slice(pairs);
        }
        Ok(self)
    }

    /// The error that the record tells of. A second one takes the place of the first.
    pub fn error(mut self, error: &(impl StdError + ?Sized)) -> Self {
        self.capture(|record| {
            record.error.clear();
            #[cfg(feature = "backtrace")]
            {
                record.traced = record.logger.backtraces_from(record.level.code());
                crate::backtrace::want(record.traced);
            }
            ErrorArg(error).encode(&mut Encoder::new(&mut record.error));
        });
        self
    }

    /// Asks a value of the record, as the macros ask theirs.
    fn capture(&mut self, ask: impl FnOnce(&mut Self)) {
        let logger = self.logger;
        if self.state == State::Kept && !logger.capture(|| ask(self)) {
            self.state = State::Dropped;
        }
    }

    fn bits(&self) -> u16 {
        let mut bits = flags::MESSAGE;
        if !self.args.is_empty() {
            bits |= flags::ARGS;
        }
        if !self.error.is_empty() {
            bits |= flags::ERROR;
        }
        #[cfg(feature = "backtrace")]
        if self.traced {
            bits |= flags::BACKTRACE;
        }
        if self.truncated {
            bits |= flags::TRUNCATED;
        }
        bits
    }

    /// Logs it and goes on, as the macros do.
    pub fn send(self) {
        if self.state != State::Kept {
            return;
        }
        let logger = self.logger;
        let mut header = logger.header(0, self.level, self.bits());
        with_scratch(|scratch| {
            if logger.encode(None, &mut header, self.time, scratch, &self) {
                logger.publish(header, scratch);
            }
        });
    }

    /// Logs it once there is room, as [`Logger::wait`] does.
    ///
    /// # Errors
    /// The future fails when the pipeline has been disposed.
    pub fn wait(self) -> Accepted<()> {
        match self.pending() {
            Ok(Some(pending)) => pending.accept(),
            Ok(None) => super::waiting::ready(Ok(())),
            Err(error) => super::waiting::ready(Err(error)),
        }
    }

    /// Logs it once there is room, and says what becomes of it, as [`Logger::receipt`] does.
    ///
    /// # Errors
    /// The future fails when the pipeline has been disposed.
    pub fn receipt(self) -> Accepted<Receipt> {
        match self.pending() {
            Ok(Some(pending)) => pending.receipt(),
            Ok(None) => super::waiting::ready(Ok(super::waiting::nowhere())),
            Err(error) => super::waiting::ready(Err(error)),
        }
    }

    /// Logs it, blocking until there is room, as [`Logger::blocking`] does.
    ///
    /// # Errors
    /// A pipeline that has been disposed.
    pub fn block(self) -> Result<(), Error> {
        match self.pending()? {
            Some(pending) => pending.block(),
            None => Ok(()),
        }
    }

    fn pending(self) -> Result<Option<Pending>, Error> {
        match self.state {
            State::Kept => {}
            State::Off => return Ok(None),
            State::Dropped => return Err(super::waiting::panicked()),
        }
        match Pending::new(self.logger, None, self.level, self.bits(), self.time, &self) {
            Some(pending) => Ok(Some(pending)),
            None => Err(super::waiting::panicked()),
        }
    }
}

impl Encode for RecordBuilder<'_> {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.key(self.message);
        if !self.args.is_empty() {
            out.encoded_list(&self.args);
        }
        out.buffer().extend_from_slice(&self.error);
        out.buffer().extend_from_slice(&self.fields);
    }

    fn has_key(&self, key: &str) -> bool {
        has_key(&self.fields, key)
    }
}

/// Whether there is a pair with this key.
pub(super) fn has_key(mut pairs: &[u8], key: &str) -> bool {
    std::iter::from_fn(|| take_pair(&mut pairs)).any(|(own, _)| own == key)
}
