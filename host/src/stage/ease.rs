//! Taking records in without a look at what was just looked at.
//!
//! Whether there is room and whether the open batch is to be closed is looked at for one record; how
//! many may follow before the answer can be another is known then. What is counted, and when, is as for
//! a record that is looked at.

use rolog_core::Level;
use rolog_core::frame::{Form, Moment};

use super::append::need;
use super::shared::{FRAME_ROOM, Shared};
use super::state::State;

/// How much may be appended before anything has to be decided. See [`State::ease`].
#[derive(Clone, Copy, Default)]
pub(super) struct Ease {
    records: usize,
    bytes: usize,
    /// The code of the level from which on a record closes its batch.
    below: u8,
}

impl Ease {
    /// Whether a record of this form and need is within it.
    #[inline]
    pub(super) fn takes(&self, level: Level, need: usize) -> bool {
        self.records > 0 && need <= self.bytes && level.code() < self.below
    }
}

impl State {
    /// How much may be appended before anything has to be decided: whether there is room, and whether
    /// the open batch is to be closed. It holds for as long as the lock does, since room is only
    /// reserved under it.
    pub(super) fn ease(&self, shared: &Shared) -> Ease {
        if self.closed_to_routes() || self.open.builder.is_empty() {
            return Ease::default();
        }
        let (settings, rules) = (&self.settings, &self.settings.batch);
        let queued = self.row.queued as usize + shared.reserved.records();
        let bytes = self.bytes() + shared.reserved.bytes();
        // With room for one more behind the last.
        let records = settings.max_records.saturating_sub(queued + 1);
        let in_batch = rules.max_size.saturating_sub(self.open.builder.len() + 1);
        let room = settings.max_bytes.saturating_sub(bytes + FRAME_ROOM);
        let in_batch_bytes = rules
            .max_bytes
            .saturating_sub(self.open.builder.bytes() + 1);
        Ease {
            records: records.min(in_batch),
            bytes: room.min(in_batch_bytes),
            below: rules.flush_on.map_or(u8::MAX, Level::code),
        }
    }

    /// [`append`](Self::append) where there is nothing to decide, which `ease` says; what it says then
    /// is brought up to date.
    #[inline]
    pub(super) fn append_with_ease(
        &mut self,
        shared: &Shared,
        ease: &mut Ease,
        form: &Form,
        one: &Moment<'_>,
        payload: &[u8],
    ) {
        let added = self.open.builder.push_formed(form, one, payload);
        self.count_in(form.level());
        ease.records -= 1;
        ease.bytes = ease.bytes.saturating_sub(added);
        // What the dictionary gained may be more than was reckoned with.
        if added > need(payload) {
            self.close_if_full(form.level());
            *ease = self.ease(shared);
        }
    }
}
