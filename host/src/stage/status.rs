//! What a stage is doing, for people and metrics.

use std::sync::Arc;

use rolog_core::delivery::Failure;

use super::breaker::BreakerState;
use super::ledger::TargetRow;
use super::measures::Measures;
use super::settings::StageSettings;

/// What a target is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// Its instance is being created or activated.
    #[default]
    Starting,
    /// It delivers.
    Active,
    /// Its instance could not be created or activated; it is tried again.
    StartFailed,
    /// It waits for someone to act, and probes slowly.
    Holding,
    /// Its breaker is open or half open.
    Broken,
    /// An attempt has not settled in its grace.
    Fenced,
    /// Its instance is used no more.
    Quarantined,
    /// A successor is about to take the instance's place.
    Replacing,
    /// It delivers what is left before it ends.
    Draining,
    /// It has ended.
    Disposed,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Mode; 10] = [
        Mode::Starting,
        Mode::Active,
        Mode::StartFailed,
        Mode::Holding,
        Mode::Broken,
        Mode::Fenced,
        Mode::Quarantined,
        Mode::Replacing,
        Mode::Draining,
        Mode::Disposed,
    ];

    /// The word in reports and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Starting => "starting",
            Mode::Active => "active",
            Mode::StartFailed => "start_failed",
            Mode::Holding => "holding",
            Mode::Broken => "broken",
            Mode::Fenced => "fenced",
            Mode::Quarantined => "quarantined",
            Mode::Replacing => "replacing",
            Mode::Draining => "draining",
            Mode::Disposed => "disposed",
        }
    }
}

/// A target's state as its task last left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What it is doing.
    pub mode: Mode,
    /// Its breaker.
    pub breaker: BreakerState,
    /// Which instance is in its slot: 0 before the first, raised by each rebuild and replacement.
    pub generation: u64,
    /// Attempts under way.
    pub attempts: usize,
    /// Attempts that were cancelled and have not settled in their grace.
    pub fenced: usize,
    /// The last failure since the last success.
    pub failure: Option<Failure>,
}

impl Default for Status {
    fn default() -> Self {
        Status {
            mode: Mode::Starting,
            breaker: BreakerState::Closed,
            generation: 0,
            attempts: 0,
            fenced: 0,
            failure: None,
        }
    }
}

/// Everything that can be told of a stage, at one moment.
#[derive(Clone, Debug)]
pub struct StageSnapshot {
    /// The target's name.
    pub target: Arc<str>,
    /// Its row of the ledger.
    pub row: TargetRow,
    /// What it is doing.
    pub status: Status,
    /// Its distributions.
    pub measures: Measures,
    /// Bytes in its queue.
    pub queued_bytes: usize,
    /// The settings in force.
    pub settings: Arc<StageSettings>,
}

impl StageSnapshot {
    /// Adds what another stage of the same name has counted and holds.
    pub(crate) fn absorb(&mut self, other: &StageSnapshot) {
        self.row.absorb(&other.row);
        self.measures.absorb(&other.measures);
        self.queued_bytes += other.queued_bytes;
    }
}
