//! What runs: the routes in force, the stages behind them, and everything that loggers, pump and
//! handles share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use rolog_core::backend::Backend;
use rolog_core::frame::{OriginKind, RecordId};
use rolog_core::intake::Intake;
use rolog_core::value::{Encoder, Timestamp};
use rolog_core::{Error, Level, LoggerFactory};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::catalog::Catalog;
use crate::config::{PipelineSpec, Secrets, TargetName};
use crate::feedback::{Feedback, OwnRecord};
use crate::host::FileSource;
use crate::ledger::{Ledger, PumpCounts, SourceRow};
use crate::loader::Loader;
use crate::metrics::Snapshot;
use crate::outlets::Outlets;
use crate::pump::Command;
use crate::reload::Tally;
use crate::report::Report;
use crate::routes::InForce;
use crate::stage::{
    AGES, Event, EventKind, Fate, Loss, NoRoom, Recent, Services, Stage, TargetReport,
};
use crate::waiting::Slots;

mod backend;
mod link;
mod shape;
mod start;

pub(crate) use link::{Link, Pressure};
pub(crate) use shape::{Retiring, Shape, Traits};
pub(crate) use start::{stage_settings, start_stage, start_stages, visit};

/// How long the pump has to answer beyond the time that a caller gave.
const PUMP_PATIENCE: Duration = Duration::from_secs(1);

pub(crate) struct Pipeline {
    pub(crate) this: Weak<Pipeline>,
    /// Random, drawn at the start: the first half of the record ids.
    pub(crate) epoch: u128,
    pub(crate) factory: LoggerFactory,
    pub(crate) intake: Arc<Intake>,
    pub(crate) routes: InForce,
    pub(crate) slots: Arc<Slots>,
    pub(crate) feedback: Feedback,
    pub(crate) outlets: Outlets,
    /// Where the configuration came from, if it can be read again.
    pub(crate) source: Option<Arc<FileSource>>,
    pub(crate) counts: PumpCounts,
    /// The last records that went to no target.
    pub(crate) astray: Mutex<Recent>,
    pub(crate) runtime: Handle,
    pub(crate) services: Services,
    pub(crate) shape: Mutex<Shape>,
    pub(crate) commands: Mutex<Vec<Command>>,
    /// Targets whose full queues ask callers to wait; how many of a name, for one that goes may drain
    /// beside its successor.
    pub(crate) pressed: Mutex<BTreeMap<String, usize>>,
    /// How many of those have no room at all.
    pub(crate) full: AtomicUsize,
    /// What must not be shown, of this configuration and the one before it, whose instances may
    /// still speak.
    pub(crate) secrets: Mutex<Arc<Secrets>>,
    /// One reload at a time.
    pub(crate) reloading: tokio::sync::Mutex<()>,
    /// What has become of them.
    pub(crate) reloads: Tally,
    pub(crate) catalog: Arc<Catalog>,
    /// What the service says of backtraces.
    #[cfg(feature = "backtrace")]
    pub(crate) backtraces: Option<Level>,
    pub(crate) closing: AtomicBool,
    pub(crate) ended: watch::Sender<Option<Report>>,
}

impl Pipeline {
    pub(crate) fn shape(&self) -> MutexGuard<'_, Shape> {
        self.shape.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the routes of `shape` in force, and sets every gate by them.
    pub(crate) fn put_in_force(&self, shape: &Shape) {
        self.routes.set(shape.compile());
        let routes = self.routes.get();
        for logger in self.factory.registry().since(0) {
            logger.gate().set_least(routes.gate(logger.name()));
        }
        self.set_blocked(shape);
        self.factory.registry().gates_changed();
    }

    /// From which level on errors say how their thread came there; where the configuration says
    /// nothing, the service does.
    #[cfg(feature = "backtrace")]
    pub(crate) fn set_backtraces(&self, stated: Option<Level>) {
        static WARM: std::sync::Once = std::sync::Once::new();
        let from = stated.or(self.backtraces);
        self.factory.set_backtraces(from);
        if from.is_some() {
            // Not the pump's first record with one is to wait for it.
            let warm = || WARM.call_once(rolog_core::backtrace::Symbols::warm);
            self.runtime.spawn_blocking(warm);
        }
    }

    #[cfg(not(feature = "backtrace"))]
    #[allow(clippy::unused_self, reason = "what is there with the feature")]
    pub(crate) fn set_backtraces(&self, _: Option<Level>) {}

    /// What the pump is asked to do, once.
    pub(crate) fn take_commands(&self) -> Vec<Command> {
        std::mem::take(&mut *self.commands.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks the pump for something, and waits for the answer; false when it did not come in time.
    fn ask_pump(
        &self,
        command: fn(std::sync::mpsc::SyncSender<()>) -> Command,
        most: Duration,
    ) -> bool {
        let (done, answer) = sync_channel(1);
        self.commands
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(command(done));
        self.intake.wake();
        answer.recv_timeout(most).is_ok()
    }

    /// Waits until the pump has routed everything that was logged before, by the routes in force.
    pub(crate) fn barrier(&self, most: Duration) -> bool {
        self.ask_pump(Command::Barrier, most)
    }

    fn stages(&self) -> Vec<Stage> {
        self.shape().all_stages().cloned().collect()
    }

    /// Routes everything that was logged before the call, and waits until it has left the queues;
    /// returns how many records are still there at the deadline.
    pub(crate) async fn flush(self: Arc<Self>, deadline: Duration) -> u64 {
        let deadline = deadline.min(AGES);
        let until = Instant::now() + deadline;
        let pipeline = Arc::clone(&self);
        let asked = tokio::task::spawn_blocking(move || pipeline.barrier(deadline + PUMP_PATIENCE));
        // Without an answer there may be records in the rings; they show in the source's row.
        drop(asked.await);
        let mut left = 0;
        // A fallback takes over what its primaries give up: those are flushed before it.
        for stage in self.in_feeding_order() {
            left += stage
                .flush(until.saturating_duration_since(Instant::now()))
                .await;
        }
        left
    }

    /// Runs a future on the pipeline's runtime and waits for it on this thread, on a condition and
    /// not by driving it: the thread may belong to another runtime. `None` when it took longer than
    /// `most`.
    pub(crate) fn wait_for<F>(&self, most: Duration, future: F) -> Option<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (done, answer) = sync_channel(1);
        self.runtime.spawn(async move {
            // The caller may have given up.
            let _ = done.try_send(future.await);
        });
        answer.recv_timeout(most).ok()
    }

    /// [`Pipeline::flush`] for a thread that may wait, but no longer than this.
    pub(crate) fn flush_and_wait(self: &Arc<Self>, most: Duration) {
        // What is still queued then goes on being delivered.
        let _ = self.wait_for(most, Arc::clone(self).flush(most));
    }

    /// The stages, each before those that it falls back to.
    fn in_feeding_order(&self) -> Vec<Stage> {
        let shape = self.shape();
        let mut order: Vec<TargetName> = Vec::new();
        for name in shape.stages.keys() {
            visit(name, &shape.spec, &mut order);
        }
        order.reverse();
        let stages = order.iter().filter_map(|name| shape.stages.get(name));
        let retiring = shape.retiring.iter().map(|going| &going.stage);
        retiring.chain(stages).cloned().collect()
    }

    /// Ends everything, in order: callers, rings, queues, targets.
    pub(crate) async fn dispose(self: Arc<Self>, deadline: Duration) -> Report {
        if self.closing.swap(true, Ordering::AcqRel) {
            return self.wait_ended().await;
        }
        let deadline = deadline.min(AGES);
        let until = Instant::now() + deadline;
        let pipeline = Arc::clone(&self);
        let drained = tokio::task::spawn_blocking(move || {
            pipeline.intake.close();
            pipeline.ask_pump(Command::Stop, deadline + PUMP_PATIENCE)
        });
        let pump_ended = matches!(drained.await, Ok(true));
        let left = until.saturating_duration_since(Instant::now());
        let stages = self.stages();
        for stage in &stages {
            stage.begin_dispose(left);
        }
        let mut targets: Vec<TargetReport> = Vec::new();
        for stage in &stages {
            targets.push(stage.dispose(left).await);
        }
        self.slots.close();
        // What came after the pump's last pass goes nowhere any more.
        let unheard = self.feedback.take().len() as u64;
        self.counts.own_dropped.add(unheard);
        let report = Report::new(self.ledger(), targets, pump_ended);
        self.outlets.end().await;
        self.ended.send_replace(Some(report.clone()));
        report
    }

    /// For a second call of `dispose`: the report of the first.
    async fn wait_ended(&self) -> Report {
        let mut ended = self.ended.subscribe();
        let report = ended.wait_for(Option::is_some).await;
        // The sender is this pipeline's own, so it outlives the wait.
        report
            .ok()
            .and_then(|report| report.clone())
            .unwrap_or_else(|| Report::new(self.ledger(), Vec::new(), false))
    }

    /// Remembers a record that goes to no target, for this reason.
    pub(crate) fn not_routed(&self, id: RecordId, reason: &'static str) {
        let mut astray = self.astray.lock().unwrap_or_else(PoisonError::into_inner);
        astray.add(id, Fate::NotRouted(reason));
    }

    /// How many such losses are remembered from now on.
    pub(crate) fn remember(&self, losses: usize) {
        let mut astray = self.astray.lock().unwrap_or_else(PoisonError::into_inner);
        astray.resize(losses);
    }

    /// How a record was lost before it came to a target, if it is one of the last.
    pub(crate) fn lost(&self, id: RecordId) -> Option<Loss> {
        let astray = self.astray.lock().unwrap_or_else(PoisonError::into_inner);
        astray.find(id)
    }

    pub(crate) fn is_forked(&self) -> bool {
        self.intake.is_forked()
    }

    /// Raises or lowers the bit in each logger's gate, by the targets that it is routed to. Under the
    /// lock of the shape, so that nobody goes by routes that were replaced.
    fn set_blocked(&self, _: &Shape) {
        for logger in self.factory.registry().since(0) {
            logger.gate().set_blocked(self.is_pressed(logger.name()));
        }
    }

    pub(crate) fn ledger(&self) -> Ledger {
        let calls = || self.intake.counts().emitted;
        self.counts.between_passes(calls, || self.read_ledger())
    }

    fn read_ledger(&self) -> Ledger {
        let counts = self.intake.counts();
        let mut dropped: Vec<(&'static str, u64)> = counts
            .dropped
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| (reason.name(), *count))
            .collect();
        let own_dropped = self.counts.own_dropped.get();
        if own_dropped > 0 {
            dropped.push(("feedback", own_dropped));
        }
        let shape = self.shape();
        Ledger {
            source: SourceRow {
                emitted: counts.emitted + self.counts.own.get() + own_dropped,
                routed: self.counts.routed.get(),
                unrouted: self.counts.unrouted.get(),
                dropped,
                own_dropped,
                in_rings: counts.in_rings,
                suppressed: self.counts.keeping.suppressed(),
                recorded: self.counts.keeping.recorded().0,
                late: counts.late,
                overflowed: counts.overflowed,
                slow_path: counts.slow_path,
            },
            copies: self.counts.copies.get(),
            targets: shape
                .stages
                .iter()
                .map(|(name, stage)| (name.to_string(), stage.row()))
                .collect(),
            removed: {
                let mut removed = shape.removed.clone();
                for going in &shape.retiring {
                    removed.absorb(&going.stage.row());
                }
                removed
            },
        }
    }

    /// The numbers of this moment.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let ledger = self.ledger();
        let targets = self.shape().told();
        Snapshot {
            generation: self.shape().generation,
            reloads: self.reloads.reloads(),
            plugins: Loader::loads(),
            plugin_versions_limit: self.catalog.loader().most_versions(),
            ledger,
            targets,
            recorder_bytes: self.counts.keeping.recorded().1,
            recorder_dumped: self.counts.keeping.dumped.get(),
            dead_letters_discarded: self.outlets.letters().discarded(),
            redacted_by_name: self.counts.hidden_by_name.get(),
            redacted_by_pattern: self.counts.hidden_by_pattern.get(),
        }
    }

    /// What must not be shown of anything that a plugin says.
    pub(crate) fn secrets(&self) -> Arc<Secrets> {
        Arc::clone(&self.secrets.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_secrets(&self, new: &PipelineSpec) {
        let mut secrets = Secrets::clone(new.secrets());
        let mut current = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.remember(&current);
        *current = Arc::new(secrets);
    }

    /// Logs for the pipeline itself, about `target` where it is about one.
    pub(crate) fn tell(&self, level: Level, target: Option<&str>, message: &str) {
        let mut payload = Vec::new();
        let mut out = Encoder::new(&mut payload);
        out.key("rolog");
        out.key(message);
        if let Some(target) = target {
            out.key("target").str(target);
        }
        self.put_own(OwnRecord {
            kind: OriginKind::Pipeline,
            target: target.map(str::to_owned),
            logger: "rolog".to_owned(),
            level,
            time: Timestamp::now(),
            flags: rolog_core::frame::flags::LOGGER | rolog_core::frame::flags::MESSAGE,
            call_site: 0,
            payload,
        });
    }

    /// The same for an event of a target.
    pub(crate) fn tell_event(&self, event: &Event) {
        let level = match &event.kind {
            EventKind::Recovered
            | EventKind::BreakerClosed
            | EventKind::Released
            | EventKind::Unfenced
            | EventKind::Rebuilt
            | EventKind::Replaced => Level::Information,
            EventKind::Dropped { .. }
            | EventKind::Refused { .. }
            | EventKind::DeadLettersFailed { .. }
            | EventKind::Quarantined { .. }
            | EventKind::ReloadFailed { .. } => Level::Error,
            _ => Level::Warning,
        };
        let held_back = match event.suppressed {
            0 => String::new(),
            n => format!(" ({n} like it were not told)"),
        };
        self.tell(level, event.target(), &format!("{event}{held_back}"));
    }

    pub(crate) fn put_own(&self, record: OwnRecord) {
        if self.closing.load(Ordering::Relaxed) || !self.feedback.put(record) {
            self.counts.own_dropped.add(1);
        } else {
            self.intake.wake();
        }
    }

    fn disposed() -> Error {
        Error::disposed("the pipeline has been disposed")
    }

    /// Whether a stage has no room because a reload took its target away. Its successor in the
    /// routes, if there is one, is in force by then: a stage ends only after that.
    fn has_left(&self, stage: &Stage, why: NoRoom) -> bool {
        why == NoRoom::Disposed
            && !self.closing.load(Ordering::Acquire)
            && !self.shape().stages.values().any(|now| now.is_same(stage))
    }

    fn no_room(target: &str, why: NoRoom) -> Error {
        match why {
            NoRoom::Disposed => Self::disposed(),
            why => Error::setting(format!("target `{target}`: {why}")),
        }
    }
}
