//! A fence that is nearly free on one side, because the other side pays for both.
//!
//! A thread that stores one location and then loads another needs a full fence between them when
//! somebody else does the same the other way round. [`Light`] and [`heavy`] are such a pair:
//! whenever one thread runs `store A; light; load B` and another `store B; heavy; load A`, at
//! least one of them sees the other's store. On Linux the light side is a compiler fence, and the
//! heavy side makes every running thread of the process pass a full fence (`membarrier`, the private
//! expedited command). Elsewhere, and where a sandbox forbids the call, both are full fences.

#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, Ordering, compiler_fence, fence};

/// Whether the heavy side is registered. Set before the first ring exists; see [`heavy`] for the
/// way back.
#[cfg(not(loom))]
static ASYMMETRIC: AtomicBool = AtomicBool::new(false);

/// Registers the process for the heavy side. To be called before rings are made.
#[cfg(not(loom))]
pub(crate) fn prepare() {
    if membarrier::register() {
        ASYMMETRIC.store(true, Ordering::SeqCst);
    }
}

/// The side that runs often: what it takes, for the fences of one call.
#[cfg(not(loom))]
#[derive(Clone, Copy)]
pub(crate) struct Light {
    asymmetric: bool,
}

#[cfg(not(loom))]
impl Light {
    #[inline]
    pub(crate) fn of_now() -> Self {
        // Relaxed: it was set before this thread had a ring, and making one goes through a lock.
        let asymmetric = ASYMMETRIC.load(Ordering::Relaxed);
        Light { asymmetric }
    }

    /// One whose fences need no look at which kind they are, for a caller that has a longer way too:
    /// `None` on a Linux that forbids the barrier.
    #[inline]
    pub(crate) fn known() -> Option<Self> {
        let light = Light::of_now();
        let asymmetric = cfg!(target_os = "linux");
        (light.asymmetric == asymmetric).then_some(Light { asymmetric })
    }

    #[inline]
    pub(crate) fn fence(self) {
        if self.asymmetric {
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }
}

/// The side that runs rarely. False when the guarantee does not hold this time: the call worked
/// once, and a sandbox that was set up since then forbids it. From then on both sides are fences,
/// and the next call may be relied upon again as soon as every thread has noticed.
#[cfg(not(loom))]
#[must_use]
pub(crate) fn heavy() -> bool {
    fence(Ordering::SeqCst);
    if !ASYMMETRIC.load(Ordering::SeqCst) {
        return true;
    }
    let done = membarrier::run();
    if !done {
        ASYMMETRIC.store(false, Ordering::SeqCst);
    }
    done
}

#[cfg(all(target_os = "linux", not(loom)))]
mod membarrier {
    pub(super) fn register() -> bool {
        call(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
    }

    pub(super) fn run() -> bool {
        call(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED)
    }

    fn call(command: libc::c_int) -> bool {
        // SAFETY: takes numbers only and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }
}

#[cfg(all(not(target_os = "linux"), not(loom)))]
mod membarrier {
    pub(super) fn register() -> bool {
        false
    }

    pub(super) fn run() -> bool {
        false
    }
}

/// loom has no asymmetric fence, so a model checks the form of the fallback.
#[cfg(loom)]
pub(crate) fn prepare() {}

#[cfg(loom)]
#[derive(Clone, Copy)]
pub(crate) struct Light;

#[cfg(loom)]
impl Light {
    pub(crate) fn of_now() -> Self {
        Light
    }

    pub(crate) fn known() -> Option<Self> {
        Some(Light)
    }

    pub(crate) fn fence(self) {
        super::sync::fence(super::sync::Ordering::SeqCst);
    }
}

#[cfg(loom)]
#[must_use]
pub(crate) fn heavy() -> bool {
    super::sync::fence(super::sync::Ordering::SeqCst);
    true
}
