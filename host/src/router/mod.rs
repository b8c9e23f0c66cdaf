//! Which records go to which targets: the pipeline's levels and routes, compiled ahead.
//!
//! A logger is resolved once for each generation of the pipeline; a name that is only known when the
//! record is made is resolved through a bounded [`RouteCache`]. What comes out is a table by level, so
//! that routing a record is one look-up.
//!
//! A logger's threshold is, in this order: the run-time override that matches it best; the best match
//! of the pipeline's `levels`; what the host states for the rest. The best match is the one that names
//! most segments; then that with most of them literal; then one without `**`; then the one that is
//! literal further to the left; then the earlier. Within the threshold, routes are taken in their
//! order until one is final, each target once. In-process targets that no route names come last, and
//! take everything from their own minimum on.
//!
//! The gate is the least level at which a record would go anywhere: below it a call ends at once.

mod cache;
mod keeping;
mod trace;
mod trie;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rolog_core::{Level, LevelRange, Threshold};

pub use cache::RouteCache;
pub(crate) use trace::{RouteAnswer, Settled, Taker};

use crate::config::{
    DEFAULT_LEVEL, Digest, LevelRule, PipelineSpec, RecorderSpec, RouteRules, TargetName,
};
use crate::keep::{Keeping, rule_id};
use crate::pattern::{LoggerGlob, segments};
use trie::Trie;

/// What a logger's records pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggerRoutes {
    /// The least level at which a record goes anywhere; `None`: no record does.
    pub gate: Option<Level>,
    /// The least level that `levels` and overrides permit; `None`: off. A record between it and a
    /// target's level has *no route*, one below it is *below the level*.
    pub threshold: Option<Level>,
    /// For each level, by [`Level::index`], the targets in the order of the routes, as positions in
    /// [`Router::targets`].
    pub by_level: [Arc<[usize]>; 6],
    /// What rules of routes and the flight recorder have to do with it; mostly nothing.
    pub(crate) keeping: Option<Arc<Keeping>>,
}

impl LoggerRoutes {
    /// The targets of a record of this level.
    pub fn targets(&self, level: Level) -> &Arc<[usize]> {
        &self.by_level[level.index()]
    }

    /// Whether this rule, of those in force, is the one that speaks for a target.
    pub(crate) fn is_ruled(&self, level: Level, target: usize, rule: usize) -> bool {
        let place = self
            .targets(level)
            .iter()
            .position(|known| *known == target);
        let (Some(place), Some(keeping)) = (place, &self.keeping) else {
            return false;
        };
        keeping.rule_of(level, place) == Some(rule)
    }
}

/// Levels that are set while the pipeline runs, each for a logger and its subtree, or for a pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    rules: Vec<LevelRule>,
}

impl Overrides {
    /// Sets a level, in place of an earlier one of the same pattern; [`Threshold::Inherit`] takes it
    /// away.
    ///
    /// # Errors
    /// A text that is no pattern of loggers.
    pub fn set(
        &mut self,
        pattern: &str,
        threshold: impl Into<Threshold>,
    ) -> Result<(), crate::pattern::InvalidGlob> {
        self.put(LoggerGlob::subtree(pattern)?, threshold.into());
        Ok(())
    }

    pub(crate) fn put(&mut self, pattern: LoggerGlob, threshold: Threshold) {
        self.rules.retain(|rule| rule.pattern != pattern);
        if threshold != Threshold::Inherit {
            self.rules.push(LevelRule { pattern, threshold });
        }
    }

    /// What is set.
    pub fn rules(&self) -> &[LevelRule] {
        &self.rules
    }
}

/// The next router's number. Relaxed: it only has to differ.
static SERIAL: AtomicU64 = AtomicU64::new(1);

/// Compiles a [`Router`] with what the file does not know.
#[must_use]
pub struct RouterBuilder<'a> {
    spec: &'a PipelineSpec,
    default: Threshold,
    overrides: &'a [LevelRule],
    minimums: Vec<(TargetName, Threshold)>,
    attached: Vec<(TargetName, Threshold)>,
}

impl<'a> RouterBuilder<'a> {
    /// The level of loggers for which the pipeline states none: the factory's minimum.
    /// [`Threshold::Inherit`] leaves it at [`DEFAULT_LEVEL`].
    pub fn default_level(mut self, threshold: impl Into<Threshold>) -> Self {
        self.default = threshold.into();
        self
    }

    /// Levels set at run time.
    pub fn overrides(mut self, overrides: &'a Overrides) -> Self {
        self.overrides = &overrides.rules;
        self
    }

    /// The own minimum of an in-process target that the pipeline names.
    pub fn minimum(mut self, target: TargetName, minimum: Threshold) -> Self {
        self.minimums.push((target, minimum));
        self
    }

    /// An in-process target that takes every record from its minimum on, without a route.
    /// [`Threshold::Inherit`] leaves the logger's level as the only bound. A target that the pipeline
    /// names as well gets a record once.
    pub fn attach(mut self, target: TargetName, minimum: Threshold) -> Self {
        self.attached.push((target, minimum));
        self
    }

    /// Compiles it.
    pub fn build(self) -> Router {
        let mut targets: Vec<TargetName> = self.spec.targets().keys().cloned().collect();
        let mut minimums = vec![Threshold::Inherit; targets.len()];
        let mut attached = Vec::new();
        for (name, minimum) in self.attached {
            let index = targets.iter().position(|known| *known == name);
            let index = index.unwrap_or_else(|| {
                targets.push(name);
                minimums.push(Threshold::Inherit);
                targets.len() - 1
            });
            minimums[index] = minimum;
            attached.push(index);
        }
        for (name, minimum) in self.minimums {
            if let Some(index) = targets.iter().position(|known| *known == name) {
                minimums[index] = minimum;
            }
        }
        let positions: HashMap<&str, usize> = targets
            .iter()
            .enumerate()
            .map(|(index, name)| (name.as_str(), index))
            .collect();
        let mut globs = Trie::default();
        let mut routes = Vec::new();
        let mut rules = Vec::new();
        for (index, route) in self.spec.routes().iter().enumerate() {
            globs.insert(&route.logger, index);
            routes.push(CompiledRoute {
                level: route.level,
                // Names of routes have been checked, so each has a position.
                to: route
                    .to
                    .iter()
                    .filter_map(|name| positions.get(name.as_str()).copied())
                    .collect(),
                is_final: route.is_final,
                rule: (!route.rules.is_none()).then_some(rules.len()),
            });
            if !route.rules.is_none() {
                rules.push((rule_id(self.spec, index), route.rules.clone()));
            }
        }
        Router {
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            overrides: Levels::compile(self.overrides),
            override_patterns: self.overrides.iter().map(|r| r.pattern.clone()).collect(),
            levels: Levels::compile(self.spec.levels()),
            default: match self.default {
                Threshold::Inherit => Threshold::At(DEFAULT_LEVEL),
                stated => stated,
            },
            globs,
            routes,
            attached,
            minimums,
            targets,
            rules,
            recorder: self.spec.recorder().cloned(),
        }
    }
}

/// The compiled levels and routes of one generation.
#[derive(Debug)]
pub struct Router {
    /// Tells this router from every other of the process, for caches.
    serial: u64,
    overrides: Levels,
    override_patterns: Vec<LoggerGlob>,
    levels: Levels,
    default: Threshold,
    globs: Trie,
    routes: Vec<CompiledRoute>,
    attached: Vec<usize>,
    minimums: Vec<Threshold>,
    targets: Vec<TargetName>,
    /// Of the routes that have any, in their order.
    rules: Vec<(Digest, RouteRules)>,
    recorder: Option<RecorderSpec>,
}

#[derive(Debug)]
struct CompiledRoute {
    level: LevelRange,
    to: Vec<usize>,
    is_final: bool,
    /// The position of its rules.
    rule: Option<usize>,
}

impl Router {
    /// Compiles the pipeline as it stands in the file.
    pub fn compile(spec: &PipelineSpec) -> Router {
        Router::builder(spec).build()
    }

    /// Compiles the pipeline with what the file does not know.
    pub fn builder(spec: &PipelineSpec) -> RouterBuilder<'_> {
        RouterBuilder {
            spec,
            default: Threshold::Inherit,
            overrides: &[],
            minimums: Vec::new(),
            attached: Vec::new(),
        }
    }

    /// The targets that positions stand for: the pipeline's by name, then the attached.
    pub fn targets(&self) -> &[TargetName] {
        &self.targets
    }

    /// The position of a target.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.targets.iter().position(|known| known.as_str() == name)
    }

    /// What the records of a logger pass.
    ///
    /// ```
    /// use rolog_core::Level;
    /// use rolog_host::config::{PipelineSpec, Route, Target};
    /// use rolog_host::router::Router;
    ///
    /// let spec = PipelineSpec::builder()
    ///     .level("shop.db", Level::Debug)
    ///     .target("app", Target::of("memory"))
    ///     .route(Route::from("shop.**").to(["app"]))
    ///     .build()?;
    /// let router = Router::compile(&spec);
    /// assert_eq!(router.resolve("shop::db::pool").gate, Some(Level::Debug));
    /// assert_eq!(router.resolve("shop.api").gate, Some(Level::Information));
    /// assert_eq!(router.resolve("other").gate, None);
    /// # Ok::<(), rolog_host::config::Problems>(())
    /// ```
    pub fn resolve(&self, logger: &str) -> LoggerRoutes {
        let name: Vec<&str> = segments(logger).collect();
        let threshold = self
            .overrides
            .of(&name)
            .or_else(|| self.levels.of(&name))
            .unwrap_or(self.default);
        let threshold = match threshold {
            Threshold::At(level) => Some(level),
            Threshold::Off | Threshold::Inherit => None,
        };
        let none: Arc<[usize]> = Arc::from([]);
        let mut routes = LoggerRoutes {
            gate: None,
            threshold,
            by_level: std::array::from_fn(|_| Arc::clone(&none)),
            keeping: None,
        };
        let Some(least) = threshold else {
            return routes;
        };
        let mut matched = Vec::new();
        self.globs.matches(&name, |route| matched.push(route));
        matched.sort_unstable();
        let mut last = none;
        let mut chosen = Vec::new();
        let mut seen = vec![false; self.targets.len()];
        for level in Level::ALL.into_iter().filter(|level| *level >= least) {
            self.choose(level, &matched, &mut chosen, &mut seen);
            if *chosen != *last {
                last = Arc::from(chosen.as_slice());
            }
            routes.by_level[level.index()] = Arc::clone(&last);
            if routes.gate.is_none() && !last.is_empty() {
                routes.gate = Some(level);
            }
        }
        self.keep(&name, &matched, &mut routes);
        routes
    }

    /// A level below which no logger of any name lets a record through; `None`: none lets any.
    pub fn least(&self) -> Option<Level> {
        let mut rules: Vec<Threshold> = self.overrides.all().collect();
        if !self.overrides.say_all {
            rules.extend(self.levels.all());
            if !self.levels.say_all {
                rules.push(self.default);
            }
        }
        let level = |threshold: Threshold| match threshold {
            Threshold::At(level) => Some(level),
            Threshold::Off | Threshold::Inherit => None,
        };
        let permitted = rules.into_iter().filter_map(level).min()?;
        let takes = |target: &usize| match self.minimums[*target] {
            Threshold::Inherit => Some(Level::Trace),
            Threshold::At(minimum) => Some(minimum),
            Threshold::Off => None,
        };
        let routed = self.routes.iter().filter_map(|route| {
            let least = route.to.iter().filter_map(takes).min()?;
            Some(least.max(route.level.least()))
        });
        let attached = self.attached.iter().filter_map(takes);
        let taken = routed.chain(attached).min();
        let taken = taken.map(|taken| permitted.max(taken));
        // The flight recorder's level stands beside those of the loggers.
        let recorded = self.recorder.as_ref().map(|recorder| recorder.level);
        taken.into_iter().chain(recorded).min()
    }

    /// The targets of one level, given the routes that match the logger.
    fn choose(&self, level: Level, matched: &[usize], chosen: &mut Vec<usize>, seen: &mut [bool]) {
        for target in chosen.drain(..) {
            seen[target] = false;
        }
        let mut take = |target: usize| {
            if self.takes(target, level) && !std::mem::replace(&mut seen[target], true) {
                chosen.push(target);
            }
        };
        for route in matched.iter().map(|index| &self.routes[*index]) {
            if !route.level.contains(level) {
                continue;
            }
            route.to.iter().copied().for_each(&mut take);
            if route.is_final {
                break;
            }
        }
        self.attached.iter().copied().for_each(&mut take);
    }

    /// Whether the target's own minimum lets records of this level through.
    fn takes(&self, target: usize, level: Level) -> bool {
        match self.minimums[target] {
            Threshold::Inherit => true,
            Threshold::At(minimum) => level >= minimum,
            Threshold::Off => false,
        }
    }

    /// The loggers that the override at this position is for; empty when there is none.
    pub(crate) fn override_pattern(&self, position: usize) -> String {
        let pattern = self.override_patterns.get(position);
        pattern.map(ToString::to_string).unwrap_or_default()
    }

    /// The rules of routes, each with its number.
    pub(crate) fn rules(&self) -> &[(Digest, RouteRules)] {
        &self.rules
    }

    pub(crate) fn recorder(&self) -> Option<&RecorderSpec> {
        self.recorder.as_ref()
    }

    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }
}

/// Rules for thresholds, the best match first.
#[derive(Debug, Default)]
struct Levels {
    globs: Trie,
    /// Each with its position in the order of the file.
    thresholds: Vec<(usize, Threshold)>,
    /// Whether there is a rule for every logger.
    say_all: bool,
}

impl Levels {
    fn compile(rules: &[LevelRule]) -> Self {
        // The sort is stable, so that what ranks alike stays in the order of the file.
        let mut ranked: Vec<(usize, &LevelRule)> = rules.iter().enumerate().collect();
        ranked.sort_by_cached_key(|(_, rule)| trie::rank(&rule.pattern));
        let mut levels = Levels::default();
        for (position, rule) in ranked {
            levels.globs.insert(&rule.pattern, levels.thresholds.len());
            levels.thresholds.push((position, rule.threshold));
            levels.say_all |= rule.pattern.is_all();
        }
        levels
    }

    fn all(&self) -> impl Iterator<Item = Threshold> + '_ {
        self.thresholds.iter().map(|(_, threshold)| *threshold)
    }

    fn of(&self, name: &[&str]) -> Option<Threshold> {
        self.best(name).map(|(_, threshold)| threshold)
    }

    /// The rule that decides for a logger, by its position in the order of the file.
    fn best(&self, name: &[&str]) -> Option<(usize, Threshold)> {
        let mut best: Option<usize> = None;
        self.globs.matches(name, |rule| {
            best = Some(best.map_or(rule, |best| best.min(rule)));
        });
        best.map(|rule| self.thresholds[rule])
    }
}
