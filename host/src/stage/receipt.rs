//! The end of one routed copy of a record, told to whoever waits for it.

use std::sync::Arc;

use rolog_core::delivery::Failure;

use super::ledger::{DropReason, RefusalReason, Suppression};

/// Where a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndState {
    /// A target has confirmed it.
    Delivered,
    /// It is in the dead letters.
    DeadLettered,
    /// It was accepted and lost.
    Dropped(DropReason),
    /// It was never accepted.
    Refused(RefusalReason),
    /// A rule of its route held it back.
    Suppressed(Suppression),
}

/// What became of one routed copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Where it ended.
    pub state: EndState,
    /// At which target: the one it was routed to, or the last fallback that had it.
    pub at: Arc<str>,
    /// An interrupted attempt may have written it, beside what `state` says.
    pub maybe_written: bool,
    /// Why the last target that failed did not deliver it.
    pub failure: Option<Failure>,
}

impl End {
    /// An end with nothing more to say.
    pub(super) fn plain(state: EndState, at: &Arc<str>) -> Self {
        End {
            state,
            at: Arc::clone(at),
            maybe_written: false,
            failure: None,
        }
    }
}

/// Takes the ends of copies that carry a receipt slot.
///
/// Called exactly once for each routed copy whose slot is not 0, whatever became of it, under no
/// lock of the stage that settles it, but possibly while the pump holds other stages: an
/// implementation stores the end and wakes, and never calls back into a stage.
pub trait ReceiptSink: Send + Sync {
    /// `target` is the name that the record was routed to.
    fn settled(&self, slot: u64, target: &str, end: &End);
}

/// For pipelines in which nobody waits.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoReceipts;

impl ReceiptSink for NoReceipts {
    fn settled(&self, _: u64, _: &str, _: &End) {}
}
