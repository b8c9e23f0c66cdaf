//! What the two ends of a ring share, beside the segments themselves.

use super::segment::Segment;
use super::sync::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Mutex, Ordering};

/// The reader wants the memory of an idle ring back.
pub(super) const RECLAIM: u32 = 1;
/// The ring takes nothing any more.
pub(super) const CLOSED: u32 = 2;

/// The capacities that a ring goes through: from `first` in steps of four to `roomy`, then doubling, to
/// `largest`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) first: usize,
    /// A ring that is smaller than this grows when it is full, and wakes nobody before: a reader
    /// that polls comes in time, and to wake it costs the caller microseconds, while a segment costs
    /// memory. So the ring of a thread that logs much comes to hold what happens between two polls.
    pub(crate) roomy: usize,
    pub(crate) largest: usize,
}

impl Sizes {
    /// The capacity after this one.
    pub(super) fn after(self, capacity: usize) -> usize {
        if capacity < self.roomy {
            (4 * capacity).min(self.roomy)
        } else {
            2 * capacity
        }
    }
}

/// The producer's line: written at every publish, by its thread alone.
#[repr(align(128))]
pub(super) struct ProducerLine {
    /// A publish is under way. With `attention` it decides who may touch the segments.
    pub(super) busy: AtomicBool,
    /// The producer is gone. Store release after its last publish, load acquire.
    pub(super) ended: AtomicBool,
    /// Entries published. Store release after `head`, so that whoever loads it with acquire finds
    /// that many entries.
    pub(super) published: AtomicU64,
    /// Records whose call came this way. A statistic of one writer: relaxed.
    pub(super) emitted: AtomicU64,
}

/// The state of a ring that both ends see.
#[repr(align(128))]
pub(crate) struct Shared {
    pub(super) line: ProducerLine,
    /// [`RECLAIM`] and [`CLOSED`]: reasons for the producer to leave the fast path. Set relaxed by
    /// the reader or the intake, followed by a heavy barrier; loaded relaxed by the producer after a
    /// light one.
    pub(super) attention: AtomicU32,
    /// The oldest segment, null while there is none. The producer stores (release) when it is null;
    /// otherwise it belongs to the reader.
    pub(super) first: AtomicPtr<Segment>,
    /// Held while segments are linked or taken away, never while one publishes. The value: the
    /// reader took the memory away and the producer does not know yet.
    pub(super) taken_away: Mutex<bool>,
    pub(super) sizes: Sizes,
    serial: u64,
}

impl Shared {
    pub(super) fn new(serial: u64, sizes: Sizes) -> Self {
        Shared {
            line: ProducerLine {
                busy: AtomicBool::new(false),
                ended: AtomicBool::new(false),
                published: AtomicU64::new(0),
                emitted: AtomicU64::new(0),
            },
            attention: AtomicU32::new(0),
            first: AtomicPtr::new(std::ptr::null_mut()),
            taken_away: Mutex::new(false),
            sizes,
            serial,
        }
    }

    /// The number of this ring, unique in the process.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    /// Records whose call came through this ring's thread.
    pub(crate) fn emitted(&self) -> u64 {
        self.line.emitted.load(Ordering::Relaxed)
    }

    /// Counts a call. For the producer alone.
    #[inline]
    pub(super) fn count_emitted(&self) {
        let emitted = &self.line.emitted;
        emitted.store(emitted.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Entries published so far. Each of them is visible to the reader that got this number.
    pub(crate) fn published(&self) -> u64 {
        self.line.published.load(Ordering::Acquire)
    }

    /// Whether the producer is gone, and with it the chance of further entries.
    pub(crate) fn ended(&self) -> bool {
        self.line.ended.load(Ordering::Acquire)
    }

    /// Refuses every later publish. One that is under way may still end: after a heavy barrier,
    /// [`is_busy`](Self::is_busy) tells whether there is one.
    pub(crate) fn close(&self) {
        self.attention.fetch_or(CLOSED, Ordering::Relaxed);
    }

    /// Whether [`close`](Self::close) was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.attention.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Whether a publish is under way. Acquire: when it is not, what the last one wrote is visible.
    pub(crate) fn is_busy(&self) -> bool {
        self.line.busy.load(Ordering::Acquire)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        free_chain(self.first.load(Ordering::Acquire));
    }
}

/// Frees this segment and those after it. Whoever calls owns them all: nobody else can reach them
/// any more.
pub(super) fn free_chain(mut segment: *mut Segment) {
    while !segment.is_null() {
        // SAFETY: made by `Box::into_raw` in the producer and owned by the caller; each is visited
        // once, since `next` is read before the box goes.
        let boxed = unsafe { Box::from_raw(segment) };
        segment = boxed.next.load(Ordering::Acquire);
    }
}

/// The producer's side of [`Shared::busy`](ProducerLine::busy): set while a publish is under way,
/// also when it ends by a panic.
pub(super) struct Busy<'a>(&'a Shared);

impl<'a> Busy<'a> {
    /// `None` when a publish is under way on this ring already: a value that logs.
    #[inline]
    pub(super) fn enter(shared: &'a Shared) -> Option<Self> {
        // Relaxed: one's own flag.
        if shared.line.busy.load(Ordering::Relaxed) {
            return None;
        }
        Some(Self::enter_free(shared))
    }

    /// For a ring of which it is known that no publish is under way.
    #[inline]
    pub(super) fn enter_free(shared: &'a Shared) -> Self {
        debug_assert!(!shared.line.busy.load(Ordering::Relaxed));
        // Relaxed: the light barrier that follows orders it before the look at `attention`.
        shared.line.busy.store(true, Ordering::Relaxed);
        Busy(shared)
    }
}

impl Drop for Busy<'_> {
    #[inline]
    fn drop(&mut self) {
        // Release: whoever finds the ring not busy sees what was published.
        self.0.line.busy.store(false, Ordering::Release);
    }
}
