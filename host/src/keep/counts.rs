//! What is counted here, and shown by the account and by `explain`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Digest;
use crate::ledger::Count;
use crate::stage::Suppression;

/// Relaxed, as all that the pump counts: one writer.
#[derive(Debug, Default)]
pub(crate) struct KeepCounts {
    /// Records of which no copy went on, by what held the first one back.
    suppressed: [Count; Suppression::ALL.len()],
    /// Records that the flight recorder kept and let go of.
    pub(crate) forgotten: Count,
    /// Records that it sent on.
    pub(crate) dumped: Count,
    /// What is in it now.
    recorded: AtomicU64,
    recorded_bytes: AtomicU64,
    /// Of each rule in force.
    rules: Mutex<HashMap<Digest, Arc<RuleCounts>>>,
}

/// What one rule did.
#[derive(Debug, Default)]
pub(crate) struct RuleCounts {
    pub(crate) passed: Count,
    pub(crate) held: [Count; Suppression::ALL.len()],
    keys: AtomicU64,
}

impl RuleCounts {
    pub(crate) fn keys(&self) -> u64 {
        self.keys.load(Ordering::Relaxed)
    }

    pub(super) fn set_keys(&self, keys: usize) {
        self.keys.store(keys as u64, Ordering::Relaxed);
    }
}

impl KeepCounts {
    pub(crate) fn suppress(&self, reason: Suppression) {
        self.suppressed[reason as usize].add(1);
    }

    pub(crate) fn set_recorded(&self, records: usize, bytes: usize) {
        self.recorded.store(records as u64, Ordering::Relaxed);
        self.recorded_bytes.store(bytes as u64, Ordering::Relaxed);
    }

    /// Records in the flight recorder, and their bytes.
    pub(crate) fn recorded(&self) -> (u64, u64) {
        let load = |value: &AtomicU64| value.load(Ordering::Relaxed);
        (load(&self.recorded), load(&self.recorded_bytes))
    }

    /// Records that went nowhere because something held them back, by reason; without those that
    /// never happened.
    pub(crate) fn suppressed(&self) -> Vec<(&'static str, u64)> {
        let reasons = Suppression::ALL.iter();
        reasons
            .map(|reason| (reason.name(), self.suppressed[*reason as usize].get()))
            .chain([("recorder", self.forgotten.get())])
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// The counts of a rule; those of an unchanged rule go on.
    pub(crate) fn of_rule(&self, rule: Digest) -> Arc<RuleCounts> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(rules.entry(rule).or_default())
    }

    pub(super) fn retain(&self, keep: impl Fn(&Digest) -> bool) {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.retain(|rule, _| keep(rule));
    }
}
