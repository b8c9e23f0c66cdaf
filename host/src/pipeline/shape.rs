//! What the routes are compiled from, and what is remembered from one generation to the next.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rolog_core::{Level, Threshold};

use crate::catalog::{Prepared, PreparedTargets};
use crate::config::{PipelineSpec, TargetName};
use crate::dress::Dress;
use crate::levels::RunTimeLevels;
use crate::loader::Library;
use crate::reload::{Cause, History};
use crate::router::Router;
use crate::routes::Routes;
use crate::stage::{Stage, StageSnapshot, TargetRow};

/// What the routes are compiled from.
pub(crate) struct Shape {
    pub(crate) generation: u32,
    pub(crate) spec: PipelineSpec,
    pub(crate) min_level: Level,
    /// What the configuration adds to records and hides in them.
    pub(crate) dress: Option<Arc<Dress>>,
    /// Set while it runs.
    pub(crate) levels: RunTimeLevels,
    pub(crate) stages: BTreeMap<TargetName, Stage>,
    /// What each target's plugin said of it: what only one instance may use at a time, and the
    /// size of its batches.
    pub(crate) traits: BTreeMap<TargetName, Traits>,
    /// What the instance in each slot uses, which may be one before the one that is wanted.
    pub(crate) holding: BTreeMap<TargetName, Vec<String>>,
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
    /// Of those whose name is another target's by now, what they had counted.
    earlier: BTreeMap<Arc<str>, StageSnapshot>,
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

    pub(crate) fn of_each(prepared: &PreparedTargets) -> BTreeMap<TargetName, Self> {
        let each = prepared.iter();
        each.map(|(name, target)| (name.clone(), Traits::of(target)))
            .collect()
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
        dress: Option<Arc<Dress>>,
        cause: Cause,
        min_level: Level,
        stages: BTreeMap<TargetName, Stage>,
        traits: BTreeMap<TargetName, Traits>,
    ) -> Self {
        Shape {
            generation: 1,
            history: History::start(&spec, cause),
            dress,
            spec,
            min_level,
            levels: RunTimeLevels::default(),
            stages,
            serving: traits
                .iter()
                .filter_map(|(name, traits)| Some((name.clone(), traits.library.clone()?)))
                .collect(),
            holding: traits
                .iter()
                .map(|(name, traits)| (name.clone(), traits.resources.clone()))
                .collect(),
            traits,
            replacing: BTreeMap::new(),
            stale: BTreeSet::new(),
            retiring: Vec::new(),
            removed: TargetRow::default(),
            earlier: BTreeMap::new(),
            before: None,
            attached: Vec::new(),
        }
    }

    /// What is told under each name: of its target, and of those that had the name before it, so that
    /// no counter falls while there is one.
    pub(crate) fn told(&self) -> Vec<StageSnapshot> {
        let mut told: BTreeMap<Arc<str>, StageSnapshot> = BTreeMap::new();
        for stage in self.all_stages() {
            add(&mut told, stage.snapshot());
        }
        for (name, before) in &self.earlier {
            if let Some(sum) = told.get_mut(name) {
                sum.absorb(before);
            }
        }
        told.into_values().collect()
    }

    /// Closes the account of a stage that was retiring.
    pub(crate) fn ended(&mut self, stage: &Stage) {
        let known = self.retiring.len();
        self.retiring.retain(|going| !going.stage.is_same(stage));
        if self.retiring.len() == known {
            return;
        }
        let last = stage.snapshot();
        self.removed.absorb(&last.row);
        let name = stage.name();
        if self.all_stages().any(|other| other.name() == name) {
            add(&mut self.earlier, last);
        } else {
            self.earlier.remove(name);
        }
    }

    /// Those in force, and behind them those that drain.
    pub(crate) fn all_stages(&self) -> impl Iterator<Item = &Stage> {
        let retiring = self.retiring.iter().map(|going| &going.stage);
        self.stages.values().chain(retiring)
    }

    /// What the instances of a target may use: the one in its slot, and the one that is to follow.
    pub(crate) fn used_by(&self, name: &TargetName) -> Vec<String> {
        let mut used = self.holding.get(name).cloned().unwrap_or_default();
        let wanted = self.traits.get(name).map(|traits| &traits.resources);
        used.extend(wanted.into_iter().flatten().cloned());
        used
    }

    pub(crate) fn compile(&self) -> Routes {
        let overrides = self.levels.overrides();
        let mut router = Router::builder(&self.spec)
            .default_level(self.min_level)
            .overrides(&overrides);
        for (name, minimum) in &self.attached {
            router = router.attach(name.clone(), *minimum);
        }
        let router = router.build();
        let stages = router
            .targets()
            .iter()
            .map(|name| self.stages[name].clone())
            .collect();
        Routes::new(self.generation, router, stages, self.dress.clone())
    }
}

/// Adds to what is told under a name.
fn add(told: &mut BTreeMap<Arc<str>, StageSnapshot>, one: StageSnapshot) {
    match told.entry(Arc::clone(&one.target)) {
        Entry::Occupied(mut sum) => sum.get_mut().absorb(&one),
        Entry::Vacant(first) => {
            first.insert(one);
        }
    }
}
