//! What rules of routes and the flight recorder have to do with a logger, compiled ahead.

use std::sync::Arc;

use rolog_core::Level;

use super::{LoggerRoutes, Router};
use crate::keep::Keeping;

impl Router {
    /// Fills in what rules and recorder do, and lowers the gate for the recorder. A logger that is
    /// switched off is not recorded.
    pub(super) fn keep(&self, name: &[&str], matched: &[usize], routes: &mut LoggerRoutes) {
        let recorder = self.recorder.as_ref();
        let recorder = recorder.filter(|recorder| recorder.logger.matches_segments(name));
        let has_rule = matched
            .iter()
            .any(|route| self.routes[*route].rule.is_some());
        if recorder.is_none() && !has_rule {
            return;
        }
        let mut keeping = Keeping {
            rules: std::array::from_fn(|_| Arc::from([])),
            recorder: recorder.is_some(),
            recorded: [false; 6],
        };
        for level in Level::ALL {
            let targets = routes.targets(level);
            let rules = targets
                .iter()
                .map(|target| self.rule_for(level, matched, *target));
            keeping.rules[level.index()] = rules.collect();
            let kept = recorder.is_some_and(|recorder| level >= recorder.level)
                && targets.is_empty()
                && !self.discards(level, matched);
            keeping.recorded[level.index()] = kept;
            if kept && routes.gate.is_none_or(|gate| level < gate) {
                routes.gate = Some(level);
            }
        }
        routes.keeping = Some(Arc::new(keeping));
    }

    /// The rule of the first route that brings a record to the target.
    fn rule_for(&self, level: Level, matched: &[usize], target: usize) -> Option<usize> {
        for route in matched.iter().map(|index| &self.routes[*index]) {
            if !route.level.contains(level) {
                continue;
            }
            if route.to.contains(&target) {
                return route.rule;
            }
            if route.is_final {
                break;
            }
        }
        None
    }

    /// Whether a final route without targets takes the record: it is not wanted at all.
    fn discards(&self, level: Level, matched: &[usize]) -> bool {
        let mut takers = matched
            .iter()
            .map(|index| &self.routes[*index])
            .filter(|route| route.level.contains(level));
        takers.any(|route| route.is_final && route.to.is_empty())
    }
}
