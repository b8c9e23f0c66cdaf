//! A sealed batch on its way through a stage.
//!
//! Its bytes never change. Records leave it from the front without a copy (`skip`), and a part of it
//! becomes a group of its own by [`rolog_core::frame::select`].

use std::sync::Arc;
use std::time::SystemTime;

use rolog_core::delivery::{Class, Failure};
use rolog_core::frame::{
    Batch, BatchBuilder, FIRST_FRAME, Origin, OriginKind, RecordId, id_at, select,
};
use rolog_core::{Error, Level};
use tokio::time::Instant;

use super::fallback::Journey;
use super::outcome::Settled;
use crate::instance::Buffer;

/// The receipt slots of a batch: position and slot, for those records only that have one.
pub(super) type Slots = Vec<(u32, u64)>;

/// What a group has been through at this target.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// Failed attempts that count against the retry policy.
    pub tries: u32,
    /// All attempts.
    pub attempts: u32,
    /// When the first of them failed.
    pub first: Option<(Instant, SystemTime)>,
    /// When the last of them failed.
    pub last: Option<SystemTime>,
    /// Why the last of them failed.
    pub failure: Option<Failure>,
    /// Whether one was interrupted.
    pub maybe_written: bool,
}

impl History {
    pub(super) fn failed(&mut self, now: Instant, failure: Failure) {
        let time = SystemTime::now();
        self.first.get_or_insert((now, time));
        self.last = Some(time);
        self.failure = Some(failure);
    }
}

/// A sealed batch, or what is left of it.
#[derive(Debug)]
pub(super) struct Group {
    /// Its place in the order of batches of this stage; parts keep it.
    pub seq: u64,
    /// The bytes that it is charged with in the queue's bound.
    pub charge: usize,
    /// When its first record came.
    pub since: Instant,
    pub history: History,
    pub journey: Arc<Journey>,
    bytes: Buffer,
    len: u32,
    skip: u32,
    /// A position and where its frame begins, at or before `skip`.
    mark: (u32, usize),
    slots: Slots,
    levels: [u32; 6],
}

impl Group {
    pub(super) fn new(
        seq: u64,
        sealed: Sealed,
        since: Instant,
        history: History,
        journey: Arc<Journey>,
    ) -> Self {
        Group {
            seq,
            charge: sealed.bytes.len(),
            since,
            history,
            journey,
            bytes: Buffer::new(sealed.bytes.into()),
            len: sealed.len,
            skip: 0,
            mark: (0, FIRST_FRAME),
            slots: sealed.slots,
            levels: sealed.levels,
        }
    }

    /// How many records are left.
    pub(super) fn len(&self) -> u32 {
        self.len - self.skip
    }

    /// How many of those left are below a level. At most: where records have left from the front
    /// the count is not brought up to date.
    pub(super) fn below(&self, level: Level) -> u32 {
        self.levels[..level.index()].iter().sum()
    }

    /// Takes the first `n` records out; returns the slots of those, and the bytes that are no longer
    /// charged.
    pub(super) fn skip_front(&mut self, n: u32) -> (Slots, usize) {
        let n = n.min(self.len());
        let freed = match self.len() {
            0 => 0,
            left => (self.charge as u64 * u64::from(n) / u64::from(left)) as usize,
        };
        self.skip += n;
        self.move_mark();
        self.charge -= freed;
        let skip = self.skip;
        let here = self.slots.partition_point(|(index, _)| *index < skip);
        (self.slots.drain(..here).collect(), freed)
    }

    /// The ids of the records that are left, in order.
    pub(super) fn ids(&self) -> impl Iterator<Item = RecordId> + '_ {
        let (mut index, mut at) = self.mark;
        std::iter::from_fn(move || {
            let (id, next) = id_at(&self.bytes, at)?;
            at = next;
            index += 1;
            Some((index - 1, id))
        })
        .skip_while(|(index, _)| *index < self.skip)
        .take_while(|(index, _)| *index < self.len)
        .map(|(_, id)| id)
    }

    /// Finds the first of the records that are left sooner from now on.
    fn move_mark(&mut self) {
        while self.mark.0 < self.skip
            && let Some((_, next)) = id_at(&self.bytes, self.mark.1)
        {
            self.mark = (self.mark.0 + 1, next);
        }
    }

    /// The bytes of exactly the records that are left.
    ///
    /// # Errors
    /// Bytes that are not a batch, which cannot be.
    pub(super) fn buffer(&mut self) -> Result<Buffer, Error> {
        if self.skip > 0 {
            let whole = self.part(|index| index >= self.skip)?;
            *self = whole;
        }
        Ok(self.bytes.clone())
    }

    /// The bytes that it came with, once it is done with.
    pub(super) fn into_bytes(self) -> Buffer {
        self.bytes
    }

    /// The slots of the records that are left.
    pub(super) fn slots(&self) -> &[(u32, u64)] {
        &self.slots
    }

    /// The records, by their position in the batch's bytes, that `keep` chooses, as a group with the
    /// same history.
    ///
    /// # Errors
    /// Bytes that are not a batch, which cannot be.
    pub(super) fn part(&self, keep: impl Fn(u32) -> bool) -> Result<Group, Error> {
        let chosen: Vec<u32> = (self.skip..self.len).filter(|index| keep(*index)).collect();
        let bytes = select(&self.bytes, chosen.iter().copied())?;
        let slots = self
            .slots
            .iter()
            .filter_map(|(index, slot)| {
                let place = chosen.binary_search(index).ok()?;
                Some((place as u32, *slot))
            })
            .collect();
        let levels = match self.levels.iter().filter(|count| **count > 0).count() {
            // One level, or none known: no need to look.
            0 | 1 => self.levels.map(|count| count.min(chosen.len() as u32)),
            _ => {
                let mut levels = [0; 6];
                for record in Batch::parse(&bytes)?.records() {
                    levels[record.level().index()] += 1;
                }
                levels
            }
        };
        Ok(Group {
            seq: self.seq,
            charge: bytes.len(),
            since: self.since,
            history: self.history.clone(),
            journey: Arc::clone(&self.journey),
            len: chosen.len() as u32,
            bytes: Buffer::new(bytes.into()),
            skip: 0,
            mark: (0, FIRST_FRAME),
            slots,
            levels,
        })
    }

    /// Parts with those below a level taken out: what stays, and the slots of what goes.
    ///
    /// # Errors
    /// Bytes that are not a batch, which cannot be.
    pub(super) fn without_below(&self, level: Level) -> Result<(Group, Slots), Error> {
        let low: Vec<bool> = Batch::parse(&self.bytes)?
            .records()
            .map(|record| record.level() < level)
            .collect();
        let stays = self.part(|index| !low[index as usize])?;
        let gone = self
            .slots
            .iter()
            .copied()
            .filter(|(index, _)| low[*index as usize])
            .collect();
        Ok((stays, gone))
    }

    /// Both halves of a group of at least two records, in order.
    ///
    /// # Errors
    /// Bytes that are not a batch, which cannot be.
    pub(super) fn halves(&self) -> Result<[Group; 2], Error> {
        let middle = self.skip + self.len() / 2;
        Ok([
            self.part(|index| index < middle)?,
            self.part(|index| index >= middle)?,
        ])
    }

    /// Sorts the records out as an answer has it. The group itself has no `skip`: it was delivered.
    ///
    /// # Errors
    /// Bytes that are not a batch, which cannot be.
    pub(super) fn sort_out(&self, settled: &Settled) -> Result<Sorted, Error> {
        let delivered = self
            .slots
            .iter()
            .copied()
            .filter(|(index, _)| settled.is_delivered(*index))
            .collect();
        let mut reasons: Vec<((Class, &str), Vec<u32>)> = Vec::new();
        for rejection in &settled.rejected {
            let reason = (rejection.class, rejection.message.as_str());
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, indices)) => indices.push(rejection.index),
                None => reasons.push((reason, vec![rejection.index])),
            }
        }
        let mut rejected = Vec::with_capacity(reasons.len());
        for ((class, message), indices) in reasons {
            let part = self.part(|index| indices.binary_search(&index).is_ok())?;
            rejected.push((part, Failure::new(class, message)));
        }
        let left = self.len() - settled.delivered - settled.rejected.len() as u32;
        let rest = match left {
            0 => None,
            _ => Some(self.part(|index| settled.rest.contains(index))?),
        };
        Ok(Sorted {
            delivered,
            rejected,
            rest,
        })
    }

    /// The next `n` records encoded for a fallback, each with where it comes from.
    ///
    /// # Errors
    /// Bytes that are not a batch, which cannot be.
    pub(super) fn encode_front(
        &self,
        n: u32,
        builder: &mut BatchBuilder,
        target: &str,
        failure: &Failure,
    ) -> Result<Sealed, Error> {
        let batch = Batch::parse(&self.bytes)?;
        let mut levels = [0; 6];
        let end = self.len.min(self.skip + n);
        for record in batch
            .records()
            .skip(self.skip as usize)
            .take((end - self.skip) as usize)
        {
            let made_by = record.origin();
            // What an instance logged keeps the name of that instance.
            let target = match (made_by.kind, made_by.target) {
                (OriginKind::Instance, Some(name)) => name,
                _ => target,
            };
            let attempts = self.history.attempts;
            let origin = Origin::given_up(made_by.kind, target, failure.class, attempts);
            builder.push_record(&record, Some(origin));
            levels[record.level().index()] += 1;
        }
        let slots = self
            .slots
            .iter()
            .filter(|(index, _)| (self.skip..end).contains(index))
            .map(|(index, slot)| (index - self.skip, *slot))
            .collect();
        Ok(Sealed {
            bytes: builder.finish(),
            len: end - self.skip,
            slots,
            levels,
        })
    }
}

/// The content of a batch that has just been closed.
#[derive(Debug)]
pub(super) struct Sealed {
    pub bytes: Vec<u8>,
    pub len: u32,
    pub slots: Slots,
    pub levels: [u32; 6],
}

/// A group as an answer sorts it out.
#[derive(Debug)]
pub(super) struct Sorted {
    /// Slots of what is delivered.
    pub delivered: Slots,
    /// What will never be accepted, by reason.
    pub rejected: Vec<(Group, Failure)>,
    /// What the verdict is about.
    pub rest: Option<Group>,
}

#[cfg(test)]
mod tests {
    use rolog_core::delivery::{Outcome, Rejection};

    use super::super::outcome::settle;
    use super::super::testing::{journey, numbers, sealed};
    use super::*;

    fn group(records: &[(u64, Level)]) -> Group {
        let mut sealed = sealed(records);
        sealed.slots = (0..sealed.len).map(|i| (i, 100 + u64::from(i))).collect();
        Group::new(7, sealed, Instant::now(), History::default(), journey())
    }

    fn five() -> Group {
        let levels = [10, 20, 30, 40, 50].map(|code| Level::from_code(code).unwrap());
        group(&[1, 2, 3, 4, 5].map(|n| (n, levels[n as usize - 1])))
    }

    fn left(group: &mut Group) -> Vec<u64> {
        numbers(&group.buffer().unwrap())
    }

    #[test]
    fn records_leave_from_the_front_with_their_slots_and_their_share_of_bytes() {
        let mut group = five();
        let whole = group.charge;
        let (slots, freed) = group.skip_front(2);
        assert_eq!(slots, [(0, 100), (1, 101)]);
        assert_eq!(group.charge + freed, whole);
        assert_eq!((group.len(), left(&mut group)), (3, vec![3, 4, 5]));
        assert_eq!(group.slots(), [(0, 102), (1, 103), (2, 104)]);
        let rest = group.charge;
        let (slots, freed) = group.skip_front(9);
        assert_eq!((slots.len(), freed, group.charge), (3, rest, 0));
        assert_eq!(group.len(), 0);
    }

    #[test]
    fn low_levels_go_and_the_others_keep_their_order() {
        let mut whole = five();
        whole.skip_front(1);
        assert_eq!(whole.below(Level::Warning), 2, "an upper bound");
        let (mut stays, gone) = whole.without_below(Level::Warning).unwrap();
        assert_eq!(left(&mut stays), [3, 4, 5]);
        assert_eq!(gone, [(1, 101)]);
        assert_eq!(stays.below(Level::Warning), 0);
        assert_eq!(stays.slots()[0], (0, 102));
    }

    #[test]
    fn halves_make_the_whole() {
        let mut group = five();
        group.skip_front(1);
        let [mut first, mut second] = group.halves().unwrap();
        assert_eq!(left(&mut first), [2, 3]);
        assert_eq!(left(&mut second), [4, 5]);
        assert_eq!(second.slots(), [(0, 103), (1, 104)]);
    }

    #[test]
    fn an_answer_sorts_each_record_into_one_place() {
        let reject = |index, message: &str| Rejection {
            index,
            class: Class::Invalid,
            message: message.into(),
        };
        let outcome = Outcome::retry(Failure::new(Class::Connection, "reset"))
            .only([4])
            .and_rejected(vec![reject(0, "a"), reject(1, "b"), reject(2, "a")]);
        let group = five();
        let mut sorted = group.sort_out(&settle(&outcome, group.len())).unwrap();
        assert_eq!(sorted.delivered, [(3, 103)]);
        assert_eq!(left(sorted.rest.as_mut().unwrap()), [5]);
        let [(a, why), (b, _)] = &mut sorted.rejected[..] else {
            panic!("two reasons");
        };
        assert_eq!((left(a), why.message.as_str()), (vec![1, 3], "a"));
        assert_eq!(left(b), [2]);
    }

    #[test]
    fn a_fallback_gets_ids_unchanged_and_learns_where_they_come_from() {
        let mut group = five();
        group.history.attempts = 4;
        group.skip_front(1);
        let failure = Failure::new(Class::Timeout, "too slow");
        let mut builder = BatchBuilder::new(1);
        let sealed = group
            .encode_front(2, &mut builder, "app", &failure)
            .unwrap();
        assert_eq!(sealed.slots, [(0, 101), (1, 102)]);
        let batch = Batch::parse(&sealed.bytes).unwrap();
        let first = batch.get(0).unwrap();
        assert_eq!(first.id().sequence, 2);
        let origin = first.origin();
        assert_eq!(origin.target, Some("app"));
        assert_eq!((origin.class, origin.attempts), (Some(Class::Timeout), 4));
        assert_eq!(numbers(&sealed.bytes), [2, 3]);
    }
}
