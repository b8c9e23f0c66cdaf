//! What runs: the routes in force, the stages behind them, and everything that loggers, pump and
//! handles share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use rolog_core::backend::{Backend, BoxFuture, DisposeError, RoomRequest, TargetInfo};
use rolog_core::frame::OriginKind;
use rolog_core::intake::Intake;
use rolog_core::receipt::Delivery;
use rolog_core::value::{Encoder, Timestamp};
use rolog_core::{BoxTarget, Error, Level, LoggerFactory, Threshold};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::catalog::{Prepared, PreparedTargets};
use crate::config::{PipelineSpec, Problems, RingsSpec, Secrets, TargetName, TargetSpec};
use crate::dead_letters::DeadLetterFile;
use crate::feedback::{Feedback, OwnRecord};
use crate::in_process::InProcessMaker;
use crate::ledger::{Ledger, PumpCounts, SourceRow};
use crate::loader::Library;
use crate::metrics::Snapshot;
use crate::pump::Command;
use crate::reload::History;
use crate::report::Report;
use crate::router::Router;
use crate::routes::{InForce, Routes};
use crate::stage::{
    Event, EventKind, NoRoom, Overflow, PressureSink, Reservation, Seat, Services, Stage,
    StageSettings, TargetReport, TargetRow,
};
use crate::waiting::Slots;

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
    pub(crate) dead_letters: Option<DeadLetterFile>,
    pub(crate) counts: PumpCounts,
    pub(crate) runtime: Handle,
    pub(crate) services: Services,
    pub(crate) shape: Mutex<Shape>,
    pub(crate) commands: Mutex<Vec<Command>>,
    /// Targets whose full queues ask callers to wait.
    pub(crate) pressed: Mutex<BTreeSet<String>>,
    /// What must not be shown, of this configuration and the one before it, whose instances may
    /// still speak.
    pub(crate) secrets: Mutex<Arc<Secrets>>,
    /// One reload at a time.
    pub(crate) reloading: tokio::sync::Mutex<()>,
    pub(crate) closing: AtomicBool,
    pub(crate) ended: watch::Sender<Option<Report>>,
}

/// What the routes are compiled from.
pub(crate) struct Shape {
    pub(crate) generation: u32,
    pub(crate) spec: PipelineSpec,
    pub(crate) min_level: Level,
    pub(crate) stages: BTreeMap<TargetName, Stage>,
    /// What each target's plugin said of it: what only one instance may use at a time, and the
    /// size of its batches.
    pub(crate) traits: BTreeMap<TargetName, Traits>,
    /// The library of the instance in each slot, of those that have one.
    pub(crate) serving: BTreeMap<TargetName, Library>,
    /// Targets whose instance is being replaced, and the generation that asked for it last.
    pub(crate) replacing: BTreeMap<TargetName, u32>,
    /// Targets whose successor could not be activated: an older instance is in their slot.
    pub(crate) stale: BTreeSet<TargetName>,
    /// Targets that are no longer named, until they have ended.
    pub(crate) retiring: Vec<Retiring>,
    /// The rows of those that have.
    pub(crate) removed: TargetRow,
    /// The configuration of the generation before.
    pub(crate) before: Option<Box<PipelineSpec>>,
    pub(crate) history: History,
    /// Targets of the service's own, which no route names.
    pub(crate) attached: Vec<(TargetName, Threshold)>,
}

/// What a target's plugin said of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traits {
    pub(crate) resources: Vec<String>,
    pub(crate) preferred: Option<usize>,
    /// The one that its instance is to be of.
    pub(crate) library: Option<Library>,
}

impl Traits {
    pub(crate) fn of(prepared: &Prepared) -> Self {
        Traits {
            resources: prepared.maker.resources(),
            preferred: prepared.maker.preferred_batch(),
            library: prepared.library.clone(),
        }
    }
}

/// A target that is no longer named.
#[derive(Clone)]
pub(crate) struct Retiring {
    pub(crate) stage: Stage,
    pub(crate) resources: Vec<String>,
    pub(crate) library: Option<Library>,
}

impl Shape {
    pub(crate) fn new(
        spec: PipelineSpec,
        min_level: Level,
        stages: BTreeMap<TargetName, Stage>,
        traits: BTreeMap<TargetName, Traits>,
    ) -> Self {
        Shape {
            generation: 1,
            history: History::start(&spec),
            spec,
            min_level,
            stages,
            serving: traits
                .iter()
                .filter_map(|(name, traits)| Some((name.clone(), traits.library.clone()?)))
                .collect(),
            traits,
            replacing: BTreeMap::new(),
            stale: BTreeSet::new(),
            retiring: Vec::new(),
            removed: TargetRow::default(),
            before: None,
            attached: Vec::new(),
        }
    }

    pub(crate) fn compile(&self) -> Routes {
        let mut router = Router::builder(&self.spec).default_level(self.min_level);
        for (name, minimum) in &self.attached {
            router = router.attach(name.clone(), *minimum);
        }
        let router = router.build();
        let stages = router
            .targets()
            .iter()
            .map(|name| self.stages[name].clone())
            .collect();
        Routes {
            generation: self.generation,
            router,
            stages,
        }
    }
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
    }

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
        let shape = self.shape();
        shape
            .stages
            .values()
            .chain(shape.retiring.iter().map(|going| &going.stage))
            .cloned()
            .collect()
    }

    /// Routes everything that was logged before the call, and waits until it has left the queues;
    /// returns how many records are still there at the deadline.
    pub(crate) async fn flush(self: Arc<Self>, deadline: Duration) -> u64 {
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
        if let Some(file) = &self.dead_letters {
            file.close();
        }
        // What came after the pump's last pass goes nowhere any more.
        let unheard = self.feedback.take().len() as u64;
        self.counts.own_dropped.add(unheard);
        let report = Report::new(self.ledger(), targets, pump_ended);
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

    pub(crate) fn is_forked(&self) -> bool {
        self.intake.is_forked()
    }

    /// Raises or lowers the bit in each logger's gate, by the targets that it is routed to.
    fn set_blocked(&self) {
        for logger in self.factory.registry().since(0) {
            logger.gate().set_blocked(self.is_pressed(logger.name()));
        }
    }

    pub(crate) fn ledger(&self) -> Ledger {
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
        let stages = self.stages();
        Snapshot {
            ledger,
            targets: stages.iter().map(Stage::snapshot).collect(),
            dead_letters_discarded: self
                .dead_letters
                .as_ref()
                .map_or(0, DeadLetterFile::discarded),
        }
    }

    /// What must not be shown of anything that a plugin says.
    pub(crate) fn secrets(&self) -> Arc<Secrets> {
        Arc::clone(&self.secrets.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_secrets(&self, new: &PipelineSpec, old: &PipelineSpec) {
        let mut secrets = Secrets::clone(new.secrets());
        secrets.merge(old.secrets());
        *self.secrets.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(secrets);
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
            | EventKind::Quarantined { .. } => Level::Error,
            _ => Level::Warning,
        };
        let held_back = match event.suppressed {
            0 => String::new(),
            n => format!(" ({n} like it were not told)"),
        };
        let message = format!("target `{}`: {}{held_back}", event.target, event.kind);
        self.tell(level, Some(&event.target), &message);
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

/// Appends `name` behind everything that it falls back to.
pub(crate) fn visit(name: &TargetName, spec: &PipelineSpec, order: &mut Vec<TargetName>) {
    if order.contains(name) {
        return;
    }
    if let Some(target) = spec.target(name.as_str()) {
        for fallback in &target.flush.fallback {
            visit(fallback, spec, order);
        }
    }
    order.push(name.clone());
}

/// Room in every stage, or in none: whoever holds room in one queue while it waits for another
/// would let one target's trouble delay the other.
fn try_all(stages: &[Stage], bytes: usize) -> Result<Vec<Reservation>, Blocked> {
    let mut room = Vec::with_capacity(stages.len());
    for (index, stage) in stages.iter().enumerate() {
        match stage.try_reserve(1, bytes) {
            Ok(Some(reservation)) => room.push(reservation),
            Ok(None) => return Err(Blocked::By(index)),
            Err(why) => return Err(Blocked::For(index, why)),
        }
    }
    Ok(room)
}

enum Blocked {
    /// This stage has no room now.
    By(usize),
    /// This stage never will.
    For(usize, NoRoom),
}

impl Backend for Pipeline {
    fn gate(&self, logger: &str) -> Option<Level> {
        self.routes.get().gate(logger)
    }

    fn is_pressed(&self, logger: &str) -> bool {
        let pressed = self
            .pressed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if pressed.is_empty() {
            return false;
        }
        let routes = self.routes.get();
        Level::ALL.into_iter().any(|level| {
            let stages = routes.stages_of(logger, level);
            stages.iter().any(|stage| pressed.contains(&**stage.name()))
        })
    }

    fn wait_for_room(&self, logger: u32, level: Level) {
        self.intake.count_slow_path();
        // A thread that drives an async runtime must not sleep; the awaitable form waits there.
        if Handle::try_current().is_ok() {
            return;
        }
        let loggers = self
            .factory
            .registry()
            .since((logger as usize).saturating_sub(1));
        let Some(logger) = loggers.first() else {
            return;
        };
        for stage in self.routes.get().stages_of(logger.name(), level) {
            if let Overflow::Block(most) = stage.settings().overflow {
                // Room, or its bound is over: the stage decides about the record either way.
                drop(stage.reserve_blocking(1, 0, most));
            }
        }
    }

    fn reserve(&self, request: RoomRequest) -> BoxFuture<'static, Result<u64, Error>> {
        let this = self.this.upgrade();
        Box::pin(async move {
            let this = this.ok_or_else(Self::disposed)?;
            loop {
                if this.closing.load(Ordering::Acquire) {
                    return Err(Self::disposed());
                }
                // A reload may take away what this record waits for.
                let replaced = this.routes.replaced();
                let stages = this.routes.get().stages_of(&request.logger, request.level);
                if stages.is_empty() && !request.receipt {
                    return Ok(0);
                }
                let blocked = match try_all(&stages, request.bytes) {
                    Ok(room) => return Ok(this.slots.add(room, request.receipt)),
                    Err(blocked) => blocked,
                };
                let (stage, why) = match blocked {
                    Blocked::By(index) => {
                        let stage = &stages[index];
                        tokio::select! {
                            () = replaced => continue,
                            room = stage.reserve(1, request.bytes) => match room {
                                Ok(_) => continue,
                                Err(why) => (stage, why),
                            },
                        }
                    }
                    Blocked::For(index, why) => (&stages[index], why),
                };
                if !this.has_left(stage, why) {
                    return Err(Self::no_room(stage.name(), why));
                }
            }
        })
    }

    fn reserve_blocking(&self, request: RoomRequest) -> Result<u64, Error> {
        /// One wait; then the look is repeated.
        const TURN: Duration = Duration::from_secs(1);
        loop {
            if self.closing.load(Ordering::Acquire) {
                return Err(Self::disposed());
            }
            // Each time anew: a reload may take away what this record waits for.
            let stages = self.routes.get().stages_of(&request.logger, request.level);
            if stages.is_empty() && !request.receipt {
                return Ok(0);
            }
            match try_all(&stages, request.bytes) {
                Ok(room) => return Ok(self.slots.add(room, request.receipt)),
                Err(Blocked::By(index)) => {
                    drop(stages[index].reserve_blocking(1, request.bytes, TURN));
                }
                Err(Blocked::For(index, why)) if self.has_left(&stages[index], why) => {}
                Err(Blocked::For(index, why)) => {
                    return Err(Self::no_room(stages[index].name(), why));
                }
            }
        }
    }

    fn release(&self, slot: u64) {
        self.slots.release(slot);
    }

    fn delivery(&self, slot: u64) -> BoxFuture<'static, Delivery> {
        Box::pin(self.slots.delivery(slot))
    }

    fn add_target(&self, target: BoxTarget, minimum: Threshold) -> Result<(), Error> {
        if self.closing.load(Ordering::Acquire) {
            return Err(Self::disposed());
        }
        let mut shape = self.shape();
        let wish = target.name();
        let mut name: TargetName = wish
            .parse()
            .map_err(|error| Error::setting(format!("a target is named `{wish}`: {error}")))?;
        let mut n = 1;
        while shape.stages.contains_key(&name) {
            n += 1;
            name = format!("{wish}-{n}")
                .parse()
                .map_err(|error| Error::setting(format!("a target is named `{wish}`: {error}")))?;
        }
        let stage = Stage::start(
            name.shared(),
            StageSettings::default(),
            Seat::vacant(Arc::new(InProcessMaker::new(name.as_str(), target))),
            Vec::new(),
            self.services.clone(),
            self.epoch,
            &self.runtime,
        )
        .map_err(|error| Error::setting(error.to_string()))?;
        shape.stages.insert(name.clone(), stage);
        // rolog's rule: NONE stands for the factory's own minimum.
        let minimum = match minimum {
            Threshold::Inherit => Threshold::At(shape.min_level),
            stated => stated,
        };
        shape.attached.push((name, minimum));
        self.put_in_force(&shape);
        Ok(())
    }

    fn targets(&self) -> Vec<TargetInfo> {
        let shape = self.shape();
        shape
            .stages
            .keys()
            .map(|name| {
                let attached = shape.attached.iter().find(|(own, _)| own == name);
                TargetInfo {
                    name: name.to_string(),
                    kind: match shape.spec.target(name.as_str()) {
                        Some(target) => target.plugin.as_str().to_owned(),
                        None => crate::catalog::IN_PROCESS.to_owned(),
                    },
                    minimum: attached.map_or(Threshold::Inherit, |(_, minimum)| *minimum),
                }
            })
            .collect()
    }

    fn min_level(&self) -> Level {
        self.shape().min_level
    }

    fn set_min_level(&self, level: Level) {
        let mut shape = self.shape();
        shape.min_level = level;
        self.put_in_force(&shape);
    }

    fn dispose(&self, deadline: Duration) -> BoxFuture<'static, Vec<DisposeError>> {
        let Some(pipeline) = self.this.upgrade() else {
            return Box::pin(std::future::ready(Vec::new()));
        };
        let runtime = self.runtime.clone();
        Box::pin(async move {
            // On the pipeline's own runtime: the caller may have another, or none.
            let report = runtime.spawn(pipeline.dispose(deadline)).await;
            report.map_or_else(|_| Vec::new(), |report| report.errors())
        })
    }
}

/// The pipeline, for those that are made before it and speak to it later.
#[derive(Clone, Default)]
pub(crate) struct Link(Arc<OnceLock<Weak<Pipeline>>>);

impl Link {
    /// Names the pipeline, once.
    pub(crate) fn attach(&self, pipeline: &Arc<Pipeline>) {
        // One start makes one link and one pipeline.
        let _ = self.0.set(Arc::downgrade(pipeline));
    }

    /// The pipeline, from its start to its end.
    pub(crate) fn pipeline(&self) -> Option<Arc<Pipeline>> {
        self.0.get().and_then(Weak::upgrade)
    }
}

/// Hears of full queues whose callers are to wait.
pub(crate) struct Pressure(pub(crate) Link);

impl PressureSink for Pressure {
    fn pressure(&self, target: &str, raised: bool) {
        let Some(pipeline) = self.0.pipeline() else {
            return;
        };
        let mut pressed = pipeline
            .pressed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let changed = if raised {
            pressed.insert(target.to_owned())
        } else {
            pressed.remove(target)
        };
        drop(pressed);
        if changed {
            // Not here: the pump may be the caller, and holds the stage.
            let runtime = pipeline.runtime.clone();
            runtime.spawn(async move { pipeline.set_blocked() });
        }
    }
}

/// Starts the stage of each target, those that others fall back to first.
pub(crate) fn start_stages(
    spec: &PipelineSpec,
    mut prepared: PreparedTargets,
    services: &Services,
    epoch: u128,
    runtime: &Handle,
) -> Result<BTreeMap<TargetName, Stage>, Problems> {
    let mut stages: BTreeMap<TargetName, Stage> = BTreeMap::new();
    while !prepared.is_empty() {
        // The configuration has no cycles, so there is always one whose fallbacks have all started.
        let next = prepared.keys().find(|name| {
            let target = spec.target(name.as_str());
            target.is_none_or(|t| {
                t.flush
                    .fallback
                    .iter()
                    .all(|name| stages.contains_key(name))
            })
        });
        let Some((name, target)) = next.cloned().and_then(|name| prepared.remove_entry(&name))
        else {
            break;
        };
        let seat = Seat::vacant(target.maker);
        let stage = start_stage(spec, &name, seat, &stages, services, epoch, runtime)?;
        stages.insert(name, stage);
    }
    Ok(stages)
}

/// Starts the stage of one target; those that it falls back to are in `stages`.
pub(crate) fn start_stage(
    spec: &PipelineSpec,
    name: &TargetName,
    seat: Seat,
    stages: &BTreeMap<TargetName, Stage>,
    services: &Services,
    epoch: u128,
    runtime: &Handle,
) -> Result<Stage, Problems> {
    let refuse = |what: String| Problems::from(spec.refusal(name, "", what));
    let target = spec
        .target(name.as_str())
        .ok_or_else(|| refuse("it is not in the configuration".to_owned()))?;
    let fallbacks = target.flush.fallback.iter();
    let fallbacks = fallbacks.filter_map(|name| stages.get(name));
    let settings = stage_settings(target, seat.maker.preferred_batch(), spec.rings());
    Stage::start(
        name.shared(),
        settings,
        seat,
        fallbacks.map(Stage::as_fallback).collect(),
        services.clone(),
        epoch,
        runtime,
    )
    .map_err(|error| refuse(format!("{}: {error}", error.setting())))
}

/// The stage's own settings, from those of the configuration.
pub(crate) fn stage_settings(
    target: &TargetSpec,
    preferred: Option<usize>,
    rings: &RingsSpec,
) -> StageSettings {
    StageSettings {
        overshoot: rings.bytes.get(),
        ..target.stage_settings(preferred)
    }
}
