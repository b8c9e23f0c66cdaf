//! What a thread knows about itself: its rings, and whether it is in the middle of a record.
//!
//! The common case is one compare and one pointer: [`Thread::enter`] finds the ring of the intake
//! that this thread used last. The cells for it need no destructor, so that they work at any time
//! in a thread's life; the rings themselves are owned by a second thread-local, which ends them.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::producer::Producer;

thread_local! {
    static THREAD: Thread = const {
        Thread {
            intake: Cell::new(0),
            ring: Cell::new(ptr::null()),
            busy: Cell::new(0),
            never_waits: Cell::new(0),
            id: Cell::new(0),
        }
    };
    static OWNED: RefCell<Owned> = const { RefCell::new(Owned { name: None, rings: Vec::new() }) };
}

/// This thread's short cut and marks.
pub(crate) struct Thread {
    /// The intake that `ring` belongs to; 0 for none, which is no intake's number.
    intake: Cell<u64>,
    /// Owned by `OWNED`, and null or forgotten before that lets it go.
    ring: Cell<*const Producer>,
    /// How many records this thread is in the middle of.
    busy: Cell<u32>,
    never_waits: Cell<u32>,
    id: Cell<u32>,
}

struct Owned {
    name: Option<Arc<str>>,
    rings: Vec<(u64, Rc<Producer>)>,
}

impl Drop for Owned {
    fn drop(&mut self) {
        forget_current();
    }
}

/// Runs with the calling thread's marks.
#[inline]
pub(crate) fn with<R>(run: impl FnOnce(&Thread) -> R) -> R {
    THREAD.with(run)
}

/// The calling thread's marks, without a closure around their use.
#[inline]
pub(crate) fn current() -> &'static Thread {
    let thread: *const Thread = THREAD.with(ptr::from_ref);
    // SAFETY: the marks need no destructor, so that they are there for as long as any code of their
    // thread runs; and as `Thread` is not `Sync`, the reference does not leave that thread.
    unsafe { &*thread }
}

/// Forgets the short cut; the next call takes the slow path.
pub(crate) fn forget_current() {
    with(|thread| {
        thread.intake.set(0);
        thread.ring.set(ptr::null());
    });
}

impl Thread {
    /// This thread's ring of an intake, with the thread marked busy; `None` when another intake was
    /// used last, or when the thread is busy: a value that logs while it is being logged.
    #[inline]
    pub(crate) fn enter(&self, intake: u64) -> Option<Entered<'_>> {
        if self.intake.get() != intake || self.busy.get() != 0 {
            return None;
        }
        self.busy.set(1);
        Some(Entered {
            thread: self,
            // SAFETY: `intake` is not 0, so that `ring` points to a producer that `OWNED` holds.
            // Rings are let go in `settle`, which does nothing while the thread is busy, and in
            // the destructor of `OWNED`, which runs on this thread outside of any call.
            producer: unsafe { &*self.ring.get() },
        })
    }

    /// Sees to it that [`enter`](Self::enter) finds this thread's ring of an intake; `make` makes
    /// it when there is none, and `None` from it means that there will be none. False when that is
    /// so, when the thread is busy, and when its thread-locals are gone.
    #[cold]
    pub(crate) fn settle(
        &self,
        intake: u64,
        make: impl FnOnce(u32, Arc<str>) -> Option<Producer>,
    ) -> bool {
        if self.busy.get() != 0 {
            return false;
        }
        OWNED
            .try_with(|owned| {
                let Ok(mut owned) = owned.try_borrow_mut() else {
                    return false;
                };
                let known = owned.rings.iter().find(|(id, _)| *id == intake);
                let producer = if let Some((_, producer)) = known {
                    Rc::as_ptr(producer)
                } else {
                    // The rings of intakes that were closed are of no use any more.
                    forget_current();
                    owned.rings.retain(|(_, ring)| !ring.shared().is_closed());
                    let Some(made) = make(self.id(), owned.name()) else {
                        return false;
                    };
                    let made = Rc::new(made);
                    let pointer = Rc::as_ptr(&made);
                    owned.rings.push((intake, made));
                    pointer
                };
                self.ring.set(producer);
                self.intake.set(intake);
                true
            })
            .unwrap_or(false)
    }

    /// The number of this thread: unique in the process, never used again, and not the operating
    /// system's, which is.
    pub(crate) fn id(&self) -> u32 {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        if self.id.get() == 0 {
            self.id.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        self.id.get()
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.busy.get() != 0
    }

    pub(crate) fn never_waits(&self) -> bool {
        self.never_waits.get() != 0
    }
}

/// The calling thread's name; empty when it has none, and when its thread-locals are gone.
pub(crate) fn name() -> Arc<str> {
    OWNED
        .try_with(|owned| owned.try_borrow_mut().ok().map(|mut owned| owned.name()))
        .ok()
        .flatten()
        .unwrap_or_else(|| Arc::from(""))
}

/// The number of the calling thread's ring in an intake and the entries published there so far, also
/// while the thread is busy; `None` where there is no ring.
pub(crate) fn stamp(intake: u64) -> Option<(u64, u64)> {
    OWNED
        .try_with(|owned| {
            let owned = owned.try_borrow().ok()?;
            let (_, ring) = owned.rings.iter().find(|(id, _)| *id == intake)?;
            Some((ring.shared().serial(), ring.shared().published()))
        })
        .ok()
        .flatten()
}

impl Owned {
    fn name(&mut self) -> Arc<str> {
        self.name
            .get_or_insert_with(|| Arc::from(std::thread::current().name().unwrap_or("")))
            .clone()
    }
}

/// A thread that is publishing, and its ring.
pub(crate) struct Entered<'a> {
    thread: &'a Thread,
    producer: &'a Producer,
}

impl<'a> Entered<'a> {
    /// The ring, for a claim that is kept beside this.
    ///
    /// # Safety
    ///
    /// Nothing of it is used after this is dropped: the thread may let go of the ring then.
    #[inline]
    pub(crate) unsafe fn producer(&self) -> &'a Producer {
        self.producer
    }
}

impl Deref for Entered<'_> {
    type Target = Producer;

    #[inline]
    fn deref(&self) -> &Producer {
        self.producer
    }
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        self.thread.busy.set(0);
    }
}

/// Marks the calling thread as capturing a value. See [`capture_guard`].
#[derive(Debug)]
#[must_use = "the mark goes with the guard"]
pub struct CaptureGuard(PhantomData<*const ()>);

/// Marks the calling thread as being in the middle of a record until the guard is dropped: what
/// the values of that record log themselves (in `Display`, in `Serialize`) goes to the shared
/// queue, because the thread's own ring and buffers are in use.
///
/// ```
/// use rolog_core::intake::{capture_guard, is_capturing};
///
/// let guard = capture_guard();
/// assert!(is_capturing());
/// drop(guard);
/// assert!(!is_capturing());
/// ```
#[inline]
pub fn capture_guard() -> CaptureGuard {
    with(|thread| thread.busy.set(thread.busy.get() + 1));
    CaptureGuard(PhantomData)
}

/// Whether the calling thread is in the middle of a record.
#[inline]
pub fn is_capturing() -> bool {
    with(Thread::is_busy)
}

impl Drop for CaptureGuard {
    #[inline]
    fn drop(&mut self) {
        with(|thread| thread.busy.set(thread.busy.get() - 1));
    }
}

/// Marks the calling thread as one that must not wait for room. See [`no_wait_guard`].
#[derive(Debug)]
#[must_use = "the mark goes with the guard"]
pub struct NoWaitGuard(PhantomData<*const ()>);

/// Until the guard is dropped, no call on this thread waits for room, whatever the policy says.
/// For the threads of the pipeline (which would wait for themselves), callbacks of plugins, and
/// calls inside an async runtime.
pub fn no_wait_guard() -> NoWaitGuard {
    with(|thread| thread.never_waits.set(thread.never_waits.get() + 1));
    NoWaitGuard(PhantomData)
}

impl Drop for NoWaitGuard {
    fn drop(&mut self) {
        with(|thread| thread.never_waits.set(thread.never_waits.get() - 1));
    }
}
