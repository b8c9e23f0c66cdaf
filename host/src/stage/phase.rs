//! The life of a stage: running, draining, ended.

use std::time::Duration;

use rolog_core::delivery::Failure;
use tokio::time::Instant;

/// Centuries: as good as for ever as a deadline, and a time in the future that can be told.
pub(crate) const AGES: Duration = Duration::from_secs(1 << 32);

/// How far a stage is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Takes records.
    Running,
    /// Takes only what falls back to it; ends at the deadline.
    Draining(Drain),
    /// Takes nothing.
    Disposed,
}

/// The times of a shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Drain {
    /// From then on, what is left goes to fallbacks and dead letters.
    pub give_up: Instant,
    /// The end, whatever is left.
    pub end: Instant,
}

impl Drain {
    /// The times of a shutdown that begins now. The last tenth is kept for dead letters and the
    /// instance's own end; each fallback behind the target takes a third of what is left before.
    pub(super) fn new(now: Instant, deadline: Duration, height: u32) -> Self {
        let share = 0.9 * (2.0f64 / 3.0).powf(f64::from(height.min(16)));
        let deadline = deadline.min(AGES);
        Drain {
            give_up: now + deadline.mul_f64(share),
            end: now + deadline,
        }
    }

    pub(super) fn sooner(self, other: Drain) -> Drain {
        Drain {
            give_up: self.give_up.min(other.give_up),
            end: self.end.min(other.end),
        }
    }
}

/// How a stage ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    /// Attempts that had not settled.
    pub fenced: usize,
    /// Why the instance could not end well.
    pub failure: Option<Failure>,
}
