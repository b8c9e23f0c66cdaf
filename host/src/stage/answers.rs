//! What follows from a target's answer.

use std::collections::VecDeque;
use std::sync::Arc;

use rolog_core::delivery::{Class, Failure, Outcome, Verdict};
use tokio::time::Instant;

use super::backoff::{Retry, heeded};
use super::breaker::{BreakerChange, BreakerState};
use super::driver::{Driver, Hold};
use super::event::EventKind;
use super::group::Group;
use super::lanes::{Lane, LaneState};
use super::ledger::{DropReason, Exit};
use super::outcome::settle;
use super::receipt::{End, EndState};
use super::slot::SlotPhase;
use super::state::damaged;

impl Driver {
    /// An attempt has settled, fenced or not.
    pub(super) fn attempt_done(&mut self, id: u64, outcome: &Outcome) {
        let place = self
            .lanes
            .iter()
            .position(|lane| lane.attempt() == Some(id));
        if let Some(index) = place {
            let lane = self.lanes.remove(index);
            let cut = matches!(lane.state, LaneState::Cancelled { .. });
            if let Some(lane) = self.settled(lane.parts, outcome, cut) {
                self.lanes.insert(index, lane);
            }
            return;
        }
        let Some(index) = self.fenced.iter().position(|fenced| fenced.id == id) else {
            return;
        };
        let fenced = self.fenced.remove(index);
        self.account(|state, _| state.recharge(fenced.pinned, 0));
        if self.fenced.is_empty() {
            self.shared.tell(EventKind::Unfenced);
        }
        if !fenced.parts.is_empty()
            && let Some(lane) = self.settled(fenced.parts, outcome, true)
        {
            self.lanes.insert(0, lane);
        }
    }

    /// Does what the answer to the attempt with the first part asks for; what is left of the lane.
    fn settled(
        &mut self,
        mut parts: VecDeque<Group>,
        outcome: &Outcome,
        cut: bool,
    ) -> Option<Lane> {
        let now = Instant::now();
        let mut group = parts.pop_front().expect("a lane has a part");
        let mut answer = settle(outcome, group.len());
        if let (true, Some(failure)) = (cut, &mut answer.failure) {
            failure.class = Class::Timeout;
            failure.maybe_written = true;
        }
        group.history.attempts += 1;
        self.judge(
            answer.verdict,
            answer.failure.as_ref(),
            answer.delivered,
            now,
        );

        let name = Arc::clone(&self.shared.name);
        let maybe = group.history.maybe_written;
        let delivered = || End {
            maybe_written: maybe,
            ..End::plain(EndState::Delivered, &name)
        };
        if answer.delivered == group.len() {
            self.account(|state, ends| {
                state.leave(group.seq, u64::from(group.len()), Exit::Delivered);
                state.recharge(group.charge, 0);
                ends.add(&group.journey, group.slots(), delivered);
            });
            self.shared.lock().resting.put(group.into_bytes());
        } else {
            if let Some(failure) = &answer.failure {
                group.history.failed(now, failure.clone());
            }
            let sorted = match group.sort_out(&answer) {
                Ok(sorted) => sorted,
                Err(error) => {
                    parts.push_front(group);
                    self.give_up_damaged(parts, &damaged(&error));
                    return None;
                }
            };
            let charge = sorted.rejected.iter().map(|(part, _)| part.charge);
            let charge = charge.sum::<usize>() + sorted.rest.as_ref().map_or(0, |rest| rest.charge);
            let rejected: u64 = sorted
                .rejected
                .iter()
                .map(|(p, _)| u64::from(p.len()))
                .sum();
            self.account(|state, ends| {
                state.row.rejected += rejected;
                state.leave(group.seq, u64::from(answer.delivered), Exit::Delivered);
                state.recharge(group.charge, charge);
                ends.add(&group.journey, &sorted.delivered, delivered);
            });
            for (mut part, failure) in sorted.rejected {
                part.history.failed(now, failure);
                self.give(part, DropReason::Rejected);
            }
            if let Some(rest) = sorted.rest {
                let failure = answer.failure.expect("what is left has a reason");
                if let Some(state) = self.rest(rest, &mut parts, answer.verdict, &failure, now) {
                    return Some(Lane { parts, state });
                }
            }
        }
        (!parts.is_empty()).then_some(Lane {
            parts,
            state: LaneState::Ready,
        })
    }

    /// Decides on the rest of a batch. With a state, the rest is the first of `parts` again.
    fn rest(
        &mut self,
        mut rest: Group,
        parts: &mut VecDeque<Group>,
        verdict: Verdict,
        failure: &Failure,
        now: Instant,
    ) -> Option<LaneState> {
        if failure.maybe_written && !rest.history.maybe_written {
            rest.history.maybe_written = true;
            let n = u64::from(rest.len());
            self.account(|state, _| state.row.maybe_written += n);
        }
        match verdict {
            Verdict::Hold => {
                parts.push_front(rest);
                Some(LaneState::Ready)
            }
            Verdict::Reject => {
                let halves = match rest.halves() {
                    Ok(halves) => halves,
                    Err(error) => {
                        self.give_up_damaged(VecDeque::from([rest]), &damaged(&error));
                        return None;
                    }
                };
                let charge = halves.iter().map(|half| half.charge).sum();
                self.account(|state, _| state.recharge(rest.charge, charge));
                for mut half in halves.into_iter().rev() {
                    // That the batch was refused says nothing against its parts.
                    half.history.tries = 0;
                    half.history.first = None;
                    parts.push_front(half);
                }
                Some(LaneState::Ready)
            }
            Verdict::Retry | Verdict::Fatal | Verdict::Delivered => {
                rest.history.tries += 1;
                let since = rest.history.first.map_or(now, |(first, _)| first);
                let decision = self.settings.retry.decide(
                    rest.history.tries,
                    now.duration_since(since),
                    failure.retry_after,
                    &mut *self.random,
                );
                match decision {
                    Retry::After(wait) => {
                        parts.push_front(rest);
                        Some(LaneState::BackingOff { until: now + wait })
                    }
                    Retry::GiveUp => {
                        self.give(rest, DropReason::Exhausted);
                        None
                    }
                }
            }
        }
    }

    /// What an answer says of the target as a whole.
    fn judge(&mut self, verdict: Verdict, failure: Option<&Failure>, delivered: u32, now: Instant) {
        if let Some(failure) = failure {
            let class = failure.class;
            self.account(|state, _| state.row.failures.add(class, 1));
        }
        if verdict != Verdict::Hold && self.hold.take().is_some() {
            self.shared.tell(EventKind::Released);
        }
        match (verdict, failure) {
            (Verdict::Hold, Some(failure)) => {
                let rounds = self.hold.map_or(0, |hold| hold.rounds + 1);
                let wait = self.settings.hold.wait(rounds);
                let wait = wait.max(failure.retry_after.map(heeded).unwrap_or_default());
                if self.hold.is_none() {
                    let failure = failure.clone();
                    self.shared.tell(EventKind::Held { failure });
                }
                self.hold = Some(Hold {
                    probe_at: now + wait,
                    rounds,
                });
                self.failure = Some(failure.clone());
            }
            (Verdict::Retry, Some(failure)) if delivered == 0 => self.failed(failure),
            (Verdict::Retry, Some(failure)) => {
                // It works and has trouble: no step towards the breaker, and no recovery.
                self.panics = 0;
                self.failure = Some(failure.clone());
            }
            (Verdict::Fatal, Some(failure)) => {
                self.failed(failure);
                if self.slot.phase == SlotPhase::Active {
                    self.slot.phase = SlotPhase::Broken;
                }
            }
            // That it refuses data shows that it works.
            _ => self.succeeded(),
        }
    }

    /// An attempt delivered nothing.
    pub(super) fn failed(&mut self, failure: &Failure) {
        if self.failure.is_none() {
            let failure = failure.clone();
            self.shared.tell(EventKind::Failed { failure });
        }
        self.failure = Some(failure.clone());
        if self.breaker.failure(Instant::now()) == Some(BreakerChange::Opened) {
            self.shared.tell(EventKind::BreakerOpened);
        }
        if failure.class == Class::Panic {
            self.panics += 1;
            let most = self.settings.quarantine_after;
            if most > 0 && self.panics >= most {
                self.quarantine(failure);
            }
        } else {
            self.panics = 0;
        }
    }

    fn succeeded(&mut self) {
        self.panics = 0;
        if self.breaker.success() == Some(BreakerChange::Closed) {
            self.shared.tell(EventKind::BreakerClosed);
        }
        if self.breaker.state() == BreakerState::Closed && self.failure.take().is_some() {
            self.in_use = None;
            self.shared.tell(EventKind::Recovered);
        }
    }
}
