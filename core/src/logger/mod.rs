//! Loggers: a gate, a name, and the way into the rings.

#[cfg(any(feature = "log", feature = "tracing"))]
mod bridged;
mod builder;
mod capturing;
mod gate;
mod registry;
mod waiting;

#[cfg(any(feature = "log", feature = "tracing"))]
pub(crate) use bridged::Parts;
pub use builder::RecordBuilder;
pub use capturing::is_capturing;
pub use gate::Gate;
pub use registry::{GateWatch, Registry};
pub use waiting::{Accepted, Blocking, Receipt, Receipted, Waiting};

use std::fmt;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(feature = "backtrace")]
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use self::capturing::{Depth, with_scratch};
use crate::backend::{Backend, RoomRequest};
use crate::call_site::CallSite;
use crate::capture::{Room, Values, truncate};
use crate::clock::ticks;
use crate::context;
use crate::error::Error;
use crate::feedback::{self, OwnVoice, Voice};
use crate::frame::flags;
use crate::intake::{DropReason, Dropped, EntryHeader, Intake};
use crate::level::Level;
use crate::value::{Encoder, Timestamp};

/// Logs under one name. Cheap to clone; get one from a [`crate::LoggerFactory`] and keep it.
///
/// A record below the logger's gate costs one relaxed load. Any other is copied into the calling
/// thread's ring and the call returns: it never waits for a target, unless a target's queue is set
/// to block its callers.
///
/// Not for use in signal handlers: a first call of a thread allocates its ring.
#[derive(Clone)]
pub struct Logger {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    gate: Gate,
    id: u32,
    /// That of `shared`: a call finds it here, one step sooner.
    intake: Arc<Intake>,
    name: Arc<str>,
    shared: Arc<Shared>,
}

/// What all loggers of a pipeline share.
pub(crate) struct Shared {
    pub(crate) intake: Arc<Intake>,
    pub(crate) backend: OnceLock<Weak<dyn Backend>>,
    /// The code of the level from which on errors have backtraces; above every level's for none.
    #[cfg(feature = "backtrace")]
    pub(crate) backtraces: AtomicU8,
}

impl Shared {
    pub(crate) fn backend(&self) -> Result<Arc<dyn Backend>, Error> {
        self.backend
            .get()
            .and_then(Weak::upgrade)
            .ok_or_else(|| Error::disposed("the pipeline is not running"))
    }
}

impl Logger {
    pub(crate) fn new(id: u32, name: Arc<str>, gate: Gate, shared: Arc<Shared>) -> Self {
        if id == 0 {
            gate.set_named();
        }
        Logger {
            inner: Arc::new(Inner {
                gate,
                id,
                intake: Arc::clone(&shared.intake),
                name,
                shared,
            }),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Its id in the pipeline, from 1; 0 for one that is known by name only.
    pub fn id(&self) -> u32 {
        self.inner.id
    }

    /// Whether a record of this level would be kept: a relaxed load and a comparison.
    #[inline]
    pub fn is_enabled(&self, level: Level) -> bool {
        self.inner.gate.allows(level)
    }

    /// The gate, for the pipeline to set.
    #[doc(hidden)]
    pub fn gate(&self) -> &Gate {
        &self.inner.gate
    }

    /// The awaitable form: `info!(log.wait(), "…").await` gets through once there is room in the
    /// queue of every target that the record goes to.
    ///
    /// # Errors
    /// The future fails when the pipeline has been disposed.
    pub fn wait(&self) -> Waiting {
        Waiting(self.clone())
    }

    /// The awaitable form with an answer: `info!(log.receipt(), "…").await` waits for room and
    /// resolves to a [`Receipt`], which in turn resolves when the record has reached an end at each
    /// of its targets, and says which.
    ///
    /// # Errors
    /// The future fails when the pipeline has been disposed.
    pub fn receipt(&self) -> Receipted {
        Receipted(self.clone())
    }

    /// The form that blocks the thread until there is room; for code without an async runtime.
    ///
    /// # Errors
    /// The call fails when the pipeline has been disposed.
    pub fn blocking(&self) -> Blocking {
        Blocking(self.clone())
    }

    /// Starts a record whose parts are only known at run time. Its message is literal text.
    pub fn record<'a>(&'a self, level: Level, message: &'a str) -> RecordBuilder<'a> {
        RecordBuilder::new(self, level, message)
    }

    fn header(&self, site: u32, level: Level, bits: u16) -> EntryHeader {
        EntryHeader {
            call_site: site,
            logger: self.inner.id,
            flags: bits,
            level: level.code(),
            ticks: ticks(),
            slot: 0,
        }
    }

    /// Publishes what is encoded already.
    fn publish(&self, header: EntryHeader, payload: &[u8]) {
        if context::has_voice() {
            return self.speak(header, payload);
        }
        let level = Level::from_code(header.level).unwrap_or(Level::Critical);
        if self.inner.gate.is_blocked() {
            self.wait_for_room(level);
        }
        // What is dropped here has been counted there.
        let _ = self.inner.shared.intake.publish(header, payload);
    }

    #[cold]
    fn speak(&self, header: EntryHeader, payload: &[u8]) {
        if let Some(voice) = feedback::voice() {
            // What is dropped there has been counted there.
            let _ = self.feed_back(voice, header, payload);
        }
    }

    /// For records of the pipeline's own threads, which must not run in circles and never wait.
    fn feed_back(
        &self,
        voice: Voice,
        mut header: EntryHeader,
        mut payload: &[u8],
    ) -> Result<(), Error> {
        self.refuse_forked()?;
        let backend = self.inner.shared.backend().inspect_err(|_| {
            self.inner.shared.intake.count_dropped(DropReason::Disposed);
        })?;
        let mut time = Timestamp::now();
        if header.flags & flags::OBSERVED != 0
            && let Some((own, rest)) = payload.split_first_chunk()
        {
            time = Timestamp::from_nanos(i64::from_le_bytes(*own));
            payload = rest;
        }
        let mut whole = Vec::with_capacity(payload.len() + self.name().len() + 4);
        if header.flags & flags::LOGGER == 0 {
            Encoder::new(&mut whole).key(self.name());
        }
        whole.extend_from_slice(payload);
        header.flags |= flags::LOGGER;
        backend.feed_back(OwnVoice {
            target: voice.target,
            logger: Arc::clone(&self.inner.name),
            level: Level::from_code(header.level).unwrap_or(Level::Critical),
            time,
            call_site: header.call_site,
            flags: header.flags & !flags::OBSERVED,
            payload: whole,
        });
        Ok(())
    }

    /// Counts a record of a child process, and refuses it. Looked at before the backend is asked for
    /// anything: what it waits for stayed in the parent, and its locks may be held there.
    #[cold]
    fn refuse_forked(&self) -> Result<(), Error> {
        let intake = &self.inner.shared.intake;
        if !intake.is_forked() {
            return Ok(());
        }
        intake.count_dropped(DropReason::Forked);
        Err(Error::disposed(Dropped(DropReason::Forked).to_string()))
    }

    #[cold]
    fn wait_for_room(&self, level: Level) {
        // In a child process the record is dropped when it is published.
        if !self.inner.shared.intake.is_forked()
            && let Ok(backend) = self.inner.shared.backend()
        {
            backend.wait_for_room(self.inner.id, level);
        }
    }

    /// For values that have to be asked, loggers whose name stands in the record, and whatever is to
    /// be decided before a record goes into its ring.
    #[inline(never)]
    fn emit_dynamic(&self, site: &'static CallSite, level: Level, bits: u16, values: &dyn Encode) {
        let mut header = self.header(site.register(), level, bits);
        with_scratch(|scratch| {
            if self.encode(Some(site), &mut header, None, scratch, values) {
                self.publish(header, scratch);
            }
        });
    }

    /// Writes the payload of a record to `out`, within the bound on its size. A value that panics
    /// leaves nothing, and is counted. A `time` of the record's own goes before everything else, and
    /// the pump takes it off again.
    fn encode(
        &self,
        site: Option<&'static CallSite>,
        header: &mut EntryHeader,
        time: Option<Timestamp>,
        out: &mut Vec<u8>,
        values: &dyn Encode,
    ) -> bool {
        let intake = &self.inner.shared.intake;
        let Some(_depth) = Depth::enter() else {
            intake.count_dropped(DropReason::Reentrant);
            return false;
        };
        out.clear();
        if self.inner.id == 0 {
            header.flags |= flags::LOGGER;
            Encoder::new(out).key(&self.inner.name);
        }
        #[cfg(feature = "backtrace")]
        if self.wants_backtrace(header) {
            crate::backtrace::want(true);
            header.flags |= flags::BACKTRACE;
        }
        let written = catch_unwind(AssertUnwindSafe(|| {
            values.encode(&mut Encoder::new(out));
            let keys = site.map_or(&[][..], CallSite::keys);
            values.encode_context(out, &|key| keys.contains(&key) || values.has_key(key));
        }));
        #[cfg(feature = "backtrace")]
        crate::backtrace::want(false);
        if written.is_err() {
            intake.count_dropped(DropReason::Panicked);
            return false;
        }
        let bound = intake.max_record() - size_of::<i64>();
        if out.len() > bound {
            *out = truncate(out, site, header.flags, bound);
            header.flags |= flags::TRUNCATED;
        }
        if let Some(time) = time {
            header.flags |= flags::OBSERVED;
            out.splice(..0, time.nanos().to_le_bytes());
        }
        true
    }

    /// Whether the error of a record of this header is to have a backtrace that it does not have.
    #[cfg(feature = "backtrace")]
    fn wants_backtrace(&self, header: &EntryHeader) -> bool {
        header.flags & (flags::ERROR | flags::BACKTRACE) == flags::ERROR
            && self.backtraces_from(header.level)
    }

    /// Whether errors have backtraces at this level. The pipeline's own have none.
    #[cfg(feature = "backtrace")]
    pub(crate) fn backtraces_from(&self, level: u8) -> bool {
        level >= self.inner.shared.backtraces.load(Ordering::Relaxed) && !context::has_voice()
    }

    fn room_request(&self, header: &EntryHeader, bytes: usize, receipt: bool) -> RoomRequest {
        // Names of functions take more room than their addresses.
        #[cfg(feature = "backtrace")]
        let bytes = match header.flags & flags::BACKTRACE {
            0 => bytes,
            _ => bytes + crate::backtrace::TEXT,
        };
        RoomRequest {
            logger_id: self.inner.id,
            logger: Arc::clone(&self.inner.name),
            level: Level::from_code(header.level).unwrap_or(Level::Critical),
            bytes,
            receipt,
        }
    }
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logger")
            .field("name", &self.name())
            .field("gate", &self.inner.gate)
            .finish_non_exhaustive()
    }
}

/// Values behind a pointer, so that the slow path is compiled once.
trait Encode {
    fn encode(&self, out: &mut Encoder<'_>);

    /// Whether it has a value by this key, beside those of its call site.
    fn has_key(&self, _key: &str) -> bool {
        false
    }

    /// Appends the fields of the context that are not among those that `own` says it has.
    fn encode_context(&self, out: &mut Vec<u8>, own: &dyn Fn(&str) -> bool) {
        context::append_current(out, own);
    }
}

impl<V: Values> Encode for V {
    fn encode(&self, out: &mut Encoder<'_>) {
        Values::encode(self, out);
    }
}

/// What the macros log to: a logger, or one of its waiting forms.
pub trait Emit {
    /// What a log call gives back.
    type Output;

    /// Whether a record of this level would be kept.
    fn enabled(&self, level: Level) -> bool;

    /// The answer for a record that was not kept.
    fn skip(&self) -> Self::Output;

    /// Makes a record of these values.
    fn emit<V: Values>(
        &self,
        site: &'static CallSite,
        level: Level,
        bits: u16,
        values: &V,
    ) -> Self::Output;
}

impl Emit for Logger {
    type Output = ();

    #[inline]
    fn enabled(&self, level: Level) -> bool {
        self.is_enabled(level)
    }

    #[inline]
    fn skip(&self) {}

    #[inline]
    fn emit<V: Values>(&self, site: &'static CallSite, level: Level, bits: u16, values: &V) {
        let inner: &Inner = &self.inner;
        let intake: &Intake = &inner.intake;
        let known_site = site.id();
        if let Some(len) = values.encoded_len()
            && len <= intake.max_record()
            && known_site != 0
            && !inner.gate.asks_more()
        {
            // Before the rest, so that where it is a call it is the only one.
            let header = self.header(known_site, level, bits);
            if let Some(mut open) = intake.open_plain(len) {
                values.put(&mut Room::new(open.payload(&header)));
                return open.publish(level.code());
            }
        }
        self.emit_dynamic(site, level, bits, values);
    }
}

impl<P> Emit for P
where
    P: Deref,
    P::Target: Emit,
{
    type Output = <P::Target as Emit>::Output;

    #[inline]
    fn enabled(&self, level: Level) -> bool {
        (**self).enabled(level)
    }

    #[inline]
    fn skip(&self) -> Self::Output {
        (**self).skip()
    }

    #[inline]
    fn emit<V: Values>(
        &self,
        site: &'static CallSite,
        level: Level,
        bits: u16,
        values: &V,
    ) -> Self::Output {
        (**self).emit(site, level, bits, values)
    }
}
