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
mod libraries;
mod make;
mod moves;
mod plan;
mod swap;
mod tally;
mod watch;

pub(crate) use generation::History;
pub use generation::{Cause, Generation};
pub use libraries::{PluginVersion, PluginVersions};
pub use plan::{Plan, PlannedTarget};
pub use tally::{LastReload, ReloadOutcome, Reloads};
pub(crate) use tally::{OnReload, Tally, Turn};
pub(crate) use watch::Watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rolog_core::Level;
use tokio::sync::mpsc;

use self::make::{let_go, make, prepare};
use crate::catalog::memories;
use crate::config::{PipelineSpec, Problems, SettingPath, TargetChange, TargetName};
use crate::error::Error;
use crate::outlets::Opened;
use crate::pipeline::{Pipeline, Shape};

/// How long the pump has to take up new routes.
const SWAP_PATIENCE: Duration = Duration::from_secs(10);

impl Pipeline {
    /// Puts `spec` in the place of what runs. Returns the generation that is in force then: the one
    /// before, if nothing has changed.
    ///
    /// # Errors
    /// What keeps the new configuration from running, each at its place. The old one goes on.
    pub(crate) async fn apply(self: &Arc<Self>, spec: PipelineSpec) -> Result<Generation, Error> {
        let turn = self.turn(Cause::Asked).await;
        let taken = self.take_over(&turn, spec, &BTreeSet::new()).await;
        turn.end(taken).await
    }

    /// Reads the configuration's file again and takes over what has changed.
    ///
    /// # Errors
    /// What keeps the new configuration from running; there is no file.
    pub(crate) async fn reload(self: &Arc<Self>, cause: Cause) -> Result<Generation, Error> {
        let source = self.source.as_ref().ok_or_else(Error::no_file)?;
        source.reload(self, cause).await
    }

    /// Goes back to the configuration before the present one.
    ///
    /// # Errors
    /// There is none, or it does not run any more.
    pub(crate) async fn roll_back(self: &Arc<Self>) -> Result<Generation, Error> {
        let turn = self.turn(Cause::Rollback).await;
        let before = self.shape().before.clone();
        let taken = match before {
            Some(before) => self.take_over(&turn, *before, &BTreeSet::new()).await,
            None => Err(Error::no_generation_before()),
        };
        turn.end(taken).await
    }

    /// [`Pipeline::apply`] for whoever has the turn. The targets in `renew` get a new instance even
    /// if their settings are what they were.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn take_over(
        self: &Arc<Self>,
        turn: &Turn<'_>,
        spec: PipelineSpec,
        renew: &BTreeSet<TargetName>,
    ) -> Result<Generation, Error> {
        if self.closing.load(Ordering::Acquire) {
            return Err(Error::disposed());
        }
        let (changes, unchanged, kept_resources) = self.compare(&spec, renew)?;
        if unchanged {
            let mut shape = self.shape();
            // The same, but it may stand in other lines by now.
            shape.spec = spec;
            return Ok(shape.history.current().clone());
        }
        let wanted: BTreeSet<TargetName> = changes
            .iter()
            .filter(|(_, change)| matches!(change, TargetChange::Added | TargetChange::Replaced))
            .map(|(name, _)| name.clone())
            .collect();
        let prepared = prepare(&self.catalog, &spec, wanted, kept_resources).await?;
        let shown = memories(&prepared);
        let made = make(&spec, prepared).await?;
        let opened = match self.open_outlets(&spec).await {
            Ok(opened) => opened,
            Err(error) => {
                let_go(made);
                return Err(error);
            }
        };
        let (generation, leaving) = self.swap(spec, &changes, made, opened, turn.cause())?;
        leaving.end().await;
        self.catalog.show(shown);
        self.catalog.watch_those_of(&self.shape().spec);
        // From the barrier on no record goes by the old routes, so that what they alone named may
        // end.
        let gone = changes.values().any(|c| *c == TargetChange::Removed);
        if self.routed_anew().await {
            self.retire();
        } else if gone {
            self.tell(
                Level::Warning,
                None,
                "the pump is slow to take up the new routes; removed targets wait for it",
            );
            let pipeline = Arc::clone(self);
            self.runtime.spawn(async move {
                while !pipeline.routed_anew().await {
                    if pipeline.closing.load(Ordering::Acquire) {
                        return;
                    }
                }
                pipeline.retire();
            });
        }
        self.tell(Level::Information, None, &generation.to_string());
        Ok(generation)
    }

    /// Opens what the pipeline is to have elsewhere beside its targets.
    async fn open_outlets(self: &Arc<Self>, spec: &PipelineSpec) -> Result<Opened, Error> {
        let (pipeline, spec) = (Arc::clone(self), spec.clone());
        let opened = tokio::task::spawn_blocking(move || {
            let old = pipeline.shape().spec.clone();
            pipeline.outlets.open(Some(&old), &spec)
        });
        opened
            .await
            .unwrap_or_else(|_cancelled| Err(Error::disposed()))
    }

    /// Waits until the pump routes by the routes in force, and no longer by those before.
    async fn routed_anew(self: &Arc<Self>) -> bool {
        let pipeline = Arc::clone(self);
        let asked = tokio::task::spawn_blocking(move || pipeline.barrier(SWAP_PATIENCE));
        matches!(asked.await, Ok(true))
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
        renew: &BTreeSet<TargetName>,
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
        fixed(&shape, spec)?;
        let mut changes = diff.targets.clone();
        for (name, change) in &mut changes {
            // Its successor could not be activated: the instance in its slot is an older one.
            let stale = shape.stale.contains(name) || renew.contains(name);
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
}

/// Settings that are what they are from the start to the end of a process.
fn fixed(shape: &Shape, new: &PipelineSpec) -> Result<(), Error> {
    let old = &shape.spec;
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
    if old.clock() != new.clock() {
        refuse(root().key("clock"), "the clock of calls");
    }
    for (name, _) in &shape.attached {
        if new.target(name.as_str()).is_some() {
            let path = SettingPath::root().key("targets").key(name.as_str());
            let what = "the service has added a target of its own under this name to the factory";
            problems.push(new.problem_at(path, what));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Problems::new(problems).into())
}

/// Reloads whenever something changes that the configuration was read from, until the pipeline ends.
pub(crate) async fn follow(pipeline: std::sync::Weak<Pipeline>, mut changes: mpsc::Receiver<()>) {
    while changes.recv().await.is_some() {
        let Some(pipeline) = pipeline.upgrade() else {
            return;
        };
        // What fails is told there; the running pipeline goes on.
        let _ = pipeline.reload(Cause::Watched).await;
    }
}

/// Takes up new builds of plugins as their files change, until the pipeline ends.
pub(crate) async fn follow_plugins(
    pipeline: std::sync::Weak<Pipeline>,
    mut changes: mpsc::Receiver<()>,
) {
    while changes.recv().await.is_some() {
        let Some(pipeline) = pipeline.upgrade() else {
            return;
        };
        // What fails is told there; the running pipeline goes on.
        let _ = pipeline.reload_plugins().await;
    }
}
