//! What answers consist of. The names here are those of the protocol: they stay.

use std::sync::Arc;

use rolog_core::value::Value as ValueOf;
use serde_json::{Map, Value, json};

use crate::config::TargetChange;
use crate::explain::{Explanation, RecordExplanation};
use crate::levels::Levels;
use crate::pipeline::Pipeline;
use crate::reload::{Generation, Plan, ReloadOutcome};
use crate::replay::Replay;
use crate::stage::{Loss, Stage, StageSnapshot};

const fn word(change: TargetChange) -> &'static str {
    match change {
        TargetChange::Kept => "kept",
        TargetChange::Retuned => "retuned",
        TargetChange::Replaced => "replaced",
        TargetChange::Added => "started",
        TargetChange::Removed => "drained",
    }
}

pub(super) fn generation(generation: &Generation) -> Value {
    let targets = generation.targets.iter();
    let targets: Map<String, Value> = targets
        .map(|(name, change)| (name.to_string(), json!(word(*change))))
        .collect();
    json!({
        "number": generation.number,
        "since": generation.since.to_string(),
        "cause": generation.cause.to_string(),
        "digest": generation.digest.to_string(),
        "targets": targets,
    })
}

pub(super) fn generations(pipeline: &Pipeline) -> Value {
    let all = pipeline.shape().history.all();
    json!({ "generations": all.iter().map(generation).collect::<Vec<_>>() })
}

pub(super) fn levels(pipeline: &Arc<Pipeline>) -> Value {
    let set = Levels::of(pipeline).list().into_iter().map(|set| {
        json!({
            "logger": set.logger,
            "level": crate::levels::word(set.threshold),
            "until": set.until.map(|until| ValueOf::Timestamp(until).to_string()),
        })
    });
    json!({ "levels": set.collect::<Vec<_>>() })
}

pub(super) fn status(pipeline: &Pipeline) -> Value {
    let ledger = pipeline.ledger();
    let (current, stages, kinds, leaving, file) = {
        let shape = pipeline.shape();
        let kind = |name: &crate::config::TargetName| {
            let target = shape.spec.target(name.as_str());
            target
                .map_or(crate::catalog::IN_PROCESS, |target| target.plugin.as_str())
                .to_owned()
        };
        (
            shape.history.current().clone(),
            shape
                .stages
                .values()
                .map(Stage::snapshot)
                .collect::<Vec<_>>(),
            shape.stages.keys().map(kind).collect::<Vec<_>>(),
            shape.retiring.len(),
            shape.spec.file().to_owned(),
        )
    };
    let reloads = pipeline.reloads.reloads();
    let mut counts: Map<String, Value> = ReloadOutcome::ALL
        .iter()
        .map(|outcome| (outcome.name().to_owned(), json!(reloads.with(*outcome))))
        .collect();
    let last = reloads.last.map(|last| {
        json!({
            "outcome": last.outcome.name(),
            "at": last.at.to_string(),
            "seconds": last.took.as_secs_f64(),
        })
    });
    counts.insert("last".to_owned(), json!(last));
    let dropped: Map<String, Value> = ledger
        .source
        .dropped
        .iter()
        .map(|(reason, n)| ((*reason).to_owned(), json!(n)))
        .collect();
    let suppressed: Map<String, Value> = ledger
        .source
        .suppressed
        .iter()
        .map(|(reason, n)| ((*reason).to_owned(), json!(n)))
        .collect();
    let targets = stages.iter().zip(&kinds);
    json!({
        "rolog": env!("CARGO_PKG_VERSION"),
        "process": std::process::id(),
        "file": file,
        "generation": generation(&current),
        "reloads": counts,
        "records": {
            "emitted": ledger.source.emitted,
            "routed": ledger.source.routed,
            "unrouted": ledger.source.unrouted,
            "in_rings": ledger.source.in_rings,
            "recorded": ledger.source.recorded,
            "suppressed": suppressed,
            "dropped": dropped,
        },
        "targets": targets.map(|(stage, plugin)| target(stage, plugin)).collect::<Vec<_>>(),
        "targets_ending": leaving,
        "prometheus": pipeline.outlets.prometheus().map(|address| address.to_string()),
        "dead_letters": pipeline.outlets.letters().path(),
    })
}

fn target(stage: &StageSnapshot, plugin: &str) -> Value {
    let (row, status) = (&stage.row, &stage.status);
    json!({
        "name": &*stage.target,
        "plugin": plugin,
        "mode": status.mode.name(),
        "breaker": status.breaker.name(),
        "instance": status.generation,
        "queued": row.queued,
        "capacity": stage.settings.max_records,
        "queued_bytes": stage.queued_bytes,
        "capacity_bytes": stage.settings.max_bytes,
        "accepted": row.accepted,
        "delivered": row.delivered,
        "fell_back": row.fell_back,
        "dead_lettered": row.dead_lettered,
        "dropped": row.dropped.total(),
        "refused": row.refused.total(),
        "suppressed": row.suppressed.total(),
        "maybe_written": row.maybe_written,
        "attempts": status.attempts,
        "fenced": status.fenced,
        "failure": status.failure.as_ref().map(ToString::to_string),
    })
}

pub(super) fn plugins(pipeline: &Pipeline) -> Value {
    let plugins = pipeline.plugins().into_iter().map(|(name, plugin)| {
        let versions = plugin.versions.iter().map(|version| {
            json!({
                "version": version.version,
                "digest": version.digest.map(|digest| digest.to_string()),
                "path": version.path,
                "bytes": version.bytes,
                "targets": version.targets.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })
        });
        json!({
            "name": name,
            "opened": plugin.opened,
            "limit": plugin.limit,
            "bytes": plugin.bytes,
            "versions": versions.collect::<Vec<_>>(),
        })
    });
    json!({ "plugins": plugins.collect::<Vec<_>>() })
}

pub(super) fn plan(plan: &Plan) -> Value {
    let targets = plan.targets.iter().map(|target| {
        json!({
            "name": target.name.to_string(),
            "change": word(target.change),
            "why": target.why,
        })
    });
    json!({
        "changes": !plan.is_empty(),
        "text": plan.to_string(),
        "targets": targets.collect::<Vec<_>>(),
        "routes": plan.routes,
        "levels": plan.levels,
        "settings": plan.settings,
        "refused": plan.fixed,
    })
}

pub(super) fn replay(replay: &Replay) -> Value {
    let unreadable = replay.unreadable.iter();
    json!({
        "read": replay.read,
        "delivered": replay.delivered,
        "buried_again": replay.buried_again,
        "left": replay.left,
        "unknown": replay.unknown,
        "too_large": replay.too_large,
        "unreadable": unreadable
            .map(|line| json!({ "line": line.line, "message": line.message }))
            .collect::<Vec<_>>(),
    })
}

pub(super) fn explanation(told: &Explanation) -> Value {
    let targets = told.targets.iter().map(|target| {
        let state = target.state.as_ref();
        json!({
            "name": target.name.as_str(),
            "route": target.route,
            "takes": target.takes,
            "mode": state.map(|state| state.status.mode.name()),
            "queued": state.map(|state| state.row.queued),
        })
    });
    json!({
        "logger": told.logger,
        "level": told.level.name(),
        "generation": told.generation,
        "recorded": told.is_recorded(),
        "permitted": told.threshold.permits,
        "targets": targets.collect::<Vec<_>>(),
        "text": told.to_string(),
    })
}

pub(super) fn record(told: &RecordExplanation) -> Value {
    let copies = told.copies.iter().map(|copy| {
        let queued = copy.queued.as_ref().map(|queued| {
            json!({
                "batch": queued.batch,
                "seconds": queued.age.as_secs_f64(),
                "attempts": queued.attempts,
            })
        });
        json!({
            "target": copy.target,
            "queued": queued,
            "lost": copy.lost.as_ref().map(loss),
            "text": copy.to_string(),
        })
    });
    json!({
        "id": told.id.to_string(),
        "known": told.is_known(),
        "lost": told.lost.as_ref().map(loss),
        "targets": copies.collect::<Vec<_>>(),
        "text": told.to_string(),
    })
}

fn loss(loss: &Loss) -> Value {
    json!({
        "how": loss.fate.to_string(),
        "at": ValueOf::Timestamp(loss.at).to_string(),
    })
}
