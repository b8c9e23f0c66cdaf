//! What lets one record of a key pass and holds the next one back: three small clocks.
//!
//! Time is a number that the caller passes, in ticks; nothing here asks for it. A record that comes
//! with an older time than the one before it counts as one of that moment.

/// What a policy says of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) passes: bool,
    /// How many records that were held back before it are to be told of now.
    pub(super) told: u64,
}

impl Answer {
    const PASS: Answer = Answer {
        passes: true,
        told: 0,
    };
    const HOLD: Answer = Answer {
        passes: false,
        told: 0,
    };
}

/// One rule's way to decide. The state is that of a key.
pub(super) trait Policy {
    type State: Default;

    /// Decides about the next record.
    fn ask(&self, state: &mut Self::State, now: u64) -> Answer;

    /// When the records that are held back are to be told of, if any are.
    fn due(&self, _: &Self::State) -> Option<u64> {
        None
    }

    /// They are told of; returns how many there are.
    fn tell(&self, _: &mut Self::State, _now: u64) -> u64 {
        0
    }
}

/// The first records of each interval, and then one of so many.
#[derive(Debug)]
pub(super) struct Sampler {
    pub(super) first: u64,
    pub(super) then: u64,
    pub(super) per: u64,
}

/// An interval begins with the first record after the one before it has ended.
#[derive(Debug, Default)]
pub(super) struct Sampled {
    began: u64,
    seen: u64,
}

impl Policy for Sampler {
    type State = Sampled;

    fn ask(&self, state: &mut Sampled, now: u64) -> Answer {
        if state.seen == 0 || now.saturating_sub(state.began) >= self.per {
            *state = Sampled {
                began: now,
                seen: 0,
            };
        }
        state.seen += 1;
        let beyond = state.seen.saturating_sub(self.first);
        if beyond == 0 || self.then > 0 && beyond.is_multiple_of(self.then) {
            Answer::PASS
        } else {
            Answer::HOLD
        }
    }
}

/// A bucket of tokens: a record takes one, and `rate` of them come in each interval.
#[derive(Debug)]
pub(super) struct Limiter {
    pub(super) rate: u64,
    pub(super) per: u64,
    pub(super) burst: u64,
}

#[derive(Debug, Default)]
pub(super) struct Limited {
    /// Of tokens, in parts of which `per` make one; so that no fraction gets lost.
    missing: u128,
    at: u64,
    held: u64,
    /// When the first of those was held back.
    since: u64,
}

impl Policy for Limiter {
    type State = Limited;

    fn ask(&self, state: &mut Limited, now: u64) -> Answer {
        let elapsed = now.saturating_sub(state.at);
        state.at = state.at.max(now);
        let come = u128::from(elapsed) * u128::from(self.rate);
        state.missing = state.missing.saturating_sub(come);
        let (one, room) = (u128::from(self.per), u128::from(self.burst));
        if state.missing + one <= room * one {
            state.missing += one;
            return Answer {
                passes: true,
                told: std::mem::take(&mut state.held),
            };
        }
        if state.held == 0 {
            state.since = now;
        }
        state.held += 1;
        Answer::HOLD
    }

    fn due(&self, state: &Limited) -> Option<u64> {
        (state.held > 0).then(|| state.since.saturating_add(self.per))
    }

    fn tell(&self, state: &mut Limited, _: u64) -> u64 {
        std::mem::take(&mut state.held)
    }
}

/// The first of a row of equal records; then how many there were, at growing intervals.
#[derive(Debug)]
pub(super) struct Repeater {
    pub(super) after: u64,
    pub(super) max: u64,
}

#[derive(Debug, Default)]
pub(super) struct Repeated {
    /// 0: there was none yet, or none for a whole interval.
    interval: u64,
    until: u64,
    held: u64,
}

impl Policy for Repeater {
    type State = Repeated;

    fn ask(&self, state: &mut Repeated, now: u64) -> Answer {
        let mut told = 0;
        if state.interval > 0 && now >= state.until {
            if state.held == 0 {
                // It was over for an interval: this is a new one.
                state.interval = 0;
            } else {
                told = self.tell(state, now);
            }
        }
        if state.interval == 0 {
            *state = Repeated {
                interval: self.after,
                until: now.saturating_add(self.after),
                held: 0,
            };
            return Answer::PASS;
        }
        state.held += 1;
        Answer {
            passes: false,
            told,
        }
    }

    fn due(&self, state: &Repeated) -> Option<u64> {
        (state.held > 0).then_some(state.until)
    }

    fn tell(&self, state: &mut Repeated, now: u64) -> u64 {
        state.interval = state.interval.saturating_mul(2).min(self.max);
        state.until = now.saturating_add(state.interval);
        std::mem::take(&mut state.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed<P: Policy>(policy: &P, times: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut state = P::State::default();
        times
            .into_iter()
            .filter(|now| policy.ask(&mut state, *now).passes)
            .collect()
    }

    #[test]
    fn a_sampler_passes_the_first_then_one_of_so_many_and_begins_anew_after_its_interval() {
        let sampler = Sampler {
            first: 3,
            then: 4,
            per: 100,
        };
        assert_eq!(passed(&sampler, 0..15), [0, 1, 2, 6, 10, 14]);
        // An interval ends `per` after it began, not before.
        assert_eq!(
            passed(&sampler, [5, 6, 7, 8, 104, 105, 106]),
            [5, 6, 7, 105, 106]
        );
    }

    #[test]
    fn a_sampler_without_then_is_silent_until_its_interval_ends() {
        let sampler = Sampler {
            first: 1,
            then: 0,
            per: 10,
        };
        assert_eq!(passed(&sampler, 0..25), [0, 10, 20]);
        let none = Sampler {
            first: 0,
            then: 0,
            per: 10,
        };
        assert_eq!(passed(&none, 0..25), [] as [u64; 0]);
        let every_other = Sampler {
            first: 0,
            then: 2,
            per: 1000,
        };
        assert_eq!(passed(&every_other, 0..6), [1, 3, 5]);
    }

    #[test]
    fn a_limiter_passes_a_burst_then_its_rate_and_no_fraction_is_lost() {
        let limiter = Limiter {
            rate: 3,
            per: 10,
            burst: 2,
        };
        // Two at once, and then one each 3 1/3.
        assert_eq!(passed(&limiter, 0..21), [0, 1, 4, 7, 10, 14, 17, 20]);
        // A pause gives a burst and no more.
        assert_eq!(
            passed(&limiter, [0, 0, 0, 1000, 1000, 1000]),
            [0, 0, 1000, 1000]
        );
    }

    #[test]
    fn a_limiter_tells_when_the_key_flows_again_or_an_interval_after_the_first_it_held_back() {
        let limiter = Limiter {
            rate: 1,
            per: 10,
            burst: 1,
        };
        let mut state = Limited::default();
        assert_eq!(limiter.ask(&mut state, 0), Answer::PASS);
        assert_eq!(limiter.due(&state), None);
        assert_eq!(limiter.ask(&mut state, 3), Answer::HOLD);
        assert_eq!(limiter.ask(&mut state, 9), Answer::HOLD);
        assert_eq!(limiter.due(&state), Some(13));
        let flows = Answer {
            passes: true,
            told: 2,
        };
        assert_eq!(limiter.ask(&mut state, 10), flows);
        assert_eq!(limiter.due(&state), None);
        assert_eq!(limiter.ask(&mut state, 11), Answer::HOLD);
        assert_eq!(limiter.due(&state), Some(21));
        assert_eq!(limiter.tell(&mut state, 21), 1);
        assert_eq!(limiter.due(&state), None);
    }

    #[test]
    fn what_repeats_is_told_at_growing_intervals_and_never_hidden_for_good() {
        let repeater = Repeater { after: 10, max: 40 };
        let mut state = Repeated::default();
        let mut tells = Vec::new();
        for now in 0..200 {
            if repeater.due(&state).is_some_and(|due| due <= now) {
                tells.push((now, repeater.tell(&mut state, now)));
            }
            let answer = repeater.ask(&mut state, now);
            assert_eq!(answer.passes, now == 0, "at {now}");
        }
        assert_eq!(
            tells,
            [(10, 9), (30, 20), (70, 40), (110, 40), (150, 40), (190, 40)]
        );
    }

    #[test]
    fn what_repeats_again_after_a_quiet_interval_passes_at_once() {
        let repeater = Repeater { after: 10, max: 40 };
        // One at 9 is held back, told of at 10; then 20 quiet ticks.
        let mut state = Repeated::default();
        assert!(repeater.ask(&mut state, 0).passes);
        assert!(!repeater.ask(&mut state, 9).passes);
        assert_eq!(repeater.tell(&mut state, 10), 1);
        assert!(repeater.ask(&mut state, 30).passes);
        // And its intervals are short again.
        assert!(!repeater.ask(&mut state, 31).passes);
        assert_eq!(repeater.due(&state), Some(40));
    }

    #[test]
    fn a_repetition_that_comes_before_the_timer_tells_of_those_before_it() {
        let repeater = Repeater { after: 10, max: 40 };
        let mut state = Repeated::default();
        assert!(repeater.ask(&mut state, 0).passes);
        assert!(!repeater.ask(&mut state, 1).passes);
        let late = Answer {
            passes: false,
            told: 1,
        };
        assert_eq!(repeater.ask(&mut state, 15), late);
        assert_eq!(repeater.due(&state), Some(35));
    }
}
