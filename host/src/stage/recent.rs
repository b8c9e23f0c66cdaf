//! The last records that were lost, so that it can be said what became of one.
//!
//! Only losses are remembered, where they happen: a record that arrives costs nothing. Records that
//! follow each other and were lost for one reason are one entry, and the oldest entry makes room.

use std::collections::VecDeque;
use std::fmt;

use rolog_core::frame::RecordId;
use rolog_core::value::{Timestamp, Value};

use super::ledger::{DropReason, RefusalReason, Suppression};

/// How a record was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// It went to no target, for this reason.
    NotRouted(&'static str),
    /// A rule of its route held it back.
    HeldBack(Suppression),
    /// The target did not take it.
    Refused(RefusalReason),
    /// The target had taken it.
    Dropped(DropReason),
    /// It is in the dead letters.
    DeadLettered,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fate::NotRouted(reason) => write!(f, "not routed ({reason})"),
            Fate::HeldBack(reason) => write!(f, "held back ({reason})"),
            Fate::Refused(reason) => write!(f, "refused ({reason})"),
            Fate::Dropped(reason) => write!(f, "dropped ({reason})"),
            Fate::DeadLettered => f.write_str("in the dead letters"),
        }
    }
}

/// A loss, as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// How.
    pub fate: Fate,
    /// When, within the time in which as many were lost one after the other.
    pub at: Timestamp,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.fate, Value::Timestamp(self.at))
    }
}

/// The last losses at one place.
#[derive(Debug)]
pub(crate) struct Recent {
    most: usize,
    runs: VecDeque<Run>,
}

#[derive(Debug)]
struct Run {
    epoch: u128,
    first: u64,
    last: u64,
    loss: Loss,
}

impl Recent {
    /// Room for so many runs of records.
    pub(crate) fn new(most: usize) -> Self {
        Recent {
            most,
            runs: VecDeque::new(),
        }
    }

    pub(crate) fn resize(&mut self, most: usize) {
        self.most = most;
        let beyond = self.runs.len().saturating_sub(most);
        self.runs.drain(..beyond);
    }

    /// Remembers a loss of this moment.
    pub(crate) fn add(&mut self, id: RecordId, fate: Fate) {
        if !self.continues(id, fate) {
            let at = Timestamp::now();
            self.push(id, Loss { fate, at });
        }
    }

    /// Remembers a loss whose time is known.
    pub(crate) fn add_loss(&mut self, id: RecordId, loss: Loss) {
        if !self.continues(id, loss.fate) {
            self.push(id, loss);
        }
    }

    /// Whether the last run goes on with this record, and then has it.
    fn continues(&mut self, id: RecordId, fate: Fate) -> bool {
        match self.runs.back_mut() {
            Some(last)
                if last.loss.fate == fate
                    && last.epoch == id.epoch
                    && last.last.checked_add(1) == Some(id.sequence) =>
            {
                last.last = id.sequence;
                true
            }
            _ => false,
        }
    }

    fn push(&mut self, id: RecordId, loss: Loss) {
        if self.most == 0 {
            return;
        }
        if self.runs.len() >= self.most {
            self.runs.pop_front();
        }
        self.runs.push_back(Run {
            epoch: id.epoch,
            first: id.sequence,
            last: id.sequence,
            loss,
        });
    }

    /// The last loss of a record.
    pub(crate) fn find(&self, id: RecordId) -> Option<Loss> {
        let holds =
            |run: &&Run| run.epoch == id.epoch && (run.first..=run.last).contains(&id.sequence);
        self.runs.iter().rev().find(holds).map(|run| run.loss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(sequence: u64) -> RecordId {
        RecordId { epoch: 7, sequence }
    }

    #[test]
    fn runs_are_one_entry_and_the_oldest_goes() {
        let mut recent = Recent::new(2);
        let (full, old) = (
            Fate::Refused(RefusalReason::Full),
            Fate::Dropped(DropReason::Overflow),
        );
        (1..=1000).for_each(|n| recent.add(id(n), full));
        (1001..=2000).for_each(|n| recent.add(id(n), old));
        assert_eq!(recent.runs.len(), 2);
        assert_eq!(recent.find(id(1)).map(|loss| loss.fate), Some(full));
        assert_eq!(recent.find(id(1500)).map(|loss| loss.fate), Some(old));
        assert_eq!(recent.find(id(2001)), None);
        assert_eq!(
            recent.find(RecordId {
                epoch: 8,
                sequence: 1
            }),
            None
        );
        recent.add(id(3000), full);
        assert_eq!((recent.find(id(1)), recent.runs.len()), (None, 2));
        // Lost again elsewhere in time: the last word counts.
        recent.add(id(1500), full);
        assert_eq!(recent.find(id(1500)).map(|loss| loss.fate), Some(full));
        recent.resize(0);
        recent.add(id(5), full);
        assert_eq!(recent.find(id(5)), None);
    }
}
