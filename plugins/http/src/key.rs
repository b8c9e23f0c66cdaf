//! The key by which a service can tell that it has these records already.

use rolog_core::frame::RecordId;
use sha2::{Digest, Sha256};

/// The ids of records, in their order.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    /// They nearly always follow one another: the first of each that do, and its place among all.
    runs: Vec<(RecordId, u32)>,
    len: u32,
}

impl Ids {
    pub(crate) fn clear(&mut self) {
        self.runs.clear();
        self.len = 0;
    }

    #[inline]
    pub(crate) fn push(&mut self, id: RecordId) {
        let follows = |(first, start): &(RecordId, u32)| {
            let next = first.sequence.wrapping_add(u64::from(self.len - start));
            first.epoch == id.epoch && next == id.sequence
        };
        if !self.runs.last().is_some_and(follows) {
            self.runs.push((id, self.len));
        }
        self.len += 1;
    }

    /// 32 hexadecimal digits that depend on nothing but the ids at these places, which ascend: the
    /// same when the records are sent again, whether by a retry, a successor or a replay.
    pub(crate) fn key(&self, which: &[u32]) -> String {
        let mut hash = Sha256::new();
        let mut add = |first: RecordId, count: u32| {
            hash.update(first.epoch.to_le_bytes());
            hash.update(first.sequence.to_le_bytes());
            hash.update(u64::from(count).to_le_bytes());
        };
        if which.len() == self.len as usize {
            let ends = self.runs.iter().skip(1).map(|(_, start)| *start);
            for ((first, start), end) in self.runs.iter().zip(ends.chain([self.len])) {
                add(*first, end - start);
            }
        } else {
            self.runs_of(which, add);
        }
        let digest = hash.finalize();
        let half: [u8; 16] = std::array::from_fn(|n| digest[n]);
        format!("{:032x}", u128::from_be_bytes(half))
    }

    /// Calls `add` with the first of the ids at these places that follow one another, and their number.
    fn runs_of(&self, which: &[u32], mut add: impl FnMut(RecordId, u32)) {
        let mut found: Option<(RecordId, u32)> = None;
        for &place in which {
            // The first run begins at 0.
            let run = self.runs.partition_point(|(_, start)| *start <= place) - 1;
            let (first, start) = self.runs[run];
            let id = RecordId {
                sequence: first.sequence.wrapping_add(u64::from(place - start)),
                ..first
            };
            match &mut found {
                Some((first, count))
                    if first.epoch == id.epoch
                        && first.sequence.wrapping_add(u64::from(*count)) == id.sequence =>
                {
                    *count += 1;
                }
                other => {
                    if let Some((first, count)) = other.replace((id, 1)) {
                        add(first, count);
                    }
                }
            }
        }
        if let Some((first, count)) = found {
            add(first, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[(u128, u64)]) -> Ids {
        let mut all = Ids::default();
        for &(epoch, sequence) in ids {
            all.push(RecordId { epoch, sequence });
        }
        all
    }

    fn of(list: &[(u128, u64)]) -> String {
        let places: Vec<u32> = (0..list.len() as u32).collect();
        ids(list).key(&places)
    }

    #[test]
    fn the_key_tells_any_two_lists_of_records_apart() {
        let lists: [&[(u128, u64)]; 8] = [
            &[],
            &[(1, 1)],
            &[(1, 1), (1, 2)],
            &[(1, 2), (1, 1)],
            &[(1, 1), (1, 3)],
            &[(1, 1), (2, 2)],
            &[(1, u64::MAX), (1, 0)],
            &[(1, 1), (1, 1)],
        ];
        for (n, one) in lists.iter().enumerate() {
            assert_eq!(of(one), of(one));
            assert_eq!(of(one).len(), 32);
            assert!(
                lists[..n].iter().all(|other| of(other) != of(one)),
                "{one:?}"
            );
        }
    }

    #[test]
    fn the_key_of_some_is_that_of_the_same_records_alone() {
        let all = [
            (1, 7),
            (1, 8),
            (1, 9),
            (1, 11),
            (2, 12),
            (2, 13),
            (2, u64::MAX),
            (2, 0),
        ];
        for mask in 0..1_u32 << all.len() {
            let places: Vec<u32> = (0..all.len() as u32)
                .filter(|n| mask >> n & 1 == 1)
                .collect();
            let some: Vec<_> = places.iter().map(|n| all[*n as usize]).collect();
            assert_eq!(ids(&all).key(&places), of(&some), "{places:?}");
        }
    }
}
