//! Whose code runs on this thread just now.
//!
//! Set around every poll and every call into an author's code, it attributes what the plugin logs
//! and measures, and tells which instance holds a thread without yielding.

use std::cell::{Cell, OnceCell};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Instant;

use crate::abi::Busy;

/// The number under which the host knows an instance. 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instance(pub(crate) u64);

impl Instance {
    pub(crate) const NONE: Instance = Instance(0);
}

/// What one thread says of itself. The instance is stored last and cleared first, so a reader may
/// miss a call that begins or ends, and never blames the wrong instance for long.
#[derive(Default)]
struct Slot {
    instance: AtomicU64,
    since: AtomicU64,
}

thread_local! {
    static CURRENT: Cell<Instance> = const { Cell::new(Instance::NONE) };
    static SLOT: OnceCell<Arc<Slot>> = const { OnceCell::new() };
}

static SLOTS: Mutex<Vec<Weak<Slot>>> = Mutex::new(Vec::new());
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The instance whose code runs on this thread.
pub(crate) fn current() -> Instance {
    CURRENT.try_with(Cell::get).unwrap_or(Instance::NONE)
}

/// Runs `work` as code of `instance`.
pub(crate) fn within<R>(instance: Instance, work: impl FnOnce() -> R) -> R {
    /// Restores what was before, also when `work` panics.
    struct Restore(Instance, u64);
    impl Drop for Restore {
        fn drop(&mut self) {
            let _ = CURRENT.try_with(|current| current.set(self.0));
            note(self.0, self.1);
        }
    }
    let before = CURRENT
        .try_with(|current| current.replace(instance))
        .unwrap_or(Instance::NONE);
    let since = note(instance, now());
    let _restore = Restore(before, since);
    work()
}

/// Runs `work` as code of `instance` on a thread where it may block: nobody asks for how long.
pub(crate) fn beside<R>(instance: Instance, work: impl FnOnce() -> R) -> R {
    /// Restores what was before, also when `work` panics.
    struct Restore(Instance);
    impl Drop for Restore {
        fn drop(&mut self) {
            own_thread(self.0);
        }
    }
    let before = CURRENT
        .try_with(|current| current.replace(instance))
        .unwrap_or(Instance::NONE);
    let _restore = Restore(before);
    work()
}

/// Makes a thread of an instance's own runtime speak for it when nothing else says whose code runs.
pub(crate) fn own_thread(instance: Instance) {
    let _ = CURRENT.try_with(|current| current.set(instance));
}

/// Which of the instances that `ours` accepts hold a thread just now, and for how long.
pub(crate) fn busy(ours: impl Fn(u64) -> bool) -> Vec<Busy> {
    let now = now();
    slots()
        .iter()
        .filter_map(Weak::upgrade)
        .filter_map(|slot| {
            let instance = slot.instance.load(Ordering::Acquire);
            let since = slot.since.load(Ordering::Acquire);
            (instance != 0 && ours(instance)).then(|| Busy {
                instance,
                held_ms: now.saturating_sub(since),
            })
        })
        .collect()
}

/// Milliseconds since the first use.
fn now() -> u64 {
    START.elapsed().as_millis() as u64
}

/// Writes this thread's slot; returns since when it had held what it held before.
fn note(instance: Instance, since: u64) -> u64 {
    SLOT.try_with(|slot| {
        let slot = slot.get_or_init(register);
        let before = slot.since.load(Ordering::Relaxed);
        slot.instance.store(0, Ordering::Release);
        slot.since.store(since, Ordering::Release);
        slot.instance.store(instance.0, Ordering::Release);
        before
    })
    .unwrap_or(0)
}

fn register() -> Arc<Slot> {
    let slot = Arc::new(Slot::default());
    let mut slots = slots();
    slots.retain(|slot| slot.strong_count() > 0);
    slots.push(Arc::downgrade(&slot));
    slot
}

fn slots() -> std::sync::MutexGuard<'static, Vec<Weak<Slot>>> {
    SLOTS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn nested_scopes_restore_what_was_before_even_after_a_panic() {
        within(Instance(1), || {
            assert_eq!(current(), Instance(1));
            let caught = crate::guard::guarded(|| within(Instance(2), || panic!("in 2")));
            assert!(caught.is_err());
            assert_eq!(current(), Instance(1));
        });
        assert_eq!(current(), Instance::NONE);
    }

    #[test]
    fn a_thread_that_is_held_names_its_instance_until_it_is_let_go() {
        const ID: u64 = 0xB0_5E;
        let (entered, is_in) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            within(Instance(ID), || {
                entered.send(()).unwrap();
                released.recv().unwrap();
            });
        });
        is_in.recv().unwrap();
        assert_eq!(busy(|id| id == ID).len(), 1);
        assert_eq!(busy(|id| id == ID + 1), []);
        release.send(()).unwrap();
        thread.join().unwrap();
        assert_eq!(busy(|id| id == ID), []);
    }
}
