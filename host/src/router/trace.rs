//! The way of one record through a router, step by step.

use rolog_core::{Level, Threshold};

use super::Router;
use crate::pattern::segments;

/// What decided a logger's threshold. Positions are those of the rules in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Override(usize),
    Levels(usize),
    Default,
}

/// What a route has to do with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteAnswer {
    /// It takes the record.
    Takes,
    /// Its pattern does not match the logger.
    OtherLogger,
    /// It takes other levels.
    OtherLevel,
    /// The final route at this position took the record before.
    Ended(usize),
}

/// Who brings a record to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taker {
    /// The route at this position, the first of those that name the target.
    Route(usize),
    /// Nobody: it is attached to all loggers.
    Attached,
}

/// What a router does with the records of a logger at a level, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) settled: Settled,
    pub(crate) threshold: Threshold,
    /// For each route, in order.
    pub(crate) routes: Vec<RouteAnswer>,
    /// The targets that routes lead to, by position, and whether the target's own minimum lets the
    /// record in. Routes are followed also where the threshold keeps the record out.
    pub(crate) targets: Vec<(usize, Taker, bool)>,
}

impl Trace {
    /// Whether the logger's threshold lets the level pass.
    pub(crate) fn permits(&self, level: Level) -> bool {
        matches!(self.threshold, Threshold::At(least) if level >= least)
    }
}

impl Router {
    /// The same decisions as [`Router::resolve`], told one by one.
    pub(crate) fn trace(&self, logger: &str, level: Level) -> Trace {
        let name: Vec<&str> = segments(logger).collect();
        let by_override = self.overrides.best(&name);
        let by_file = self.levels.best(&name);
        let (settled, threshold) = match (by_override, by_file) {
            (Some((rule, threshold)), _) => (Settled::Override(rule), threshold),
            (None, Some((rule, threshold))) => (Settled::Levels(rule), threshold),
            (None, None) => (Settled::Default, self.default),
        };
        let mut matched = vec![false; self.routes.len()];
        self.globs.matches(&name, |route| matched[route] = true);
        let mut targets: Vec<(usize, Taker, bool)> = Vec::new();
        let mut note = |target: usize, taker: Taker| {
            if targets.iter().all(|(known, ..)| *known != target) {
                targets.push((target, taker, self.takes(target, level)));
            }
        };
        let mut ended = None;
        let mut routes = Vec::with_capacity(self.routes.len());
        for (index, route) in self.routes.iter().enumerate() {
            routes.push(if !matched[index] {
                RouteAnswer::OtherLogger
            } else if !route.level.contains(level) {
                RouteAnswer::OtherLevel
            } else if let Some(by) = ended {
                RouteAnswer::Ended(by)
            } else {
                for target in &route.to {
                    note(*target, Taker::Route(index));
                }
                ended = route.is_final.then_some(index);
                RouteAnswer::Takes
            });
        }
        for target in &self.attached {
            note(*target, Taker::Attached);
        }
        Trace {
            settled,
            threshold,
            routes,
            targets,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::{PipelineSpec, Route, Target};
    use crate::router::Overrides;

    fn spec() -> PipelineSpec {
        PipelineSpec::builder()
            .level("shop", Level::Warning)
            .level("shop.db.**", Level::Debug)
            .target("app", Target::of("memory"))
            .target("rescue", Target::of("memory"))
            .target("all", Target::of("memory"))
            .route(
                Route::from("shop.db")
                    .level("error..")
                    .to(["rescue"])
                    .last(),
            )
            .route(Route::from("shop.**").to(["app", "rescue"]))
            .route(Route::from("**").to(["all"]))
            .build()
            .expect("it is valid")
    }

    proptest! {
        /// What is told is what is done.
        #[test]
        fn a_trace_ends_where_the_record_does(
            logger in prop::sample::select(vec!["shop", "shop.db", "shop.db.pool", "other", "a.b"]),
            level in prop::sample::select(Level::ALL.to_vec()),
            quiet in any::<bool>(),
        ) {
            let spec = spec();
            let mut overrides = Overrides::default();
            if quiet {
                overrides.set("shop.db", Level::Critical).expect("a pattern");
            }
            let router = Router::builder(&spec)
                .overrides(&overrides)
                .attach("own".parse().expect("a name"), Threshold::At(Level::Error))
                .build();
            let resolved = router.resolve(logger);
            let trace = router.trace(logger, level);
            let mut told: Vec<usize> = trace
                .targets
                .iter()
                .filter(|(_, _, takes)| *takes && trace.permits(level))
                .map(|(target, ..)| *target)
                .collect();
            let mut done = resolved.targets(level).to_vec();
            told.sort_unstable();
            done.sort_unstable();
            prop_assert_eq!(told, done);
            prop_assert_eq!(trace.permits(level), resolved.threshold.is_some_and(|least| level >= least));
        }
    }
}
