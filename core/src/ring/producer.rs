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
    /// Up to here an entry fits without passing half of the ring, as of the last look at `tail`.
    half: Cell<u64>,
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
            half: Cell::new(0),
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
        self.claim_leaving(len, 0)
    }

    /// Room for a payload of `len` bytes, if `reserve` bytes stay free beside it.
    pub(crate) fn claim_leaving(&self, len: usize, reserve: usize) -> Result<Claim<'_>, Refused> {
        let shared: &Shared = &self.shared;
        let busy = Busy::enter(shared).ok_or(Refused::Nested)?;
        self.claim_behind(shared, busy, Light::of_now(), len, reserve)
    }

    /// Room for a payload of `len` bytes, for a caller that knows that no publish is under way here.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "a log call in one piece keeps its parts in registers: half the instructions"
    )]
    pub(crate) fn claim_free(&self, light: Light, len: usize) -> Result<Claim<'_>, Refused> {
        let shared: &Shared = &self.shared;
        self.claim_behind(shared, Busy::enter_free(shared), light, len, 0)
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `claim_free`")]
    fn claim_behind<'a>(
        &'a self,
        shared: &'a Shared,
        busy: Busy<'a>,
        light: Light,
        len: usize,
        reserve: usize,
    ) -> Result<Claim<'a>, Refused> {
        light.fence();
        // Relaxed: after `busy` and a light barrier; the other side has stored it before a heavy
        // one, and looks at `busy` after it. So this load sees the flag, or that side sees `busy`.
        if shared.attention.load(Ordering::Relaxed) != 0 {
            return Err(Refused::Attention);
        }
        let need = footprint(len) as u64;
        let head = self.head.get();
        let mask = self.mask.get();
        // Entries are contiguous: one that does not fit before the end starts at the beginning.
        let start = if (head & mask) + need <= mask + 1 {
            head
        } else {
            (head | mask) + 1
        };
        let end = start + need;
        let is_due = end > self.half.get() && self.press(end, need, reserve as u64)?;
        Ok(Claim {
            producer: self,
            shared,
            _busy: busy,
            mask,
            head,
            start,
            end,
            len,
            is_due,
        })
    }

    /// A look at what the reader has released. The answer: whether the pump is due, since the entry
    /// passes half of a ring that will not grow (it is large, or there is no memory).
    #[cold]
    fn press(&self, end: u64, need: u64, reserve: u64) -> Result<bool, Refused> {
        // SAFETY: the segment of a producer that is busy without attention stays (see `reclaim`).
        let segment = unsafe { self.segment.get().as_ref() }.ok_or(Refused::Full)?;
        let capacity = segment.capacity() as u64;
        // Acquire: the reader's accesses to these bytes come before the writes that follow.
        let tail = segment.control().tail.load(Ordering::Acquire);
        self.half.set(tail + capacity / 2);
        if need + reserve > capacity || end - tail > capacity - reserve {
            return Err(Refused::Full);
        }
        let half = capacity / 2;
        let is_due = end - tail > half && self.head.get() - tail <= half;
        Ok(is_due && !self.would_rather_grow(segment.capacity()))
    }

    /// Whether a ring of this capacity is small still, and there is memory for it to grow.
    fn would_rather_grow(&self, capacity: usize) -> bool {
        let spare = self.memory.share(SPARE_SHARE);
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
        let double = current.map_or(sizes.first, |segment| segment.capacity() * 2);
        let mut capacity = double.clamp(least, sizes.largest);
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
        self.half.set(capacity as u64 / 2);
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
            self.half.set(0);
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
    mask: u64,
    head: u64,
    start: u64,
    end: u64,
    len: usize,
    is_due: bool,
}

impl Claim<'_> {
    /// Writes the entry and publishes it; when `write` panics, nothing is published. `write` gets
    /// exactly as many bytes as were claimed, with whatever was in them before.
    ///
    /// The answer: whether the pump is due: the ring passed its half, and will not grow.
    pub(crate) fn write(mut self, header: &EntryHeader, write: impl FnOnce(&mut [u8])) -> bool {
        write(self.begin(header));
        self.publish()
    }

    /// Writes the header, and lends the room for the payload, with whatever was in it before.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `claim_free`")]
    pub(crate) fn begin(&mut self, header: &EntryHeader) -> &mut [u8] {
        // SAFETY: a claim exists only where there is a segment, and it stays: its producer is busy
        // without attention (see `reclaim`).
        let segment = unsafe { &*self.producer.segment.get() };
        if self.start != self.head {
            // SAFETY: from `head` to the end of the data there are at least eight bytes, and they
            // are free, since the claim reaches beyond them.
            let skip =
                unsafe { segment.bytes_mut((self.head & self.mask) as usize, size_of::<u32>()) };
            skip.copy_from_slice(&SKIP.to_le_bytes());
        }
        let at = (self.start & self.mask) as usize;
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
    /// The answer: whether the pump is due: the ring passed its half, and will not grow.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `claim_free`")]
    pub(crate) fn publish(self) -> bool {
        // SAFETY: as in `begin`.
        let segment = unsafe { &*self.producer.segment.get() };
        self.producer.head.set(self.end);
        // Release: the bytes come before the position that publishes them.
        segment.control().head.store(self.end, Ordering::Release);
        let published = &self.shared.line.published;
        // Release: the position comes before the count. Relaxed load: its only writer.
        published.store(published.load(Ordering::Relaxed) + 1, Ordering::Release);
        self.is_due
    }
}
