//! The rules of one route, with what they know of each key.

use std::hash::RandomState;
use std::sync::Arc;

use rolog_core::Level;
use rolog_core::clock::ticks_of;

use super::KEYS;
use super::counts::RuleCounts;
use super::keys::Keys;
use super::policy::{Limiter, Policy, Repeater, Sampler};
use super::seen::{Seen, cut};
use super::told::{Like, Told};
use crate::config::{CountedBy, Digest, RouteRules, Sameness};
use crate::stage::Suppression;

/// What [`Rule::ask`] found out.
pub(super) type Held = Option<Suppression>;

pub(super) struct Rule {
    pub(super) id: Digest,
    pub(super) counts: Arc<RuleCounts>,
    repeat: Option<Counter<Repeater>>,
    sample: Option<Counter<Sampler>>,
    limit: Option<Counter<Limiter>>,
}

/// How a rule tells records apart.
enum Apart {
    By(CountedBy),
    Same(Sameness),
}

/// A policy and its keys.
struct Counter<P: Policy> {
    policy: P,
    apart: Apart,
    /// From this level on all pass.
    keep: Option<Level>,
    reason: Suppression,
    keys: Keys<Key<P::State>>,
    /// The first moment at which something is to be told; a lower bound.
    due: Option<u64>,
}

#[derive(Debug, Default)]
struct Key<S> {
    state: S,
    /// What is held back, once something is.
    like: Option<Like>,
}

impl Rule {
    pub(super) fn new(id: Digest, rules: &RouteRules, counts: Arc<RuleCounts>) -> Self {
        Rule {
            id,
            counts,
            repeat: rules.repeat.as_on().map(|spec| {
                let policy = Repeater {
                    after: ticks_of(spec.after.get()),
                    max: ticks_of(spec.max.get()),
                };
                let apart = Apart::Same(spec.same);
                Counter::new(policy, apart, spec.keep, Suppression::Repeated)
            }),
            sample: rules.sample.as_on().map(|spec| {
                let policy = Sampler {
                    first: spec.first.get() as u64,
                    then: spec.then.get() as u64,
                    per: ticks_of(spec.per.get()),
                };
                let apart = Apart::By(spec.by.clone());
                Counter::new(policy, apart, spec.keep, Suppression::Sampled)
            }),
            limit: rules.limit.as_on().map(|spec| {
                let policy = Limiter {
                    rate: spec.rate.get() as u64,
                    per: ticks_of(spec.per.get()),
                    burst: spec.burst.unwrap_or(spec.rate).get() as u64,
                };
                let apart = Apart::By(spec.by.clone());
                Counter::new(policy, apart, spec.keep, Suppression::Limited)
            }),
        }
    }

    /// Whether the record is held back, and by what.
    pub(super) fn ask(
        &mut self,
        seen: &Seen<'_>,
        random: &RandomState,
        told: &mut Vec<Told>,
    ) -> Held {
        fn by<P: Policy>(
            counter: &mut Option<Counter<P>>,
            seen: &Seen<'_>,
            random: &RandomState,
            told: &mut Vec<Told>,
        ) -> Held {
            counter.as_mut()?.ask(seen, random, told)
        }
        let held = by(&mut self.repeat, seen, random, told)
            .or_else(|| by(&mut self.sample, seen, random, told))
            .or_else(|| by(&mut self.limit, seen, random, told));
        match held {
            None => self.counts.passed.add(1),
            Some(reason) => self.counts.held[reason as usize].add(1),
        }
        let keys = [
            self.repeat.as_ref().map(|counter| counter.keys.len()),
            self.sample.as_ref().map(|counter| counter.keys.len()),
            self.limit.as_ref().map(|counter| counter.keys.len()),
        ];
        self.counts.set_keys(keys.into_iter().flatten().sum());
        held
    }

    /// Tells what is due; with `all`, everything.
    pub(super) fn tell(&mut self, now: u64, all: bool, told: &mut Vec<Told>) {
        if let Some(repeat) = &mut self.repeat {
            repeat.tell(now, all, told);
        }
        if let Some(limit) = &mut self.limit {
            limit.tell(now, all, told);
        }
    }

    /// When something is to be told next, or before.
    pub(super) fn due(&self) -> Option<u64> {
        let repeat = self.repeat.as_ref().and_then(|counter| counter.due);
        let limit = self.limit.as_ref().and_then(|counter| counter.due);
        repeat.into_iter().chain(limit).min()
    }
}

impl<P: Policy> Counter<P> {
    fn new(policy: P, apart: Apart, keep: Option<Level>, reason: Suppression) -> Self {
        Counter {
            policy,
            apart,
            keep,
            reason,
            keys: Keys::new(KEYS),
            due: None,
        }
    }

    fn ask(&mut self, seen: &Seen<'_>, random: &RandomState, told: &mut Vec<Told>) -> Held {
        if self.keep.is_some_and(|keep| seen.meta.level >= keep) {
            return None;
        }
        let hash = match &self.apart {
            Apart::By(by) => seen.counted(by, random),
            Apart::Same(same) => seen.same(*same, random),
        };
        let (policy, reason) = (&self.policy, self.reason);
        let key = self.keys.of(hash, |mut key: Key<P::State>| {
            // A key that is forgotten says what it knows.
            if policy.due(&key.state).is_some() {
                let n = policy.tell(&mut key.state, seen.ticks);
                told.extend(key.like.map(|like| Told::new(reason, n, like)));
            }
        });
        let answer = policy.ask(&mut key.state, seen.ticks);
        if answer.told > 0 {
            let like = key.like.clone();
            told.extend(like.map(|like| Told::new(reason, answer.told, like)));
        }
        if answer.passes {
            return None;
        }
        if let Some(due) = policy.due(&key.state) {
            self.due = Some(self.due.map_or(due, |first| first.min(due)));
            key.like.get_or_insert_with(|| Like {
                logger: cut(seen.meta.logger.name),
                level: seen.meta.level,
                field: match &self.apart {
                    Apart::By(CountedBy::Field(name)) => seen.short_field(name),
                    _ => None,
                },
                text: match self.apart {
                    Apart::Same(Sameness::Values) => seen.rendered(),
                    _ => seen.like(),
                },
            });
        }
        Some(reason)
    }

    fn tell(&mut self, now: u64, all: bool, told: &mut Vec<Told>) {
        if !all && self.due.is_none_or(|due| due > now) {
            return;
        }
        let mut next: Option<u64> = None;
        for key in self.keys.values_mut() {
            let Some(due) = self.policy.due(&key.state) else {
                continue;
            };
            if all || due <= now {
                let n = self.policy.tell(&mut key.state, now);
                let like = key.like.clone();
                told.extend(like.map(|like| Told::new(self.reason, n, like)));
            } else {
                next = Some(next.map_or(due, |next| next.min(due)));
            }
        }
        self.due = next;
    }
}
