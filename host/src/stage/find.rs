//! Where in a stage a record is, looked for only when somebody asks.

use std::time::Duration;

use rolog_core::delivery::Failure;
use rolog_core::frame::RecordId;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::driver::Driver;
use super::group::Group;
use super::handle::Stage;
use super::lanes::{Lane, LaneState};
use super::recent::Loss;
use super::slot::Command;

/// What a target's queue does with a record that is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueStep {
    /// It is in the batch that is being filled.
    Filling,
    /// Its batch waits behind so many others.
    Waiting {
        /// Batches before it.
        behind: usize,
    },
    /// Its batch is next.
    Next,
    /// Its batch is being delivered.
    Delivering,
    /// Its batch has failed and is tried again.
    BackingOff {
        /// In so long.
        left: Duration,
    },
    /// The attempt with its batch has passed its deadline, and has to settle.
    Settling,
    /// Its batch is on its way to a fallback or the dead letters.
    Leaving,
}

/// A record in a target's queue.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Queued {
    /// What is done with it.
    pub step: QueueStep,
    /// How many records its batch has.
    pub batch: usize,
    /// For how long the first record of its batch has been there.
    pub age: Duration,
    /// How many attempts there were with the batch.
    pub attempts: u32,
    /// Why the last of them failed.
    pub failure: Option<Failure>,
}

impl Queued {
    fn of(group: &Group, step: QueueStep, now: Instant) -> Self {
        Queued {
            step,
            batch: group.len() as usize,
            age: now.duration_since(group.since),
            attempts: group.history.attempts,
            failure: group.history.failure.clone(),
        }
    }
}

impl Stage {
    /// Where in the queue a record is; `None` where it is not, or the stage has ended.
    pub(crate) async fn find(&self, id: RecordId) -> Option<Queued> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Find(id, reply));
        answer.await.ok().flatten()
    }

    /// How a record was lost here, if it is one of the last.
    pub(crate) fn lost(&self, id: RecordId) -> Option<Loss> {
        let state = self.shared().lock();
        state.recent.find(id).or_else(|| state.held_back.find(id))
    }
}

impl Driver {
    pub(super) fn find(&self, id: RecordId) -> Option<Queued> {
        let now = Instant::now();
        let has = |group: &&Group| group.ids().any(|found| found == id);
        for handover in &self.handovers {
            if has(&handover.group()) {
                return Some(Queued::of(handover.group(), QueueStep::Leaving, now));
            }
        }
        for lane in &self.lanes {
            if let Some(group) = lane.parts.iter().find(has) {
                let first = lane
                    .parts
                    .front()
                    .is_some_and(|front| std::ptr::eq(front, group));
                let step = if first {
                    step_of(lane, now)
                } else {
                    QueueStep::Next
                };
                return Some(Queued::of(group, step, now));
            }
        }
        for fenced in &self.fenced {
            if let Some(group) = fenced.parts.iter().find(has) {
                return Some(Queued::of(group, QueueStep::Settling, now));
            }
        }
        let state = self.shared.lock();
        if let Some((batch, age)) = state.find_open(id) {
            return Some(Queued {
                step: QueueStep::Filling,
                batch,
                age,
                attempts: 0,
                failure: None,
            });
        }
        let behind = state.sealed.iter().position(|group| has(&group))?;
        Some(Queued::of(
            &state.sealed[behind],
            QueueStep::Waiting { behind },
            now,
        ))
    }
}

fn step_of(lane: &Lane, now: Instant) -> QueueStep {
    match lane.state {
        LaneState::Ready => QueueStep::Next,
        LaneState::BackingOff { until } => QueueStep::BackingOff {
            left: until.saturating_duration_since(now),
        },
        LaneState::Attempting { .. } => QueueStep::Delivering,
        LaneState::Cancelled { .. } => QueueStep::Settling,
    }
}
