//! The source's row of the ledger: each term counted where it happens.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why an emitted record never reached the pump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum DropReason {
    /// Neither the thread's ring nor the shared queue had room.
    Ring = 0,
    /// The pipeline was closed.
    Disposed = 1,
    /// A value panicked while it was captured.
    Panicked = 2,
    /// A child process logged through the pipeline of its parent.
    Forked = 3,
    /// Larger than `max_record`, and not truncated by the caller.
    TooLarge = 4,
    /// A value that logs while it is being logged, and so on without end.
    Reentrant = 5,
}

impl DropReason {
    /// Every reason.
    pub const ALL: [DropReason; 6] = [
        DropReason::Ring,
        DropReason::Disposed,
        DropReason::Panicked,
        DropReason::Forked,
        DropReason::TooLarge,
        DropReason::Reentrant,
    ];

    /// The word in metrics and reports.
    pub const fn name(self) -> &'static str {
        match self {
            DropReason::Ring => "ring",
            DropReason::Disposed => "disposed",
            DropReason::Panicked => "panicked",
            DropReason::Forked => "forked",
            DropReason::TooLarge => "too_large",
            DropReason::Reentrant => "reentrant",
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A record that was not taken, and was counted under this reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped(pub DropReason);

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the record was dropped: {}", self.0)
    }
}

impl std::error::Error for Dropped {}

/// Why a caller that would wait was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No room now; nothing was counted. [`Intake::room`](super::Intake::room) tells when to try
    /// again.
    Full,
    /// There never will be, and the record was counted as dropped.
    Dropped(Dropped),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Full => f.write_str("there is no room for the record now"),
            Refusal::Dropped(dropped) => dropped.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}

/// The source's counters. `emitted = drained + in_rings + all of dropped`, exactly so whenever no
/// call is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceCounts {
    /// Calls that passed the gate, counted at their start.
    pub emitted: u64,
    /// Records that got into a ring or the shared queue.
    pub published: u64,
    /// Records that the pump took out.
    pub drained: u64,
    /// Records that wait in a ring or in the shared queue.
    pub in_rings: u64,
    /// Records that the pump took out after a younger one.
    pub late: u64,
    /// Records that took the shared queue, because there was no ring to be had.
    pub overflowed: u64,
    /// Calls that waited for room.
    pub slow_path: u64,
    /// How often a call had to wake the pump.
    pub wakes: u64,
    /// Rings that exist, those of ended threads included until they are drained.
    pub rings: u64,
    /// Bytes of ring memory in use, the shared queue included.
    pub bytes: u64,
    /// Emitted records that never reached the pump, by reason; all reasons, in the order of
    /// [`DropReason::ALL`].
    pub dropped: Vec<(DropReason, u64)>,
}

impl SourceCounts {
    /// The records dropped for this reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped
            .iter()
            .filter(|(counted, _)| *counted == reason)
            .map(|(_, count)| count)
            .sum()
    }

    /// The records dropped for any reason.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().map(|(_, count)| count).sum()
    }

    /// Whether the source's equation holds, as it does whenever no call is under way.
    pub fn is_balanced(&self) -> bool {
        self.emitted == self.drained + self.in_rings + self.dropped_total()
    }
}

/// Counters that are not a ring's own. Statistics: relaxed throughout.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) emitted: Count,
    pub(super) drained: Count,
    /// Published, and thrown away with the rings by a consumer that ended before it drained them.
    pub(super) discarded: Count,
    pub(super) late: Count,
    pub(super) overflowed: Count,
    pub(super) slow_path: Count,
    dropped: [Count; DropReason::ALL.len()],
}

impl Tally {
    pub(super) fn dropped(&self, reason: DropReason) -> &Count {
        &self.dropped[reason as usize]
    }
}

/// A counter that anyone may raise.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    /// Raises a counter that the calling thread alone raises.
    pub(super) fn bump_alone(&self) {
        self.0
            .store(self.0.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
