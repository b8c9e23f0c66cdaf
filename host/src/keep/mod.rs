//! Whether a record goes on: the rules of routes, and the flight recorder.
//!
//! The pump asks a [`Keeper`] about each record of a logger whose routes have a rule, or whose records
//! the flight recorder takes; the router's table says which those are, so that others cost nothing. It
//! asks after the record has been dressed: what is kept or told of is what would have gone out.
//!
//! **Rules** hold back single copies. A rule belongs to a route and speaks for the targets that this
//! route brings the record to; a target that several routes name follows the first that takes the
//! record. `repeat` is asked first, then `sample`, then `limit`. What `limit` and `repeat` have held
//! back is told in a record of the same logger and level, with the field `suppressed`, to the targets
//! that did not get it.
//!
//! **The flight recorder** keeps records that no target takes, and gives them back, oldest first, when
//! a record follows that makes them worth having.
//!
//! **Promises.** Memory is bounded: [`KEYS`] keys for each rule, with at most 200 characters of text
//! for each; the recorder by its own settings. Nothing is forgotten uncounted or, where it was to be
//! told, untold: a key that has to make room tells first, as do the end of a rule and of the pipeline.
//! A rule that a reload does not change goes on where it was.
//!
//! **Never.** No policy asks for the time: records bring theirs, and a pass its own.

mod counts;
mod keys;
mod policy;
mod recorder;
mod rule;
mod seen;
mod told;

#[cfg(test)]
mod tests;

use std::hash::RandomState;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rolog_core::Level;
use rolog_core::clock::{ticks, ticks_of};

pub(crate) use counts::KeepCounts;
pub(crate) use recorder::Kept;
pub(crate) use seen::Seen;
pub(crate) use told::Told;

use crate::config::{Digest, PipelineSpec};
use crate::router::Router;
use crate::stage::Suppression;
use recorder::Recorder;
use rule::{Held, Rule};

/// How many keys a rule remembers.
pub(crate) const KEYS: usize = 4096;

/// What the rules and the recorder have to do with the records of a logger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keeping {
    /// For each level, for each of its targets in their order, the rule that speaks for it.
    pub(crate) rules: [Arc<[Option<usize>]>; 6],
    /// Whether the flight recorder is for this logger.
    pub(crate) recorder: bool,
    /// The levels that it keeps.
    pub(crate) recorded: [bool; 6],
}

/// The number by which a route's rules are known from one generation to the next: that of what they
/// say and which records they are for, and of how many routes before say the same.
pub(crate) fn rule_id(spec: &PipelineSpec, route: usize) -> Digest {
    let routes = spec.routes();
    let this = &routes[route];
    let is_same = |other: &&crate::config::RouteSpec| {
        (&other.logger, other.level, &other.rules) == (&this.logger, this.level, &this.rules)
    };
    let before = routes[..route].iter().filter(is_same).count();
    Digest::of(&(&this.logger, this.level, &this.rules, before))
}

/// The pump's memory of what it held back and what it keeps.
#[derive(Default)]
pub(crate) struct Keeper {
    /// Of the router that the rules are those of.
    router: u64,
    random: RandomState,
    /// In the router's order.
    rules: Vec<Rule>,
    recorder: Option<Recorder>,
    /// For each target of the record that was looked at last.
    held: Vec<Held>,
    /// What is to be told.
    told: Vec<Told>,
}

impl Keeper {
    /// Takes up the rules of another router; those that are unchanged go on.
    pub(crate) fn follow(&mut self, router: &Router, counts: &KeepCounts, now: u64) {
        if self.router == router.serial() {
            return;
        }
        self.router = router.serial();
        let mut old = std::mem::take(&mut self.rules);
        for (id, rules) in router.rules() {
            let known = old.iter().position(|rule| rule.id == *id);
            self.rules.push(match known {
                Some(at) => old.swap_remove(at),
                None => Rule::new(*id, rules, counts.of_rule(*id)),
            });
        }
        for mut gone in old {
            gone.tell(now, true, &mut self.told);
        }
        counts.retain(|id| self.rules.iter().any(|rule| rule.id == *id));
        let forgotten = match (&mut self.recorder, router.recorder()) {
            (Some(recorder), Some(spec)) if recorder.spec.by == spec.by => {
                recorder.retune(spec.clone())
            }
            (recorder, spec) => {
                let gone = recorder.as_mut().map_or(0, Recorder::clear);
                *recorder = spec.cloned().map(Recorder::new);
                gone
            }
        };
        self.count(counts, forgotten);
    }

    /// Tells what is due.
    pub(crate) fn pass(&mut self, now: u64) {
        for (index, rule) in self.rules.iter_mut().enumerate() {
            let from = self.told.len();
            rule.tell(now, false, &mut self.told);
            mark(&mut self.told[from..], index);
        }
    }

    /// Tells everything, and forgets what is kept.
    pub(crate) fn end(&mut self, now: u64, counts: &KeepCounts) {
        for (index, rule) in self.rules.iter_mut().enumerate() {
            let from = self.told.len();
            rule.tell(now, true, &mut self.told);
            mark(&mut self.told[from..], index);
        }
        let forgotten = self.recorder.as_mut().map_or(0, Recorder::clear);
        self.count(counts, forgotten);
    }

    /// Whether something is to be told by now.
    pub(crate) fn has_told(&self) -> bool {
        !self.told.is_empty()
    }

    /// What is to be told by now.
    pub(crate) fn take_told(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.told)
    }

    /// When [`pass`](Self::pass) has something to tell, even if no record comes.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let due = self.rules.iter().filter_map(Rule::due).min()?;
        let left = u128::from(due.saturating_sub(ticks()));
        let second = u128::from(ticks_of(Duration::from_secs(1)).max(1));
        let nanos = (left * 1_000_000_000 / second).min(u128::from(u64::MAX)) as u64;
        // A little later rather than a little too early, which would be for nothing.
        Some(Instant::now() + Duration::from_nanos(nanos) + Duration::from_millis(1))
    }

    /// What is to be sent before the record; `None`: it is kept, and nothing is sent. What holds it
    /// back is in [`held`](Self::held).
    pub(crate) fn decide(
        &mut self,
        keeping: &Keeping,
        seen: &Seen<'_>,
        counts: &KeepCounts,
    ) -> Option<Vec<Kept>> {
        if self.record(keeping, seen, counts) {
            return None;
        }
        Some(if self.look(keeping, seen) {
            self.dump(keeping, seen, counts)
        } else {
            Vec::new()
        })
    }

    /// Decides for each target that the record is routed to; says whether it goes to any.
    fn look(&mut self, keeping: &Keeping, seen: &Seen<'_>) -> bool {
        self.held.clear();
        let asked = &keeping.rules[seen.meta.level.index()];
        for (at, rule) in asked.iter().enumerate() {
            let before = asked[..at].iter().position(|other| other == rule);
            let held = match (rule, before) {
                (None, _) => None,
                // A rule is asked once, however many targets it speaks for.
                (_, Some(before)) => self.held[before],
                (Some(index), None) => match self.rules.get_mut(*index) {
                    Some(rule) => {
                        let from = self.told.len();
                        let held = rule.ask(seen, &self.random, &mut self.told);
                        mark(&mut self.told[from..], *index);
                        held
                    }
                    None => None,
                },
            };
            self.held.push(held);
        }
        self.held.iter().any(Option::is_none)
    }

    /// For each target of the record that was looked at last, what holds it back.
    pub(crate) fn held(&self) -> &[Held] {
        &self.held
    }

    /// Keeps a record that no target takes; says whether it did.
    fn record(&mut self, keeping: &Keeping, seen: &Seen<'_>, counts: &KeepCounts) -> bool {
        let Some(recorder) = &mut self.recorder else {
            return false;
        };
        if !keeping.recorded[seen.meta.level.index()] {
            return false;
        }
        let key = seen.recorded(&recorder.spec.by, &self.random);
        let forgotten = recorder.keep(key, seen);
        self.count(counts, forgotten);
        true
    }

    /// What is to be sent before this record, oldest first.
    fn dump(&mut self, keeping: &Keeping, seen: &Seen<'_>, counts: &KeepCounts) -> Vec<Kept> {
        let Some(recorder) = &mut self.recorder else {
            return Vec::new();
        };
        if !keeping.recorder || seen.meta.level < recorder.spec.dump_on || recorder.len() == 0 {
            return Vec::new();
        }
        let key = seen.recorded(&recorder.spec.by, &self.random);
        let kept = recorder.take(key);
        counts.dumped.add(kept.len() as u64);
        self.count(counts, 0);
        kept
    }

    fn count(&self, counts: &KeepCounts, forgotten: u64) {
        if forgotten > 0 {
            counts.forgotten.add(forgotten);
        }
        let (records, bytes) = self
            .recorder
            .as_ref()
            .map_or((0, 0), |recorder| (recorder.len(), recorder.bytes()));
        counts.set_recorded(records, bytes);
    }
}

fn mark(told: &mut [Told], rule: usize) {
    for told in told {
        told.rule = Some(rule);
    }
}

/// What keeps the first copy back, if every copy is.
pub(crate) fn all_held(held: &[Held]) -> Option<Suppression> {
    let first = held.first().copied().flatten()?;
    held.iter().all(Option::is_some).then_some(first)
}

impl Keeping {
    /// The rule that speaks for a target at a level.
    pub(crate) fn rule_of(&self, level: Level, place: usize) -> Option<usize> {
        self.rules[level.index()].get(place).copied().flatten()
    }
}
