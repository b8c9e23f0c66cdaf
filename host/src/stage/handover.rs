//! Out of a target: to a fallback, to the dead letters, or lost and counted.
//!
//! What a target gives up waits in one line, so that it arrives in order. The first of the line asks
//! the candidates one after the other. A candidate without room is waited for while the target's own
//! queue has some to spare; then the next is asked; after the last come the dead letters.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use rolog_core::delivery::{Class, Failure};
use tokio::time::Instant;

use super::deadletter::Letters;
use super::driver::{Done, Driver};
use super::event::EventKind;
use super::fallback::{Feeder, Room};
use super::group::Group;
use super::ledger::{DropReason, Exit};
use super::receipt::{End, EndState};
use super::recent::Fate;
use super::state::damaged;

/// A group on its way out.
#[derive(Debug)]
pub(super) struct Handover {
    group: Group,
    /// As what it is counted where nobody takes it.
    reason: DropReason,
    failure: Failure,
    candidates: Vec<Feeder>,
    /// The candidate to be asked.
    next: usize,
    burying: bool,
}

impl Handover {
    pub(super) fn group(&self) -> &Group {
        &self.group
    }
}

/// What became of one step of a handover.
enum Step {
    /// Some or all of it is gone.
    Moved,
    /// It waits for room, or for the dead letters.
    Waits,
}

impl Driver {
    /// Whether a group has anywhere to go from here but the dead letters.
    pub(super) fn has_candidates(&self, group: &Group) -> bool {
        let name = &self.shared.name;
        let journey = &group.journey;
        self.fallbacks
            .iter()
            .chain(&journey.rest)
            .any(|feeder| feeder.name() != name && !journey.visited.contains(feeder.name()))
    }

    /// Puts a group at the end of the line out.
    pub(super) fn give(&mut self, group: Group, reason: DropReason) {
        let failure = group.history.failure.clone();
        let failure = failure.or_else(|| self.failure.clone()).unwrap_or_else(|| {
            Failure::new(Class::Unavailable, "the target did not come to deliver it")
        });
        let candidates = group.journey.candidates(&self.shared.name, &self.fallbacks);
        self.handovers.push_back(Handover {
            group,
            reason,
            failure,
            candidates,
            next: 0,
            burying: false,
        });
    }

    pub(super) fn give_all(&mut self, parts: VecDeque<Group>, reason: DropReason) {
        for part in parts {
            self.give(part, reason);
        }
    }

    /// Counts groups whose bytes are not a batch as lost. Nobody could read them.
    pub(super) fn give_up_damaged(&mut self, parts: VecDeque<Group>, failure: &Failure) {
        for part in parts {
            self.lose(&part, DropReason::Damaged, failure);
        }
    }

    /// Moves the line out along.
    pub(super) fn hand_over(&mut self, now: Instant) -> bool {
        let mut moved = false;
        while let Some(mut handover) = self.handovers.pop_front() {
            let step = if handover.burying {
                Step::Waits
            } else if handover.next < handover.candidates.len() {
                self.ask(&mut handover, now)
            } else {
                self.bury(&mut handover)
            };
            if handover.group.len() > 0 {
                self.handovers.push_front(handover);
            }
            match step {
                Step::Moved => moved = true,
                Step::Waits => break,
            }
        }
        moved
    }

    /// Asks the next candidate to take as much as it has room for at once.
    fn ask(&mut self, handover: &mut Handover, now: Instant) -> Step {
        let candidate = handover.candidates[handover.next].clone();
        let n = handover.group.len().min(candidate.piece() as u32);
        // Each record gains its origin: the target's name, a class, a count.
        let origin = n as usize * (self.shared.name.len() + 16);
        let share = handover.group.charge * n as usize / handover.group.len() as usize;
        let room = match candidate.reserve(n as usize, share + origin) {
            Room::Reserved(room) => room,
            Room::Later if self.can_wait(now) => {
                candidate.when_room(&self.shared.work);
                // It may have become free before it was asked to tell.
                match candidate.reserve(n as usize, share + origin) {
                    Room::Reserved(room) => room,
                    _ => return Step::Waits,
                }
            }
            Room::Later | Room::Never => {
                handover.next += 1;
                return Step::Moved;
            }
        };
        let name = Arc::clone(&self.shared.name);
        let group = &mut handover.group;
        let sealed = match group.encode_front(n, &mut self.builder, &name, &handover.failure) {
            Ok(sealed) => sealed,
            Err(error) => {
                let failure = damaged(&error);
                self.lose(&handover.group, DropReason::Damaged, &failure);
                let all = handover.group.len();
                handover.group.skip_front(all);
                return Step::Moved;
            }
        };
        let rest = &handover.candidates[handover.next + 1..];
        let journey = group.journey.onward(&name, rest);
        let cut = group.history.maybe_written;
        if candidate.put(room, sealed, cut, journey).is_err() {
            handover.next += 1;
            return Step::Moved;
        }
        let (seq, (_, freed)) = (group.seq, group.skip_front(n));
        self.account(|state, _| {
            state.leave(seq, u64::from(n), Exit::FellBack);
            state.recharge(freed, 0);
        });
        let fallback = candidate.name();
        if self.in_use.as_ref() != Some(fallback) {
            self.in_use = Some(Arc::clone(fallback));
            self.shared.tell(EventKind::FallbackInUse {
                fallback: Arc::clone(fallback),
                records: u64::from(n),
            });
        }
        Step::Moved
    }

    /// Whether a handover may wait for room: as long as that costs no other record its place.
    fn can_wait(&self, now: Instant) -> bool {
        !self.gives_up(now) && !self.shared.lock().is_pressed()
    }

    fn bury(&mut self, handover: &mut Handover) -> Step {
        let dead_letters = self.shared.services.dead_letters.clone();
        let Some(dead_letters) = dead_letters.filter(|letters| letters.are_kept()) else {
            let failure = handover.failure.clone();
            self.lose(&handover.group, handover.reason, &failure);
            let all = handover.group.len();
            handover.group.skip_front(all);
            return Step::Moved;
        };
        let group = &mut handover.group;
        let charge = group.charge;
        let batch = match group.buffer() {
            Ok(batch) => batch,
            Err(error) => {
                self.lose(&handover.group, DropReason::Damaged, &damaged(&error));
                let all = handover.group.len();
                handover.group.skip_front(all);
                return Step::Moved;
            }
        };
        let exact = group.charge;
        self.account(|state, _| state.recharge(charge, exact));
        let group = &handover.group;
        let now = SystemTime::now();
        let letters = Letters {
            target: Arc::clone(&self.shared.name),
            routed: Arc::clone(&group.journey.routed),
            batch,
            records: group.len(),
            failure: handover.failure.clone(),
            attempts: group.history.attempts,
            first: group.history.first.map_or(now, |(_, time)| time),
            last: group.history.last.unwrap_or(now),
            generation: self.slot.generation,
            maybe_written: group.history.maybe_written,
        };
        handover.burying = true;
        self.start(
            async move { Done::Bury(dead_letters.bury(letters).await) },
            |failure| Done::Bury(Err(failure)),
        );
        Step::Waits
    }

    /// The dead letters have answered for the first of the line.
    pub(super) fn buried(&mut self, result: Result<(), Failure>) {
        let Some(handover) = self.handovers.pop_front() else {
            return;
        };
        let group = &handover.group;
        let records = u64::from(group.len());
        let failure = handover.failure;
        if let Err(error) = result {
            self.shared.tell(EventKind::DeadLettersFailed {
                records,
                failure: error,
            });
            self.lose(group, handover.reason, &failure);
            return;
        }
        self.leave(group, Exit::DeadLettered, EndState::DeadLettered, &failure);
        self.shared
            .tell(EventKind::DeadLettered { records, failure });
    }

    pub(super) fn lose(&mut self, group: &Group, reason: DropReason, failure: &Failure) {
        self.leave(
            group,
            Exit::Dropped(reason),
            EndState::Dropped(reason),
            failure,
        );
    }

    fn leave(&mut self, group: &Group, exit: Exit, state: EndState, failure: &Failure) {
        let name = Arc::clone(&self.shared.name);
        let fate = match exit {
            Exit::Dropped(reason) => Fate::Dropped(reason),
            _ => Fate::DeadLettered,
        };
        self.account(|account, ends| {
            account.leave(group.seq, u64::from(group.len()), exit);
            account.recharge(group.charge, 0);
            account.remember(group.ids(), fate);
            ends.add(&group.journey, group.slots(), || End {
                state,
                at: Arc::clone(&name),
                maybe_written: group.history.maybe_written,
                failure: Some(failure.clone()),
            });
        });
    }

    /// Time is up: whatever has not found a place by now is lost.
    pub(super) fn lose_line(&mut self) {
        for mut handover in std::mem::take(&mut self.handovers) {
            let history = &mut handover.group.history;
            // The dead letters have it, and have not answered: it may be there.
            if handover.burying && !std::mem::replace(&mut history.maybe_written, true) {
                let n = u64::from(handover.group.len());
                self.account(|state, _| state.row.maybe_written += n);
            }
            self.lose(&handover.group, DropReason::Deadline, &handover.failure);
        }
    }
}
