//! What a stage tells of itself while it runs.
//!
//! An [`Event`] is raised when something changes, not for each record: a target that fails and one
//! that recovers are two events, however many batches lie between them. Losses are summed up by
//! reason. [`RateLimited`] keeps a flapping target from flooding whoever listens, and says how much
//! it held back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rolog_core::delivery::Failure;
use tokio::time::Instant;

use super::ledger::{DropReason, RefusalReason};

/// Something that happened at a target, or to the pipeline as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The target's name; empty where it is about the pipeline: see [`Event::target`].
    pub target: Arc<str>,
    /// What happened.
    pub kind: EventKind,
    /// How many events of this kind and target a rate limit held back since the last one.
    pub suppressed: u64,
}

impl Event {
    /// The target that it is about; `None` where it is about the pipeline.
    pub fn target(&self) -> Option<&str> {
        Some(&*self.target).filter(|name| !name.is_empty())
    }

    /// Something that happened to the pipeline as a whole.
    pub(crate) fn of_pipeline(kind: EventKind) -> Self {
        Event {
            target: "".into(),
            kind,
            suppressed: 0,
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// An attempt failed, and the one before it had not.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// Attempts succeed again.
    Recovered,
    /// The instance could not be created or activated; it is tried again at the pace of `hold`.
    StartFailed {
        /// Why.
        failure: Failure,
    },
    /// Too many failures in a row: batches take the fallback at once.
    BreakerOpened,
    /// The target has proved itself: batches take their way again.
    BreakerClosed,
    /// A fallback has taken records, and is the first or another than the last time.
    FallbackInUse {
        /// Its name.
        fallback: Arc<str>,
        /// How many it took with this batch.
        records: u64,
    },
    /// Records were written to the dead letters.
    DeadLettered {
        /// How many.
        records: u64,
        /// Why the target failed.
        failure: Failure,
    },
    /// The dead letters could not be written; the records are counted as dropped.
    DeadLettersFailed {
        /// How many records.
        records: u64,
        /// Why.
        failure: Failure,
    },
    /// Accepted records were lost.
    Dropped {
        /// Why.
        reason: DropReason,
        /// How many.
        records: u64,
    },
    /// Records were not accepted.
    Refused {
        /// Why.
        reason: RefusalReason,
        /// How many.
        records: u64,
    },
    /// Nothing will be delivered until someone acts; a slow probe finds out.
    Held {
        /// What is wrong.
        failure: Failure,
    },
    /// The target no longer holds.
    Released,
    /// A cancelled attempt did not settle in time: its instance is left alone until it does.
    Fenced {
        /// The attempt.
        attempt: u64,
        /// The records in it.
        records: u64,
    },
    /// The last fenced attempt has settled.
    Unfenced,
    /// The instance panicked too often in a row and is used no more.
    Quarantined {
        /// The last panic.
        failure: Failure,
    },
    /// A new instance took the place of one that was beyond repair.
    Rebuilt,
    /// A successor took the instance's place.
    Replaced,
    /// The successor could not be activated; the old instance goes on.
    ReplaceFailed {
        /// Why.
        failure: Failure,
    },
    /// A reload was refused, or failed before anything changed; the pipeline goes on as it was.
    ReloadFailed {
        /// What was asked for and why it was not done, each problem at its place.
        reason: String,
    },
}

impl EventKind {
    /// The word in logs.
    pub const fn name(&self) -> &'static str {
        match self {
            EventKind::Failed { .. } => "failed",
            EventKind::Recovered => "recovered",
            EventKind::StartFailed { .. } => "start_failed",
            EventKind::BreakerOpened => "breaker_opened",
            EventKind::BreakerClosed => "breaker_closed",
            EventKind::FallbackInUse { .. } => "fallback_in_use",
            EventKind::DeadLettered { .. } => "dead_lettered",
            EventKind::DeadLettersFailed { .. } => "dead_letters_failed",
            EventKind::Dropped { .. } => "dropped",
            EventKind::Refused { .. } => "refused",
            EventKind::Held { .. } => "held",
            EventKind::Released => "released",
            EventKind::Fenced { .. } => "fenced",
            EventKind::Unfenced => "unfenced",
            EventKind::Quarantined { .. } => "quarantined",
            EventKind::Rebuilt => "rebuilt",
            EventKind::Replaced => "replaced",
            EventKind::ReplaceFailed { .. } => "replace_failed",
            EventKind::ReloadFailed { .. } => "reload_failed",
        }
    }
}

/// Takes events. Called by a stage's task under no lock; a slow sink delays its own target only.
pub trait EventSink: Send + Sync {
    /// Takes one event.
    fn event(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync> EventSink for F {
    fn event(&self, event: &Event) {
        self(event);
    }
}

/// Passes at most `burst` events of one kind and target in each window on, and tells with the next
/// how many were held back.
#[derive(Debug)]
pub struct RateLimited<S> {
    inner: S,
    burst: u32,
    window: Duration,
    seen: Mutex<HashMap<(Arc<str>, &'static str), Seen>>,
}

#[derive(Debug)]
struct Seen {
    since: Instant,
    passed: u32,
    held_back: u64,
}

impl<S: EventSink> RateLimited<S> {
    /// At most `burst` (at least 1) events of a kind and target in each `window`.
    pub fn new(inner: S, burst: u32, window: Duration) -> Self {
        RateLimited {
            inner,
            burst: burst.max(1),
            window,
            seen: Mutex::default(),
        }
    }
}

impl<S: EventSink> EventSink for RateLimited<S> {
    fn event(&self, event: &Event) {
        let now = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = seen
            .entry((Arc::clone(&event.target), event.kind.name()))
            .or_insert(Seen {
                since: now,
                passed: 0,
                held_back: 0,
            });
        if now.duration_since(entry.since) >= self.window {
            entry.since = now;
            entry.passed = 0;
        }
        if entry.passed == self.burst {
            entry.held_back += 1;
            return;
        }
        entry.passed += 1;
        let suppressed = std::mem::take(&mut entry.held_back);
        drop(seen);
        self.inner.event(&Event {
            suppressed: event.suppressed + suppressed,
            ..event.clone()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rate_limit_says_what_it_held_back() {
        let passed = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&passed);
        let sink = RateLimited::new(
            move |event: &Event| {
                log.lock().unwrap().push((
                    event.target.to_string(),
                    event.kind.name(),
                    event.suppressed,
                ));
            },
            2,
            Duration::from_secs(10),
        );
        let event = |target: &str, kind| Event {
            target: target.into(),
            kind,
            suppressed: 0,
        };
        for _ in 0..5 {
            sink.event(&event("a", EventKind::Recovered));
        }
        sink.event(&event("b", EventKind::Recovered));
        sink.event(&event("a", EventKind::BreakerOpened));
        tokio::time::advance(Duration::from_secs(10)).await;
        sink.event(&event("a", EventKind::Recovered));
        assert_eq!(
            *passed.lock().unwrap(),
            [
                ("a".into(), "recovered", 0),
                ("a".into(), "recovered", 0),
                ("b".into(), "recovered", 0),
                ("a".into(), "breaker_opened", 0),
                ("a".into(), "recovered", 3),
            ]
        );
    }
}
