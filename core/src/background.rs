//! How the pipeline's own threads stand behind those of the service.

/// From now on the calling thread gives way: when it wakes up, it takes a processor that is free, but
/// none from a thread that runs. To be called on every thread that works for the pipeline.
///
/// Otherwise the pump, which wakes up a hundred times a second and more, now and then interrupts a
/// burst of calls for as long as it takes to route what there is; four threads that logged in bursts
/// on two processors saw that in one call of a thousand. The thread's share of the processors stays
/// as it is, so that a busy service does not starve its own log: it runs with the scheduler's next
/// tick at the latest.
///
/// This is Linux's `SCHED_BATCH`, for which no privilege is needed. Nothing happens on other systems,
/// for a thread that somebody has given another policy, and where a sandbox forbids it.
pub fn give_way() {
    #[cfg(target_os = "linux")]
    linux::give_way();
}

#[cfg(target_os = "linux")]
mod linux {
    pub(super) fn give_way() {
        const THIS_THREAD: libc::pid_t = 0;
        // SAFETY: asks for a number about this thread, and touches no memory of ours.
        let ordinary = unsafe { libc::sched_getscheduler(THIS_THREAD) } == libc::SCHED_OTHER;
        if ordinary {
            // SAFETY: all zeros is a priority of 0, the only one that this policy has.
            let priority = unsafe { std::mem::zeroed::<libc::sched_param>() };
            // SAFETY: reads the parameter, which lives longer than the call. A refusal leaves things
            // as they were, which costs time and nothing else.
            unsafe {
                libc::sched_setscheduler(THIS_THREAD, libc::SCHED_BATCH, &raw const priority)
            };
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::give_way;

    fn policy() -> libc::c_int {
        // SAFETY: asks for a number about this thread.
        unsafe { libc::sched_getscheduler(0) }
    }

    #[test]
    fn a_thread_gives_way_and_takes_no_other_with_it() {
        let before = policy();
        let given = std::thread::spawn(|| {
            give_way();
            policy()
        });
        // The tests themselves may have been given a policy, which stays.
        let expected = match before {
            libc::SCHED_OTHER => libc::SCHED_BATCH,
            given => given,
        };
        assert_eq!(given.join().expect("no panic"), expected);
        assert_eq!(policy(), before);
    }
}
