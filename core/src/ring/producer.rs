//! The writing end of a ring.

use std::cell::Cell;
use std::ptr;

use super::barrier::Light;
use super::entry::{EntryHeader, HEADER_BYTES, SKIP, footprint};
use super::memory::Memory;
use super::segment::Segment;
use super::shared::{Busy, RECLAIM, Shared};
use super::sync::{Arc, Ordering, lock};

/// The share of the budget (one part in eight) that growing rings leave to new ones.
const SPARE_SHARE: usize = 8;

/// Why an entry was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No room: [`Producer::grow`] may help.
    Full,
    /// The ring was closed, or its memory taken away: [`Producer::resume`] tells.
    Attention,
    /// An entry of this ring is being written right now, further up this thread's stack.
    Nested,
}

/// The one writer of a ring.
///
/// Methods take `&self`, because a value that logs while it is written comes back to the same
/// producer; such a call is refused as [`Refused::Nested`]. The type is not `Sync`.
pub(crate) struct Producer {
    /// The segment that is written to; null while the ring has no memory.
    segment: Cell<*const Segment>,
    /// Capacity - 1; 0 while there is no segment.
    mask: Cell<u64>,
    head: Cell<u64>,
    /// Up to here an entry goes right behind the last one, and there is nothing to decide: it meets
    /// neither the end of the segment, nor what is still to be read, nor (where that is to be
    /// noticed) half of the ring, as of the last look at `tail`.
    straight: Cell<u64>,
    /// `tail` at the last look.
    seen: Cell<u64>,
    shared: Arc<Shared>,
    memory: std::sync::Arc<Memory>,
}

// SAFETY: the pointer leads to a segment that only this producer writes; nothing in it depends on
// the thread.
unsafe impl Send for Producer {}

impl Producer {
    pub(super) fn new(shared: Arc<Shared>, memory: std::sync::Arc<Memory>) -> Self {
        Producer {
            segment: Cell::new(ptr::null()),
            mask: Cell::new(0),
            head: Cell::new(0),
            straight: Cell::new(0),
            seen: Cell::new(0),
            shared,
            memory,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// As [`Claim::count_emitted`], for a call that gets no claim.
    pub(crate) fn count_emitted(&self) {
        self.shared.count_emitted();
    }

    /// Room for a payload of `len` bytes.
    #[cfg(test)]
    pub(crate) fn claim(&self, len: usize) -> Result<Claim<'_>, Refused> {
        let is_free = !self.shared.line.busy.load(Ordering::Relaxed);
        let straight = is_free.then(|| self.claim_straight(Light::of_now(), len));
        match straight.flatten() {
            Some(claim) => Ok(claim),
            None => self.claim_leaving(len, 0),
        }
    }

    /// Room for a payload of `len` bytes right behind the last entry, for a caller that knows that no
    /// publish is under way here. `None` where there is something to decide first, which
    /// [`claim_leaving`](Self::claim_leaving) does.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "a log call in one piece keeps its parts in registers: half the instructions"
    )]
    pub(crate) fn claim_straight(&self, light: Light, len: usize) -> Option<Claim<'_>> {
        let shared: &Shared = &self.shared;
        let busy = Busy::enter_free(shared);
        if !Self::may_go_on(shared, light) {
            return None;
        }
        let start = self.head.get();
        let end = start + footprint(len) as u64;
        (end <= self.straight.get()).then_some(Claim {
            producer: self,
            shared,
            _busy: busy,
            start,
            end,
            len,
            look: None,
        })
    }

    /// Whether nobody wants something of this producer, once it is busy.
    #[inline]
    fn may_go_on(shared: &Shared, light: Light) -> bool {
        light.fence();
        // Relaxed: after `busy` and a light barrier; the other side has stored it before a heavy
        // one, and looks at `busy` after it. So this load sees the flag, or that side sees `busy`.
        shared.attention.load(Ordering::Relaxed) == 0
    }

    /// Room for a payload of `len` bytes, if `reserve` bytes stay free beside it, after a look at what
    /// the reader has released.
    pub(crate) fn claim_leaving(&self, len: usize, reserve: usize) -> Result<Claim<'_>, Refused> {
        let shared: &Shared = &self.shared;
        let busy = Busy::enter(shared).ok_or(Refused::Nested)?;
        if !Self::may_go_on(shared, Light::of_now()) {
            return Err(Refused::Attention);
        }
        // SAFETY: the segment of a producer that is busy without attention stays (see `reclaim`).
        let segment = unsafe { self.segment.get().as_ref() }.ok_or(Refused::Full)?;
        let (capacity, mask) = (segment.capacity() as u64, self.mask.get());
        let (need, reserve) = (footprint(len) as u64, reserve as u64);
        let head = self.head.get();
        // Entries are contiguous: one that does not fit before the end starts at the beginning.
        let skip = (head & mask) + need > capacity;
        let start = if skip { (head | mask) + 1 } else { head };
        let end = start + need;
        // Acquire: the reader's accesses to these bytes come before the writes that follow.
        let tail = segment.control().tail.load(Ordering::Acquire);
        if need + reserve > capacity || end - tail > capacity - reserve {
            return Err(Refused::Full);
        }
        // The pump is due when half of the ring is passed, and once more whenever it has read on
        // since and left as much.
        let half = capacity / 2;
        let is_past_half = end - tail > half;
        let is_news = head - tail <= half || tail != self.seen.get();
        let free = if is_past_half { capacity } else { half };
        let look = Look {
            tail,
            straight: (tail + free).min((start | mask) + 1),
            skip_at: skip.then_some(head & mask),
            is_due: is_past_half && is_news && !self.would_rather_grow(segment.capacity()),
        };
        Ok(Claim {
            producer: self,
            shared,
            _busy: busy,
            start,
            end,
            len,
            look: Some(look),
        })
    }

    /// Whether a ring of this capacity is small still, and there is memory for it to grow.
    fn would_rather_grow(&self, capacity: usize) -> bool {
        let spare = self.memory.share(SPARE_SHARE);
        // The least step: where memory is short, a ring takes what there is.
        capacity < self.shared.sizes.roomy
            && self.memory.has_left(Segment::cost(2 * capacity), spare)
    }

    /// Links a larger segment, with room for a payload of `len` bytes. False when the budget or
    /// the ring's largest size do not allow it.
    #[cold]
    pub(crate) fn grow(&self, len: usize) -> bool {
        let mut taken_away = lock(&self.shared.taken_away);
        self.adopt(&mut taken_away);
        let sizes = self.shared.sizes;
        // SAFETY: with the lock held nobody takes the segment away.
        let current = unsafe { self.segment.get().as_ref() };
        if current.is_some() && sizes.first == sizes.largest {
            return false;
        }
        // A share of the budget is for threads that have no ring yet: one that floods the pipeline
        // does not take it from them.
        let spare = current.map_or(0, |_| self.memory.share(SPARE_SHARE));
        let least = footprint(len).next_power_of_two().max(sizes.first);
        if least > sizes.largest {
            return false;
        }
        let wanted = match current {
            None => sizes.first,
            // What is ready costs the caller nothing, however large.
            Some(_) if self.memory.has_ready() == Some(Segment::cost(sizes.roomy)) => sizes.roomy,
            Some(_) => 0,
        };
        let next = current.map_or(0, |segment| sizes.after(segment.capacity()));
        let mut capacity = wanted.max(next).clamp(least, sizes.largest);
        let segment = loop {
            if let Some(segment) = Segment::new(&self.memory, capacity, spare) {
                break segment;
            }
            self.memory.note_short();
            if capacity == least {
                return false;
            }
            capacity /= 2;
        };
        let segment = Box::into_raw(segment);
        self.segment.set(segment);
        self.mask.set(capacity as u64 - 1);
        self.head.set(0);
        self.straight.set(capacity as u64 / 2);
        self.seen.set(0);
        match current {
            // Release: the segment is made before it is seen, and the last entry of the current
            // one was published before the reader moves on. It may be freed from here on.
            Some(current) => current.next.store(segment, Ordering::Release),
            None => self.shared.first.store(segment, Ordering::Release),
        }
        true
    }

    /// Finds out why there was [`Refused::Attention`]. True when publishing may go on, perhaps
    /// after [`grow`](Self::grow); false when the ring is closed.
    #[cold]
    pub(crate) fn resume(&self) -> bool {
        let mut taken_away = lock(&self.shared.taken_away);
        self.adopt(&mut taken_away);
        !self.shared.is_closed()
    }

    /// Takes notice of what the reader did while it held the lock.
    fn adopt(&self, taken_away: &mut bool) {
        if std::mem::take(taken_away) {
            self.segment.set(ptr::null());
            self.mask.set(0);
            self.head.set(0);
            self.straight.set(0);
            self.seen.set(0);
        }
        // Relaxed: the flag changes under the lock only.
        self.shared.attention.fetch_and(!RECLAIM, Ordering::Relaxed);
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // Release: whoever sees the end sees every entry.
        self.shared.line.ended.store(true, Ordering::Release);
    }
}

/// Room in the ring. Dropped without [`publish`](Claim::publish), it leaves no trace.
pub(crate) struct Claim<'a> {
    producer: &'a Producer,
    shared: &'a Shared,
    _busy: Busy<'a>,
    start: u64,
    end: u64,
    len: usize,
    /// What was decided, where it was not straight on.
    look: Option<Look>,
}

/// What a look at the reader's progress brought.
struct Look {
    tail: u64,
    /// The next [`Producer::straight`].
    straight: u64,
    /// Where the end of the segment begins that is left empty, if it is.
    skip_at: Option<u64>,
    is_due: bool,
}

impl Claim<'_> {
    /// Writes the entry and publishes it; when `write` panics, nothing is published. `write` gets
    /// exactly as many bytes as were claimed, with whatever was in them before.
    ///
    /// The answer: whether the pump is due: more than half of the ring waits, and it will not grow.
    pub(crate) fn write(mut self, header: &EntryHeader, write: impl FnOnce(&mut [u8])) -> bool {
        write(self.begin(header));
        self.publish()
    }

    /// Writes the header, and lends the room for the payload, with whatever was in it before.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `Producer::claim_straight`")]
    pub(crate) fn begin(&mut self, header: &EntryHeader) -> &mut [u8] {
        // SAFETY: a claim exists only where there is a segment, and it stays: its producer is busy
        // without attention (see `reclaim`).
        let segment = unsafe { &*self.producer.segment.get() };
        if let Some(at) = self.look.as_ref().and_then(|look| look.skip_at) {
            // SAFETY: from `head` to the end of the data there are at least eight bytes, and they
            // are free, since the claim reaches beyond them.
            let skip = unsafe { segment.bytes_mut(at as usize, size_of::<u32>()) };
            skip.copy_from_slice(&SKIP.to_le_bytes());
        }
        let at = (self.start & self.producer.mask.get()) as usize;
        // SAFETY: the claim checked that the header and `len` bytes behind it are free and within
        // the data; `busy` keeps a second claim from overlapping, and the two do not overlap.
        let (fixed, payload) = unsafe {
            (
                segment.bytes_mut(at, HEADER_BYTES),
                segment.bytes_mut(at + HEADER_BYTES, self.len),
            )
        };
        fixed.copy_from_slice(&header.encode(self.len as u32));
        payload
    }

    /// Counts the call that led here. The counter has this one writer, so that it needs no
    /// read-modify-write.
    #[inline]
    pub(crate) fn count_emitted(&self) {
        self.shared.count_emitted();
    }

    /// Lets the reader see the entry, after [`begin`](Claim::begin).
    ///
    /// The answer: whether the pump is due: more than half of the ring waits, and it will not grow.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `Producer::claim_straight`")]
    pub(crate) fn publish(self) -> bool {
        // SAFETY: as in `begin`.
        let segment = unsafe { &*self.producer.segment.get() };
        self.producer.head.set(self.end);
        // Release: the bytes come before the position that publishes them.
        segment.control().head.store(self.end, Ordering::Release);
        let published = &self.shared.line.published;
        // Release: the position comes before the count. Relaxed load: its only writer.
        published.store(published.load(Ordering::Relaxed) + 1, Ordering::Release);
        self.look.is_some_and(|look| {
            self.producer.straight.set(look.straight);
            self.producer.seen.set(look.tail);
            look.is_due
        })
    }
}
