//! One attempt to deliver a batch, and its cancellation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// One attempt to deliver a batch.
///
/// At its deadline the host *cancels* an attempt, and then waits for `deliver` to return: that is
/// what *settled* means, and until then no other attempt touches the same destination. So a target
/// stops what it does, and says truthfully what may have been written.
#[derive(Clone, Debug)]
pub struct Attempt {
    number: u32,
    deadline: Instant,
    signal: Arc<Signal>,
}

#[derive(Debug, Default)]
pub(crate) struct Signal {
    cancelled: AtomicBool,
    wake: Notify,
}

impl Attempt {
    /// An attempt that nobody cancels, for tests of a target.
    pub fn new(number: u32, limit: Duration) -> Self {
        Self::from_host(number, limit, Arc::default())
    }

    pub(crate) fn from_host(number: u32, limit: Duration, signal: Arc<Signal>) -> Self {
        let now = Instant::now();
        Attempt {
            number,
            // A limit beyond what a clock can say is none; a year is as good.
            deadline: now
                .checked_add(limit)
                .unwrap_or(now + Duration::from_hours(365 * 24)),
            signal,
        }
    }

    /// 1 for the first attempt of a batch.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// When the host will cancel the attempt.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// How long there is until then; zero once it has passed.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Whether the host has cancelled the attempt, for code that polls.
    pub fn is_cancelled(&self) -> bool {
        self.signal.cancelled.load(Ordering::Acquire)
    }

    /// Resolves when the host cancels the attempt, for `tokio::select!`.
    pub async fn cancelled(&self) {
        loop {
            let wake = self.signal.wake.notified();
            if self.is_cancelled() {
                return;
            }
            wake.await;
        }
    }
}

impl Signal {
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.wake.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Waker};

    #[test]
    fn a_cancel_reaches_those_that_wait_and_those_that_come_later() {
        let signal = Arc::new(Signal::default());
        let attempt = Attempt::from_host(2, Duration::MAX, Arc::clone(&signal));
        let mut cx = Context::from_waker(Waker::noop());
        let mut waiting = pin!(attempt.cancelled());
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        assert!(!attempt.is_cancelled());
        signal.cancel();
        assert!(waiting.as_mut().poll(&mut cx).is_ready());
        assert!(pin!(attempt.cancelled()).poll(&mut cx).is_ready());
        assert!(attempt.is_cancelled());
        assert_eq!(attempt.number(), 2);
        assert!(attempt.remaining() > Duration::from_hours(24));
    }
}
