//! The account of every record.
//!
//! Three equations hold. *Source*: emitted = routed + unrouted + suppressed by reason + dropped by
//! reason + in rings + in the flight recorder. *Joint*: the copies routed + fell back + replayed =
//! accepted over all targets + refused by reason + suppressed by rule.
//! *Target*: accepted = delivered + fell back + dead-lettered + dropped by reason + queued. Each term
//! is counted where it happens, and none is derived from the others, so that a record that gets lost
//! uncounted shows. A target's row is exact at any moment; the others after
//! [`Host::flush`](crate::Host::flush), while nobody logs, whatever the pipeline itself then tells.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::{Duration, Instant};

use crate::keep::KeepCounts;
use crate::stage::{Suppression, TargetRow};

/// What the pump counts. Relaxed: one writer, and readers that want exact numbers come at a barrier.
#[derive(Debug, Default)]
pub(crate) struct PumpCounts {
    /// How often a pass has begun or ended: odd within one.
    passes: AtomicU64,
    /// The sequence of the last record that has an id, as of the last pass.
    pub(crate) numbered: AtomicU64,
    pub(crate) routed: Count,
    pub(crate) unrouted: Count,
    pub(crate) copies: Count,
    /// Records that the pipeline and its plugins made, beside those of the service.
    pub(crate) own: Count,
    pub(crate) own_dropped: Count,
    /// Of the unrouted: those of the pipeline and its plugins.
    pub(crate) own_unrouted: Count,
    /// Values that were hidden because of a name, and those because of a pattern.
    pub(crate) hidden_by_name: Count,
    pub(crate) hidden_by_pattern: Count,
    /// What rules and the flight recorder did.
    pub(crate) keeping: KeepCounts,
}

/// So long a moment between two passes is waited for while nobody logs. The pump then has little to do,
/// but may wait for a processor.
const PATIENCE: Duration = Duration::from_millis(50);

impl PumpCounts {
    /// A pass begins, on the one thread that has any.
    pub(crate) fn begin_pass(&self) {
        self.passes
            .store(self.passes.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        // What is counted from now on is seen by nobody who does not see that the pass has begun.
        fence(Ordering::Release);
    }

    /// It ends.
    pub(crate) fn end_pass(&self) {
        self.passes
            .store(self.passes.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// What is read while no pass goes on. `calls` tells how often the service has logged: while it does,
    /// there are no exact numbers that could be waited for.
    pub(crate) fn between_passes<R>(&self, calls: impl Fn() -> u64, read: impl Fn() -> R) -> R {
        let end = Instant::now() + PATIENCE;
        let called = calls();
        loop {
            let before = self.passes.load(Ordering::Acquire);
            let is_vain = calls() != called || Instant::now() >= end;
            if is_vain || before.is_multiple_of(2) {
                let numbers = read();
                fence(Ordering::Acquire);
                if is_vain || self.passes.load(Ordering::Relaxed) == before {
                    return numbers;
                }
            }
            std::thread::yield_now();
        }
    }

    /// A record that is routed to so many targets; `held`: what holds it back from all of them.
    pub(crate) fn count(&self, targets: usize, held: Option<Suppression>) {
        self.copies.add_alone(targets as u64);
        match held {
            Some(reason) => self.keeping.suppress(reason),
            None if targets == 0 => self.unrouted.add_alone(1),
            None => self.routed.add_alone(1),
        }
    }
}

/// A counter.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// [`Count::add`] for what one thread alone counts, the pump's: as exact at any moment, and
    /// without a locked instruction for each record.
    pub(crate) fn add_alone(&self, n: u64) {
        self.0
            .store(self.0.load(Ordering::Relaxed) + n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The account of a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// From the log calls to the routes.
    pub source: SourceRow,
    /// Copies that routes asked for, those that a rule held back included: a record with two targets
    /// counts twice.
    pub copies: u64,
    /// Each target by its name, in the order of the names.
    pub targets: Vec<(String, TargetRow)>,
    /// Targets that a reload has taken away, together.
    pub removed: TargetRow,
}

/// The account from the log calls to the routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceRow {
    /// Calls that passed their logger's gate, and records of the pipeline's own.
    pub emitted: u64,
    /// Records of which at least one copy went to a target.
    pub routed: u64,
    /// Records that no route matched.
    pub unrouted: u64,
    /// Records that went to no target because every copy was held back by a rule of its route, by the
    /// rule of the first; and `recorder`: records below the level of every target that the flight
    /// recorder kept for a while and let go of. Reasons that never happened are left out.
    pub suppressed: Vec<(&'static str, u64)>,
    /// Records that the flight recorder keeps.
    pub recorded: u64,
    /// Records lost before the routes, by reason; reasons that never happened are left out.
    pub dropped: Vec<(&'static str, u64)>,
    /// Of those: records of the pipeline's own, which gave way to those of the service.
    pub own_dropped: u64,
    /// Records that wait in rings.
    pub in_rings: u64,
    /// Records that came after younger ones: they went out at once, with their true time.
    pub late: u64,
    /// Records that took the shared queue because their thread's ring could not grow.
    pub overflowed: u64,
    /// Calls that took the slow path: a target's queue asked their loggers' callers to wait.
    pub slow_path: u64,
}

impl SourceRow {
    /// Records lost before the routes, for whatever reason.
    pub fn lost(&self) -> u64 {
        self.dropped.iter().map(|(_, count)| count).sum()
    }

    /// Records that were held back on purpose, for whatever reason.
    pub fn held_back(&self) -> u64 {
        self.suppressed.iter().map(|(_, count)| count).sum()
    }

    /// Whether the source's equation holds.
    pub fn balances(&self) -> bool {
        let ended = self.routed + self.unrouted + self.held_back() + self.lost();
        self.emitted == ended + self.in_rings + self.recorded
    }
}

impl Ledger {
    /// The row of a target.
    pub fn target(&self, name: &str) -> Option<&TargetRow> {
        self.targets
            .iter()
            .find(|(target, _)| target == name)
            .map(|(_, row)| row)
    }

    /// Whether every equation holds.
    pub fn balances(&self) -> bool {
        let sum = |term: fn(&TargetRow) -> u64| -> u64 {
            let targets: u64 = self.targets.iter().map(|(_, row)| term(row)).sum();
            targets + term(&self.removed)
        };
        self.source.balances()
            && self.removed.balances()
            && self.targets.iter().all(|(_, row)| row.balances())
            && self.copies + sum(|row| row.fell_back) + sum(|row| row.replayed)
                == sum(|row| row.accepted)
                    + sum(|row| row.refused.total())
                    + sum(|row| row.suppressed.total())
    }

    /// Copies that are lost: dropped before the routes, refused by a queue, or dropped by a target.
    /// Records of the pipeline's own that gave way before the routes are not counted here.
    pub fn lost(&self) -> u64 {
        let targets: u64 = self
            .targets
            .iter()
            .map(|(_, row)| row)
            .chain([&self.removed])
            .map(|row| row.lost() + row.refused.total())
            .sum();
        self.source.lost() - self.source.own_dropped + targets
    }
}

impl fmt::Display for Ledger {
    /// A line for the source, and one for each target.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = &self.source;
        write!(
            f,
            "emitted {}: routed {}, no route {}, in rings {}",
            source.emitted, source.routed, source.unrouted, source.in_rings
        )?;
        if source.recorded > 0 {
            write!(f, ", in the recorder {}", source.recorded)?;
        }
        for (reason, count) in &source.suppressed {
            write!(f, ", suppressed ({reason}) {count}")?;
        }
        for (reason, count) in &source.dropped {
            write!(f, ", dropped ({reason}) {count}")?;
        }
        let removed = "(removed)".to_owned();
        let removed = (self.removed != TargetRow::default()).then_some((&removed, &self.removed));
        let targets = self.targets.iter().map(|(name, row)| (name, row));
        for (name, row) in targets.chain(removed) {
            write!(
                f,
                "\n{name}: accepted {}, delivered {}, fell back {}, dead-lettered {}, queued {}",
                row.accepted, row.delivered, row.fell_back, row.dead_lettered, row.queued
            )?;
            for (reason, count) in row.dropped.iter().filter(|(_, count)| *count > 0) {
                write!(f, ", dropped ({reason}) {count}")?;
            }
            for (reason, count) in row.refused.iter().filter(|(_, count)| *count > 0) {
                write!(f, ", refused ({reason}) {count}")?;
            }
            for (reason, count) in row.suppressed.iter().filter(|(_, count)| *count > 0) {
                write!(f, ", suppressed ({reason}) {count}")?;
            }
            if row.maybe_written > 0 {
                write!(f, ", maybe written {}", row.maybe_written)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_the_pipelines_own_that_gave_way_is_no_loss_and_yet_balances() {
        let mut ledger = Ledger {
            source: SourceRow {
                emitted: 5,
                routed: 1,
                dropped: vec![("ring", 1), ("feedback", 3)],
                own_dropped: 3,
                ..SourceRow::default()
            },
            copies: 1,
            ..Ledger::default()
        };
        assert_eq!(ledger.lost(), 1);
        assert!(ledger.source.balances());
        assert!(
            !ledger.balances(),
            "a copy was routed, and no target has it"
        );
        ledger.copies = 0;
        assert!(ledger.balances());
        ledger.source.emitted += 1;
        assert!(!ledger.balances());
    }
}
