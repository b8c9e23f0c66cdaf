//! The caller's side.

use std::mem;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{DropReason, Dropped, Intake, Refusal, RoomWait, Thread};
use crate::ring::barrier::Light;
use crate::ring::local::Entered;
use crate::ring::{Claim, EntryHeader, Producer, Refused, local};

impl Intake {
    /// Room for a record in the common case: it goes right behind the last one of this thread, and
    /// nothing needs attention. `None` otherwise; nothing was counted then. `len` is at most
    /// [`max_record`](Self::max_record).
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "a log call in one piece keeps its parts in registers: half the instructions"
    )]
    pub(crate) fn open(&self, len: usize) -> Option<Open<'_>> {
        self.open_in(local::current().enter(self.id)?, len)
    }

    /// [`open`](Self::open), unless the thread is in a context: then a record has more than its
    /// values.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `open`")]
    pub(crate) fn open_plain(&self, len: usize) -> Option<Open<'_>> {
        self.open_in(local::current().enter_plain(self.id)?, len)
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `open`")]
    fn open_in<'a>(&'a self, ring: Entered<'a>, len: usize) -> Option<Open<'a>> {
        debug_assert!(len <= self.max_record);
        let light = Light::known()?;
        // SAFETY: the claim goes before the ring in `Open`, and in the early return.
        let producer = unsafe { ring.producer() };
        // A ring belongs to one thread, and only a thread that has entered publishes.
        let claim = producer.claim_straight(light, len)?;
        claim.count_emitted();
        Some(Open {
            watch: PanicWatch(self),
            claim,
            ring,
            light,
        })
    }

    /// Publishes a record whose payload has exactly `len` bytes, which `write` fills in place.
    ///
    /// What `write` does not fill keeps bytes of earlier records. When it panics, nothing is
    /// published, the record counts as [`DropReason::Panicked`], and the panic goes on.
    ///
    /// # Errors
    ///
    /// When the record was dropped; it is counted already.
    pub fn publish_with(
        &self,
        header: EntryHeader,
        len: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> Result<(), Dropped> {
        if len <= self.max_record
            && let Some(mut open) = self.open(len)
        {
            write(open.payload(&header));
            open.publish(header.level);
            return Ok(());
        }
        local::with(|thread| {
            match thread.enter(self.id) {
                Some(ring) => ring.count_emitted(),
                None => self.tally.emitted.add(1),
            }
            self.publish_slowly(thread, &header, len, write)
        })
    }

    /// Publishes a record with this payload.
    ///
    /// # Errors
    ///
    /// When the record was dropped; it is counted already.
    #[inline]
    pub fn publish(&self, header: EntryHeader, payload: &[u8]) -> Result<(), Dropped> {
        self.publish_with(header, payload.len(), |bytes| {
            bytes.copy_from_slice(payload);
        })
    }

    /// Publishes a record if there is room now, whatever the policy for records without room is.
    ///
    /// # Errors
    ///
    /// [`Refusal::Full`] when there is none: nothing was counted, and the pump was told. Otherwise
    /// the record was dropped, and is counted.
    pub fn try_publish_waiting(&self, header: EntryHeader, payload: &[u8]) -> Result<(), Refusal> {
        let offered = local::with(|thread| self.offer_bytes(thread, &header, payload));
        match offered {
            Ok(()) => self.tally.emitted.add(1),
            Err(Refusal::Dropped(Dropped(reason))) => self.count_dropped(reason),
            Err(Refusal::Full) => {}
        }
        offered
    }

    /// Begins a wait for room. Try to publish once more after this and before the wait itself.
    pub fn room(&self) -> RoomWait<'_> {
        self.room.listen()
    }

    /// Publishes a record as soon as there is room.
    ///
    /// Dropping the future before it is ready gives the record up; it was not emitted then.
    ///
    /// # Errors
    ///
    /// When the record was dropped for another reason than want of room; it is counted already.
    pub async fn publish_waiting(
        &self,
        header: EntryHeader,
        payload: &[u8],
    ) -> Result<(), Dropped> {
        let mut room = None;
        loop {
            match self.try_publish_waiting(header, payload) {
                Ok(()) => return Ok(()),
                Err(Refusal::Dropped(dropped)) => return Err(dropped),
                Err(Refusal::Full) => {}
            }
            match room.take() {
                None => room = Some(self.room()),
                Some(wait) => wait.await,
            }
        }
    }

    /// As [`publish_waiting`](Self::publish_waiting), on this thread and until a deadline.
    ///
    /// # Errors
    ///
    /// [`Refusal::Full`] when the deadline passed first; nothing was counted.
    pub fn publish_blocking(
        &self,
        header: EntryHeader,
        payload: &[u8],
        until: Option<Instant>,
    ) -> Result<(), Refusal> {
        loop {
            let room = match self.try_publish_waiting(header, payload) {
                Err(Refusal::Full) => self.room(),
                answer => return answer,
            };
            match self.try_publish_waiting(header, payload) {
                Err(Refusal::Full) if room.wait(until) => {}
                answer => return answer,
            }
        }
    }

    /// The call is counted as emitted; here it ends in a ring, in the shared queue or as dropped.
    #[cold]
    fn publish_slowly(
        &self,
        thread: &Thread,
        header: &EntryHeader,
        len: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> Result<(), Dropped> {
        let write = match self.offer_ring(thread, header, len, write) {
            Ok(()) => return Ok(()),
            Err((Refusal::Dropped(Dropped(reason)), _)) => return self.drop_for(reason),
            Err((Refusal::Full, write)) => write,
        };
        let max_wait = match self.max_wait.load(Ordering::Relaxed) {
            0 => None,
            _ if thread.never_waits() => None,
            nanos => Some(Duration::from_nanos(nanos)),
        };
        // A record that is to be dropped need not be captured first.
        if max_wait.is_none() && !self.overflow.has_room(len, header.level) {
            self.doorbell.ring();
            return self.drop_for(self.reason_without_room());
        }
        let payload = self.capture(len, write);
        let offered = match self.offer_queue(thread, header, &payload) {
            Err(Refusal::Full) => match max_wait {
                Some(max_wait) => self.wait_and_offer(thread, header, &payload, max_wait),
                None => Err(Refusal::Full),
            },
            offered => offered,
        };
        match offered {
            Ok(()) => Ok(()),
            Err(Refusal::Dropped(Dropped(reason))) => self.drop_for(reason),
            Err(Refusal::Full) => self.drop_for(DropReason::Ring),
        }
    }

    fn wait_and_offer(
        &self,
        thread: &Thread,
        header: &EntryHeader,
        payload: &[u8],
        max_wait: Duration,
    ) -> Result<(), Refusal> {
        self.tally.slow_path.add(1);
        let until = Instant::now().checked_add(max_wait);
        loop {
            let room = self.room();
            match self.offer_bytes(thread, header, payload) {
                Err(Refusal::Full) if room.wait(until) => {}
                answer => return answer,
            }
        }
    }

    /// The ring if it has room, else the shared queue.
    fn offer_bytes(
        &self,
        thread: &Thread,
        header: &EntryHeader,
        payload: &[u8],
    ) -> Result<(), Refusal> {
        let write = |bytes: &mut [u8]| bytes.copy_from_slice(payload);
        match self.offer_ring(thread, header, payload.len(), write) {
            Ok(()) => Ok(()),
            Err((Refusal::Full, _)) => self.offer_queue(thread, header, payload),
            Err((refusal, _)) => Err(refusal),
        }
    }

    /// The thread's ring, made and grown as needed. `write` comes back when it was not called.
    fn offer_ring<W: FnOnce(&mut [u8])>(
        &self,
        thread: &Thread,
        header: &EntryHeader,
        len: usize,
        write: W,
    ) -> Result<(), (Refusal, W)> {
        let dropped = |reason| Refusal::Dropped(Dropped(reason));
        if self.is_forked() {
            return Err((dropped(DropReason::Forked), write));
        }
        if self.is_closed() {
            return Err((dropped(DropReason::Disposed), write));
        }
        if len > self.max_record {
            return Err((dropped(DropReason::TooLarge), write));
        }
        let make = |id, name| self.registry.make(&self.memory, self.sizes, id, name);
        if !thread.settle(self.id, make) {
            return Err((Refusal::Full, write));
        }
        let Some(ring) = thread.enter(self.id) else {
            return Err((Refusal::Full, write));
        };
        // At most: a look at why the ring stopped, then new memory, then the claim.
        let mut write = write;
        for _ in 0..3 {
            match self.write_in(&ring, header, len, write) {
                Ok(is_due) => {
                    drop(ring);
                    self.after_publish(is_due, header.level, Light::of_now());
                    return Ok(());
                }
                Err((refused, back)) => {
                    write = back;
                    match refused {
                        Refused::Attention if !ring.resume() => {
                            return Err((dropped(DropReason::Disposed), write));
                        }
                        Refused::Attention => {}
                        Refused::Full if ring.grow(len) => {}
                        Refused::Full | Refused::Nested => break,
                    }
                }
            }
        }
        Err((Refusal::Full, write))
    }

    /// Writes into the ring as it is. The answer: whether the pump is due. `write` comes back when
    /// it was not called.
    fn write_in<W: FnOnce(&mut [u8])>(
        &self,
        ring: &Producer,
        header: &EntryHeader,
        len: usize,
        write: W,
    ) -> Result<bool, (Refused, W)> {
        match ring.claim_leaving(len, 0) {
            Ok(claim) => {
                let watch = PanicWatch(self);
                let is_due = claim.write(header, write);
                mem::forget(watch);
                Ok(is_due)
            }
            Err(refused) => Err((refused, write)),
        }
    }

    fn offer_queue(
        &self,
        thread: &Thread,
        header: &EntryHeader,
        payload: &[u8],
    ) -> Result<(), Refusal> {
        let pushed = self.overflow.push(self.id, thread, header, payload);
        match pushed {
            Ok(is_due) => {
                self.tally.overflowed.add(1);
                self.after_publish(is_due, header.level, Light::of_now());
                Ok(())
            }
            Err(refusal) => {
                self.doorbell.ring();
                Err(refusal)
            }
        }
    }

    /// The bytes of a record that will not be written in place: values may log while they are
    /// written, and must not find the shared queue locked.
    fn capture(&self, len: usize, write: impl FnOnce(&mut [u8])) -> Vec<u8> {
        let mut payload = vec![0; len];
        let _capturing = local::capture_guard();
        let watch = PanicWatch(self);
        write(&mut payload);
        mem::forget(watch);
        payload
    }

    /// The waking rule: only a pump that sleeps is woken, but for a ring that passes its half and
    /// will not grow, and for levels that are to go out at once.
    #[inline]
    fn after_publish(&self, is_due: bool, level: u8, light: Light) {
        if self.doorbell.must_ring(light)
            || is_due
            || level >= self.flush_on.load(Ordering::Relaxed)
        {
            self.doorbell.ring();
        }
    }

    fn reason_without_room(&self) -> DropReason {
        if self.is_closed() {
            DropReason::Disposed
        } else {
            DropReason::Ring
        }
    }

    fn drop_for(&self, reason: DropReason) -> Result<(), Dropped> {
        self.tally.dropped(reason).add(1);
        Err(Dropped(reason))
    }
}

/// A record on its way into the ring of its thread, counted as emitted. It is published, or dropped
/// by a panic, and then counted as that.
pub(crate) struct Open<'a> {
    watch: PanicWatch<'a>,
    // Before the ring: the thread is busy for as long as its ring is.
    claim: Claim<'a>,
    ring: Entered<'a>,
    light: Light,
}

impl Open<'_> {
    /// The room for the payload behind this header, with whatever was in it before.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `Intake::open`")]
    pub(crate) fn payload(&mut self, header: &EntryHeader) -> &mut [u8] {
        self.claim.begin(header)
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `Intake::open`")]
    pub(crate) fn publish(self, level: u8) {
        let intake = self.watch.0;
        mem::forget(self.watch);
        let is_due = self.claim.publish();
        drop(self.ring);
        intake.after_publish(is_due, level, self.light);
    }
}

/// Counts a record whose writing panics. Forgotten when it did not.
struct PanicWatch<'a>(&'a Intake);

impl Drop for PanicWatch<'_> {
    fn drop(&mut self) {
        self.0.tally.dropped(DropReason::Panicked).add(1);
    }
}
