//! Tests of what permissions do, which root does not notice.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

/// Runs a test as a user who is not root: threads take over who they are from those that start them.
pub(crate) fn as_nobody(test: impl AsyncFnOnce() + Send) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            if rustix::process::geteuid().is_root() {
                let nobody = 65534;
                rustix::thread::set_thread_gid(rustix::process::Gid::from_raw(nobody)).unwrap();
                rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(nobody)).unwrap();
            }
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(test());
        });
    });
}
