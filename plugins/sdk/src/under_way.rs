//! Calls that are under way, and can be taken off a runtime that polls no more.
//!
//! When an instance blocks the runtime that it shares, the calls of its siblings stand still in the
//! middle, and the host waits for each of them to settle. Nothing goes on in a call that nobody
//! polls, but for the blocking work that it has started; so it can be ended from outside: its future
//! is dropped, what it has left on other threads is waited for, and only then its end is told.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::guard::{Contained, Panicked};

/// Why a call has not returned.
#[derive(Debug)]
pub(crate) enum Unreturned {
    Panicked(Panicked),
    /// Its runtime polled no more; `begun` when it had run up to some point.
    Stranded {
        begun: bool,
    },
}

/// What a call comes back with: nothing at all when the runtime ended under it.
pub(crate) type Answer<R> = oneshot::Receiver<Result<R, Unreturned>>;

/// A call as a task.
pub(crate) struct Call<R>(Arc<Cell<R>>);

struct Cell<R> {
    /// Held while it is polled.
    started: Mutex<Option<Started<R>>>,
    begun: AtomicBool,
}

struct Started<R> {
    work: Contained<R>,
    answer: oneshot::Sender<Result<R, Unreturned>>,
}

/// The rest of a call, to be dropped, and its end, to be told after that.
pub(crate) type Stranded = (Box<dyn Any + Send>, Box<dyn FnOnce() + Send>);

/// A call whose result nobody here needs to know.
pub(crate) trait Strandable: Send + Sync {
    /// Takes the call away, unless it is being polled or has ended.
    fn strand(&self) -> Option<Stranded>;
}

impl<R: Send + 'static> Call<R> {
    pub(crate) fn new(work: Contained<R>) -> (Self, Answer<R>, Weak<dyn Strandable>) {
        let (answer, answered) = oneshot::channel();
        let cell = Arc::new(Cell {
            started: Mutex::new(Some(Started { work, answer })),
            begun: AtomicBool::new(false),
        });
        let weak: Weak<Cell<R>> = Arc::downgrade(&cell);
        (Call(cell), answered, weak)
    }
}

impl<R> Future for Call<R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.begun.store(true, Ordering::Release);
        let mut started = lock(&self.0.started);
        let Some(call) = started.as_mut() else {
            return Poll::Ready(());
        };
        let Poll::Ready(result) = Pin::new(&mut call.work).poll(cx) else {
            return Poll::Pending;
        };
        let ended = started.take();
        drop(started);
        if let Some(call) = ended {
            // Whoever asked may be gone.
            let _ = call.answer.send(result.map_err(Unreturned::Panicked));
        }
        Poll::Ready(())
    }
}

impl<R: Send + 'static> Strandable for Cell<R> {
    fn strand(&self) -> Option<Stranded> {
        let mut started = match self.started.try_lock() {
            Ok(started) => started,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let Started { work, answer } = started.take()?;
        let begun = self.begun.load(Ordering::Acquire);
        let tell = move || {
            let _ = answer.send(Err(Unreturned::Stranded { begun }));
        };
        Some((Box::new(work), Box::new(tell)))
    }
}

/// The blocking work of an instance: queued or running on threads of its library.
#[derive(Clone, Default)]
pub(crate) struct Blocking(Arc<Mutex<Pending>>);

#[derive(Default)]
struct Pending {
    pieces: usize,
    afterwards: Vec<Box<dyn FnOnce() + Send>>,
}

/// One piece of it, until it is dropped.
pub(crate) struct Piece(Blocking);

impl Blocking {
    pub(crate) fn begin(&self) -> Piece {
        lock(&self.0).pieces += 1;
        Piece(self.clone())
    }

    /// Runs `then` once there is none.
    pub(crate) fn afterwards(&self, then: Box<dyn FnOnce() + Send>) {
        let mut pending = lock(&self.0);
        if pending.pieces > 0 {
            pending.afterwards.push(then);
            return;
        }
        drop(pending);
        then();
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut pending = lock(&self.0.0);
        pending.pieces -= 1;
        let due = match pending.pieces {
            0 => std::mem::take(&mut pending.afterwards),
            _ => Vec::new(),
        };
        drop(pending);
        for then in due {
            then();
        }
    }
}

impl std::fmt::Debug for Blocking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Blocking")
            .field(&lock(&self.0).pieces)
            .finish()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::Instance;
    use std::task::Waker;

    fn call() -> (Call<u8>, Answer<u8>, Weak<dyn Strandable>) {
        Call::new(Contained::new(Instance::NONE, std::future::pending()))
    }

    fn strand(calls: &Weak<dyn Strandable>) -> bool {
        let Some((work, tell)) = calls.upgrade().and_then(|call| call.strand()) else {
            return false;
        };
        drop(work);
        tell();
        true
    }

    #[test]
    fn a_stranded_call_says_whether_it_had_begun_and_never_goes_on() {
        let mut cx = Context::from_waker(Waker::noop());
        for begun in [false, true] {
            let (mut call, mut answer, weak) = call();
            if begun {
                assert!(Pin::new(&mut call).poll(&mut cx).is_pending());
            }
            assert!(strand(&weak));
            assert!(matches!(
                answer.try_recv(),
                Ok(Err(Unreturned::Stranded { begun: told })) if told == begun
            ));
            assert!(Pin::new(&mut call).poll(&mut cx).is_ready());
            assert!(!strand(&weak));
        }
    }

    #[test]
    fn what_comes_after_blocking_work_waits_for_its_last_piece() {
        let (done, ended) = std::sync::mpsc::channel();
        let blocking = Blocking::default();
        let (one, two) = (blocking.begin(), blocking.begin());
        let later = done.clone();
        blocking.afterwards(Box::new(move || later.send(1).unwrap()));
        drop(one);
        assert!(ended.try_recv().is_err());
        drop(two);
        assert_eq!(ended.try_recv(), Ok(1));
        blocking.afterwards(Box::new(move || done.send(2).unwrap()));
        assert_eq!(ended.try_recv(), Ok(2));
    }
}
