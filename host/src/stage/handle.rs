//! The handle of a stage.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rolog_core::delivery::{Class, Failure};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::backoff::{Random, Splitmix};
use super::driver::Driver;
use super::fallback::{Feeder, height};
use super::guard::StageGuard;
use super::latch::Opener;
use super::ledger::TargetRow;
use super::measures::Measures;
use super::phase::{Drain, Phase};
use super::reserve::{NoRoom, Reservation};
use super::settings::{SettingError, StageSettings};
use super::shared::{Services, Shared};
use super::slot::{Command, Seat, Slot};
use super::state::State;
use super::status::{StageSnapshot, Status};

/// One target's stage. A handle: clones are the same stage.
///
/// It has one task on the runtime that it was started on, and runs until it is disposed of.
#[derive(Clone)]
pub struct Stage {
    shared: Arc<Shared>,
}

impl Stage {
    /// Starts the stage of the target `name` on the host's runtime.
    ///
    /// `epoch` is the process' own, as in its record ids. `fallbacks` are asked in their order.
    ///
    /// # Errors
    /// Settings out of their bounds.
    pub fn start(
        name: impl Into<Arc<str>>,
        settings: StageSettings,
        seat: Seat,
        fallbacks: Vec<Feeder>,
        services: Services,
        epoch: u128,
        runtime: &Handle,
    ) -> Result<Stage, SettingError> {
        let random = Box::new(Splitmix::seeded());
        Self::start_with(
            name, settings, seat, fallbacks, services, epoch, runtime, random,
        )
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the public form has all of them but the random source, which only tests choose"
    )]
    pub(crate) fn start_with(
        name: impl Into<Arc<str>>,
        settings: StageSettings,
        seat: Seat,
        fallbacks: Vec<Feeder>,
        services: Services,
        epoch: u128,
        runtime: &Handle,
        random: Box<dyn Random>,
    ) -> Result<Stage, SettingError> {
        settings.check()?;
        let mut state = State::new(name.into(), settings, epoch);
        state.fallbacks = fallbacks;
        state.tuned = 1;
        let shared = Shared::new(state, services);
        let driver = Driver::new(Arc::clone(&shared), Slot::new(seat), random, epoch);
        let last = LastWill(Arc::clone(&shared));
        runtime.spawn(async move {
            let _last = last;
            driver.run().await;
        });
        Ok(Stage { shared })
    }

    /// The target's name.
    pub fn name(&self) -> &Arc<str> {
        &self.shared.name
    }

    /// Whether both are handles of one stage.
    pub(crate) fn is_same(&self, other: &Stage) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Opens the stage for records: the pump's way in.
    pub fn open(&self) -> StageGuard<'_> {
        StageGuard::new(&self.shared)
    }

    /// The row of the ledger, exact at this moment.
    pub fn row(&self) -> TargetRow {
        self.shared.lock().row.clone()
    }

    /// Everything at one moment, for metrics.
    pub fn snapshot(&self) -> StageSnapshot {
        let state = self.shared.lock();
        StageSnapshot {
            target: Arc::clone(&self.shared.name),
            row: state.row.clone(),
            status: state.status.clone(),
            measures: state.measures.clone(),
            queued_bytes: state.bytes(),
            settings: Arc::clone(&state.settings),
        }
    }

    /// How large its batches are, and how long they take.
    pub fn measures(&self) -> Measures {
        self.shared.lock().measures.clone()
    }

    /// What the target is doing.
    pub fn status(&self) -> Status {
        self.shared.lock().status.clone()
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<StageSettings> {
        self.shared.settings()
    }

    /// Bytes of frames that are queued, being delivered, or pinned by a fenced attempt.
    pub fn queued_bytes(&self) -> usize {
        self.shared.lock().bytes()
    }

    /// This stage as a fallback of another. It outlives its feeders at shutdown.
    pub fn as_fallback(&self) -> Feeder {
        Feeder::new(Arc::clone(&self.shared))
    }

    /// The chain in force.
    pub fn fallbacks(&self) -> Vec<Feeder> {
        self.shared.lock().fallbacks.clone()
    }

    /// The row, and how much of what it calls queued is in the queue itself.
    #[cfg(test)]
    pub(super) fn row_and_kept(&self) -> (TargetRow, u64) {
        let state = self.shared.lock();
        (state.row.clone(), state.kept())
    }

    /// Room for so many records with so many bytes of payload, if there is any now.
    ///
    /// # Errors
    /// There never will be.
    pub fn try_reserve(&self, records: usize, bytes: usize) -> Result<Option<Reservation>, NoRoom> {
        self.shared.try_reserve(records, bytes)
    }

    /// Waits for room, whatever the overflow policy. Needs no runtime.
    ///
    /// # Errors
    /// There never will be any.
    pub async fn reserve(&self, records: usize, bytes: usize) -> Result<Reservation, NoRoom> {
        self.shared.reserve(records, bytes).await
    }

    /// Waits for room on the calling thread, no longer than `most`. Not for threads of the pipeline.
    ///
    /// # Errors
    /// There never will be any, or there was none in time.
    pub fn reserve_blocking(
        &self,
        records: usize,
        bytes: usize,
        most: Duration,
    ) -> Result<Reservation, NoRoom> {
        self.shared.reserve_blocking(records, bytes, most)
    }

    /// Waits on the calling thread while the queue is full and its policy is that callers wait, no
    /// longer than that says. Not for threads of the pipeline.
    pub(crate) fn wait_while_full(&self) {
        self.shared.wait_while_full();
    }

    /// Follows other settings and another chain from now on. What is queued stays queued.
    ///
    /// # Errors
    /// Settings out of their bounds; nothing has changed then.
    pub fn retune(
        &self,
        settings: StageSettings,
        fallbacks: Vec<Feeder>,
    ) -> Result<(), SettingError> {
        settings.check()?;
        let mut state = self.shared.lock();
        state.recent.resize(settings.remembered);
        state.held_back.resize(settings.remembered);
        state.settings = Arc::new(settings);
        let before = std::mem::replace(&mut state.fallbacks, fallbacks);
        state.tuned += 1;
        self.shared.feel_pressure(&state);
        drop(state);
        drop(before);
        self.shared.work.notify_one();
        self.shared.room_freed();
        Ok(())
    }

    /// Puts a successor into the slot once what the instance is doing has settled, by its own
    /// deadlines. Records queue meanwhile.
    ///
    /// # Errors
    /// The successor could not be created or activated; the old instance goes on.
    pub async fn replace(&self, successor: Seat) -> Result<(), Failure> {
        self.begin_replace(successor).await
    }

    /// Starts what [`Stage::replace`] waits for: of two successors the later call's one stays,
    /// whichever is waited for first.
    pub(crate) fn begin_replace(
        &self,
        successor: Seat,
    ) -> impl Future<Output = Result<(), Failure>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Replace(successor, reply));
        async move {
            answer.await.unwrap_or_else(|_| {
                Err(Failure::new(
                    Class::Cancelled,
                    "the target was disposed of before",
                ))
            })
        }
    }

    /// Opens the latch once a successor serves that is on its way; at once if there is none.
    pub(crate) fn yields(&self, opener: Opener) {
        self.command(Command::Yield(opener));
    }

    /// Tries a target that holds, is quarantined or could not start again at once.
    pub fn retry_now(&self) {
        self.command(Command::Retry);
    }

    /// Uses the instance no more: its records take the fallback, until a successor comes or
    /// [`Stage::retry_now`] gives it another chance.
    pub(crate) fn quarantine(&self, failure: Failure) {
        self.command(Command::Quarantine(failure));
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn command(&self, command: Command) {
        let mut state = self.shared.lock();
        if state.phase != Phase::Disposed {
            state.commands.push_back(command);
        }
        drop(state);
        self.shared.work.notify_one();
    }

    /// Waits until everything that has been accepted so far has left the queue, one way or the
    /// other, no longer than `deadline`. What fell back is its fallback's to flush.
    ///
    /// Returns how many of those records are still here.
    pub async fn flush(&self, deadline: Duration) -> u64 {
        let mark = self.shared.lock().barrier();
        self.shared.work.notify_one();
        let wait = async {
            loop {
                let progress = self.shared.progress.notified();
                tokio::pin!(progress);
                progress.as_mut().enable();
                if self.shared.lock().before(mark) == 0 {
                    return;
                }
                progress.await;
            }
        };
        drop(tokio::time::timeout(deadline, wait).await);
        self.shared.lock().before(mark)
    }

    /// Ends the stage: takes no more from routes, delivers what is left, and returns by the
    /// deadline. Nine tenths of it are for attempts, less where a fallback needs its share; what is
    /// not delivered then goes to fallbacks and dead letters.
    ///
    /// All stages can be disposed of at once: one that others fall back to waits for them.
    pub async fn dispose(&self, deadline: Duration) -> TargetReport {
        self.begin_dispose(deadline);
        self.ended().await
    }

    /// Waits for the end of a stage that is, or will be, disposed of.
    pub(crate) async fn ended(&self) -> TargetReport {
        loop {
            let progress = self.shared.progress.notified();
            tokio::pin!(progress);
            progress.as_mut().enable();
            if let Some(report) = self.report() {
                return report;
            }
            progress.await;
        }
    }

    /// Starts what [`Stage::dispose`] waits for, and returns at once. A second call may bring the
    /// end nearer, and never puts it off.
    pub fn begin_dispose(&self, deadline: Duration) {
        let now = Instant::now();
        let chain = self.shared.lock().fallbacks.clone();
        let height = height(&chain);
        let mut state = self.shared.lock();
        let drain = Drain::new(now, deadline, height);
        state.phase = match state.phase {
            Phase::Running => Phase::Draining(drain),
            Phase::Draining(before) => Phase::Draining(before.sooner(drain)),
            Phase::Disposed => Phase::Disposed,
        };
        drop(state);
        self.shared.work.notify_one();
        self.shared.room_freed();
    }

    /// How the stage ended, once it has.
    pub fn report(&self) -> Option<TargetReport> {
        let state = self.shared.lock();
        let ended = state.ended.clone()?;
        Some(TargetReport {
            target: Arc::clone(&self.shared.name),
            row: state.row.clone(),
            fenced: ended.fenced,
            failure: ended.failure,
        })
    }

    /// Waits on the calling thread for the end of a stage that is being disposed of.
    pub fn wait_disposed(&self) -> TargetReport {
        loop {
            let seen = self.shared.freed.count();
            if let Some(report) = self.report() {
                return report;
            }
            self.shared.freed.wait(seen, None);
        }
    }
}

/// Ends a stage whose task ends without having finished: its runtime is gone, or it has a defect.
/// Nobody waits for it then, and what it had is counted as lost.
struct LastWill(Arc<Shared>);

impl Drop for LastWill {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if state.ended.is_some() {
            return;
        }
        state.abandon();
        self.0.has_ended(&state);
        drop(state);
        self.0.room_freed();
        self.0.progress.notify_waiters();
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage")
            .field("target", self.name())
            .field("status", &self.status())
            .field("row", &self.row())
            .finish()
    }
}

/// What became of a target and of every record that it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetReport {
    /// Its name.
    pub target: Arc<str>,
    /// The final row; nothing is queued any more.
    pub row: TargetRow,
    /// Attempts that had not settled when the stage ended.
    pub fenced: usize,
    /// Why its instance did not end well.
    pub failure: Option<Failure>,
}
