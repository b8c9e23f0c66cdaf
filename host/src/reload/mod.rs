//! Changing the pipeline while the service runs.
//!
//! *Make before break.* A new configuration is read, checked and compared with the one that runs;
//! libraries are loaded and instances made only for the targets that are new or whose plugin
//! settings have changed. Whatever fails up to here changes nothing. Then the routes are swapped in
//! one step, and what follows is each stage's own affair: a stage whose settings have changed follows
//! them from now on, with its instance and its queue; one whose instance has a successor settles what
//! the old one is doing and then activates the new one; one that is no longer named delivers what it
//! has, by a deadline, and ends. No attempt is cancelled before its own deadline, and no caller
//! notices anything.
//!
//! One reload at a time; a second one waits, and then sees the file as it is by then.

mod generation;
mod plan;
mod watch;

pub(crate) use generation::History;
pub use generation::{Cause, Generation};
pub use plan::{Plan, PlannedTarget};
pub(crate) use watch::Watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rolog_core::Level;
use rolog_core::delivery::{Class, Failure};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::catalog::{Catalog, PreparedTargets};
use crate::config::{PipelineSpec, Problem, Problems, SettingPath, TargetChange, TargetName};
use crate::error::Error;
use crate::instance::{BoxFuture, Instance, Maker};
use crate::pipeline::{Pipeline, Shape, Traits, stage_settings, start_stage};
use crate::stage::{Seat, Stage};

/// How long a new or changed target may take to be made; then the reload fails.
const CREATE_DEADLINE: Duration = Duration::from_secs(30);

/// How long a target that is no longer named has to deliver its queue; then what is left goes to its
/// fallback, and to the dead letters.
const DRAIN_DEADLINE: Duration = Duration::from_secs(30);

/// How long the pump has to take up new routes.
const SWAP_PATIENCE: Duration = Duration::from_secs(10);

impl Pipeline {
    /// Puts `spec` in the place of what runs. Returns the generation that is in force then: the one
    /// before, if nothing has changed.
    ///
    /// # Errors
    /// What keeps the new configuration from running, each at its place. The old one goes on.
    pub(crate) async fn apply(
        self: &Arc<Self>,
        catalog: &Arc<Catalog>,
        spec: PipelineSpec,
        cause: Cause,
    ) -> Result<Generation, Error> {
        let _one = self.reloading.lock().await;
        if self.closing.load(Ordering::Acquire) {
            return Err(Error::disposed());
        }
        let (changes, unchanged, kept_resources) = self.compare(&spec)?;
        if unchanged {
            let shape = self.shape();
            return Ok(shape.history.current().clone());
        }
        let wanted: BTreeSet<TargetName> = changes
            .iter()
            .filter(|(_, change)| matches!(change, TargetChange::Added | TargetChange::Replaced))
            .map(|(name, _)| name.clone())
            .collect();
        let prepared = prepare(catalog, &spec, wanted, kept_resources).await?;
        let made = make(&spec, prepared).await?;
        let generation = self.swap(spec, &changes, made, cause)?;
        // From the barrier on no record goes by the old routes, so that what they alone named may
        // end.
        let pipeline = Arc::clone(self);
        let swapped = tokio::task::spawn_blocking(move || pipeline.barrier(SWAP_PATIENCE)).await;
        if !matches!(swapped, Ok(true)) {
            self.tell(
                Level::Warning,
                None,
                "the pump is slow to take up the new routes; removed targets wait for it",
            );
        }
        self.retire();
        self.tell(Level::Information, None, &generation.to_string());
        Ok(generation)
    }

    /// What `spec` does with each target; whether it changes anything at all; and the resources of
    /// those that stay as they are.
    #[allow(
        clippy::type_complexity,
        reason = "three answers to one question, used in one place"
    )]
    fn compare(
        &self,
        spec: &PipelineSpec,
    ) -> Result<
        (
            BTreeMap<TargetName, TargetChange>,
            bool,
            BTreeMap<TargetName, Vec<String>>,
        ),
        Error,
    > {
        let shape = self.shape();
        let diff = shape.spec.diff(spec);
        fixed(&shape.spec, spec)?;
        let mut changes = diff.targets.clone();
        for (name, change) in &mut changes {
            // Its successor could not be activated: the instance in its slot is an older one.
            let stale = shape.stale.contains(name);
            if stale && matches!(change, TargetChange::Kept | TargetChange::Retuned) {
                *change = TargetChange::Replaced;
            }
        }
        let unchanged = diff.is_empty() && changes.values().all(|c| *c == TargetChange::Kept);
        let kept = changes
            .iter()
            .filter(|(_, change)| matches!(change, TargetChange::Kept | TargetChange::Retuned))
            .filter_map(|(name, _)| {
                Some((name.clone(), shape.traits.get(name)?.resources.clone()))
            });
        let kept = kept.collect();
        Ok((changes, unchanged, kept))
    }

    /// The one step. Under the shape's lock, and without a wait.
    fn swap(
        self: &Arc<Self>,
        spec: PipelineSpec,
        changes: &BTreeMap<TargetName, TargetChange>,
        mut made: BTreeMap<TargetName, Made>,
        cause: Cause,
    ) -> Result<Generation, Error> {
        let mut shape = self.shape();
        let mut stages = shape.stages.clone();
        let of = |change: TargetChange| {
            changes
                .iter()
                .filter(move |(_, found)| **found == change)
                .map(|(name, _)| name.clone())
                .collect::<Vec<_>>()
        };
        let removed = of(TargetChange::Removed);
        for name in added_in_order(&spec, &of(TargetChange::Added)) {
            let Some(new) = made.remove(&name) else {
                continue;
            };
            let seat = new.seat(&shape, &removed);
            let (services, runtime) = (&self.services, &self.runtime);
            let stage = start_stage(&spec, &name, seat, &stages, services, self.epoch, runtime)?;
            stages.insert(name.clone(), stage);
            shape.traits.insert(name, new.traits);
        }
        for name in spec.targets().keys() {
            if !matches!(changes.get(name), Some(TargetChange::Added)) {
                retune(&spec, name, &made, &shape, &stages)?;
            }
        }
        for name in of(TargetChange::Replaced) {
            let (Some(new), Some(stage)) = (made.remove(&name), stages.get(&name)) else {
                continue;
            };
            shape.traits.insert(name.clone(), new.traits);
            self.replace(stage, name, Seat::with(new.maker, new.instance));
        }
        for name in &removed {
            shape.traits.remove(name);
            shape.stale.remove(name);
            shape.retiring.extend(stages.remove(name));
        }
        let generation = shape.history.add(&spec, changes, cause);
        shape.generation = generation.number;
        let before = std::mem::replace(&mut shape.spec, spec);
        self.set_secrets(&shape.spec, &before);
        shape.before = Some(Box::new(before));
        shape.stages = stages;
        self.intake
            .set_flush_on(shape.spec.intake_config().flush_on);
        self.intake
            .set_overflow(shape.spec.intake_config().overflow);
        self.put_in_force(&shape);
        Ok(generation)
    }

    /// Lets a successor take an instance's place, when that has settled.
    fn replace(self: &Arc<Self>, stage: &Stage, name: TargetName, seat: Seat) {
        let (stage, pipeline) = (stage.clone(), Arc::clone(self));
        self.runtime.spawn(async move {
            let replaced = stage.replace(seat).await;
            let mut shape = pipeline.shape();
            // The stage tells of either as an event.
            match replaced {
                Ok(()) => shape.stale.remove(&name),
                Err(_) => shape.stale.insert(name),
            };
        });
    }

    /// Ends the stages that no route names any more. Their rows go on counting in the ledger.
    fn retire(self: &Arc<Self>) {
        let retiring = self.shape().retiring.clone();
        for stage in retiring {
            if stage.report().is_some() {
                continue;
            }
            let pipeline = Arc::clone(self);
            self.runtime.spawn(async move {
                let report = stage.dispose(DRAIN_DEADLINE).await;
                let mut shape = pipeline.shape();
                let known = shape.retiring.len();
                shape.retiring.retain(|other| !other.is_same(&stage));
                if shape.retiring.len() < known {
                    shape.removed.absorb(&report.row);
                }
            });
        }
    }
}

/// A target that has been made and waits for its slot.
struct Made {
    maker: Arc<dyn Maker>,
    instance: Arc<dyn Instance>,
    traits: Traits,
}

impl Made {
    /// For a slot of its own. Where it takes over something from a target that is going, it waits
    /// for the end of that.
    fn seat(&self, shape: &Shape, removed: &[TargetName]) -> Seat {
        let shares = |name: &TargetName| {
            let (theirs, mine) = (shape.traits.get(name), &self.traits.resources);
            theirs.is_some_and(|theirs| theirs.resources.iter().any(|used| mine.contains(used)))
        };
        let going = removed.iter().filter(|name| shares(name));
        let going: Vec<Stage> = going
            .filter_map(|name| shape.stages.get(name).cloned())
            .collect();
        if going.is_empty() {
            return Seat::with(Arc::clone(&self.maker), Arc::clone(&self.instance));
        }
        Seat::vacant(Arc::new(After {
            going,
            maker: Arc::clone(&self.maker),
        }))
    }
}

/// Makes an instance once the stages before it have ended.
struct After {
    going: Vec<Stage>,
    maker: Arc<dyn Maker>,
}

impl Maker for After {
    fn create(&self) -> BoxFuture<'_, Result<Arc<dyn Instance>, Failure>> {
        Box::pin(async {
            for stage in &self.going {
                stage.dispose(DRAIN_DEADLINE).await;
            }
            self.maker.create().await
        })
    }

    fn preferred_batch(&self) -> Option<usize> {
        self.maker.preferred_batch()
    }

    fn resources(&self) -> Vec<String> {
        self.maker.resources()
    }
}

/// Settings that are what they are from the start to the end of a process.
fn fixed(old: &PipelineSpec, new: &PipelineSpec) -> Result<(), Error> {
    let mut problems = Vec::new();
    let mut refuse = |path: SettingPath, what: &str| {
        problems.push(new.problem_at(
            path,
            format!("{what} cannot change while the pipeline runs; put the old value back, or start the service anew"),
        ));
    };
    let root = SettingPath::root;
    if old.rings().bytes != new.rings().bytes {
        refuse(root().key("rings").key("bytes"), "the size of the rings");
    }
    if old.max_record() != new.max_record() {
        refuse(root().key("max_record"), "the bound on a record");
    }
    if old.dead_letters() != new.dead_letters() {
        refuse(root().key("dead_letters"), "where dead letters are kept");
    }
    if old.metrics() != new.metrics() {
        refuse(root().key("metrics"), "where the metrics are served");
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Problems::new(problems).into())
}

/// Checks the targets that are to be made. On a thread of its own: plugins may take their time.
async fn prepare(
    catalog: &Arc<Catalog>,
    spec: &PipelineSpec,
    wanted: BTreeSet<TargetName>,
    kept: BTreeMap<TargetName, Vec<String>>,
) -> Result<PreparedTargets, Error> {
    let (catalog, spec) = (Arc::clone(catalog), spec.clone());
    let checked = tokio::task::spawn_blocking(move || {
        catalog.follow(&spec);
        catalog.prepare_some(&spec, &wanted, &kept)
    });
    match checked.await {
        Ok(prepared) => Ok(prepared?),
        Err(_cancelled) => Err(Error::disposed()),
    }
}

/// Makes an instance of each, side by side. One that fails fails all; those that were made are let
/// go.
async fn make(
    spec: &PipelineSpec,
    prepared: PreparedTargets,
) -> Result<BTreeMap<TargetName, Made>, Error> {
    let mut making = JoinSet::new();
    for (name, target) in prepared {
        making.spawn(async move {
            let created = tokio::time::timeout(CREATE_DEADLINE, target.maker.create()).await;
            let created = created.unwrap_or_else(|_| {
                let message = format!("it was not made within {CREATE_DEADLINE:?}");
                Err(Failure::new(Class::Timeout, message))
            });
            (name, target.maker, created)
        });
    }
    let mut made = BTreeMap::new();
    let mut problems: Vec<Problem> = Vec::new();
    while let Some(joined) = making.join_next().await {
        let Ok((name, maker, created)) = joined else {
            return Err(Error::disposed());
        };
        match created {
            Ok(instance) => {
                let new = Made {
                    traits: Traits::of(&*maker),
                    maker,
                    instance,
                };
                made.insert(name, new);
            }
            Err(failure) => {
                let path = SettingPath::root().key("targets").key(name.as_str());
                problems.push(spec.problem_at(path, format!("it cannot be made: {failure}")));
            }
        }
    }
    if problems.is_empty() {
        return Ok(made);
    }
    for (_, new) in made {
        // It has had no effect yet, and how it ends is of no consequence.
        drop(new.instance.shutdown(CREATE_DEADLINE).await);
    }
    Err(Problems::new(problems).into())
}

/// Those that others fall back to first.
fn added_in_order(spec: &PipelineSpec, added: &[TargetName]) -> Vec<TargetName> {
    let mut order = Vec::new();
    for name in added {
        crate::pipeline::visit(name, spec, &mut order);
    }
    order.retain(|name| added.contains(name));
    order
}

/// Brings a stage's settings and its chain of fallbacks in line with `spec`.
fn retune(
    spec: &PipelineSpec,
    name: &TargetName,
    made: &BTreeMap<TargetName, Made>,
    shape: &Shape,
    stages: &BTreeMap<TargetName, Stage>,
) -> Result<(), Error> {
    let (Some(target), Some(stage)) = (spec.target(name.as_str()), stages.get(name)) else {
        return Ok(());
    };
    let preferred = match made.get(name) {
        Some(new) => new.traits.preferred,
        None => shape.traits.get(name).and_then(|traits| traits.preferred),
    };
    let fallbacks = target.flush.fallback.iter();
    let fallbacks = fallbacks.filter_map(|name| stages.get(name));
    stage
        .retune(
            stage_settings(target, preferred, spec.rings()),
            fallbacks.map(Stage::as_fallback).collect(),
        )
        .map_err(|error| {
            let what = format!("{}: {error}", error.setting());
            Problems::from(spec.refusal(name, "", what)).into()
        })
}

/// Reloads whenever something changes that the configuration was read from, until the pipeline ends.
pub(crate) async fn follow(
    pipeline: std::sync::Weak<Pipeline>,
    catalog: Arc<Catalog>,
    source: Arc<crate::host::FileSource>,
    mut changes: mpsc::Receiver<()>,
) {
    while changes.recv().await.is_some() {
        let Some(pipeline) = pipeline.upgrade() else {
            return;
        };
        // What fails is told there; the running pipeline goes on.
        let _ = source.reload(&pipeline, &catalog, Cause::Watched).await;
    }
}
