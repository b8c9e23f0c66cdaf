//! Checks in a child process.

/// Runs `check` in a child process; whether it held. A child that hangs is killed by its alarm.
pub(crate) fn in_child(check: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child runs `check`, which allocates at most (as the C library's fork allows) and
    // ends with `_exit`, so that nothing of the test harness runs twice.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0);
        if child == 0 {
            libc::alarm(20);
            let held = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
            libc::_exit(i32::from(!held.unwrap_or(false)));
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
    }
}
