//! What a stage keeps under its one lock: the open batch, the sealed ones, and the ledger row.
//!
//! Every operation here is short and waits for nothing; whatever calls out of the stage is done by
//! the caller after unlocking.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rolog_core::delivery::{Class, Failure};
use rolog_core::frame::{BatchBuilder, FrameMeta, Record, RecordId};
use rolog_core::{Error, Level};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::append::{Append, Content, Ends};
use super::fallback::{Feeder, Journey};
use super::group::{Group, History, Sealed, Slots};
use super::ledger::{Counts, DropReason, Exit, RefusalReason, Suppression, TargetRow};
use super::measures::Measures;
use super::overflow::Overflow;
use super::phase::{Ended, Phase};
use super::receipt::{End, EndState};
use super::recent::{Fate, Loss, Recent};
use super::resting::Resting;
use super::settings::StageSettings;
use super::shared::{FRAME_ROOM, Shared};
use super::slot::Command;
use super::status::{Mode, Status};

/// Everything under the lock.
pub(super) struct State {
    pub name: Arc<str>,
    pub settings: Arc<StageSettings>,
    pub fallbacks: Vec<Feeder>,
    /// Raised whenever settings or fallbacks change.
    pub tuned: u64,
    pub phase: Phase,
    pub row: TargetRow,
    pub measures: Measures,
    pub status: Status,
    pub commands: VecDeque<Command>,
    /// Lost and refused records that no event has told of yet.
    pub untold: Untold,
    /// The last records that were lost.
    pub recent: Recent,
    /// The last that rules of routes held back; apart, because those are many.
    pub held_back: Recent,
    /// How it ended.
    pub ended: Option<Ended>,
    /// Those to wake when room becomes free.
    pub hungry: Vec<Arc<Notify>>,
    pub(super) open: Open,
    pub(super) sealed: VecDeque<Group>,
    /// Buffers of batches that were delivered.
    pub(super) resting: Resting,
    home: Arc<Journey>,
    pub(super) bytes: usize,
    next_seq: u64,
    outstanding: BTreeMap<u64, u64>,
}

#[derive(Default)]
pub(super) struct Untold {
    pub dropped: Counts<DropReason, 6>,
    pub refused: Counts<RefusalReason, 3>,
}

pub(super) struct Open {
    pub(super) builder: BatchBuilder,
    slots: Slots,
    pub(super) levels: [u32; 6],
    since: Option<Instant>,
}

impl State {
    pub(super) fn new(name: Arc<str>, settings: StageSettings, epoch: u128) -> Self {
        State {
            home: Journey::start(Arc::clone(&name)),
            recent: Recent::new(settings.remembered),
            held_back: Recent::new(settings.remembered),
            name,
            settings: Arc::new(settings),
            fallbacks: Vec::new(),
            tuned: 0,
            phase: Phase::Running,
            row: TargetRow::default(),
            measures: Measures::default(),
            status: Status::default(),
            commands: VecDeque::new(),
            untold: Untold::default(),
            ended: None,
            hungry: Vec::new(),
            open: Open {
                builder: BatchBuilder::new(epoch),
                slots: Vec::new(),
                levels: [0; 6],
                since: None,
            },
            sealed: VecDeque::new(),
            resting: Resting::default(),
            bytes: 0,
            next_seq: 0,
            outstanding: BTreeMap::new(),
        }
    }

    pub(super) fn closed_to_routes(&self) -> bool {
        self.phase != Phase::Running
    }

    pub(super) fn closed_to_feeders(&self) -> bool {
        self.phase == Phase::Disposed
    }

    /// Bytes of frames that are here, what is being delivered included.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.open_bytes()
    }

    fn open_bytes(&self) -> usize {
        match self.open.builder.len() {
            0 => 0,
            _ => self.open.builder.bytes(),
        }
    }

    /// Whether callers wait where there is no room.
    pub(super) fn blocks(&self) -> bool {
        matches!(self.settings.overflow, Overflow::Block(_)) && !self.closed_to_routes()
    }

    /// Whether so much fits beside what is queued and reserved.
    pub(super) fn has_room(&self, shared: &Shared, records: usize, bytes: usize) -> bool {
        let reserved = &shared.reserved;
        self.fits(
            reserved.records().saturating_add(records),
            reserved.bytes().saturating_add(bytes),
        )
    }

    fn fits(&self, records: usize, bytes: usize) -> bool {
        (self.row.queued as usize).saturating_add(records) <= self.settings.max_records
            && self.bytes().saturating_add(bytes) <= self.settings.max_bytes
    }

    /// Whether a record that its caller has logged already still fits. Where callers are asked to
    /// wait, what was in the rings before they knew goes beyond the bound, by its own.
    fn takes(&self, shared: &Shared, need: usize) -> bool {
        self.has_room(shared, 1, need) || self.overshoots(need)
    }

    fn overshoots(&self, need: usize) -> bool {
        let (max, beyond) = (self.settings.max_bytes, self.settings.overshoot);
        matches!(self.settings.overflow, Overflow::Block(_))
            && need <= max
            && self.bytes() + need <= max.saturating_add(beyond)
    }

    /// Whether not one more fits beside what is here; what is reserved is yet to come.
    fn is_filled(&self) -> bool {
        !self.fits(1, FRAME_ROOM) && !self.overshoots(FRAME_ROOM)
    }

    /// Whether the queue is past its high-water mark, seven eighths.
    pub(super) fn is_pressed(&self) -> bool {
        self.row.queued as usize >= self.settings.max_records - self.settings.max_records / 8
            || self.bytes() >= self.settings.max_bytes - self.settings.max_bytes / 8
    }

    /// Whether the queue is below one half.
    pub(super) fn is_relaxed(&self) -> bool {
        (self.row.queued as usize) < self.settings.max_records.div_ceil(2)
            && self.bytes() < self.settings.max_bytes.div_ceil(2)
    }

    /// Takes a record in, or refuses it. `reserved`: its room is its own.
    pub(super) fn append(
        &mut self,
        shared: &Shared,
        content: Content<'_>,
        slot: u64,
        reserved: bool,
        ends: &mut Ends,
    ) -> Append {
        let (need, level) = (content.need(), content.meta.level);
        let refusal = if self.closed_to_routes() {
            Some(RefusalReason::Disposed)
        } else if reserved || self.takes(shared, need) {
            None
        } else if need > self.settings.max_bytes {
            Some(RefusalReason::TooLarge)
        } else if self.relieve(shared, level, need, ends) {
            None
        } else {
            Some(RefusalReason::Full)
        };
        if let Some(reason) = refusal {
            self.row.refused.add(reason, 1);
            self.untold.refused.add(reason, 1);
            self.recent.add(content.meta.id, Fate::Refused(reason));
            self.end_at_once(EndState::Refused(reason), slot, ends);
            return Append::Refused(reason);
        }

        let rules = self.settings.batch;
        if rules.closes_before(self.open.builder.len(), self.open.builder.bytes(), need) {
            self.seal();
        }
        if slot != 0 {
            let index = self.open.builder.len() as u32;
            self.open.slots.push((index, slot));
        }
        self.open.since.get_or_insert_with(Instant::now);
        self.open.builder.push(content.meta, content.payload);
        self.count_in(level);
        self.close_if_full(level);
        Append::Accepted
    }

    pub(super) fn count_in(&mut self, level: Level) {
        self.open.levels[level.index()] += 1;
        self.row.accept(1);
    }

    /// Closes the open batch if a record of this level, its last, has met one of its bounds, or one of
    /// the queue's.
    pub(super) fn close_if_full(&mut self, level: Level) {
        let (records, bytes) = (self.open.builder.len(), self.open.builder.bytes());
        if self.settings.batch.closes_after(records, bytes, level) {
            self.seal();
        } else if self.is_filled() {
            self.seal_next();
        }
    }

    /// Counts a record that never comes here, because a rule of its route holds it back.
    pub(super) fn suppress(
        &mut self,
        meta: &FrameMeta<'_>,
        reason: Suppression,
        slot: u64,
        ends: &mut Ends,
    ) {
        self.row.suppressed.add(reason, 1);
        let loss = Loss {
            fate: Fate::HeldBack(reason),
            at: meta.time,
        };
        self.held_back.add_loss(meta.id, loss);
        self.end_at_once(EndState::Suppressed(reason), slot, ends);
    }

    fn end_at_once(&self, state: EndState, slot: u64, ends: &mut Ends) {
        if slot != 0 {
            let end = || End::plain(state, &self.name);
            ends.add(&self.home, &[(0, slot)], end);
        }
    }

    /// Takes records in as a batch of their own, whose room is in hand; or refuses all of them.
    pub(super) fn append_group(&mut self, records: &[(Record<'_>, u64)], ends: &mut Ends) {
        let n = records.len() as u64;
        self.row.replayed += n;
        let slots = records.iter().map(|(_, slot)| *slot);
        let slots: Slots = (0..).zip(slots).filter(|(_, slot)| *slot != 0).collect();
        if self.closed_to_routes() {
            let reason = RefusalReason::Disposed;
            self.row.refused.add(reason, n);
            self.untold.refused.add(reason, n);
            let ids = records.iter().map(|(record, _)| record.id());
            self.remember(ids, Fate::Refused(reason));
            let end = || End::plain(EndState::Refused(reason), &self.name);
            return ends.add(&Arc::clone(&self.home), &slots, end);
        }
        // Before the group goes what came before it.
        self.seal();
        for (record, _) in records {
            self.open.builder.push_record(record, None);
            self.open.levels[record.level().index()] += 1;
        }
        self.open.slots = slots;
        self.row.accept(n);
        self.seal();
    }

    /// Closes the open batch, if anything is in it.
    pub(super) fn seal(&mut self) {
        if self.open.builder.is_empty() {
            return;
        }
        let len = self.open.builder.len() as u32;
        let next = self.resting.take();
        let mut bytes = self.open.builder.finish_into(next);
        // The bound is on what is kept, so what is kept is no larger than what is counted.
        if bytes.capacity() - bytes.len() > bytes.len() / 4 {
            bytes.shrink_to_fit();
        }
        let sealed = Sealed {
            bytes,
            len,
            slots: std::mem::take(&mut self.open.slots),
            levels: std::mem::take(&mut self.open.levels),
        };
        let since = self.open.since.take().unwrap_or_else(Instant::now);
        let home = Arc::clone(&self.home);
        self.enqueue(sealed, since, false, home);
    }

    fn enqueue(&mut self, sealed: Sealed, since: Instant, cut: bool, journey: Arc<Journey>) {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.outstanding.insert(seq, u64::from(sealed.len));
        let history = History {
            maybe_written: cut,
            ..History::default()
        };
        let group = Group::new(seq, sealed, since, history, journey);
        self.bytes += group.charge;
        self.row.batches += 1;
        self.sealed.push_back(group);
    }

    /// Takes what another target has given up, as one group.
    pub(super) fn take_over(&mut self, sealed: Sealed, maybe_written: bool, journey: Arc<Journey>) {
        let n = u64::from(sealed.len);
        // Before the group goes what came before it.
        self.seal();
        self.row.accept(n);
        self.row.taken_over += n;
        self.enqueue(sealed, Instant::now(), maybe_written, journey);
    }

    /// When the open batch is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.open.since.map(|since| self.settings.batch.due(since))
    }

    /// Closes the open batch if its time has come, or it has none to wait for in a full queue.
    pub(super) fn seal_due(&mut self, now: Instant) {
        if self.due().is_some_and(|due| now >= due) || self.is_filled() {
            self.seal_next();
        }
    }

    /// Closes the open batch unless others are to go before it: it may grow so long, as what they leave
    /// or what is dropped makes room. Batches would become as small as that room otherwise.
    pub(super) fn seal_next(&mut self) {
        if self.sealed.is_empty() {
            self.seal();
        }
    }

    /// The oldest sealed batch.
    pub(super) fn front(&self) -> Option<&Group> {
        self.sealed.front()
    }

    /// The oldest sealed batch, to be delivered. It stays counted and charged.
    pub(super) fn take(&mut self) -> Option<Group> {
        self.sealed.pop_front()
    }

    /// Whether nothing waits, open or sealed.
    pub(super) fn is_idle(&self) -> bool {
        self.sealed.is_empty() && self.open.builder.is_empty()
    }

    /// How many sealed batches wait.
    pub(super) fn waiting(&self) -> usize {
        self.sealed.len()
    }

    /// Moves `n` records of batch `seq` to where they ended.
    pub(super) fn leave(&mut self, seq: u64, n: u64, exit: Exit) {
        self.row.leave(n, exit);
        if let Exit::Dropped(reason) = exit {
            self.untold.dropped.add(reason, n);
        }
        if let Some(left) = self.outstanding.get_mut(&seq) {
            *left -= n;
            if *left == 0 {
                self.outstanding.remove(&seq);
            }
        }
    }

    /// Remembers how records were lost.
    pub(super) fn remember(&mut self, ids: impl Iterator<Item = RecordId>, fate: Fate) {
        ids.for_each(|id| self.recent.add(id, fate));
    }

    /// How many records the open batch has and for how long, if this is one of them.
    pub(super) fn find_open(&self, id: RecordId) -> Option<(usize, Duration)> {
        let builder = &self.open.builder;
        let since = self.open.since?;
        builder
            .contains(id)
            .then(|| (builder.len(), since.elapsed()))
    }

    /// Changes what a batch is charged with: its parts need more or less than the whole did.
    pub(super) fn recharge(&mut self, before: usize, after: usize) {
        self.bytes = self.bytes - before + after;
    }

    /// A mark behind everything that has been accepted so far; closes the open batch.
    pub(super) fn barrier(&mut self) -> u64 {
        self.seal();
        self.next_seq
    }

    /// How many records from before a mark are still here.
    pub(super) fn before(&self, mark: u64) -> u64 {
        self.outstanding.range(..mark).map(|(_, n)| n).sum()
    }

    /// Ends without its task: everything is lost.
    pub(super) fn abandon(&mut self) {
        self.seal();
        for group in std::mem::take(&mut self.sealed) {
            self.remember(group.ids(), Fate::Dropped(DropReason::Abandoned));
        }
        self.outstanding.clear();
        let left = self.row.queued;
        self.row.leave(left, Exit::Dropped(DropReason::Abandoned));
        self.bytes = 0;
        self.phase = Phase::Disposed;
        self.status.mode = Mode::Disposed;
        self.commands.clear();
        let message = "the stage's task ended before it was disposed of";
        self.ended = Some(Ended {
            fenced: 0,
            failure: Some(Failure::new(Class::Internal, message)),
        });
    }

    /// What is kept as the row says, for tests: records in the open batch and the sealed ones.
    #[cfg(test)]
    pub(super) fn kept(&self) -> u64 {
        let sealed: u64 = self.sealed.iter().map(|group| u64::from(group.len())).sum();
        sealed + self.open.builder.len() as u64
    }
}

/// A defect: a batch of our own that could not be read back.
pub(super) fn damaged(error: &Error) -> Failure {
    let message = format!("a batch could not be read back: {error}");
    Failure::new(Class::Internal, message)
}
