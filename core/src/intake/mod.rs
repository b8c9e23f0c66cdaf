//! The way of a record from the calling thread to the pump.
//!
//! Every thread that logs has a ring of its own; one [`Consumer`] merges all rings
//! by time. [`Intake`] is what loggers hold; there is one for each running pipeline.
//!
//! **Promises.** A call never waits, unless the policy is [`RingOverflow::Block`] and then no longer
//! than its bound. In the steady state it takes no lock, allocates nothing and makes no system call.
//! Records of one thread keep their order. All rings together stay within
//! [`IntakeConfig::bytes`]. Each record that was emitted is drained, waits, or is counted under the
//! reason why it was dropped.
//!
//! **Never.** An intake does not look into payloads, knows no targets, and is not for signal
//! handlers: a handler that logs while its thread is logging would meet its own half-written state.
//!
//! # Where a record goes
//!
//! 1. Into the thread's ring, which grows within the budget while it is full.
//! 2. Into the one shared queue: when the budget is used up, when the record is logged by a value
//!    that is being logged itself, and when the thread is so far in its end that its thread-locals
//!    are gone. A quarter of that queue is for the level error and above.
//! 3. Nowhere, counted as [`DropReason::Ring`]; or, with `Block`, it waits for room first.
//!
//! # After a fork
//!
//! The reader of the rings stays behind in the parent. In the child every call on the parent's
//! intake is dropped and counted as [`DropReason::Forked`], without touching a lock or a ring. An
//! intake that is made in the child works.
//!
//! ```
//! use rolog_core::intake::{EntryHeader, Intake, IntakeConfig};
//!
//! let intake = Intake::new(IntakeConfig::default())?;
//! let mut pump = intake.consumer().expect("nobody else has taken it");
//!
//! let header = EntryHeader { level: 20, ticks: 7, ..EntryHeader::default() };
//! intake.publish(header, b"values").unwrap();
//!
//! let mut seen = Vec::new();
//! pump.drain(u64::MAX, usize::MAX, &mut |entry| seen.push(entry.payload.to_vec()));
//! assert_eq!(seen, [b"values"]);
//! assert!(intake.counts().is_balanced());
//! # Ok::<(), rolog_core::Error>(())
//! ```

mod config;
mod consumer;
mod doorbell;
mod drain;
mod overflow;
mod publish;
mod registry;
mod room;
mod tally;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, thread};

pub use self::config::{IntakeConfig, RingOverflow};
pub use self::consumer::{Consumer, Woken};
pub use self::drain::{Drained, Entry};
pub use self::room::RoomWait;
pub use self::tally::{DropReason, Dropped, Refusal, SourceCounts};
pub use crate::ring::local::{
    CaptureGuard, NoWaitGuard, capture_guard, is_capturing, no_wait_guard,
};
pub use crate::ring::{Block, EntryHeader, HeapMemory, MemorySource};

use self::doorbell::Doorbell;
use self::overflow::Overflow;
use self::registry::Registry;
use self::room::Room;
use self::tally::Tally;
use crate::clock::counter;
use crate::ring::local::Thread;
use crate::ring::{Memory, Reader, Segment, Sizes, barrier, fork};
use crate::{Error, Level};

/// In the place of a level that wakes the pump: none does.
const NO_LEVEL: u8 = u8::MAX;

/// How long [`Intake::close`] waits for calls that were in the middle of a publish.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// One pipeline's source: loggers publish here, the one [`Consumer`] drains.
pub struct Intake {
    /// Unique in the process, never 0, never used again.
    id: u64,
    max_record: usize,
    /// The code of the level from which on a record wakes the pump. Relaxed: a setting.
    flush_on: AtomicU8,
    doorbell: Doorbell,
    /// The generation of the process that made this; see [`fork`].
    generation: u64,
    /// [`RingOverflow`] as nanoseconds to wait, 0 for none. Relaxed: a setting.
    max_wait: AtomicU64,
    closed: AtomicBool,
    memory: Arc<Memory>,
    sizes: Sizes,
    registry: Registry,
    overflow: Overflow,
    /// The shared queue's reader, until the consumer is taken.
    reader: Mutex<Option<Reader>>,
    room: Room,
    tally: Tally,
}

impl Intake {
    /// An intake on heap memory.
    ///
    /// # Errors
    ///
    /// When the budget is too small for `max_record`; the message says what would do.
    pub fn new(config: IntakeConfig) -> Result<Arc<Intake>, Error> {
        Self::with_memory(config, || Box::new(HeapMemory))
    }

    /// An intake on memory of another kind. `source` is called twice: once for the rings and once
    /// for the shared queue.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_memory(
        config: IntakeConfig,
        source: impl Fn() -> Box<dyn MemorySource>,
    ) -> Result<Arc<Intake>, Error> {
        static IDS: AtomicU64 = AtomicU64::new(1);
        let layout = config.layout()?;
        barrier::prepare();
        fork::watch();
        // Chosen and measured here, not in the first log call.
        counter();
        let (overflow, reader) = Overflow::new(source(), layout.queue);
        Ok(Arc::new(Intake {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            max_record: config.max_record,
            flush_on: AtomicU8::new(config.flush_on.map_or(NO_LEVEL, Level::code)),
            doorbell: Doorbell::new(),
            generation: fork::generation(),
            max_wait: AtomicU64::new(config.overflow.nanos()),
            closed: AtomicBool::new(false),
            memory: Memory::with_ready(source(), layout.rings, Segment::cost(layout.sizes.roomy)),
            sizes: layout.sizes,
            registry: Registry::new(),
            overflow,
            reader: Mutex::new(Some(reader)),
            room: Room::new(),
            tally: Tally::default(),
        }))
    }

    /// The end that drains, once.
    pub fn consumer(self: &Arc<Self>) -> Option<Consumer> {
        let reader = self
            .reader
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()?;
        Some(Consumer::new(self.clone(), reader))
    }

    /// The largest payload that is taken.
    pub fn max_record(&self) -> usize {
        self.max_record
    }

    /// The level from which on a record wakes the pump at once.
    pub fn set_flush_on(&self, level: Option<Level>) {
        self.flush_on
            .store(level.map_or(NO_LEVEL, Level::code), Ordering::Relaxed);
    }

    /// What happens to records that find no room, from now on.
    pub fn set_overflow(&self, overflow: RingOverflow) {
        self.max_wait.store(overflow.nanos(), Ordering::Relaxed);
    }

    /// Counts a record that was emitted and never came to a publish.
    pub fn count_dropped(&self, reason: DropReason) {
        self.tally.emitted.add(1);
        self.tally.dropped(reason).add(1);
    }

    /// Counts a call that waited for room elsewhere (in a target's queue) before it published.
    pub fn count_slow_path(&self) {
        self.tally.slow_path.add(1);
    }

    /// The source's row of the ledger.
    pub fn counts(&self) -> SourceCounts {
        // In a child process a lock may have lost its holder; the atomics still count.
        let sums = if self.is_forked() {
            self.registry.try_sums()
        } else {
            Some(self.registry.sums())
        };
        let (emitted, published, rings) =
            sums.map_or((0, 0, 0), |sums| (sums.emitted, sums.published, sums.rings));
        let published = published + self.overflow.shared.published();
        let drained = self.tally.drained.get();
        SourceCounts {
            emitted: emitted + self.tally.emitted.get(),
            published,
            drained,
            in_rings: published.saturating_sub(drained + self.tally.discarded.get()),
            late: self.tally.late.get(),
            overflowed: self.tally.overflowed.get(),
            slow_path: self.tally.slow_path.get(),
            wakes: self.doorbell.wakes(),
            rings,
            bytes: (self.memory.used() + self.overflow.memory.used()) as u64,
            dropped: DropReason::ALL
                .into_iter()
                .map(|reason| (reason, self.tally.dropped(reason).get()))
                .collect(),
        }
    }

    /// Makes the pump look at the rings now.
    pub fn wake(&self) {
        if !self.is_forked() {
            self.doorbell.ring();
        }
    }

    /// From now on every call is dropped as [`DropReason::Disposed`]. When this returns, what was
    /// published is in the rings for the consumer, and nothing more comes: calls that were in the
    /// middle of a publish are waited for, at most for a second.
    pub fn close(&self) {
        if self.is_forked() || self.closed.swap(true, Ordering::SeqCst) {
            return;
        }
        let mut rings = self.registry.close();
        self.overflow.shared.close();
        rings.push(self.overflow.shared.clone());
        // With the barrier behind it, a ring that is not busy has seen that it is closed, or will.
        let _ = barrier::heavy();
        let patience = Instant::now() + CLOSE_PATIENCE;
        while rings.iter().any(|ring| ring.is_busy()) && Instant::now() < patience {
            thread::yield_now();
        }
        self.room.notify();
        self.doorbell.ring();
    }

    /// Whether [`close`](Self::close) was called.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Whether this is the child of the process that made the intake.
    pub fn is_forked(&self) -> bool {
        self.generation != fork::generation()
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        // Threads let go of their rings when they find them closed.
        if !self.is_forked() {
            self.registry.close();
        }
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake")
            .field("id", &self.id)
            .field("max_record", &self.max_record)
            .field("memory", &self.memory)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
