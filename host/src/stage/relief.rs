//! Making room in a full queue.

use std::sync::Arc;

use rolog_core::Level;

use super::append::Ends;
use super::ledger::{DropReason, Exit};
use super::overflow::Relief;
use super::receipt::{End, EndState};
use super::recent::Fate;
use super::shared::Shared;
use super::state::State;

impl State {
    /// Makes room as the policy has it; says whether there is enough then.
    #[cold]
    pub(super) fn relieve(
        &mut self,
        shared: &Shared,
        level: Level,
        need: usize,
        ends: &mut Ends,
    ) -> bool {
        let relief = self.settings.overflow.relief(level);
        let mut index = 0;
        while !self.has_room(shared, 1, need) {
            if index == self.sealed.len() && !self.seal_for(relief) {
                return false;
            }
            match relief {
                Relief::None => return false,
                Relief::Oldest => self.drop_front(shared, need, ends),
                Relief::Below(bound) => {
                    if self.sealed[index].below(bound) == 0 || !self.drop_low(index, bound, ends) {
                        index += 1;
                    }
                }
            }
        }
        true
    }

    /// Closes the open batch if any of its records may be dropped: it is the last to lose some, and
    /// grows while it can.
    fn seal_for(&mut self, relief: Relief) -> bool {
        let lost = match relief {
            Relief::None => false,
            Relief::Oldest => !self.open.builder.is_empty(),
            Relief::Below(bound) => self.open.levels[..bound.index()].iter().any(|n| *n > 0),
        };
        if lost {
            self.seal();
        }
        lost
    }

    /// Drops from the front of the oldest batch what has to go for a record of `need` bytes.
    fn drop_front(&mut self, shared: &Shared, need: usize, ends: &mut Ends) {
        let here = self.bytes();
        let Some(front) = self.sealed.front_mut() else {
            return;
        };
        let settings = &self.settings;
        let records = self.row.queued as usize + shared.reserved.records() + 1;
        let bytes = here + shared.reserved.bytes() + need;
        let over = records.saturating_sub(settings.max_records);
        let over_bytes = bytes.saturating_sub(settings.max_bytes) as u64;
        let left = u64::from(front.len());
        let by_bytes = (over_bytes * left).div_ceil(front.charge.max(1) as u64);
        let n = (over as u64).max(by_bytes).clamp(1, left.max(1)) as u32;
        let n = n.min(front.len());
        let fate = Fate::Dropped(DropReason::Overflow);
        for id in front.ids().take(n as usize) {
            self.recent.add(id, fate);
        }
        let (slots, freed) = front.skip_front(n);
        let (seq, journey, empty) = (front.seq, Arc::clone(&front.journey), front.len() == 0);
        if empty {
            self.sealed.pop_front();
        }
        self.bytes -= freed;
        self.lose(seq, u64::from(n), DropReason::Overflow);
        let end = || End::plain(EndState::Dropped(DropReason::Overflow), &self.name);
        ends.add(&journey, &slots, end);
    }

    /// Drops the records below a level from a batch; says whether the batch is gone as a whole.
    fn drop_low(&mut self, index: usize, bound: Level, ends: &mut Ends) -> bool {
        let group = &self.sealed[index];
        let Ok((stays, gone)) = group.without_below(bound) else {
            return false;
        };
        let (seq, charge) = (group.seq, group.charge);
        let lost = u64::from(group.len() - stays.len());
        let end = || End::plain(EndState::Dropped(DropReason::Overflow), &self.name);
        ends.add(&group.journey, &gone, end);
        // Both are in order, and what stays is a part of the whole.
        let mut kept = stays.ids().peekable();
        for id in group.ids() {
            if kept.next_if_eq(&id).is_none() {
                self.recent.add(id, Fate::Dropped(DropReason::Overflow));
            }
        }
        drop(kept);
        let empty = stays.len() == 0;
        self.bytes -= charge;
        if empty {
            self.sealed.remove(index);
        } else {
            self.bytes += stays.charge;
            self.sealed[index] = stays;
        }
        self.lose(seq, lost, DropReason::Overflow);
        empty
    }

    fn lose(&mut self, seq: u64, n: u64, reason: DropReason) {
        if n > 0 {
            self.leave(seq, n, Exit::Dropped(reason));
        }
    }
}
