//! When an open batch closes.

use std::time::Duration;

use rolog_core::Level;
use tokio::time::Instant;

/// The bounds of a batch. It closes at whichever it meets first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchRules {
    /// Records; at least 1.
    pub max_size: usize,
    /// Bytes. A record that is larger by itself makes a batch of its own.
    pub max_bytes: usize,
    /// Age of its first record: the last record of a burst waits no longer than this.
    pub interval: Duration,
    /// A record of this level or above closes the batch at once, with what came before it.
    pub flush_on: Option<Level>,
}

impl Default for BatchRules {
    /// 500 records, 1 MiB, 1 s, no level.
    fn default() -> Self {
        BatchRules {
            max_size: 500,
            max_bytes: 1 << 20,
            interval: Duration::from_secs(1),
            flush_on: None,
        }
    }
}

impl BatchRules {
    /// Whether a batch of `bytes` has to close before it takes another `more` bytes.
    pub(super) fn closes_before(&self, records: usize, bytes: usize, more: usize) -> bool {
        records > 0 && bytes.saturating_add(more) > self.max_bytes
    }

    /// Whether a batch closes now that it has taken a record of `level`.
    pub(super) fn closes_after(&self, records: usize, bytes: usize, level: Level) -> bool {
        records >= self.max_size
            || bytes >= self.max_bytes
            || self.flush_on.is_some_and(|least| level >= least)
    }

    /// When a batch that was opened then is due by its age.
    pub(super) fn due(&self, opened: Instant) -> Instant {
        opened + self.interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_closes_at_each_of_its_bounds() {
        let rules = BatchRules {
            max_size: 3,
            max_bytes: 100,
            interval: Duration::from_secs(1),
            flush_on: Some(Level::Error),
        };
        assert!(!rules.closes_after(2, 99, Level::Warning));
        assert!(rules.closes_after(3, 10, Level::Debug));
        assert!(rules.closes_after(1, 100, Level::Debug));
        assert!(rules.closes_after(1, 10, Level::Error));
        assert!(rules.closes_after(1, 10, Level::Critical));
        assert!(rules.closes_before(1, 60, 41));
        assert!(!rules.closes_before(1, 60, 40));
        assert!(
            !rules.closes_before(0, 0, 1000),
            "a record larger than a batch still goes"
        );
    }
}
