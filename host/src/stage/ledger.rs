//! What became of every record that a target was given.
//!
//! A [`TargetRow`] is a set of counters, each raised where the thing it counts happens; none is
//! computed from the others. At any moment under the stage's lock
//!
//! ```text
//! accepted = delivered + fell back + dead-lettered + dropped{reason} + queued
//! ```
//!
//! where *queued* includes what is open in a batch, being delivered, waiting for a retry, or on its
//! way to a fallback or the dead letters. Rejected, maybe-written and retried records are counted
//! beside the equation: they say more about records that it has already.

use std::fmt;

use rolog_core::delivery::Class;

/// A fixed set of labels for a counter.
pub trait Label: Copy + 'static {
    /// Every label, in the order of [`Label::index`].
    const ALL: &'static [Self];
    /// The word in metrics and reports.
    fn name(self) -> &'static str;
    /// Position in [`Label::ALL`].
    fn index(self) -> usize;
}

/// One counter for each label.
#[derive(Clone, PartialEq, Eq)]
pub struct Counts<L, const N: usize> {
    counts: [u64; N],
    label: std::marker::PhantomData<L>,
}

impl<L: Label, const N: usize> Counts<L, N> {
    pub(super) fn add(&mut self, label: L, n: u64) {
        self.counts[label.index()] += n;
    }

    fn absorb(&mut self, other: &Self) {
        for (label, n) in other.iter() {
            self.add(label, n);
        }
    }

    /// The count of one label.
    pub fn get(&self, label: L) -> u64 {
        self.counts[label.index()]
    }

    /// The sum over all labels.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Every label with its count.
    pub fn iter(&self) -> impl Iterator<Item = (L, u64)> + '_ {
        L::ALL.iter().copied().zip(self.counts)
    }
}

impl<L, const N: usize> Default for Counts<L, N> {
    fn default() -> Self {
        Counts {
            counts: [0; N],
            label: std::marker::PhantomData,
        }
    }
}

impl<L: Label, const N: usize> fmt::Debug for Counts<L, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = self.iter().filter(|(_, n)| *n > 0);
        f.debug_map()
            .entries(counted.map(|(label, n)| (label.name(), n)))
            .finish()
    }
}

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$var_doc:meta])* $var:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$var_doc])* $var,)*
        }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [$name] = &[$($name::$var,)*];

            /// The word in metrics, reports and receipts.
            pub const fn name(self) -> &'static str {
                match self { $($name::$var => $word,)* }
            }
        }

        impl Label for $name {
            const ALL: &'static [$name] = $name::ALL;
            fn name(self) -> &'static str {
                $name::name(self)
            }
            fn index(self) -> usize {
                self as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad($name::name(*self))
            }
        }
    };
}

labels! {
    /// Why a record that a target had accepted was dropped.
    DropReason {
        /// The queue was full and its policy made room for a newer or a more severe record.
        Overflow = "overflow",
        /// Every attempt failed, and neither a fallback nor a dead-letter file took it.
        Exhausted = "exhausted",
        /// The target will never accept it, and neither a fallback nor a dead-letter file took it.
        Rejected = "rejected",
        /// Time was up at shutdown.
        Deadline = "deadline",
        /// The stage's task ended before it was disposed of: the runtime is gone, or a defect.
        Abandoned = "abandoned",
        /// Its frame could not be read back: a defect, reported as such.
        Damaged = "damaged",
    }
}

labels! {
    /// Why a record was not accepted by a target.
    RefusalReason {
        /// The queue was full and its policy keeps what it has.
        Full = "full",
        /// It is larger than the whole queue.
        TooLarge = "too_large",
        /// The target is shutting down, or has.
        Disposed = "disposed",
    }
}

labels! {
    /// Which rule of its route held a copy of a record back.
    Suppression {
        /// `sample`: it was one of many.
        Sampled = "sampled",
        /// `limit`: there were too many in the interval.
        Limited = "limited",
        /// `repeat`: the same had just been said.
        Repeated = "repeated",
    }
}

impl Label for Class {
    const ALL: &'static [Class] = &Class::ALL;
    fn name(self) -> &'static str {
        Class::name(self)
    }
    fn index(self) -> usize {
        self as usize
    }
}

/// One target's line of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetRow {
    /// Records taken into the queue.
    pub accepted: u64,
    /// Records that the target has confirmed.
    pub delivered: u64,
    /// Records that a fallback has accepted.
    pub fell_back: u64,
    /// Records written to the dead letters.
    pub dead_lettered: u64,
    /// Records lost, by reason.
    pub dropped: Counts<DropReason, 6>,
    /// Records that are still here, what is being delivered included.
    pub queued: u64,

    /// Records that never got in, by reason; they are not part of `accepted`.
    pub refused: Counts<RefusalReason, 3>,
    /// Records that a rule of their route held back, by rule; they are not part of `accepted`.
    pub suppressed: Counts<Suppression, 3>,
    /// Of those accepted: how many an interrupted attempt may have written, whatever else became of
    /// them.
    pub maybe_written: u64,
    /// Of those accepted: how many the target said it will never accept.
    pub rejected: u64,
    /// Of those accepted: how many came here as a fallback.
    pub taken_over: u64,
    /// Records that were sent again from dead letters, accepted or refused.
    pub replayed: u64,
    /// Batches closed.
    pub batches: u64,
    /// Attempts started.
    pub attempts: u64,
    /// Attempts started after a failed one of the same batch.
    pub retries: u64,
    /// Failed attempts, by class.
    pub failures: Counts<Class, 14>,
    /// Instances built anew after the first.
    pub rebuilds: u64,
    /// Attempts that did not settle in their grace.
    pub fenced: u64,
    /// Times that an instance was quarantined.
    pub quarantines: u64,
}

/// What becomes of records that leave the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Delivered,
    FellBack,
    DeadLettered,
    Dropped(DropReason),
}

impl TargetRow {
    /// Takes `n` records in.
    pub(super) fn accept(&mut self, n: u64) {
        self.accepted += n;
        self.queued += n;
    }

    /// Moves `n` records from the queue to where they ended.
    pub(super) fn leave(&mut self, n: u64, exit: Exit) {
        debug_assert!(self.queued >= n, "more records leave than are queued");
        self.queued -= n;
        match exit {
            Exit::Delivered => self.delivered += n,
            Exit::FellBack => self.fell_back += n,
            Exit::DeadLettered => self.dead_lettered += n,
            Exit::Dropped(reason) => self.dropped.add(reason, n),
        }
    }

    /// Whether the equation holds.
    pub fn balances(&self) -> bool {
        self.accepted
            == self.delivered
                + self.fell_back
                + self.dead_lettered
                + self.dropped.total()
                + self.queued
    }

    /// Adds the row of a target that has ended, for the account of all that have.
    pub(crate) fn absorb(&mut self, other: &TargetRow) {
        let sums = [
            (&mut self.accepted, other.accepted),
            (&mut self.delivered, other.delivered),
            (&mut self.fell_back, other.fell_back),
            (&mut self.dead_lettered, other.dead_lettered),
            (&mut self.queued, other.queued),
            (&mut self.maybe_written, other.maybe_written),
            (&mut self.rejected, other.rejected),
            (&mut self.taken_over, other.taken_over),
            (&mut self.replayed, other.replayed),
            (&mut self.batches, other.batches),
            (&mut self.attempts, other.attempts),
            (&mut self.retries, other.retries),
            (&mut self.rebuilds, other.rebuilds),
            (&mut self.fenced, other.fenced),
            (&mut self.quarantines, other.quarantines),
        ];
        for (sum, term) in sums {
            *sum += term;
        }
        self.dropped.absorb(&other.dropped);
        self.refused.absorb(&other.refused);
        self.suppressed.absorb(&other.suppressed);
        self.failures.absorb(&other.failures);
    }

    /// Records that were lost: dropped for whatever reason.
    pub fn lost(&self) -> u64 {
        self.dropped.total()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_know_their_place() {
        fn check<L: Label + PartialEq + fmt::Debug>() {
            for (index, label) in L::ALL.iter().enumerate() {
                assert_eq!(label.index(), index, "{label:?}");
                assert!(
                    label
                        .name()
                        .chars()
                        .all(|c| c.is_ascii_lowercase() || c == '_')
                );
            }
        }
        check::<DropReason>();
        check::<RefusalReason>();
        check::<Suppression>();
        check::<Class>();
        let row = TargetRow::default();
        assert_eq!(row.dropped.iter().count(), DropReason::ALL.len());
        assert_eq!(row.suppressed.iter().count(), Suppression::ALL.len());
        assert_eq!(row.refused.iter().count(), RefusalReason::ALL.len());
        assert_eq!(row.failures.iter().count(), Class::ALL.len());
    }

    #[test]
    fn the_equation_holds_after_each_move() {
        let mut row = TargetRow::default();
        row.accept(10);
        for exit in [
            Exit::Delivered,
            Exit::FellBack,
            Exit::DeadLettered,
            Exit::Dropped(DropReason::Overflow),
        ] {
            row.leave(2, exit);
            assert!(row.balances(), "{row:?}");
        }
        assert_eq!(row.queued, 2);
        assert_eq!(row.lost(), 2);
        row.delivered += 1;
        assert!(!row.balances(), "a count that is off shows");
    }
}
