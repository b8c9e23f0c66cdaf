//! Stops a failing target from costing every batch its full round of retries.
//!
//! A [`Breaker`] counts failures in a row. Once they reach the threshold it opens: the stage sends
//! batches straight to the fallback and, at a slow pace, one as a probe to the target. With
//! hysteresis: it takes several successes in a row to close, and a single failure to fall back to
//! the slower pace. It holds no clock; time is passed in.

use std::time::Duration;

use tokio::time::Instant;

/// A wait that doubles from `first` up to `most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The first wait.
    pub first: Duration,
    /// No wait is longer.
    pub most: Duration,
}

impl Default for Pace {
    /// 5 s, rising to 60 s.
    fn default() -> Self {
        Pace {
            first: Duration::from_secs(5),
            most: Duration::from_mins(1),
        }
    }
}

impl Pace {
    /// The wait after `rounds` waits have passed.
    pub fn wait(self, rounds: u32) -> Duration {
        self.first
            .saturating_mul(1 << rounds.min(30))
            .min(self.most)
    }
}

/// When a breaker opens and closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRules {
    /// It opens at this many failures in a row; 0 switches it off.
    pub failures: u32,
    /// It closes at this many successful probes in a row.
    pub successes: u32,
    /// How often it probes while open.
    pub pace: Pace,
}

impl Default for BreakerRules {
    /// Opens at 5 failures in a row, closes at 2 successes, probes after 5 s rising to 60 s.
    fn default() -> Self {
        BreakerRules {
            failures: 5,
            successes: 2,
            pace: Pace::default(),
        }
    }
}

/// What the breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Everything.
    Closed,
    /// Nothing, until a probe is due.
    Open,
    /// One batch at a time: the target answers again, and has to prove it.
    HalfOpen,
}

impl BreakerState {
    /// The word in metrics and reports.
    pub const fn name(self) -> &'static str {
        match self {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half_open",
        }
    }
}

/// What an attempt changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerChange {
    /// From closed to open.
    Opened,
    /// From half open to closed.
    Closed,
}

/// The breaker of one target.
#[derive(Clone, Debug)]
pub struct Breaker {
    rules: BreakerRules,
    inner: Inner,
}

#[derive(Clone, Copy, Debug)]
enum Inner {
    Closed { failures: u32 },
    Open { probe_at: Instant, rounds: u32 },
    HalfOpen { successes: u32, rounds: u32 },
}

impl Breaker {
    /// A closed breaker.
    pub fn new(rules: BreakerRules) -> Self {
        Breaker {
            rules,
            inner: Inner::Closed { failures: 0 },
        }
    }

    /// Follows other rules from now on, in the state that it is in.
    pub fn retune(&mut self, rules: BreakerRules) {
        self.rules = rules;
        if rules.failures == 0 {
            self.inner = Inner::Closed { failures: 0 };
        }
    }

    /// The state now.
    pub fn state(&self) -> BreakerState {
        match self.inner {
            Inner::Closed { .. } => BreakerState::Closed,
            Inner::Open { .. } => BreakerState::Open,
            Inner::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// When the next probe is due, while open.
    pub fn probe_at(&self) -> Option<Instant> {
        match self.inner {
            Inner::Open { probe_at, .. } => Some(probe_at),
            _ => None,
        }
    }

    /// How many batches may be under way at once now, of the `concurrency` that the target allows.
    pub fn allows(&self, now: Instant, concurrency: usize) -> usize {
        match self.inner {
            Inner::Closed { .. } => concurrency,
            Inner::Open { probe_at, .. } => usize::from(now >= probe_at),
            Inner::HalfOpen { .. } => 1,
        }
    }

    /// An attempt delivered something.
    pub fn success(&mut self) -> Option<BreakerChange> {
        let (successes, rounds) = match self.inner {
            Inner::Closed { .. } => {
                self.inner = Inner::Closed { failures: 0 };
                return None;
            }
            Inner::Open { rounds, .. } => (1, rounds),
            Inner::HalfOpen { successes, rounds } => (successes + 1, rounds),
        };
        if successes >= self.rules.successes {
            self.inner = Inner::Closed { failures: 0 };
            Some(BreakerChange::Closed)
        } else {
            self.inner = Inner::HalfOpen { successes, rounds };
            None
        }
    }

    /// An attempt delivered nothing.
    pub fn failure(&mut self, now: Instant) -> Option<BreakerChange> {
        if self.rules.failures == 0 {
            return None;
        }
        match self.inner {
            Inner::Closed { failures } if failures + 1 < self.rules.failures => {
                self.inner = Inner::Closed {
                    failures: failures + 1,
                };
                None
            }
            Inner::Closed { .. } => {
                self.open(now, 0);
                Some(BreakerChange::Opened)
            }
            Inner::Open { rounds, .. } | Inner::HalfOpen { rounds, .. } => {
                self.open(now, rounds + 1);
                None
            }
        }
    }

    fn open(&mut self, now: Instant, rounds: u32) {
        self.inner = Inner::Open {
            probe_at: now + self.rules.pace.wait(rounds),
            rounds,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    fn breaker(failures: u32, successes: u32) -> Breaker {
        Breaker::new(BreakerRules {
            failures,
            successes,
            pace: Pace {
                first: s(5),
                most: s(60),
            },
        })
    }

    #[test]
    fn the_pace_doubles_to_its_bound() {
        let waits: Vec<_> = (0..6).map(|n| Pace::default().wait(n).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
        assert_eq!(Pace::default().wait(u32::MAX), s(60));
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_at_failures_in_a_row_only() {
        let now = Instant::now();
        let mut breaker = breaker(3, 1);
        for _ in 0..5 {
            assert_eq!(breaker.failure(now), None);
            assert_eq!(breaker.failure(now), None);
            assert_eq!(breaker.success(), None);
        }
        assert_eq!(breaker.failure(now), None);
        assert_eq!(breaker.failure(now), None);
        assert_eq!(breaker.failure(now), Some(BreakerChange::Opened));
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(breaker.allows(now, 4), 0);
        assert_eq!(breaker.allows(now + s(5), 4), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn probes_slow_down_and_one_success_is_not_yet_recovery() {
        let now = Instant::now();
        let mut breaker = breaker(1, 2);
        assert_eq!(breaker.failure(now), Some(BreakerChange::Opened));
        assert_eq!(breaker.probe_at(), Some(now + s(5)));
        assert_eq!(breaker.failure(now), None);
        assert_eq!(breaker.probe_at(), Some(now + s(10)));
        assert_eq!(breaker.success(), None);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert_eq!(breaker.allows(now, 4), 1);
        assert_eq!(
            breaker.failure(now),
            None,
            "open all the time: no new event"
        );
        assert_eq!(breaker.probe_at(), Some(now + s(20)));
        assert_eq!(breaker.success(), None);
        assert_eq!(breaker.success(), Some(BreakerChange::Closed));
        assert_eq!(breaker.allows(now, 4), 4);
        assert_eq!(breaker.failure(now), Some(BreakerChange::Opened));
        assert_eq!(breaker.probe_at(), Some(now + s(5)), "the pace starts anew");
    }

    #[tokio::test(start_paused = true)]
    async fn switched_off_it_never_opens() {
        let now = Instant::now();
        let mut breaker = breaker(0, 1);
        assert!((0..100).all(|_| breaker.failure(now).is_none()));
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
}
