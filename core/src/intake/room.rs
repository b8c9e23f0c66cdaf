//! How callers that wait for room learn of it, in async code and on threads.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// Who waits for room. Every notification wakes all of them, and each tries again.
pub(super) struct Room {
    /// How many waits exist. Sequentially consistent with the fence in `notify`.
    waiting: AtomicUsize,
    state: Mutex<State>,
    bell: Condvar,
}

struct State {
    /// How often there was a notification.
    epoch: u64,
    next_key: u64,
    wakers: Vec<(u64, Waker)>,
}

impl Room {
    pub(super) fn new() -> Self {
        Room {
            waiting: AtomicUsize::new(0),
            state: Mutex::new(State {
                epoch: 0,
                next_key: 0,
                wakers: Vec::new(),
            }),
            bell: Condvar::new(),
        }
    }

    /// Room was made before this call.
    pub(super) fn notify(&self) {
        // A waiter counts itself and then tries again; this side has made room and then looks at
        // the count. With a full fence on both sides one of them sees the other.
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return;
        }
        let wakers = {
            let mut state = self.lock();
            state.epoch += 1;
            std::mem::take(&mut state.wakers)
        };
        self.bell.notify_all();
        for (_, waker) in wakers {
            waker.wake();
        }
    }

    pub(super) fn listen(&self) -> RoomWait<'_> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let mut state = self.lock();
        state.next_key += 1;
        RoomWait {
            room: self,
            epoch: state.epoch,
            key: state.next_key,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait for room that began when it was made: notifications since then end it.
///
/// The order that misses nothing: make the wait, try to publish, then wait. Several waiters are
/// woken together, so that a wait that ended is a reason to try again and no promise of room.
#[must_use = "a wait does nothing until it is awaited"]
pub struct RoomWait<'a> {
    room: &'a Room,
    epoch: u64,
    key: u64,
}

impl RoomWait<'_> {
    /// Waits on this thread. False when `until` passed first.
    pub fn wait(self, until: Option<Instant>) -> bool {
        let mut state = self.room.lock();
        while state.epoch == self.epoch {
            let bell = &self.room.bell;
            state = match until {
                None => bell.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    bell.wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
        true
    }
}

impl Future for RoomWait<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.room.lock();
        if state.epoch != self.epoch {
            return Poll::Ready(());
        }
        match state.wakers.iter_mut().find(|(key, _)| *key == self.key) {
            Some((_, waker)) => waker.clone_from(context.waker()),
            None => state.wakers.push((self.key, context.waker().clone())),
        }
        Poll::Pending
    }
}

impl Drop for RoomWait<'_> {
    fn drop(&mut self) {
        self.room.waiting.fetch_sub(1, Ordering::SeqCst);
        self.room.lock().wakers.retain(|(key, _)| *key != self.key);
    }
}

impl fmt::Debug for RoomWait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomWait").finish_non_exhaustive()
    }
}
