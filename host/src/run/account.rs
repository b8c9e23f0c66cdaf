//! What became of every record that was read.

use std::time::Duration;

use crate::lines::{LineCounts, Oddity};

/// What became of every record that was read.
///
/// A record that several routes take counts once at each of their targets. With that,
///
/// ```text
/// routed + taken over = delivered + fell back + dead-lettered + held back + lost   for each target
/// read                = routed + below level + no route + refused                 for the whole
/// ```
///
/// where what is read and routed is counted line by line, and the rest by the targets, so that a
/// difference would show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What the lines were.
    pub lines: LineCounts,
    /// Where something unusual was met first, as `NAME:LINE`.
    pub firsts: Vec<(Oddity, String)>,
    /// NUL bytes passed over before lines.
    pub nul_bytes: u64,
    /// Records that went to a target, however many targets they went to.
    pub routed: u64,
    /// Records below the level of their logger.
    pub below_level: u64,
    /// Records that no route takes.
    pub no_route: u64,
    /// Records that did not reach a queue, because the pipeline was at its end.
    pub refused: u64,
    /// What became of the others, by target.
    pub targets: Vec<TargetAccount>,
    /// Inputs that were not read to their end, and why, but for a signal.
    pub unread: Vec<String>,
    /// The signal that ended the reading.
    pub stopped_by: Option<&'static str>,
    /// How long it took.
    pub elapsed: Duration,
}

/// What became of the records that were routed to one target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetAccount {
    /// The target's name.
    pub name: String,
    /// Records routed to it.
    pub routed: u64,
    /// Records that it took over as another target's fallback.
    pub taken_over: u64,
    /// Records that it has confirmed.
    pub delivered: u64,
    /// Records that its fallback has accepted.
    pub fell_back: u64,
    /// Records in the dead letters.
    pub dead_lettered: u64,
    /// Records that a rule of their route held back.
    pub held_back: u64,
    /// Records that are lost, by reason.
    pub lost: Vec<(String, u64)>,
    /// Records that an attempt which broke off may have written, whatever else became of them.
    pub maybe_written: u64,
    /// Why its last attempt failed, if it did.
    pub failure: Option<String>,
}

impl TargetAccount {
    /// Records that are lost, for whatever reason.
    pub fn lost(&self) -> u64 {
        self.lost.iter().map(|(_, records)| records).sum()
    }

    /// Whether what came to the target is what left it.
    pub fn balances(&self) -> bool {
        self.routed + self.taken_over
            == self.delivered + self.fell_back + self.dead_lettered + self.held_back + self.lost()
    }
}

impl Account {
    /// The records that were read.
    pub fn read(&self) -> u64 {
        self.lines.records()
    }

    /// Records that are lost, at each target that lost them.
    pub fn lost(&self) -> u64 {
        self.refused + self.targets.iter().map(TargetAccount::lost).sum::<u64>()
    }

    /// Whether every record that was read is accounted for.
    pub fn balances(&self) -> bool {
        let copies: u64 = self.targets.iter().map(|target| target.routed).sum();
        self.read() == self.routed + self.below_level + self.no_route + self.refused
            && self.routed <= copies
            && self.targets.iter().all(TargetAccount::balances)
    }

    /// Whether everything was read, and nothing that was read is lost or unaccounted for.
    pub fn is_complete(&self) -> bool {
        self.lost() == 0 && self.unread.is_empty() && self.balances()
    }
}
