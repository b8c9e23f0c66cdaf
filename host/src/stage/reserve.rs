//! Room that is held for a record before it is published.
//!
//! Callers that wait (the awaitable form of a log call, `rolog run`) reserve room in every queue
//! that the record is routed to, publish, and the pump takes the room when it appends the record.
//! Room is released exactly once: by what is appended into it, or by dropping the [`Reservation`].
//! Releasing takes no lock, so a reservation may be dropped anywhere.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::overflow::Overflow;
use super::shared::{FRAME_ROOM, Shared};

/// What is reserved in one queue.
#[derive(Debug, Default)]
pub(super) struct Reserved {
    records: AtomicUsize,
    bytes: AtomicUsize,
}

impl Reserved {
    // Relaxed throughout: both only ever grow under the stage's lock, and a decrement that is seen
    // late makes the queue look fuller than it is.
    pub(super) fn records(&self) -> usize {
        self.records.load(Ordering::Relaxed)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn give_back(&self, records: usize, bytes: usize) {
        self.records.fetch_sub(records, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Room in one target's queue. Released when it is dropped.
#[must_use = "the room is released when the reservation is dropped"]
pub struct Reservation {
    stage: Arc<Shared>,
    records: usize,
    bytes: usize,
}

impl Reservation {
    /// Counts the room as taken; the caller holds the lock and has seen that there is some.
    pub(super) fn take(stage: &Arc<Shared>, records: usize, bytes: usize) -> Self {
        stage.reserved.records.fetch_add(records, Ordering::Relaxed);
        stage.reserved.bytes.fetch_add(bytes, Ordering::Relaxed);
        Reservation {
            stage: Arc::clone(stage),
            records,
            bytes,
        }
    }

    /// The target's name.
    pub fn target(&self) -> &Arc<str> {
        &self.stage.name
    }

    /// How many records may still be appended into it.
    pub fn records(&self) -> usize {
        self.records
    }

    /// Uses the room for one record of `bytes`; says whether there was any left, for this stage.
    pub(super) fn spend(&mut self, stage: &Arc<Shared>, bytes: usize) -> bool {
        if self.records == 0 || !Arc::ptr_eq(&self.stage, stage) {
            return false;
        }
        // The last record gives back what the estimate had too much.
        let bytes = match self.records {
            1 => self.bytes,
            _ => bytes.min(self.bytes),
        };
        self.records -= 1;
        self.bytes -= bytes;
        self.stage.reserved.give_back(1, bytes);
        true
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.records > 0 || self.bytes > 0 {
            self.stage.reserved.give_back(self.records, self.bytes);
            self.stage.room_freed();
        }
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("target", &self.stage.name)
            .field("records", &self.records)
            .field("bytes", &self.bytes)
            .finish()
    }
}

/// Counts the times that room became free, for threads that wait for it.
///
/// Its lock is a leaf: nothing else is locked while it is held, so it may be taken anywhere.
#[derive(Debug, Default)]
pub(super) struct Freed {
    state: Mutex<Turns>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Turns {
    count: u64,
    waiting: usize,
}

impl Freed {
    pub(super) fn count(&self) -> u64 {
        self.lock().count
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn raise(&self) {
        let mut turns = self.lock();
        turns.count += 1;
        let waiting = turns.waiting > 0;
        drop(turns);
        // Waking is a call into the kernel even where nobody waits.
        if waiting {
            self.changed.notify_all();
        }
    }

    /// Waits until the count is another than `seen`, or the time is over.
    pub(super) fn wait(&self, seen: u64, most: Option<Duration>) {
        let mut turns = self.lock();
        turns.waiting += 1;
        let same = |turns: &mut Turns| turns.count == seen;
        let mut turns = match most {
            Some(most) => {
                let waited = self.changed.wait_timeout_while(turns, most, same);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self
                .changed
                .wait_while(turns, same)
                .unwrap_or_else(PoisonError::into_inner),
        };
        turns.waiting -= 1;
    }
}

/// Why there will be no room, however long one waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// What was asked for is larger than the whole queue.
    TooLarge,
    /// The target is shutting down, or has.
    Disposed,
    /// There was none within the time that the caller gave.
    TimedOut,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoRoom::TooLarge => "the record is larger than the target's whole queue",
            NoRoom::Disposed => "the target has been disposed",
            NoRoom::TimedOut => "the target's queue had no room in time",
        })
    }
}

impl std::error::Error for NoRoom {}

impl Shared {
    /// Room now, or why not; `Ok(None)` when there may be some later. `bytes` are of payloads.
    pub(super) fn try_reserve(
        self: &Arc<Self>,
        records: usize,
        bytes: usize,
    ) -> Result<Option<Reservation>, NoRoom> {
        let bytes = bytes.saturating_add(records.saturating_mul(FRAME_ROOM));
        let mut state = self.lock();
        if state.closed_to_routes() {
            return Err(NoRoom::Disposed);
        }
        if records > state.settings.max_records || bytes > state.settings.max_bytes {
            return Err(NoRoom::TooLarge);
        }
        if state.has_room(self, records, bytes) {
            return Ok(Some(Reservation::take(self, records, bytes)));
        }
        // Whoever waits for room does not also wait for the open batch to age.
        state.seal_next();
        drop(state);
        self.work.notify_one();
        Ok(None)
    }

    /// Waits for room. No timer: the caller bounds the wait where it wants one.
    pub(super) async fn reserve(
        self: &Arc<Self>,
        records: usize,
        bytes: usize,
    ) -> Result<Reservation, NoRoom> {
        loop {
            let freed = self.room.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if let Some(reservation) = self.try_reserve(records, bytes)? {
                return Ok(reservation);
            }
            freed.await;
        }
    }

    /// Waits on the calling thread, as long as the policy says at most, while the queue is full and
    /// its policy is that callers wait. Nothing is reserved: whoever comes first has the room.
    pub(super) fn wait_while_full(self: &Arc<Self>) {
        let mut end = None;
        loop {
            let seen = self.freed.count();
            if !self.is_full() {
                return;
            }
            let mut state = self.lock();
            let most = match state.settings.overflow {
                Overflow::Block(most) if !state.closed_to_routes() => most,
                _ => return,
            };
            if state.has_room(self, 1, FRAME_ROOM) {
                return;
            }
            // As in `try_reserve`.
            state.seal_next();
            drop(state);
            self.work.notify_one();
            let now = std::time::Instant::now();
            let end = *end.get_or_insert_with(|| now.checked_add(most));
            let left = end.map(|end| end.saturating_duration_since(now));
            if left.is_some_and(|left| left.is_zero()) {
                return;
            }
            self.freed.wait(seen, left);
        }
    }

    /// Waits for room on the calling thread, no longer than `most`.
    pub(super) fn reserve_blocking(
        self: &Arc<Self>,
        records: usize,
        bytes: usize,
        most: Duration,
    ) -> Result<Reservation, NoRoom> {
        let end = std::time::Instant::now().checked_add(most);
        loop {
            let seen = self.freed.count();
            if let Some(reservation) = self.try_reserve(records, bytes)? {
                return Ok(reservation);
            }
            let left = end.map(|end| end.saturating_duration_since(std::time::Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(NoRoom::TimedOut);
            }
            self.freed.wait(seen, left);
        }
    }
}
