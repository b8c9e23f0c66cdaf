//! The one task of a stage: a state machine that waits in one place.
//!
//! Whatever takes time (an attempt, the start of an instance, writing dead letters) runs as a job of
//! the task's own; the task itself only looks at what has changed, decides, and waits for the next
//! job to end, the next time that something is due, or a notice of new work. So no target can keep
//! its own stage from watching its deadlines, and a panic in a target ends a job and nothing else.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rolog_core::delivery::{Class, Failure, Outcome};
use rolog_core::frame::BatchBuilder;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::backoff::Random;
use super::breaker::{Breaker, BreakerState};
use super::event::EventKind;
use super::fallback::Feeder;
use super::handover::Handover;
use super::lanes::{Fenced, Lane};
use super::measures::Measure;
use super::settings::StageSettings;
use super::shared::Shared;
use super::slot::{Slot, SlotPhase, Swapped};
use super::state::{Drain, Ends, Phase, State};
use super::status::{Mode, Status};
use crate::instance::Instance;

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
    pub jobs: JoinSet<Done>,
    pub running: HashMap<Id, Job>,
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

/// What a job was started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    Attempt(u64),
    Start,
    Swap,
    Bury,
    End,
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
            jobs: JoinSet::new(),
            running: HashMap::new(),
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
                done = self.jobs.join_next_with_id(), if !self.jobs.is_empty() => {
                    if let Some(done) = done {
                        self.done(done);
                    }
                }
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
    fn done(&mut self, done: Result<(Id, Done), JoinError>) {
        let done = match done {
            Ok((id, done)) => {
                self.running.remove(&id);
                done
            }
            Err(error) => {
                let job = self.running.remove(&error.id());
                let failure = || panicked(&error);
                match job {
                    Some(Job::Attempt(id)) => {
                        Done::Attempt(id, Outcome::retry(failure().maybe_written()), None)
                    }
                    Some(Job::Start) => Done::Start(Err(failure())),
                    Some(Job::Swap) => Done::Swap(Swapped::Undone(failure(), Some(failure()))),
                    Some(Job::Bury) => Done::Bury(Err(failure())),
                    Some(Job::End) | None => Done::End(Err(failure())),
                }
            }
        };
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

    /// Starts a job.
    pub(super) fn spawn(&mut self, job: Job, work: impl Future<Output = Done> + Send + 'static) {
        let handle = self.jobs.spawn(work);
        self.running.insert(handle.id(), job);
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
        let idle = self.lanes.is_empty() && self.handovers.is_empty() && !self.holds_fenced();
        idle && !waits_for_feeders && self.shared.lock().is_idle()
    }

    /// Changes counts under the lock, then wakes those that wait for it.
    pub(super) fn account<T>(&mut self, change: impl FnOnce(&mut State, &mut Ends) -> T) -> T {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        let result = change(&mut state, &mut self.ends);
        debug_assert!(state.row.balances(), "{:?}", state.row);
        let hungry = std::mem::take(&mut state.hungry);
        shared.feel_pressure(&state);
        drop(state);
        for task in hungry {
            task.notify_one();
        }
        shared.room_freed();
        shared.progress.notify_waiters();
        result
    }

    pub(super) fn mode(&self) -> Mode {
        if self.drain.is_some() {
            return Mode::Draining;
        }
        if self.is_fenced() {
            return Mode::Fenced;
        }
        if self.slot.successor.is_some() {
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

fn panicked(error: &JoinError) -> Failure {
    Failure::new(Class::Panic, format!("the target panicked: {error}"))
}
