//! What became of a record for which the caller asked.

use crate::delivery::Failure;

/// What became of one record, at each target that it was routed to.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Delivery {
    /// In the order of their ends. Empty where no route matched, where the flight recorder took the
    /// record (whether it goes out is decided later, and this does not wait for that), and for what
    /// the pipeline or a target logs itself, which nobody waits for.
    pub targets: Vec<TargetEnd>,
}

/// What became of one record at one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetEnd {
    /// The target that it was routed to.
    pub target: String,
    /// Where it ended: that target, or the fallback that had it last.
    pub at: String,
    /// How it ended.
    pub end: End,
    /// An interrupted attempt may have written it besides.
    pub maybe_written: bool,
    /// Why the last target that failed did not deliver it.
    pub failure: Option<Failure>,
}

/// How a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A target confirmed it.
    Delivered,
    /// It is in the dead letters.
    DeadLettered,
    /// It is lost, or a rule of its route held it back (`sampled`, `limited`, `repeated`), for this
    /// reason: the word that the ledger counts it under.
    Dropped(&'static str),
}

impl Delivery {
    /// Every target that it was routed to, or a fallback in its place, confirmed it.
    pub fn is_delivered(&self) -> bool {
        self.targets
            .iter()
            .all(|target| target.end == End::Delivered)
    }

    /// No route matched it, it is with the flight recorder, or it is the pipeline's own.
    pub fn is_unrouted(&self) -> bool {
        self.targets.is_empty()
    }
}
