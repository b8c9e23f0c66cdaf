//! Asking values that are being logged: their code may log in turn, panic, or go round in circles.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Logger;
use crate::intake::DropReason;

/// How often a value that is being logged may log in turn before that is cut off: a `Display` that
/// logs itself must end.
const MAX_REENTRY: u32 = 8;

/// The largest buffer that a thread keeps for values that have to be asked.
const KEPT_SCRATCH: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

impl Logger {
    /// Runs the code of values that are being logged; false when it panicked or goes round in
    /// circles, which is counted.
    pub(crate) fn capture(&self, capture: impl FnOnce()) -> bool {
        let intake = &self.inner.shared.intake;
        let Some(_depth) = Depth::enter() else {
            intake.count_dropped(DropReason::Reentrant);
            return false;
        };
        let captured = catch_unwind(AssertUnwindSafe(capture));
        if captured.is_err() {
            intake.count_dropped(DropReason::Panicked);
        }
        captured.is_ok()
    }
}

/// Lends the thread's buffer. A value that logs while it is captured, and a thread that is ending,
/// get one of their own.
pub(super) fn with_scratch(use_it: impl FnOnce(&mut Vec<u8>)) {
    let mut scratch = SCRATCH
        .try_with(|scratch| {
            scratch
                .try_borrow_mut()
                .map(|mut kept| std::mem::take(&mut *kept))
        })
        .ok()
        .and_then(Result::ok)
        .unwrap_or_default();
    use_it(&mut scratch);
    if scratch.capacity() <= KEPT_SCRATCH {
        let _ = SCRATCH.try_with(|kept| kept.replace(scratch));
    }
}

/// Whether this thread is asking a value that is being logged. For the host crate.
#[doc(hidden)]
pub fn is_capturing() -> bool {
    DEPTH.try_with(Cell::get).unwrap_or(0) > 0
}

/// How deep this thread is in values that log while they are being logged.
pub(super) struct Depth;

impl Depth {
    #[inline]
    pub(super) fn enter() -> Option<Depth> {
        let depth = DEPTH.try_with(|depth| {
            let now = depth.get();
            if now < MAX_REENTRY {
                depth.set(now + 1);
            }
            now
        });
        // Without thread-locals the thread is ending: its destructors run one after the other.
        // Lazily: a `Depth` that is made and refused would lower a count that it has not raised.
        (depth.unwrap_or(0) < MAX_REENTRY).then(|| Depth)
    }
}

impl Drop for Depth {
    #[inline]
    fn drop(&mut self) {
        let _ = DEPTH.try_with(|depth| depth.set(depth.get().saturating_sub(1)));
    }
}
