//! The values that cross, and how core's vocabulary of delivery is said in them.

use std::time::Duration;

use abi_stable::StableAbi;
use abi_stable::std_types::{ROption, RString, RVec};
use rolog_core::delivery::{Class, Failure, Outcome, Rejection, Verdict};

/// One attempt to deliver a batch.
#[derive(Clone, Debug, StableAbi)]
#[repr(C)]
pub struct WireAttempt {
    /// Names the attempt for `cancel`; unique within its instance.
    pub id: u64,
    /// 1 for the first attempt of a batch.
    pub number: u32,
    /// Milliseconds from now until the attempt is cancelled.
    pub deadline_ms: u64,
    /// An encoded map for later versions; empty.
    pub extra: RVec<u8>,
}

/// Why something was not done.
#[derive(Clone, Debug, StableAbi)]
#[repr(C)]
pub struct WireFailure {
    /// The code of a [`Class`].
    pub class: u8,
    /// Not 0: some of the batch may have reached the destination all the same.
    pub maybe_written: u8,
    /// How long the destination asks to be left alone, in milliseconds.
    pub retry_after_ms: ROption<u64>,
    /// One sentence for people.
    pub message: RString,
    /// An encoded map for later versions; empty.
    pub extra: RVec<u8>,
}

/// A record that will never be accepted.
#[derive(Clone, Debug, StableAbi)]
#[repr(C)]
pub struct WireRejection {
    /// Its position in the batch.
    pub index: u32,
    /// The code of a [`Class`].
    pub class: u8,
    /// One sentence for people.
    pub message: RString,
}

/// What became of an attempt.
#[derive(Clone, Debug, StableAbi)]
#[repr(C)]
pub struct WireOutcome {
    /// The number of a [`Verdict`].
    pub verdict: u8,
    /// Why something is left.
    pub failure: ROption<WireFailure>,
    /// The positions that the verdict is about; none given means all that were not rejected.
    pub remaining: ROption<RVec<u32>>,
    /// The records that will never be accepted.
    pub rejected: RVec<WireRejection>,
    /// An encoded map for later versions; empty.
    pub extra: RVec<u8>,
}

/// An instance whose code has held a thread of the library's runtime without yielding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, StableAbi)]
#[repr(C)]
pub struct Busy {
    /// The instance.
    pub instance: u64,
    /// For how long, in milliseconds.
    pub held_ms: u64,
}

impl From<Failure> for WireFailure {
    fn from(failure: Failure) -> Self {
        WireFailure {
            class: failure.class.code(),
            maybe_written: u8::from(failure.maybe_written),
            retry_after_ms: failure.retry_after.map(millis).into(),
            message: failure.message.into(),
            extra: RVec::new(),
        }
    }
}

impl From<WireFailure> for Failure {
    fn from(wire: WireFailure) -> Self {
        Failure {
            class: Class::from_code(wire.class),
            message: wire.message.into(),
            retry_after: wire.retry_after_ms.into_option().map(Duration::from_millis),
            maybe_written: wire.maybe_written != 0,
        }
    }
}

impl From<Outcome> for WireOutcome {
    fn from(outcome: Outcome) -> Self {
        WireOutcome {
            verdict: outcome.verdict() as u8,
            failure: outcome.failure().cloned().map(WireFailure::from).into(),
            remaining: outcome
                .remaining()
                .map(|indices| RVec::from(indices.to_vec()))
                .into(),
            rejected: outcome
                .rejections()
                .iter()
                .map(|rejection| WireRejection {
                    index: rejection.index,
                    class: rejection.class.code(),
                    message: rejection.message.as_str().into(),
                })
                .collect(),
            extra: RVec::new(),
        }
    }
}

impl From<WireOutcome> for Outcome {
    /// A verdict that is not known here is read as *retry*, the one that loses nothing.
    fn from(wire: WireOutcome) -> Self {
        let verdict = match wire.verdict {
            0 => Verdict::Delivered,
            2 => Verdict::Reject,
            3 => Verdict::Hold,
            4 => Verdict::Fatal,
            _ => Verdict::Retry,
        };
        let outcome = if verdict == Verdict::Delivered {
            Outcome::delivered()
        } else {
            let failure = wire.failure.into_option().map_or_else(
                || Failure::new(Class::Other, "the plugin gave no reason"),
                Failure::from,
            );
            Outcome::failed(verdict, failure)
        };
        let outcome = match wire.remaining.into_option() {
            Some(indices) if verdict != Verdict::Delivered => outcome.only(indices),
            _ => outcome,
        };
        outcome.and_rejected(
            wire.rejected
                .into_iter()
                .map(|rejection| Rejection {
                    index: rejection.index,
                    class: Class::from_code(rejection.class),
                    message: rejection.message.into(),
                })
                .collect(),
        )
    }
}

/// Whole milliseconds, rounded up so that a short wait does not become none.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_comes_back_as_it_went() {
        let failure = |class| {
            Failure::new(class, "because")
                .retry_after(Duration::from_millis(1500))
                .maybe_written()
        };
        let rejection = Rejection {
            index: 4,
            class: Class::TooLarge,
            message: "2 MiB".into(),
        };
        let mut outcomes = vec![
            Outcome::delivered(),
            Outcome::rejected(vec![rejection.clone()]),
            Outcome::retry(failure(Class::Connection)).only([3, 7]),
            Outcome::retry(failure(Class::Throttled)).and_rejected(vec![rejection]),
            Outcome::refused(failure(Class::Invalid)),
            Outcome::hold(failure(Class::Auth)),
            Outcome::fatal(Failure::new(Class::Internal, "")),
        ];
        outcomes.extend(Class::ALL.map(|class| Outcome::retry(failure(class))));
        for outcome in outcomes {
            let there = WireOutcome::from(outcome.clone());
            assert_eq!(Outcome::from(there), outcome);
        }
    }

    #[test]
    fn what_a_newer_plugin_says_is_taken_as_retry() {
        let mut wire = WireOutcome::from(Outcome::retry(Failure::new(Class::Io, "x")));
        wire.verdict = 200;
        wire.failure = ROption::RNone;
        let outcome = Outcome::from(wire);
        assert_eq!(outcome.verdict(), Verdict::Retry);
        assert_eq!(outcome.failure().unwrap().class, Class::Other);
    }

    #[test]
    fn delivered_leaves_nothing_over() {
        let mut wire = WireOutcome::from(Outcome::delivered());
        wire.remaining = ROption::RSome(RVec::from(vec![1]));
        assert!(Outcome::from(wire).is_delivered());
    }

    #[test]
    fn short_waits_are_rounded_up() {
        assert_eq!(millis(Duration::from_nanos(1)), 1);
        assert_eq!(millis(Duration::from_millis(20)), 20);
        assert_eq!(millis(Duration::MAX), u64::MAX);
    }
}
