//! The one task of a stage: a state machine that waits in one place.
//!
//! Whatever takes time (an attempt, the start of an instance, writing dead letters) is a job, a
//! future that the task polls beside all others; the task itself only looks at what has changed,
//! decides, and waits for the next job to end, the next time that something is due, or a notice of
//! new work. So a target that never answers cannot keep its stage from watching its deadlines, and a
//! panic in a target ends a job and nothing else. Jobs are polled in place and not as tasks of their
//! own, because waking a second thread for each batch cost more than all else that a batch costs.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use rolog_core::delivery::{Class, Failure, Outcome};
use rolog_core::frame::BatchBuilder;
use tokio::time::{Instant, sleep_until};

use super::append::Ends;
use super::backoff::Random;
use super::breaker::{Breaker, BreakerState};
use super::event::EventKind;
use super::fallback::Feeder;
use super::handover::Handover;
use super::lanes::{Fenced, Lane};
use super::measures::Measure;
use super::phase::{Drain, Phase};
use super::settings::StageSettings;
use super::shared::Shared;
use super::slot::{Slot, SlotPhase, Swapped};
use super::state::State;
use super::status::{Mode, Status};
use crate::instance::{BoxFuture, Instance};

/// What the task has under way.
pub(super) type Jobs = FuturesUnordered<BoxFuture<'static, Done>>;

/// The state of the task.
pub(super) struct Driver {
    pub shared: Arc<Shared>,
    pub settings: Arc<StageSettings>,
    pub fallbacks: Vec<Feeder>,
    tuned: u64,
    pub slot: Slot,
    pub breaker: Breaker,
    pub hold: Option<Hold>,
    pub lanes: Vec<Lane>,
    pub fenced: Vec<Fenced>,
    pub handovers: VecDeque<Handover>,
    pub jobs: Jobs,
    pub random: Box<dyn Random>,
    pub builder: BatchBuilder,
    pub next_attempt: u64,
    pub panics: u32,
    /// The last failure since the last success.
    pub failure: Option<Failure>,
    /// The fallback that took records last.
    pub in_use: Option<Arc<str>>,
    pub drain: Option<Drain>,
    pub ends: Ends,
}

/// A target that waits for someone to act.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    pub probe_at: Instant,
    pub rounds: u32,
}

/// What a job has come to.
pub(super) enum Done {
    Attempt(u64, Outcome, Option<Duration>),
    Start(Result<Arc<dyn Instance>, Failure>),
    Swap(Swapped),
    Bury(Result<(), Failure>),
    End(Result<(), Failure>),
}

impl Driver {
    pub(super) fn new(
        shared: Arc<Shared>,
        slot: Slot,
        random: Box<dyn Random>,
        epoch: u128,
    ) -> Self {
        let settings = shared.settings();
        Driver {
            breaker: Breaker::new(settings.breaker),
            settings,
            fallbacks: Vec::new(),
            tuned: 0,
            slot,
            hold: None,
            lanes: Vec::new(),
            fenced: Vec::new(),
            handovers: VecDeque::new(),
            jobs: Jobs::new(),
            random,
            builder: BatchBuilder::new(epoch),
            next_attempt: 1,
            panics: 0,
            failure: None,
            in_use: None,
            drain: None,
            ends: Ends::default(),
            shared,
        }
    }

    /// Runs until the stage has been disposed of.
    pub(super) async fn run(mut self) {
        let work = Arc::clone(&self.shared.work);
        loop {
            let finished = self.step();
            self.tell();
            if finished {
                break;
            }
            let next = self.next_time();
            tokio::select! {
                Some(done) = self.jobs.next() => self.done(done),
                () = work.notified() => {}
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
        }
        self.finish().await;
    }

    /// Does everything that can be done now; says whether the stage has nothing left to do ever.
    fn step(&mut self) -> bool {
        loop {
            let now = Instant::now();
            let moved = self.obey()
                | self.expire(now)
                | self.change(now)
                | self.advance(now)
                | self.fill(now)
                | self.hand_over(now);
            if !moved {
                return self.is_finished(now);
            }
        }
    }

    /// Follows what handles have set since the last time.
    fn obey(&mut self) -> bool {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        if state.tuned != self.tuned {
            self.tuned = state.tuned;
            self.settings = Arc::clone(&state.settings);
            self.fallbacks.clone_from(&state.fallbacks);
            self.breaker.retune(self.breaker_rules());
        }
        if let Phase::Draining(drain) = state.phase {
            let first = self.drain.replace(drain).is_none();
            // Whoever holds gets one more chance at once.
            if let (true, Some(hold)) = (first, &mut self.hold) {
                hold.probe_at = Instant::now();
            }
        }
        let Some(command) = state.commands.pop_front() else {
            return false;
        };
        drop(state);
        self.command(command);
        true
    }

    /// When something is due next.
    fn next_time(&self) -> Option<Instant> {
        let open = {
            let state = self.shared.lock();
            if state.waiting() == 0 {
                state.due()
            } else {
                None
            }
        };
        let slot = match self.slot.phase {
            SlotPhase::Failed { again } => Some(again),
            _ => None,
        };
        let now = Instant::now();
        let drain = self.drain.map(|drain| {
            if now < drain.give_up {
                drain.give_up
            } else {
                drain.end
            }
        });
        self.lanes
            .iter()
            .filter_map(Lane::due)
            .chain(open)
            .chain(slot)
            .chain(drain)
            .chain(self.hold.map(|hold| hold.probe_at))
            .chain(self.breaker.probe_at())
            // What is due already and was not done waits for something else to happen first.
            .filter(|time| *time > now)
            .min()
    }

    /// Takes in what a job has come to.
    fn done(&mut self, done: Done) {
        match done {
            Done::Attempt(id, outcome, took) => {
                if let Some(took) = took {
                    let took = (Measure::DeliverySeconds, took.as_secs_f64());
                    self.shared.measure(&[took]);
                }
                self.attempt_done(id, &outcome);
            }
            Done::Start(result) => self.started(result),
            Done::Swap(swapped) => self.swapped(swapped),
            Done::Bury(result) => self.buried(result),
            // Only runs once nothing else does; see `finish`.
            Done::End(_) => {}
        }
    }

    /// Starts a job. A panic in it comes to what `panicked` makes of it.
    pub(super) fn start(
        &mut self,
        work: impl Future<Output = Done> + Send + 'static,
        panicked: impl FnOnce(Failure) -> Done + Send + 'static,
    ) {
        let work = AssertUnwindSafe(work).catch_unwind();
        self.jobs.push(Box::pin(async move {
            match work.await {
                Ok(done) => done,
                Err(panic) => panicked(Failure::new(Class::Panic, panic_text(&*panic))),
            }
        }));
    }

    /// Whether time is up for attempts.
    pub(super) fn gives_up(&self, now: Instant) -> bool {
        self.drain.is_some_and(|drain| now >= drain.give_up)
    }

    fn is_finished(&self, now: Instant) -> bool {
        let Some(drain) = self.drain else {
            return false;
        };
        if now >= drain.end {
            return true;
        }
        let fed = self
            .shared
            .feeders
            .load(std::sync::atomic::Ordering::Acquire)
            > 0;
        let waits_for_feeders = fed && now < drain.give_up;
        // An instance that is just being made has to be let go of, too.
        let changing = self.slot.phase == SlotPhase::Changing;
        let idle =
            self.lanes.is_empty() && self.handovers.is_empty() && !self.holds_fenced() && !changing;
        idle && !waits_for_feeders && self.shared.lock().is_idle()
    }

    /// Changes counts under the lock, then wakes those that wait for it.
    pub(super) fn account<T>(&mut self, change: impl FnOnce(&mut State, &mut Ends) -> T) -> T {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        let before = (state.row.queued, state.bytes());
        let result = change(&mut state, &mut self.ends);
        debug_assert!(state.row.balances(), "{:?}", state.row);
        let after = (state.row.queued, state.bytes());
        if before == after {
            return result;
        }
        let hungry = std::mem::take(&mut state.hungry);
        shared.feel_pressure(&state);
        drop(state);
        for task in hungry {
            task.notify_one();
        }
        if after.0 < before.0 || after.1 < before.1 {
            shared.room_freed();
            shared.progress.notify_waiters();
        }
        result
    }

    pub(super) fn mode(&self) -> Mode {
        if self.drain.is_some() {
            return Mode::Draining;
        }
        if self.is_fenced() {
            return Mode::Fenced;
        }
        if self.slot.successor.is_some() || self.slot.swapping.is_some() {
            return Mode::Replacing;
        }
        match self.slot.phase {
            SlotPhase::Vacant | SlotPhase::Changing | SlotPhase::Broken => Mode::Starting,
            SlotPhase::Failed { .. } => Mode::StartFailed,
            SlotPhase::Quarantined => Mode::Quarantined,
            SlotPhase::Active if self.hold.is_some() => Mode::Holding,
            SlotPhase::Active if self.breaker.state() != BreakerState::Closed => Mode::Broken,
            SlotPhase::Active => Mode::Active,
        }
    }

    /// Tells what has happened, under no lock.
    pub(super) fn tell(&mut self) {
        let status = Status {
            mode: self.mode(),
            breaker: self.breaker.state(),
            generation: self.slot.generation,
            attempts: self.lanes.iter().filter(|lane| lane.is_busy()).count(),
            fenced: self.fenced.len(),
            failure: self.failure.clone(),
        };
        let untold = {
            let mut state = self.shared.lock();
            state.status = status;
            std::mem::take(&mut state.untold)
        };
        for (reason, records) in untold.dropped.iter().filter(|(_, n)| *n > 0) {
            self.shared.tell(EventKind::Dropped { reason, records });
        }
        for (reason, records) in untold.refused.iter().filter(|(_, n)| *n > 0) {
            self.shared.tell(EventKind::Refused { reason, records });
        }
        self.ends.tell(&*self.shared.services.receipts);
    }
}

/// What a panic said.
fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a text");
    format!("the target panicked: {text}")
}
