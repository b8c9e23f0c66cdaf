//! The numbers of one moment.

use crate::ledger::Ledger;
use crate::stage::StageSnapshot;

/// Everything that the catalogue's series are read from.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The account.
    pub ledger: Ledger,
    /// What the account does not say of each target, in the order of their names.
    pub targets: Vec<StageSnapshot>,
    /// Dead letters that were discarded to stay within their bound.
    pub dead_letters_discarded: u64,
}
