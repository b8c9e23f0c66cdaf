//! Starting the stages of a configuration.

use std::collections::BTreeMap;

use tokio::runtime::Handle;

use crate::catalog::PreparedTargets;
use crate::config::{PipelineSpec, Problems, TargetName, TargetSpec};
use crate::stage::{Seat, Services, Stage, StageSettings};

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
    let settings = stage_settings(target, seat.maker.preferred_batch(), spec);
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
    spec: &PipelineSpec,
) -> StageSettings {
    StageSettings {
        overshoot: spec.rings().bytes.get(),
        remembered: spec.explain().drops.get(),
        ..target.stage_settings(preferred)
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
