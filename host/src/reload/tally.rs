//! What becomes of reloads: counted for the metrics, told as an event, and handed to whoever asked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rolog_core::Level;
use rolog_core::value::Timestamp;
use tokio::sync::MutexGuard;

use super::{Cause, Generation};
use crate::error::Error;
use crate::pipeline::Pipeline;
use crate::stage::{Event, EventKind};

/// Whoever wants to hear of every reload.
pub(crate) type OnReload = Box<dyn Fn(Result<&Generation, &Error>) + Send + Sync>;

/// How a reload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReloadOutcome {
    /// A new generation is in force.
    Applied,
    /// There was nothing to take over.
    Unchanged,
    /// It could not be taken over; the pipeline goes on as it was.
    Refused,
}

impl ReloadOutcome {
    /// Every outcome.
    pub const ALL: [ReloadOutcome; 3] = [
        ReloadOutcome::Applied,
        ReloadOutcome::Unchanged,
        ReloadOutcome::Refused,
    ];

    /// The word in reports and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            ReloadOutcome::Applied => "applied",
            ReloadOutcome::Unchanged => "unchanged",
            ReloadOutcome::Refused => "refused",
        }
    }
}

/// What has become of reloads so far, whoever asked for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloads {
    counts: [u64; 3],
    /// The last one.
    pub last: Option<LastReload>,
}

impl Reloads {
    /// How many ended so.
    pub fn with(&self, outcome: ReloadOutcome) -> u64 {
        self.counts[outcome as usize]
    }
}

/// The last reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastReload {
    /// How it ended.
    pub outcome: ReloadOutcome,
    /// When it ended.
    pub at: Timestamp,
    /// How long it took, from its turn to the new routes in force.
    pub took: Duration,
}

/// Counts reloads, and knows who wants to hear of them.
pub(crate) struct Tally {
    reloads: Mutex<Reloads>,
    calls: Vec<OnReload>,
}

impl Tally {
    pub(crate) fn new(calls: Vec<OnReload>) -> Self {
        Tally {
            reloads: Mutex::default(),
            calls,
        }
    }

    pub(crate) fn reloads(&self) -> Reloads {
        let reloads = self.reloads.lock().unwrap_or_else(PoisonError::into_inner);
        reloads.clone()
    }

    fn count(&self, outcome: ReloadOutcome, took: Duration) {
        let mut reloads = self.reloads.lock().unwrap_or_else(PoisonError::into_inner);
        reloads.counts[outcome as usize] += 1;
        reloads.last = Some(LastReload {
            outcome,
            at: Timestamp::now(),
            took,
        });
    }
}

/// Somebody's turn to reload; nobody else's begins before its end.
pub(crate) struct Turn<'a> {
    pipeline: &'a Pipeline,
    cause: Cause,
    began: Instant,
    /// The generation in force at its beginning.
    before: u32,
    _one: MutexGuard<'a, ()>,
}

impl Pipeline {
    /// Waits for the turn to reload.
    pub(crate) async fn turn(&self, cause: Cause) -> Turn<'_> {
        let one = self.reloading.lock().await;
        Turn {
            pipeline: self,
            cause,
            began: Instant::now(),
            before: self.shape().generation,
            _one: one,
        }
    }
}

impl Pipeline {
    /// Counts and tells a refusal.
    pub(crate) fn refused(&self, reason: String, took: Duration) {
        self.reloads.count(ReloadOutcome::Refused, took);
        let event = Event::of_pipeline(EventKind::ReloadFailed { reason });
        self.services.events.event(&event);
    }
}

impl Turn<'_> {
    pub(crate) fn cause(&self) -> Cause {
        self.cause
    }

    /// Counts what came of it, and tells whoever wants to hear.
    pub(crate) async fn end(self, taken: Result<Generation, Error>) -> Result<Generation, Error> {
        let tally = &self.pipeline.reloads;
        match &taken {
            Ok(generation) if generation.number > self.before => {
                tally.count(ReloadOutcome::Applied, self.began.elapsed());
            }
            Ok(_) => tally.count(ReloadOutcome::Unchanged, self.began.elapsed()),
            // It came with the end of the pipeline.
            Err(error) if error.is_disposed() => {}
            Err(error) => {
                let reason = format!("{}: {error}", refusal(self.cause));
                self.pipeline.refused(reason, self.began.elapsed());
            }
        }
        if taken.is_ok() {
            self.pipeline.keep_last_good().await;
        }
        for call in &tally.calls {
            // What a service's callback does must not end the watch.
            let called = catch_unwind(AssertUnwindSafe(|| call(taken.as_ref())));
            if let Err(panic) = called {
                let said = crate::in_process::panic_text(&*panic);
                let message = format!("a callback of a reload {said}");
                self.pipeline.tell(Level::Error, None, &message);
            }
        }
        taken
    }
}

fn refusal(cause: Cause) -> &'static str {
    match cause {
        Cause::Plugins => "no new build of a plugin was taken up",
        Cause::Rollback => "there was no going back; the configuration in force goes on",
        _ => "the configuration was not taken over; the one before goes on",
    }
}
