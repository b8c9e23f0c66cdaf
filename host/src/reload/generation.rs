//! What was in force when.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use rolog_core::value::Timestamp;

use crate::config::{Digest, PipelineSpec, TargetChange, TargetName};

/// How many generations are remembered.
const REMEMBERED: usize = 100;

/// Why a generation came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The service started.
    Start,
    /// The service started, and its file was wrong: it runs with the last one that was not.
    LastGood,
    /// A file changed.
    Watched,
    /// Somebody asked.
    Asked,
    /// Somebody asked for the generation before.
    Rollback,
    /// A plugin has another build.
    Plugins,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Start => "started",
            Cause::LastGood => "started from the last good file",
            Cause::Watched => "a file changed",
            Cause::Asked => "asked for",
            Cause::Rollback => "rolled back",
            Cause::Plugins => "a plugin was built anew",
        })
    }
}

/// A configuration that was, or is, in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// From 1; stamped on the records that it routed.
    pub number: u32,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub cause: Cause,
    /// Of all its settings, comparable within this process.
    pub digest: Digest,
    /// What it did with each target.
    pub targets: BTreeMap<TargetName, TargetChange>,
}

impl Generation {
    /// The targets with which it did this.
    pub fn with(&self, change: TargetChange) -> impl Iterator<Item = &TargetName> {
        let targets = self.targets.iter();
        targets
            .filter(move |(_, found)| **found == change)
            .map(|(name, _)| name)
    }
}

impl fmt::Display for Generation {
    /// `generation 3 (a file changed): 2 kept, 1 retuned (app)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "generation {} ({})", self.number, self.cause)?;
        let mut first = true;
        for (change, word) in [
            (TargetChange::Kept, "kept"),
            (TargetChange::Retuned, "retuned"),
            (TargetChange::Added, "started"),
            (TargetChange::Replaced, "replaced"),
            (TargetChange::Removed, "drained"),
        ] {
            let names: Vec<&str> = self.with(change).map(TargetName::as_str).collect();
            if names.is_empty() {
                continue;
            }
            f.write_str(if first { ": " } else { ", " })?;
            first = false;
            write!(f, "{} {word}", names.len())?;
            if change != TargetChange::Kept {
                write!(f, " ({})", names.join(", "))?;
            }
        }
        Ok(())
    }
}

/// The generations of a pipeline, the newest last.
#[derive(Debug)]
pub(crate) struct History(VecDeque<Generation>);

impl History {
    pub(crate) fn start(spec: &PipelineSpec, cause: Cause) -> Self {
        let added = spec
            .targets()
            .keys()
            .map(|name| (name.clone(), TargetChange::Added));
        History(VecDeque::from([Generation {
            number: 1,
            since: Timestamp::now(),
            cause,
            digest: spec.digest(),
            targets: added.collect(),
        }]))
    }

    pub(crate) fn current(&self) -> &Generation {
        self.0
            .back()
            .expect("it starts with one, and keeps the newest")
    }

    pub(crate) fn add(
        &mut self,
        spec: &PipelineSpec,
        targets: &BTreeMap<TargetName, TargetChange>,
        cause: Cause,
    ) -> Generation {
        let generation = Generation {
            number: self.current().number + 1,
            since: Timestamp::now(),
            cause,
            digest: spec.digest(),
            targets: targets.clone(),
        };
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(generation.clone());
        generation
    }

    pub(crate) fn all(&self) -> Vec<Generation> {
        self.0.iter().cloned().collect()
    }
}
