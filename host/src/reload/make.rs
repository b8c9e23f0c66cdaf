//! Making what a new configuration needs, before anything of it is in force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rolog_core::delivery::{Class, Failure};
use tokio::task::JoinSet;

use crate::catalog::{Catalog, PreparedTargets};
use crate::config::{PipelineSpec, Problem, Problems, SettingPath, TargetName};
use crate::error::Error;
use crate::instance::{BoxFuture, Instance, Maker};
use crate::pipeline::{Shape, Traits};
use crate::resources::any_shared;
use crate::stage::{Latch, Seat, Stage};

/// How long a new or changed target may take to be made; then the reload fails.
const CREATE_DEADLINE: Duration = Duration::from_secs(30);

/// A target that has been made and waits for its slot.
pub(super) struct Made {
    pub(super) maker: Arc<dyn Maker>,
    pub(super) instance: Arc<dyn Instance>,
    pub(super) traits: Traits,
}

impl Made {
    /// The stages of targets that are going, or have gone in an earlier generation and not ended
    /// yet, from which it takes over what only one may use.
    pub(super) fn waits_for(&self, shape: &Shape, removed: &[TargetName]) -> Vec<Stage> {
        let shares = |theirs: &[String]| any_shared(&self.traits.resources, theirs);
        let going = removed.iter().filter_map(|name| {
            let stage = shape.stages.get(name)?;
            shares(&shape.used_by(name)).then(|| stage.clone())
        });
        let gone = shape.retiring.iter();
        let gone = gone.filter(|going| shares(&going.resources));
        going.chain(gone.map(|going| going.stage.clone())).collect()
    }

    /// For a slot of its own, once those that are going have ended, and those that make room have.
    pub(super) fn seat(&self, going: Vec<Stage>, moving: Vec<Arc<Latch>>) -> Seat {
        if going.is_empty() && moving.is_empty() {
            return Seat::with(Arc::clone(&self.maker), Arc::clone(&self.instance));
        }
        Seat::vacant(Arc::new(After {
            going,
            moving,
            maker: Arc::clone(&self.maker),
        }))
    }
}

/// Makes an instance once the stages before it have ended.
struct After {
    going: Vec<Stage>,
    moving: Vec<Arc<Latch>>,
    maker: Arc<dyn Maker>,
}

impl Maker for After {
    fn create(&self) -> BoxFuture<'_, Result<Arc<dyn Instance>, Failure>> {
        Box::pin(async {
            for stage in &self.going {
                // When its end begins is not decided here: as long as the old routes are in force,
                // it must take what they lead to it.
                stage.ended().await;
            }
            for latch in &self.moving {
                latch.wait().await;
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

/// Checks the targets that are to be made. On a thread of its own: plugins may take their time.
pub(super) async fn prepare(
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
pub(super) async fn make(
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
            (name, target, created)
        });
    }
    let mut made = BTreeMap::new();
    let mut problems: Vec<Problem> = Vec::new();
    while let Some(joined) = making.join_next().await {
        let Ok((name, prepared, created)) = joined else {
            return Err(Error::disposed());
        };
        match created {
            Ok(instance) => {
                let new = Made {
                    traits: Traits::of(&prepared),
                    maker: prepared.maker,
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
    let_go(made);
    Err(Problems::new(problems).into())
}

/// Ends instances that are not to serve after all.
pub(super) fn let_go(made: BTreeMap<TargetName, Made>) {
    for (_, new) in made {
        // It has had no effect yet, and how it ends is of no consequence: nobody waits for it.
        tokio::spawn(async move { drop(new.instance.shutdown(CREATE_DEADLINE).await) });
    }
}
