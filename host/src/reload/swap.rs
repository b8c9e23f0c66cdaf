//! The one step of a reload: from here on the new routes are in force, and the old stages end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rolog_core::delivery::Failure;

use super::make::{Made, let_go};
use super::moves::Moves;
use super::{Cause, Generation, fixed};
use crate::config::{PipelineSpec, Problems, TargetChange, TargetName};
use crate::dress::Dress;
use crate::error::Error;
use crate::instance::BoxFuture;
use crate::loader::Library;
use crate::outlets::{Leaving, Opened};
use crate::pipeline::{Pipeline, Retiring, Shape, Traits, stage_settings, start_stage};
use crate::stage::{Seat, Stage, StageSettings};

/// How long a target that is no longer named has to deliver its queue; then what is left goes to its
/// fallback, and to the dead letters.
const DRAIN_DEADLINE: Duration = Duration::from_secs(30);

/// How long a library that nobody uses any more has to end its threads.
const REST_DEADLINE: Duration = Duration::from_secs(10);

/// What says whether a successor serves.
type Replacing = BoxFuture<'static, Result<(), Failure>>;

impl Pipeline {
    /// The one step. Under the shape's lock, and without a wait.
    pub(super) fn swap(
        self: &Arc<Self>,
        spec: PipelineSpec,
        changes: &BTreeMap<TargetName, TargetChange>,
        mut made: BTreeMap<TargetName, Made>,
        opened: Opened,
        cause: Cause,
    ) -> Result<(Generation, Leaving), Error> {
        let mut shape = self.shape();
        // Whoever ends the pipeline sees either none of it or all.
        if self.closing.load(Ordering::Acquire) {
            return Err(Error::disposed());
        }
        if let Err(error) = fits(&spec, &made, &shape) {
            let_go(made);
            return Err(error);
        }
        let number = shape.generation + 1;
        let mut stages = shape.stages.clone();
        let of = |change: TargetChange| {
            changes
                .iter()
                .filter(move |(_, found)| **found == change)
                .map(|(name, _)| name.clone())
                .collect::<Vec<_>>()
        };
        let removed = of(TargetChange::Removed);
        let mut moves = Moves::between(&shape, changes, &made);
        for name in added_in_order(&spec, &of(TargetChange::Added)) {
            let Some(new) = made.remove(&name) else {
                continue;
            };
            let going = new.waits_for(&shape, &removed);
            let seat = new.seat(going, moves.waits(&name));
            let (services, runtime) = (&self.services, &self.runtime);
            let stage = start_stage(&spec, &name, seat, &stages, services, self.epoch, runtime)?;
            stages.insert(name.clone(), stage);
            if let Some(library) = new.traits.library.clone() {
                shape.serving.insert(name.clone(), library);
            }
            let resources = new.traits.resources.clone();
            shape.holding.insert(name.clone(), resources);
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
            let going = new.waits_for(&shape, &removed);
            let traits = new.traits.clone();
            shape.traits.insert(name.clone(), new.traits);
            shape.replacing.insert(name.clone(), number);
            let mut seat = Seat::with(new.maker, new.instance);
            seat.waits = moves.waits(&name);
            seat.yields = moves.yields(&name);
            self.replace(stage, name, seat, traits, number, going);
        }
        for (name, opener) in moves.rest() {
            // Its successor is on its way since an earlier reload.
            if let Some(stage) = stages.get(&name) {
                stage.yields(opener);
            }
        }
        for name in &removed {
            let resources = shape.used_by(name);
            shape.traits.remove(name);
            shape.holding.remove(name);
            let library = shape.serving.remove(name);
            shape.stale.remove(name);
            shape.replacing.remove(name);
            shape
                .retiring
                .extend(stages.remove(name).map(|stage| Retiring {
                    stage,
                    resources,
                    library,
                }));
        }
        let generation = shape.history.add(&spec, changes, cause);
        shape.generation = generation.number;
        if shape.spec.fields() != spec.fields() || shape.spec.redact() != spec.redact() {
            shape.dress = Dress::of(&spec);
            let rules = Dress::redactor(shape.dress.as_ref());
            self.catalog.hidden.set(rules);
        }
        self.remember(spec.explain().drops.get());
        let before = std::mem::replace(&mut shape.spec, spec);
        self.set_secrets(&shape.spec);
        if shape.spec.backtraces() != before.backtraces() {
            self.set_backtraces(shape.spec.backtraces());
        }
        // A plugin's new build is no other configuration.
        if !before.diff(&shape.spec).is_empty() {
            shape.before = Some(Box::new(before));
        }
        shape.stages = stages;
        self.intake
            .set_flush_on(shape.spec.intake_config().flush_on);
        self.intake
            .set_overflow(shape.spec.intake_config().overflow);
        self.put_in_force(&shape);
        let leaving = self.outlets.take_over(opened);
        Ok((generation, leaving))
    }

    /// Lets a successor take an instance's place, when that has settled, those in `going` have ended
    /// and those that it waits for have made room.
    fn replace(
        self: &Arc<Self>,
        stage: &Stage,
        name: TargetName,
        seat: Seat,
        traits: Traits,
        number: u32,
        going: Vec<Stage>,
    ) {
        let mut seat = seat;
        // It serves while others make room, unless they wait for what it uses itself.
        let moving = if seat.yields.is_empty() {
            std::mem::take(&mut seat.waits)
        } else {
            Vec::new()
        };
        // The order of two calls is that of two generations, so they are not left to their tasks.
        let (mut waiting, mut begun) = (Some(seat), None::<Replacing>);
        if going.is_empty() && moving.is_empty() {
            begun = waiting
                .take()
                .map(|seat| Box::pin(stage.begin_replace(seat)) as Replacing);
        }
        let (stage, pipeline) = (stage.clone(), Arc::clone(self));
        self.runtime.spawn(async move {
            for stage in &going {
                stage.ended().await;
            }
            for latch in &moving {
                latch.wait().await;
            }
            if let Some(seat) = waiting {
                let Some(still) = pipeline.begin_late(&stage, &name, seat, number).await else {
                    return;
                };
                begun = Some(still);
            }
            let Some(begun) = begun else {
                return;
            };
            let replaced = begun.await;
            let left = {
                let mut shape = pipeline.shape();
                let last = shape.replacing.get(&name) == Some(&number);
                if last {
                    shape.replacing.remove(&name);
                }
                let same = shape.stages.get(&name).is_some_and(|s| s.is_same(&stage));
                // The stage tells of either as an event.
                if replaced.is_err() {
                    if last {
                        shape.stale.insert(name);
                    }
                    traits.library
                } else {
                    if last {
                        shape.stale.remove(&name);
                    }
                    if same {
                        shape.holding.insert(name.clone(), traits.resources);
                    }
                    // Another may be on its way, and this one has served nevertheless.
                    match traits.library {
                        _ if !same => None,
                        Some(library) => shape.serving.insert(name, library),
                        None => shape.serving.remove(&name),
                    }
                }
            };
            pipeline.rest(left).await;
        });
    }

    /// Begins a replacement that had to wait, unless another one has come since; then whoever waits for
    /// the target waits for that.
    async fn begin_late(
        &self,
        stage: &Stage,
        name: &TargetName,
        mut seat: Seat,
        number: u32,
    ) -> Option<Replacing> {
        let named = {
            let shape = self.shape();
            if shape.replacing.get(name) == Some(&number) {
                return Some(Box::pin(stage.begin_replace(seat)));
            }
            shape.stages.get(name).is_some_and(|now| now.is_same(stage))
        };
        let openers = std::mem::take(&mut seat.yields);
        if !named && !openers.is_empty() {
            stage.ended().await;
        }
        for opener in openers {
            stage.yields(opener);
        }
        None
    }

    /// Ends the threads of a library that may have lost its last instance.
    async fn rest(&self, left: Option<Library>) {
        // One that is linked in costs nothing that was not there before.
        if let Some(library) = left.filter(|library| library.info().digest.is_some()) {
            library.rest(REST_DEADLINE).await;
        }
    }

    /// Ends the stages that no route names any more. Their rows go on counting in the ledger.
    pub(super) fn retire(self: &Arc<Self>) {
        let retiring = self.shape().retiring.clone();
        for Retiring { stage, library, .. } in retiring {
            if stage.report().is_some() {
                continue;
            }
            let pipeline = Arc::clone(self);
            self.runtime.spawn(async move {
                stage.dispose(DRAIN_DEADLINE).await;
                pipeline.shape().ended(&stage);
                pipeline.rest(library).await;
            });
        }
    }
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

/// Whether `spec` can follow what runs by now: the service may have added a target of its own since
/// they were compared.
fn fits(
    spec: &PipelineSpec,
    made: &BTreeMap<TargetName, Made>,
    shape: &Shape,
) -> Result<(), Error> {
    fixed(shape, spec)?;
    let mut names = spec.targets().keys();
    names.try_for_each(|name| tuned(spec, name, made, shape).map(drop))
}

/// The settings that a target's stage has under `spec`.
fn tuned(
    spec: &PipelineSpec,
    name: &TargetName,
    made: &BTreeMap<TargetName, Made>,
    shape: &Shape,
) -> Result<Option<StageSettings>, Error> {
    let Some(target) = spec.target(name.as_str()) else {
        return Ok(None);
    };
    let preferred = match made.get(name) {
        Some(new) => new.traits.preferred,
        None => shape.traits.get(name).and_then(|traits| traits.preferred),
    };
    let settings = stage_settings(target, preferred, spec);
    match settings.check() {
        Ok(()) => Ok(Some(settings)),
        Err(error) => {
            let what = format!("{}: {error}", error.setting());
            Err(Problems::from(spec.refusal(name, "", what)).into())
        }
    }
}

/// Brings a stage's settings and its chain of fallbacks in line with `spec`.
fn retune(
    spec: &PipelineSpec,
    name: &TargetName,
    made: &BTreeMap<TargetName, Made>,
    shape: &Shape,
    stages: &BTreeMap<TargetName, Stage>,
) -> Result<(), Error> {
    let settings = tuned(spec, name, made, shape)?;
    let (Some(target), Some(settings)) = (spec.target(name.as_str()), settings) else {
        return Ok(());
    };
    let fallbacks = target.flush.fallback.iter();
    let fallbacks = fallbacks.filter_map(|name| stages.get(name));
    let fallbacks = fallbacks.map(Stage::as_fallback).collect();
    if let Some(stage) = stages.get(name) {
        // Its settings have been checked.
        let _ = stage.retune(settings, fallbacks);
    }
    Ok(())
}
