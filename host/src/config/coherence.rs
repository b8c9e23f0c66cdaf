//! Whether the flush settings of a target agree with each other.
//!
//! What contradicts is refused; what has no effect beside the rest is a warning, at its place.

use super::names::TargetName;
use super::path::SettingPath;
use super::places::Places;
use super::problem::Problem;
use super::recovery::{BreakerSpec, MaxProbe, OrOff, Probe, RetryKind, RetrySpec};
use super::sections::Draft;
use super::spec::FlushSpec;

/// Checks every target of a draft. The problems have their places.
pub(super) fn check(draft: &Draft, places: &Places) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, target) in &draft.targets {
        let mut checker = Checker {
            name,
            flush: &target.flush,
            places,
            problems: &mut problems,
        };
        checker.retries();
        checker.pauses();
        checker.breaker();
        let hold = &target.flush.hold;
        checker.pace("hold", hold.probe, hold.max_probe);
    }
    problems
}

struct Checker<'a> {
    name: &'a TargetName,
    flush: &'a FlushSpec,
    places: &'a Places,
    problems: &'a mut Vec<Problem>,
}

impl Checker<'_> {
    fn problem(&self, keys: &[&str], what: String, expected: &str) -> Problem {
        let flush = SettingPath::root()
            .key("targets")
            .key(self.name.as_str())
            .key("flush");
        let path = keys.iter().fold(flush, |path, key| path.key(key));
        let place = self.places.value(&path);
        Problem::new(self.places.shared_file(), path, what)
            .at(place)
            .expected(expected)
    }

    fn refuse(&mut self, keys: &[&str], what: String, expected: &str) {
        let problem = self.problem(keys, what, expected);
        self.problems.push(problem);
    }

    fn warn(&mut self, keys: &[&str], what: &str, expected: &str) {
        let problem = self.problem(keys, what.to_owned(), expected).warning();
        self.problems.push(problem);
    }

    /// What `retry` asks for against the number of retries and the first pause.
    fn retries(&mut self) {
        let (flush, delay) = (self.flush, self.flush.retry_delay);
        if flush.max_retries.get() == 0 {
            let shaped = RetrySpec {
                kind: RetryKind::default(),
                ..flush.retry.clone()
            };
            if shaped != RetrySpec::default() || flush.retry.kind == RetryKind::Exponential {
                self.warn(
                    &["retry"],
                    "has no effect: `max_retries` is 0, so there is one attempt",
                    "`max_retries` of at least 1, or no `retry`",
                );
            }
            return;
        }
        if let OrOff::On(span) = flush.retry.give_up_after
            && span.get() < delay.get()
        {
            self.refuse(
                &["retry", "give_up_after"],
                format!("{span} is over before the first retry, which comes after {delay}"),
                "at least `retry_delay`, or `max_retries: 0` for one attempt",
            );
        }
    }

    /// What `retry` says of the pauses.
    fn pauses(&mut self) {
        let (retry, delay) = (&self.flush.retry, self.flush.retry_delay);
        let jitter = retry.jitter.is_some_and(|share| share.get() > 0.0);
        if let OrOff::On(most) = retry.max_delay {
            if retry.kind == RetryKind::Constant {
                self.refuse(
                    &["retry", "max_delay"],
                    "bounds nothing: the pause is constant".to_owned(),
                    "another `retry.kind`, or no `max_delay`",
                );
            } else if most.get() < delay.get() {
                self.refuse(
                    &["retry", "max_delay"],
                    format!("{most} is shorter than the first pause, `retry_delay`: {delay}"),
                    "at least `retry_delay`",
                );
            }
        }
        let shaped = jitter || !retry.max_delay.is_off() || retry.kind == RetryKind::Exponential;
        if delay.get().is_zero() && self.flush.max_retries.get() > 0 && shaped {
            self.warn(
                &["retry"],
                "what it says of the pauses has no effect: `retry_delay` is 0",
                "a `retry_delay`",
            );
        }
    }

    fn breaker(&mut self) {
        let Some(rules) = self.flush.breaker.as_on() else {
            return;
        };
        if self.flush.fallback.is_empty() && *rules != BreakerSpec::default() {
            self.warn(
                &["breaker"],
                "has no effect: without a `fallback` there is nowhere else to send records",
                "a `fallback`, or no `breaker`",
            );
        }
        self.pace("breaker", rules.probe, rules.max_probe);
    }

    fn pace(&mut self, section: &str, probe: Probe, most: MaxProbe) {
        if most.get() < probe.get() {
            self.refuse(
                &[section, "probe"],
                format!("{probe} is longer than `max_probe`, {most}, which it is to rise to"),
                "at most `max_probe`, or a longer `max_probe`",
            );
        }
    }
}
