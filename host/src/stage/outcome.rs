//! Reads a target's answer against the batch that it is about.
//!
//! An answer comes from a plugin, so nothing in it is believed beyond what can be checked: positions
//! that the batch does not have are left out, a position named twice counts once, and one that is
//! both rejected and remaining is rejected. Whatever the answer says, every record of the batch ends
//! up in exactly one of *delivered*, *rejected* and *rest*.

use rolog_core::delivery::{Class, Failure, Outcome, Rejection, Verdict};

/// An answer, sorted out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settled {
    /// What the target says of the rest; [`Verdict::Delivered`] exactly when there is none.
    pub verdict: Verdict,
    /// Why there is a rest.
    pub failure: Option<Failure>,
    /// How many records are delivered.
    pub delivered: u32,
    /// Records that will never be accepted, by position.
    pub rejected: Vec<Rejection>,
    /// Positions of the rest.
    pub rest: Positions,
}

/// Some of a batch's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Positions {
    All,
    /// In order, without doubles.
    These(Vec<u32>),
}

impl Positions {
    fn none() -> Self {
        Positions::These(Vec::new())
    }

    pub(super) fn contains(&self, index: u32) -> bool {
        match self {
            Positions::All => true,
            Positions::These(list) => list.binary_search(&index).is_ok(),
        }
    }
}

impl Settled {
    /// Whether the record at this position is delivered.
    pub(super) fn is_delivered(&self, index: u32) -> bool {
        !self.rest.contains(index) && !self.is_rejected(index)
    }

    /// Whether the record at this position is rejected.
    pub(super) fn is_rejected(&self, index: u32) -> bool {
        self.rejected
            .binary_search_by_key(&index, |rejection| rejection.index)
            .is_ok()
    }
}

/// Sorts out the answer to an attempt with `len` records.
pub(super) fn settle(outcome: &Outcome, len: u32) -> Settled {
    let mut rejected: Vec<Rejection> = outcome.rejections().to_vec();
    rejected.retain(|rejection| rejection.index < len);
    rejected.sort_by_key(|rejection| rejection.index);
    rejected.dedup_by_key(|rejection| rejection.index);
    let is_rejected = |index: u32| rejected.binary_search_by_key(&index, |r| r.index).is_ok();

    let mut verdict = outcome.verdict();
    let mut rest = match (verdict, outcome.remaining()) {
        (Verdict::Delivered, _) => Vec::new(),
        (_, None) if rejected.is_empty() => (0..len).collect(),
        (_, None) => (0..len).filter(|index| !is_rejected(*index)).collect(),
        (_, Some(named)) => {
            let mut named: Vec<u32> = named
                .iter()
                .copied()
                .filter(|index| *index < len && !is_rejected(*index))
                .collect();
            named.sort_unstable();
            named.dedup();
            named
        }
    };

    // The target knows which records it refuses when it names some of the batch: they are rejected
    // as if each had been. A batch refused as a whole stays one, to be halved; a single record
    // cannot be.
    if verdict == Verdict::Reject && (rest.len() < len as usize || len == 1) {
        let failure = outcome.failure();
        rejected.extend(rest.drain(..).map(|index| Rejection {
            index,
            class: failure.map_or(Class::Invalid, |failure| failure.class),
            message: failure.map_or_else(String::new, |failure| failure.message.clone()),
        }));
        rejected.sort_by_key(|rejection| rejection.index);
    }

    let delivered = len - rejected.len() as u32 - rest.len() as u32;
    let rest = match rest.len() {
        0 => Positions::none(),
        n if n == len as usize => Positions::All,
        _ => Positions::These(rest),
    };
    let fatal = verdict == Verdict::Fatal;
    if rest == Positions::none() && !fatal {
        verdict = Verdict::Delivered;
    }
    let failure = match verdict {
        Verdict::Delivered => None,
        _ => Some(outcome.failure().cloned().unwrap_or_else(|| {
            Failure::new(Class::Internal, "the target did not say why it failed")
        })),
    };
    Settled {
        verdict,
        failure,
        delivered,
        rejected,
        rest,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failure() -> Failure {
        Failure::new(Class::Connection, "reset")
    }

    fn rejection(index: u32) -> Rejection {
        Rejection {
            index,
            class: Class::Invalid,
            message: "too long".into(),
        }
    }

    #[test]
    fn a_plain_success_leaves_nothing() {
        let settled = settle(&Outcome::delivered(), 5);
        assert_eq!(settled.delivered, 5);
        assert_eq!(settled.verdict, Verdict::Delivered);
        assert!((0..5).all(|index| settled.is_delivered(index)));
    }

    #[test]
    fn a_retry_leaves_all_or_what_it_names() {
        let settled = settle(&Outcome::retry(failure()), 5);
        assert_eq!((settled.delivered, settled.rest), (0, Positions::All));
        let settled = settle(&Outcome::retry(failure()).only([3, 1, 3]), 5);
        assert_eq!(settled.delivered, 3);
        assert_eq!(settled.rest, Positions::These(vec![1, 3]));
    }

    #[test]
    fn rejected_records_are_not_tried_again() {
        let outcome = Outcome::retry(failure()).and_rejected(vec![rejection(2), rejection(0)]);
        let settled = settle(&outcome, 4);
        assert_eq!(settled.delivered, 0);
        assert_eq!(settled.rest, Positions::These(vec![1, 3]));
        let both = Outcome::retry(failure())
            .only([1, 2])
            .and_rejected(vec![rejection(2)]);
        let settled = settle(&both, 4);
        assert_eq!(settled.rest, Positions::These(vec![1]));
        assert!(settled.is_rejected(2) && settled.is_delivered(0));
    }

    #[test]
    fn a_refused_batch_stays_whole_and_a_refused_part_is_rejected() {
        let settled = settle(&Outcome::refused(failure()), 4);
        assert_eq!(settled.verdict, Verdict::Reject);
        assert_eq!(settled.rest, Positions::All);
        let settled = settle(&Outcome::refused(failure()).only([0, 3]), 4);
        assert_eq!(settled.verdict, Verdict::Delivered);
        assert_eq!((settled.delivered, settled.rejected.len()), (2, 2));
        assert_eq!(settled.rejected[0].class, Class::Connection);
        let settled = settle(&Outcome::refused(failure()), 1);
        assert!(settled.is_rejected(0));
    }

    #[test]
    fn positions_that_do_not_exist_change_nothing() {
        let outcome = Outcome::retry(failure())
            .only([7, 1])
            .and_rejected(vec![rejection(9)]);
        let settled = settle(&outcome, 2);
        assert_eq!((settled.delivered, settled.rejected.len()), (1, 0));
        assert_eq!(settled.rest, Positions::These(vec![1]));
    }

    #[test]
    fn a_fatal_answer_is_fatal_even_with_nothing_left() {
        let settled = settle(&Outcome::fatal(failure()).only([]), 2);
        assert_eq!(settled.verdict, Verdict::Fatal);
        assert_eq!(settled.delivered, 2);
        assert!(settled.failure.is_some());
    }

    proptest! {
        #[test]
        fn every_record_is_in_exactly_one_place(
            len in 1u32..40,
            verdict in 0usize..5,
            named in proptest::option::of(proptest::collection::vec(0u32..60, 0..40)),
            refused in proptest::collection::vec(0u32..60, 0..40),
        ) {
            let verdicts = [
                Verdict::Delivered, Verdict::Retry, Verdict::Reject, Verdict::Hold, Verdict::Fatal,
            ];
            let mut outcome = match verdicts[verdict] {
                Verdict::Delivered => Outcome::delivered(),
                verdict => Outcome::failed(verdict, failure()),
            };
            if let Some(named) = named {
                outcome = outcome.only(named);
            }
            let settled = settle(
                &outcome.and_rejected(refused.into_iter().map(rejection).collect()),
                len,
            );
            let delivered = (0..len).filter(|i| settled.is_delivered(*i)).count() as u32;
            prop_assert_eq!(delivered, settled.delivered);
            for index in 0..len {
                let places = [
                    settled.is_delivered(index),
                    settled.is_rejected(index),
                    settled.rest.contains(index),
                ];
                prop_assert_eq!(places.iter().filter(|here| **here).count(), 1);
            }
        }
    }
}
