//! The numbers of one moment.

use std::collections::BTreeMap;

use crate::ledger::Ledger;
use crate::loader::Loads;
use crate::reload::Reloads;
use crate::stage::StageSnapshot;

/// Everything that the catalogue's series are read from.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The account.
    pub ledger: Ledger,
    /// What the account does not say of each target, in the order of their names.
    pub targets: Vec<StageSnapshot>,
    /// The number of the configuration in force.
    pub generation: u32,
    /// What has become of reloads.
    pub reloads: Reloads,
    /// The libraries that the process has loaded, by the plugin's name.
    pub plugins: BTreeMap<String, Loads>,
    /// How many versions of one plugin may be loaded.
    pub plugin_versions_limit: usize,
    /// Memory that the flight recorder's records take.
    pub recorder_bytes: u64,
    /// Records that the flight recorder has sent.
    pub recorder_dumped: u64,
    /// Dead letters that were discarded to stay within their bound.
    pub dead_letters_discarded: u64,
    /// Values that were hidden because of a name.
    pub redacted_by_name: u64,
    /// Values that were hidden because of a pattern.
    pub redacted_by_pattern: u64,
}
