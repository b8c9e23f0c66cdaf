//! The reading end of a ring.

use super::entry::{EntryHeader, HEADER_BYTES, SKIP, footprint};
use super::segment::Segment;
use super::shared::{RECLAIM, Shared, free_chain};
use super::sync::{Arc, MutexGuard, Ordering, lock};

/// The one reader of a ring.
pub(crate) struct Reader {
    shared: Arc<Shared>,
    /// The next byte to read, in the oldest segment.
    position: u64,
    /// `head` of that segment at the last look.
    head: u64,
    /// What the producer may write over, as it was told last.
    released: u64,
    /// Where it is told again at the latest.
    release_at: u64,
    /// Entries taken so far.
    taken: u64,
}

/// Told to the producer at the latest after this part of the ring was read.
const RELEASE_SHARE: usize = 8;

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Reader {
            shared,
            position: 0,
            head: 0,
            released: 0,
            release_at: 0,
            taken: 0,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Entries taken so far.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether everything that was published is taken.
    pub(crate) fn is_drained(&self) -> bool {
        self.shared.published() == self.taken
    }

    /// The oldest entry, which stays in the ring.
    pub(crate) fn front(&mut self) -> Option<(EntryHeader, &[u8])> {
        let (segment, header, len) = self.find()?;
        let offset = self.position as usize & (segment.capacity() - 1);
        // SAFETY: `find` saw this entry below `head`; `tail` passes it in `release` only, which
        // needs `&mut self`.
        let payload = unsafe { segment.bytes(offset + HEADER_BYTES, len) };
        Some((header, payload))
    }

    /// When the oldest entry was made.
    pub(crate) fn front_ticks(&mut self) -> Option<u64> {
        self.find().map(|(_, header, _)| header.ticks)
    }

    /// Takes the oldest entry out, if `admit` agrees to its ticks. Its bytes stay at least until
    /// the next call on the reader.
    #[inline]
    pub(crate) fn take_if(
        &mut self,
        admit: impl FnOnce(u64) -> bool,
    ) -> Option<(EntryHeader, &[u8])> {
        if self.position >= self.release_at {
            self.release_some();
        }
        let (segment, header, len) = self.find()?;
        if !admit(header.ticks) {
            return None;
        }
        let offset = self.position as usize & (segment.capacity() - 1);
        self.position += footprint(len) as u64;
        self.taken += 1;
        // SAFETY: as in `front`; what was taken is not released before the next `&mut self`.
        let payload = unsafe { segment.bytes(offset + HEADER_BYTES, len) };
        Some((header, payload))
    }

    /// Gives the room of everything taken back to the producer. True when there was any.
    pub(crate) fn release(&mut self) -> bool {
        if self.position == self.released {
            return false;
        }
        if let Some(segment) = self.segment() {
            // Release: the reads of these bytes come before the producer's writes over them.
            segment
                .control()
                .tail
                .store(self.position, Ordering::Release);
        }
        self.released = self.position;
        true
    }

    #[cold]
    fn release_some(&mut self) {
        self.release();
        let share = self.capacity() / RELEASE_SHARE;
        self.release_at = self.position + share.max(1) as u64;
    }

    /// The bytes of ring memory that the oldest segment has.
    pub(crate) fn capacity(&self) -> usize {
        self.segment().map_or(0, Segment::capacity)
    }

    /// The oldest segment. Its lifetime is that of the ring, not of the borrow: it is freed by this
    /// reader alone, in `find`, `finish` and never while a slice is borrowed from the reader.
    #[inline]
    fn segment<'a>(&self) -> Option<&'a Segment> {
        // Acquire: with the producer's release, the segment is made before it is seen.
        let first = self.shared.first.load(Ordering::Acquire);
        // SAFETY: null or a segment that only this reader frees, and only where it replaces `first`.
        unsafe { first.as_ref() }
    }

    /// The segment, header and payload length of the oldest entry, after moving on from segments
    /// that are done with and over skipped ends.
    #[inline]
    fn find<'a>(&mut self) -> Option<(&'a Segment, EntryHeader, usize)> {
        loop {
            let segment = self.segment()?;
            if self.position == self.head {
                // Acquire: the bytes below `head` are written.
                self.head = segment.control().head.load(Ordering::Acquire);
                if self.position == self.head && !self.move_on() {
                    return None;
                }
                continue;
            }
            let offset = self.position as usize & (segment.capacity() - 1);
            // SAFETY: below `head`, so that there is a marker of at least four bytes here.
            let marker = unsafe { segment.bytes(offset, size_of::<u32>()) };
            if marker == SKIP.to_le_bytes() {
                self.position = (self.position | (segment.capacity() as u64 - 1)) + 1;
                continue;
            }
            // SAFETY: below `head`, and no marker: a whole header is here.
            let bytes = unsafe { segment.bytes(offset, HEADER_BYTES) };
            let (header, len) = EntryHeader::decode(
                bytes
                    .try_into()
                    .expect("the slice has exactly the length of a header"),
            );
            return Some((segment, header, len as usize));
        }
    }

    /// Leaves a segment that is read to its `head`, if the producer has left it. False when there
    /// is nothing further; true when it is worth looking again.
    #[cold]
    fn move_on(&mut self) -> bool {
        let Some(segment) = self.segment() else {
            return false;
        };
        // Acquire: the producer's last `head` here came before `next`, so the look below is final.
        let next = segment.next.load(Ordering::Acquire);
        if next.is_null() {
            return false;
        }
        self.head = segment.control().head.load(Ordering::Acquire);
        if self.position == self.head {
            // Relaxed: a non-null `first` belongs to this side, which has seen `next` with acquire.
            let old = self.shared.first.swap(next, Ordering::Relaxed);
            // SAFETY: made by `Box::into_raw`; the producer has left it, and nothing is borrowed
            // from it, since that would have borrowed `self`.
            drop(unsafe { Box::from_raw(old) });
            (self.position, self.head, self.released) = (0, 0, 0);
            self.release_at = 0;
        }
        true
    }

    /// First half of taking an idle ring's memory away: asks the producer to stay out. After a
    /// [heavy barrier](super::barrier::heavy) comes [`Reclaim::finish`]. `None` when there is
    /// nothing to take.
    pub(crate) fn reclaim(&mut self) -> Option<Reclaim<'_>> {
        self.release();
        self.segment()?;
        let shared = self.shared.clone();
        // Relaxed: the heavy barrier orders it before the look at `busy`.
        let guard = lock(&self.shared.taken_away);
        shared.attention.fetch_or(RECLAIM, Ordering::Relaxed);
        Some(Reclaim {
            guard,
            shared,
            position: &mut self.position,
            head: &mut self.head,
            released: &mut self.released,
            release_at: &mut self.release_at,
            taken: &mut self.taken,
        })
    }
}

/// The memory of a ring on its way back to the budget. See [`Reader::reclaim`].
pub(crate) struct Reclaim<'a> {
    guard: MutexGuard<'a, bool>,
    shared: Arc<Shared>,
    position: &'a mut u64,
    head: &'a mut u64,
    released: &'a mut u64,
    release_at: &'a mut u64,
    taken: &'a mut u64,
}

impl Reclaim<'_> {
    /// Frees the memory, unless the producer is at work or (without `discard`) entries are left.
    /// The answer: how many entries were discarded, or `None` when the memory stays.
    ///
    /// `barrier` is what the heavy barrier answered. Without it nothing is freed: the producer
    /// might not have seen that it is to stay out.
    pub(crate) fn finish(mut self, barrier: bool, discard: bool) -> Option<u64> {
        // `busy` is looked at before `published`: what a publish that just ended has written shows.
        let quiet = barrier && !self.shared.is_busy();
        let left = self.shared.published() - *self.taken;
        if !quiet || (left > 0 && !discard) {
            self.shared.attention.fetch_and(!RECLAIM, Ordering::Relaxed);
            return None;
        }
        // From here on the producer finds RECLAIM, takes the lock and learns that it has no segment.
        *self.guard = true;
        free_chain(
            self.shared
                .first
                .swap(std::ptr::null_mut(), Ordering::AcqRel),
        );
        (*self.position, *self.head, *self.released) = (0, 0, 0);
        *self.release_at = 0;
        *self.taken += left;
        Some(left)
    }
}
