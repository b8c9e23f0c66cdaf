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
            state: Cell::new(0),
            never_waits: Cell::new(0),
            id: Cell::new(0),
        }
    };
    static OWNED: RefCell<Owned> = const { RefCell::new(Owned { name: None, rings: Vec::new() }) };
}

/// What makes the calls of a thread less than ordinary.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Mark {
    /// The thread is in a context or a span.
    Context = 1 << 30,
    /// The thread speaks for the pipeline or a target. See [`crate::feedback`].
    Voice = 1 << 31,
}

/// This thread's short cut and marks.
pub(crate) struct Thread {
    /// The intake that `ring` belongs to; 0 for none, which is no intake's number.
    intake: Cell<u64>,
    /// Owned by `OWNED`, and null or forgotten before that lets it go.
    ring: Cell<*const Producer>,
    /// How many records this thread is in the middle of, and its [marks](Thread::mark): one word, so
    /// that an ordinary call finds with one look that there is nothing.
    state: Cell<u32>,
    never_waits: Cell<u32>,
    id: Cell<u32>,
}

/// The part of a thread's state that counts records.
const BUSY: u32 = 0x00ff_ffff;

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
        self.enter_unless(BUSY, intake)
    }

    /// [`enter`](Self::enter), unless the thread has a mark.
    #[inline]
    pub(crate) fn enter_plain(&self, intake: u64) -> Option<Entered<'_>> {
        self.enter_unless(u32::MAX, intake)
    }

    #[inline]
    fn enter_unless(&self, states: u32, intake: u64) -> Option<Entered<'_>> {
        let state = self.state.get();
        if self.intake.get() != intake || state & states != 0 {
            return None;
        }
        self.state.set(state + 1);
        Some(Entered {
            thread: self,
            // SAFETY: `intake` is not 0, so that `ring` points to a producer that `OWNED` holds.
            // Rings are let go in `settle`, which does nothing while the thread is busy, and in
            // the destructor of `OWNED`, which runs on this thread outside of any call.
            producer: unsafe { &*self.ring.get() },
        })
    }

    #[inline]
    fn leave(&self) {
        self.state.set(self.state.get() - 1);
    }

    /// Sets a mark, or takes it away: for what makes the calls of this thread less than ordinary.
    pub(crate) fn mark(&self, mark: Mark, on: bool) {
        let bit = mark as u32;
        let state = self.state.get();
        self.state.set(if on { state | bit } else { state & !bit });
    }

    /// Whether the thread has a mark.
    #[inline]
    pub(crate) fn has_mark(&self, mark: Mark) -> bool {
        self.state.get() & mark as u32 != 0
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
        if self.is_busy() {
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
        self.state.get() & BUSY != 0
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
        self.thread.leave();
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
    with(|thread| thread.state.set(thread.state.get() + 1));
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
        with(Thread::leave);
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
