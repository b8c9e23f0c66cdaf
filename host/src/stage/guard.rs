//! The pump's way into a stage.

use std::sync::{Arc, MutexGuard};

use rolog_core::frame::{Form, FrameMeta, Moment, Record};

use super::append::{Append, Content, Ends, need};
use super::ease::Ease;
use super::ledger::Suppression;
use super::reserve::Reservation;
use super::shared::Shared;
use super::state::State;

/// A stage that is open for records: one lock for as many as the pump has in one pass.
///
/// Nothing waits while it is held but the stage's own task and readers of its row, so a pass is
/// bounded. What has to be told (to the task, to receipts) is told when it is dropped.
pub struct StageGuard<'a> {
    shared: &'a Arc<Shared>,
    /// `None` only within `drop`.
    state: Option<MutexGuard<'a, State>>,
    ends: Ends,
    before: Before,
    /// As of the last append. Nothing, where something else has been done since.
    ease: Ease,
}

/// What the task knows of the queue already.
#[derive(Clone, Copy)]
struct Before {
    waiting: usize,
    opened: bool,
    lost: u64,
}

impl Before {
    fn look(state: &State) -> Self {
        Before {
            waiting: state.waiting(),
            opened: state.due().is_some(),
            lost: state.untold.dropped.total() + state.untold.refused.total(),
        }
    }
}

impl<'a> StageGuard<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>) -> Self {
        let state = shared.lock();
        StageGuard {
            before: Before::look(&state),
            shared,
            state: Some(state),
            ends: Ends::default(),
            ease: Ease::default(),
        }
    }

    /// Takes a record in, or refuses it; either is counted at once. With a `slot` other than 0 its
    /// end is told to the receipts, a refusal included.
    pub fn append(&mut self, meta: &FrameMeta<'_>, payload: &[u8], slot: u64) -> Append {
        self.put(Content { meta, payload }, slot, None)
    }

    /// [`append`](Self::append) of a record of this form that nobody waits for.
    #[inline]
    pub fn append_formed(&mut self, form: &Form, one: &Moment<'_>, payload: &[u8]) -> Append {
        if !self.ease.takes(form.level(), need(payload)) {
            return self.append_first(form, one, payload);
        }
        let state = self.state.as_mut().expect("only dropping takes it");
        state.append_with_ease(self.shared, &mut self.ease, form, one, payload);
        Append::Accepted
    }

    /// The record that decides how many can follow without a look.
    #[inline(never)]
    fn append_first(&mut self, form: &Form, one: &Moment<'_>, payload: &[u8]) -> Append {
        let answer = self.append(&form.meta(one), payload, 0);
        let state = self.state.as_ref().expect("only dropping takes it");
        self.ease = state.ease(self.shared);
        answer
    }

    /// Takes a record into room that was reserved for it. Room of another stage, or room that is
    /// used up, does not count: the record is then one like any other.
    pub fn append_reserved(
        &mut self,
        meta: &FrameMeta<'_>,
        payload: &[u8],
        slot: u64,
        room: &mut Reservation,
    ) -> Append {
        self.put(Content { meta, payload }, slot, Some(room))
    }

    /// Takes a record in beyond the queue's bound: for a caller that has waited for room in the
    /// queues of other targets, and whose routes were changed since. There are no more of those
    /// than callers that wait.
    pub(crate) fn append_beyond(
        &mut self,
        meta: &FrameMeta<'_>,
        payload: &[u8],
        slot: u64,
    ) -> Append {
        let content = Content { meta, payload };
        let (shared, state, ends) = self.parts();
        state.append(shared, content, slot, true, ends)
    }

    /// Counts a record that a rule of its route holds back, and tells the receipt of its `slot`.
    pub(crate) fn suppress(&mut self, meta: &FrameMeta<'_>, reason: Suppression, slot: u64) {
        let (_, state, ends) = self.parts();
        state.suppress(meta, reason, slot, ends);
    }

    /// Takes records in that were given up together, as the one batch that they were, into room that
    /// was reserved for them, whole and under their own ids; counted as replayed. The end of each is
    /// told to the slot that it comes with, if that is not 0.
    pub fn append_again(&mut self, records: &[(Record<'_>, u64)], room: &mut Reservation) {
        for (record, _) in records {
            room.spend(self.shared, need(record.payload()));
        }
        let (_, state, ends) = self.parts();
        state.append_group(records, ends);
    }

    fn put(&mut self, content: Content<'_>, slot: u64, room: Option<&mut Reservation>) -> Append {
        let reserved = room.is_some_and(|room| room.spend(self.shared, content.need()));
        let (shared, state, ends) = self.parts();
        state.append(shared, content, slot, reserved, ends)
    }

    /// What a change needs, after which the ease of before does not hold.
    fn parts(&mut self) -> (&Arc<Shared>, &mut State, &mut Ends) {
        self.ease = Ease::default();
        let state = self.state.as_mut().expect("only dropping takes it");
        (self.shared, state, &mut self.ends)
    }
}

impl Drop for StageGuard<'_> {
    fn drop(&mut self) {
        let Some(state) = self.state.take() else {
            return;
        };
        let (before, after) = (self.before, Before::look(&state));
        self.shared.feel_pressure(&state);
        drop(state);
        // The task wakes for a batch to deliver, for one whose age it has to watch, and for losses
        // to tell of; not for every record.
        if after.waiting > before.waiting
            || after.opened && !before.opened
            || after.lost > before.lost
        {
            self.shared.work.notify_one();
        }
        self.ends.tell(&*self.shared.services.receipts);
    }
}
