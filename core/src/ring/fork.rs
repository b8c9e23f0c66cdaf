//! What a child process must not inherit.
//!
//! After `fork` the child has one thread, copies of rings whose reader stayed in the parent, and
//! locks that may be held by threads that do not exist. So a child starts a new *generation*: an
//! intake of an earlier one drops every record before it touches a lock or a ring.

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use super::local;

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
        // SAFETY: the handler is a function that lives as long as this code does, and it is safe to
        // run in a child: it stores to an atomic and to thread-local cells that need no set-up.
        unsafe {
            libc::pthread_atfork(None, None, Some(in_child));
        }
    });
}

#[cfg(unix)]
extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    // The only thread of the child is the one that called fork. Without its short cut it finds the
    // generation on its way to the slow path.
    local::forget_current();
}
