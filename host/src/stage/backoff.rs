//! How long a failed batch waits before it is tried again, and when it is given up.
//!
//! A [`RetryPolicy`] is a value: it holds no clock and no random source. The stage asks it after
//! each failed attempt; the answer depends on nothing but what is passed in, so every bound can be
//! tested without waiting.

use std::time::Duration;

use super::settings::SettingError;

/// The longest wait that a destination may ask for with a retry-after; more is taken for an error
/// on its side.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// No wait is longer, so that a time in the future can always be told.
pub(super) const LONGEST_WAIT: Duration = Duration::from_hours(24 * 365);

/// What is made of a retry-after.
pub(super) fn heeded(asked: Duration) -> Duration {
    asked.min(LONGEST_RETRY_AFTER)
}

/// How the wait grows from one attempt to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Always the same.
    Constant,
    /// Delay times the number of the attempt that failed: rolog's rule.
    Progressive,
    /// Doubles with each attempt.
    Exponential,
}

/// Random numbers for jitter, injected so that tests can choose them.
pub trait Random: Send {
    /// A number in `[0, 1)`.
    fn unit(&mut self) -> f64;
}

/// The random source of a running stage: a splitmix64 sequence seeded from the process's own hash
/// keys. Spreads retries; it is no secret and need not be one.
#[derive(Debug, Clone)]
pub struct Splitmix(u64);

impl Splitmix {
    /// A sequence that differs from process to process and from stage to stage.
    pub fn seeded() -> Self {
        use std::hash::{BuildHasher, Hasher};
        Splitmix(
            std::collections::hash_map::RandomState::new()
                .build_hasher()
                .finish(),
        )
    }
}

impl Random for Splitmix {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// When a batch is tried again, and when no more.
///
/// ```
/// use rolog_host::stage::RetryPolicy;
/// use std::time::Duration;
///
/// let rule = RetryPolicy::default(); // rolog's: 1 + 3 attempts, 0.6 s times the attempt
/// assert_eq!(rule.delay(2), Some(Duration::from_millis(1200)));
/// assert_eq!(rule.delay(4), None);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    max_retries: u32,
    delay: Duration,
    growth: Growth,
    jitter: f64,
    max_delay: Option<Duration>,
    give_up_after: Option<Duration>,
}

impl Default for RetryPolicy {
    /// rolog's rule: three retries, after 0.6 s times the number of the failed attempt.
    fn default() -> Self {
        RetryPolicy {
            max_retries: 3,
            delay: Duration::from_millis(600),
            growth: Growth::Progressive,
            jitter: 0.0,
            max_delay: None,
            give_up_after: None,
        }
    }
}

impl RetryPolicy {
    /// `max_retries` further attempts after the first, waiting `delay` as `growth` has it.
    ///
    /// The exponential rule starts with a jitter of 0.1, the others with none.
    pub fn new(max_retries: u32, delay: Duration, growth: Growth) -> Self {
        let jitter = match growth {
            Growth::Exponential => 0.1,
            Growth::Constant | Growth::Progressive => 0.0,
        };
        RetryPolicy {
            max_retries,
            delay,
            growth,
            jitter,
            max_delay: None,
            give_up_after: None,
        }
    }

    /// Shortens or lengthens each wait by up to this share of it.
    ///
    /// # Errors
    /// A share outside 0 to 1.
    pub fn with_jitter(mut self, share: f64) -> Result<Self, SettingError> {
        if !(0.0..=1.0).contains(&share) {
            return Err(SettingError::new(
                "jitter",
                format!("{share} is not between 0 and 1: it is the share of the wait that varies"),
            ));
        }
        self.jitter = share;
        Ok(self)
    }

    /// No wait of the rule grows beyond this. A destination's own retry-after may.
    #[must_use]
    pub fn with_max_delay(mut self, most: Duration) -> Self {
        self.max_delay = Some(most);
        self
    }

    /// Gives a batch up when its next attempt would start later than this after its first failure,
    /// however many retries are left.
    #[must_use]
    pub fn with_give_up_after(mut self, span: Duration) -> Self {
        self.give_up_after = Some(span);
        self
    }

    /// How many attempts a batch gets at most.
    pub fn attempts(&self) -> u32 {
        self.max_retries.saturating_add(1)
    }

    /// The wait after the failed attempt `attempt` (from 1), without jitter; `None` when it was the
    /// last.
    pub fn delay(&self, attempt: u32) -> Option<Duration> {
        if attempt > self.max_retries {
            return None;
        }
        let delay = match self.growth {
            Growth::Constant => self.delay,
            Growth::Progressive => self.delay.saturating_mul(attempt.max(1)),
            Growth::Exponential => {
                let doublings = attempt.saturating_sub(1).min(31);
                self.delay.saturating_mul(1 << doublings)
            }
        };
        let most = self.max_delay.unwrap_or(LONGEST_WAIT);
        Some(delay.min(most).min(LONGEST_WAIT))
    }

    /// What to do after the failed attempt `attempt` (from 1) of a batch that failed first
    /// `since_first` ago, for a destination that asked for `retry_after`.
    pub fn decide(
        &self,
        attempt: u32,
        since_first: Duration,
        retry_after: Option<Duration>,
        random: &mut dyn Random,
    ) -> Retry {
        let Some(delay) = self.delay(attempt) else {
            return Retry::GiveUp;
        };
        let mut wait = delay;
        if self.jitter > 0.0 {
            let factor = 1.0 + self.jitter * (2.0 * random.unit() - 1.0);
            wait = delay.mul_f64(factor.max(0.0));
        }
        if let Some(asked) = retry_after {
            wait = wait.max(heeded(asked));
        }
        match self.give_up_after {
            Some(span) if since_first.saturating_add(wait) > span => Retry::GiveUp,
            _ => Retry::After(wait),
        }
    }
}

/// What a [`RetryPolicy`] decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Try again after this wait.
    After(Duration),
    /// No more: on to the fallback.
    GiveUp,
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(f64);
    impl Random for Fixed {
        fn unit(&mut self) -> f64 {
            self.0
        }
    }

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn waits(policy: &RetryPolicy) -> Vec<Retry> {
        (1..=policy.attempts())
            .map(|n| policy.decide(n, Duration::ZERO, None, &mut Fixed(0.5)))
            .collect()
    }

    #[test]
    fn by_default_rologs_rule_holds() {
        assert_eq!(
            waits(&RetryPolicy::default()),
            [
                Retry::After(ms(600)),
                Retry::After(ms(1200)),
                Retry::After(ms(1800)),
                Retry::GiveUp
            ]
        );
    }

    #[test]
    fn constant_and_exponential_grow_as_named() {
        let constant = RetryPolicy::new(2, ms(100), Growth::Constant);
        assert_eq!(
            waits(&constant),
            [Retry::After(ms(100)), Retry::After(ms(100)), Retry::GiveUp]
        );
        let exponential = RetryPolicy::new(4, ms(100), Growth::Exponential).with_max_delay(ms(500));
        assert_eq!(
            waits(&exponential),
            [
                Retry::After(ms(100)),
                Retry::After(ms(200)),
                Retry::After(ms(400)),
                Retry::After(ms(500)),
                Retry::GiveUp
            ]
        );
    }

    #[test]
    fn without_retries_the_first_failure_is_the_last() {
        let policy = RetryPolicy::new(0, ms(600), Growth::Progressive);
        assert_eq!(policy.attempts(), 1);
        assert_eq!(waits(&policy), [Retry::GiveUp]);
    }

    #[test]
    fn jitter_stays_within_its_share_and_outside_it_is_refused() {
        let policy = RetryPolicy::new(1, ms(1000), Growth::Constant)
            .with_jitter(0.25)
            .unwrap();
        let decide = |unit| policy.decide(1, Duration::ZERO, None, &mut Fixed(unit));
        assert_eq!(decide(0.0), Retry::After(ms(750)));
        assert_eq!(decide(0.5), Retry::After(ms(1000)));
        assert!(matches!(decide(0.999), Retry::After(wait) if wait <= ms(1250)));
        for share in [-0.1, 1.1, f64::NAN] {
            assert!(RetryPolicy::default().with_jitter(share).is_err());
        }
        let mut random = Splitmix::seeded();
        assert!((0..1000).all(|_| (0.0..1.0).contains(&random.unit())));
    }

    #[test]
    fn a_destinations_retry_after_lengthens_the_wait_and_never_shortens_it() {
        let policy = RetryPolicy::new(1, ms(600), Growth::Constant).with_max_delay(ms(700));
        let decide = |asked| policy.decide(1, Duration::ZERO, Some(asked), &mut Fixed(0.5));
        assert_eq!(decide(ms(100)), Retry::After(ms(600)));
        assert_eq!(decide(ms(5000)), Retry::After(ms(5000)));
        assert_eq!(
            decide(Duration::MAX),
            Retry::After(LONGEST_RETRY_AFTER),
            "an absurd answer does not stop the target for ever"
        );
    }

    #[test]
    fn a_batch_is_given_up_when_its_next_attempt_would_come_too_late() {
        let policy = RetryPolicy::new(100, ms(1000), Growth::Constant).with_give_up_after(ms(2500));
        let decide = |since, asked| policy.decide(1, since, asked, &mut Fixed(0.5));
        assert_eq!(decide(ms(1500), None), Retry::After(ms(1000)));
        assert_eq!(decide(ms(1501), None), Retry::GiveUp);
        assert_eq!(decide(ms(0), Some(ms(2501))), Retry::GiveUp);
    }

    #[test]
    fn huge_numbers_saturate() {
        let policy = RetryPolicy::new(u32::MAX, Duration::MAX, Growth::Exponential);
        assert_eq!(policy.attempts(), u32::MAX);
        assert_eq!(policy.delay(u32::MAX - 1), Some(LONGEST_WAIT));
    }
}
