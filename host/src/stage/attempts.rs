//! Starting attempts, cutting them off, and taking batches from the queue for them.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use rolog_core::delivery::{Class, Failure, Outcome};
use tokio::time::Instant;

use super::driver::{Done, Driver};
use super::event::EventKind;
use super::group::Group;
use super::lanes::{Fenced, Lane, LaneState};
use super::ledger::DropReason;
use super::measures::Measure;
use super::state::damaged;
use crate::instance::Attempt;

impl Driver {
    /// Ends waits and attempts whose time is over.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let mut moved = false;
        let gives_up = self.gives_up(now);
        let mut index = 0;
        while index < self.lanes.len() {
            let lane = &mut self.lanes[index];
            match lane.state {
                LaneState::BackingOff { until } if now >= until => {
                    lane.state = LaneState::Ready;
                    moved = true;
                }
                LaneState::Attempting { id, cut } if now >= cut || gives_up => {
                    let mut until = now + self.settings.grace;
                    if let Some(drain) = self.drain {
                        // Half of what is left is for what comes after the fence.
                        until = until.min(now + drain.end.saturating_duration_since(now) / 2);
                    }
                    lane.state = LaneState::Cancelled { id, until };
                    moved = true;
                    if let Some(instance) = &self.slot.instance {
                        // A target that panics here just does not answer.
                        let cancel = AssertUnwindSafe(|| instance.cancel(id));
                        drop(std::panic::catch_unwind(cancel));
                    }
                }
                LaneState::Cancelled { id, until } if now >= until => {
                    let lane = self.lanes.remove(index);
                    self.fence(id, lane);
                    moved = true;
                    continue;
                }
                _ => {}
            }
            index += 1;
        }
        if gives_up {
            for index in 0..self.fenced.len() {
                let parts = std::mem::take(&mut self.fenced[index].parts);
                self.fenced[index].pinned += pin(self, &parts);
                moved |= !parts.is_empty();
                self.give_all(parts, DropReason::Deadline);
            }
        }
        moved
    }

    /// Leaves the instance alone until the attempt settles. Its records go on where they can.
    fn fence(&mut self, id: u64, mut lane: Lane) {
        let records = lane.parts.iter().map(|part| u64::from(part.len())).sum();
        let failure = self.interrupt(&mut lane.parts[0], Instant::now());
        self.account(|state, _| state.row.fenced += 1);
        self.shared.tell(EventKind::Fenced {
            attempt: id,
            records,
        });
        self.failed(&failure);
        let mut fenced = Fenced {
            id,
            generation: self.slot.generation,
            resources: self.slot.maker.resources(),
            parts: VecDeque::new(),
            pinned: 0,
        };
        if self.has_candidates(&lane.parts[0]) || self.gives_up(Instant::now()) {
            lane.parts[0].history.attempts += 1;
            fenced.pinned = pin(self, &lane.parts);
            let reason = match self.drain {
                Some(_) => DropReason::Deadline,
                None => DropReason::Exhausted,
            };
            self.give_all(lane.parts, reason);
        } else {
            fenced.parts = lane.parts;
        }
        self.fenced.push(fenced);
    }

    /// Marks a group whose attempt has not answered.
    pub(super) fn interrupt(&mut self, group: &mut Group, now: Instant) -> Failure {
        let failure = Failure::new(
            Class::Timeout,
            format!(
                "no answer within {:?}, nor within {:?} after it was cancelled",
                self.settings.timeout, self.settings.grace
            ),
        );
        group.history.failed(now, failure.clone());
        if !std::mem::replace(&mut group.history.maybe_written, true) {
            let n = u64::from(group.len());
            self.account(|state, _| state.row.maybe_written += n);
        }
        failure
    }

    /// Starts attempts of lanes that are ready, or sends them on.
    pub(super) fn advance(&mut self, now: Instant) -> bool {
        let mut moved = false;
        let mut index = 0;
        while index < self.lanes.len() {
            let lane = &self.lanes[index];
            if lane.is_busy() {
                index += 1;
                continue;
            }
            let part = lane.parts.front().expect("a lane has a part");
            // A wait that outlasts the shutdown is no chance at all.
            let hopeless =
                matches!(lane.state, LaneState::BackingOff { until } if self.gives_up(until));
            let onward = if self.gives_up(now) || hopeless {
                Some(DropReason::Deadline)
            } else if self.leaves(part, now) {
                Some(DropReason::Exhausted)
            } else {
                None
            };
            if let Some(reason) = onward {
                let lane = self.lanes.remove(index);
                self.give_all(lane.parts, reason);
                moved = true;
                continue;
            }
            let busy = self.lanes.iter().filter(|lane| lane.is_busy()).count();
            if self.lanes[index].state == LaneState::Ready && busy < self.allowed(now) {
                moved = true;
                if !self.attempt(index, now) {
                    // Its batch could not be read: the lane is gone.
                    continue;
                }
            }
            index += 1;
        }
        moved
    }

    /// Starts an attempt; says whether the lane still exists.
    fn attempt(&mut self, index: usize, now: Instant) -> bool {
        let instance = self.slot.instance.clone();
        let instance = instance.expect("an active slot has an instance");
        let lane = &mut self.lanes[index];
        let part = lane.parts.front_mut().expect("a lane has a part");
        let charge = part.charge;
        let batch = match part.buffer() {
            Ok(batch) => batch,
            Err(error) => {
                let lane = self.lanes.remove(index);
                self.give_up_damaged(lane.parts, &damaged(&error));
                return false;
            }
        };
        let id = self.next_attempt;
        self.next_attempt += 1;
        let attempt = Attempt {
            id,
            number: part.history.attempts + 1,
            deadline: self.settings.timeout,
        };
        lane.state = LaneState::Attempting {
            id,
            cut: now + self.settings.timeout,
        };
        let retry = part.history.tries > 0;
        let exact = part.charge;
        let first = part.history.attempts == 0;
        let (records, waited) = (part.len(), now.duration_since(part.since));
        self.account(|state, _| {
            state.recharge(charge, exact);
            state.row.attempts += 1;
            state.row.retries += u64::from(retry);
        });
        if first {
            self.shared.measure(&[
                (Measure::BatchRecords, f64::from(records)),
                (Measure::BatchBytes, exact as f64),
                (Measure::QueueSeconds, waited.as_secs_f64()),
            ]);
        }
        let work = async move {
            let started = Instant::now();
            let outcome = instance.deliver(batch, attempt).await;
            Done::Attempt(id, outcome, Some(started.elapsed()))
        };
        self.start(work, move |failure| {
            Done::Attempt(id, Outcome::retry(failure.maybe_written()), None)
        });
        true
    }

    /// Takes batches from the queue into free lanes, or sends them on.
    pub(super) fn fill(&mut self, now: Instant) -> bool {
        let mut moved = false;
        loop {
            let shared = Arc::clone(&self.shared);
            let mut state = shared.lock();
            if self.drain.is_some() {
                state.seal();
            }
            state.seal_due(now);
            let Some(front) = state.front() else {
                return moved;
            };
            let divertible = self.diverts(now) && self.has_candidates(front)
                || self.gives_up(now)
                || self.spills(now) && self.has_candidates(front) && state.is_pressed();
            if divertible && self.handovers.is_empty() {
                let group = state.take().expect("there is a front");
                drop(state);
                let reason = if self.gives_up(now) {
                    DropReason::Deadline
                } else {
                    DropReason::Exhausted
                };
                self.give(group, reason);
                self.hand_over(now);
            } else if !divertible && self.lanes.len() < self.allowed(now) {
                let group = state.take().expect("there is a front");
                drop(state);
                self.lanes.push(Lane {
                    parts: VecDeque::from([group]),
                    state: LaneState::Ready,
                });
                self.advance(now);
            } else {
                return moved;
            }
            moved = true;
        }
    }
}

/// Charges the queue with what a fenced attempt holds beside the records' own charge.
fn pin(driver: &mut Driver, parts: &VecDeque<Group>) -> usize {
    let pinned = parts.front().map_or(0, |part| part.charge);
    driver.account(|state, _| state.recharge(0, pinned));
    pinned
}
