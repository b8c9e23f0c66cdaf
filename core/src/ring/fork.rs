//! What a child process must not inherit.
//!
//! After `fork` the child has one thread, copies of rings whose reader stayed in the parent, and
//! locks that may be held by threads that do not exist. So a child starts a new *generation*: an
//! intake of an earlier one drops every record before it touches a lock or a ring. The locks that the
//! whole process shares, a child's own pipeline included, are held by the thread that forks meanwhile,
//! and so are free in both.

#[cfg(unix)]
use std::cell::RefCell;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use super::local;
#[cfg(unix)]
use crate::{call_site, clock};

/// Counts the forks between the first process and this one. Relaxed: it changes while the process
/// has one thread.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// The generation of this process.
pub(crate) fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// Sees to it that a child notices. To be called before rings are made.
pub(crate) fn watch() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        #[cfg(unix)]
        // SAFETY: the handlers are functions that live as long as this code does, and what runs in a
        // child is safe there: it stores to an atomic and to thread-local cells that need no set-up,
        // and unlocks what its own thread has locked.
        unsafe {
            libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child));
        }
    });
}

#[cfg(unix)]
thread_local! {
    /// What a thread holds while it forks.
    static HELD: RefCell<Option<(call_site::Held, clock::Held)>> = const { RefCell::new(None) };
}

#[cfg(unix)]
extern "C" fn before() {
    // A thread that is about to end may no longer have the cell, and forks without.
    let _ = HELD.try_with(|held| *held.borrow_mut() = Some((call_site::hold(), clock::hold())));
}

#[cfg(unix)]
extern "C" fn in_parent() {
    let _ = HELD.try_with(|held| drop(held.borrow_mut().take()));
}

#[cfg(unix)]
extern "C" fn in_child() {
    in_parent();
    GENERATION.fetch_add(1, Ordering::Relaxed);
    // The only thread of the child is the one that called fork. Without its short cut it finds the
    // generation on its way to the slow path.
    local::forget_current();
}
