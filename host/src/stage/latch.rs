//! How a stage lets others know that what its instance used is free.
//!
//! The latch opens when what opens it is dropped, so that nobody waits for a stage that is gone.

use std::sync::Arc;

use tokio::sync::watch;

/// Opened once, and waited for by whoever needs what is behind it.
#[derive(Debug, Default)]
pub(crate) struct Latch(watch::Sender<bool>);

/// Opens its latch when it is dropped: by whoever was to open it, or because that is gone.
#[derive(Debug)]
pub(crate) struct Opener(Arc<Latch>);

impl Latch {
    /// A latch that is shut, and what opens it.
    pub(crate) fn new() -> (Arc<Latch>, Opener) {
        let latch = Arc::new(Latch::default());
        (Arc::clone(&latch), Opener(latch))
    }

    /// Waits until it is open.
    pub(crate) async fn wait(&self) {
        let mut state = self.0.subscribe();
        // The sender is this latch's own, so it outlives the wait.
        drop(state.wait_for(|open| *open).await);
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        self.0.0.send_replace(true);
    }
}
