//! The key by which a service can tell that it has these records already.

use rolog_core::frame::RecordId;
use sha2::{Digest, Sha256};

/// 32 hexadecimal digits that depend on nothing but the ids of the records, in their order: the same
/// when they are sent again, whether by a retry, a successor or a replay.
pub(crate) fn key(ids: impl Iterator<Item = RecordId>) -> String {
    let mut hash = Sha256::new();
    // Ids nearly always follow one another, so what is hashed are runs of them.
    let mut run: Option<(RecordId, u64)> = None;
    for id in ids {
        match &mut run {
            Some((first, count))
                if first.epoch == id.epoch
                    && first.sequence.wrapping_add(*count) == id.sequence =>
            {
                *count += 1;
            }
            other => {
                if let Some(run) = other.replace((id, 1)) {
                    add(&mut hash, run);
                }
            }
        }
    }
    if let Some(run) = run {
        add(&mut hash, run);
    }
    let digest = hash.finalize();
    let half: [u8; 16] = std::array::from_fn(|n| digest[n]);
    format!("{:032x}", u128::from_be_bytes(half))
}

fn add(hash: &mut Sha256, (first, count): (RecordId, u64)) {
    hash.update(first.epoch.to_le_bytes());
    hash.update(first.sequence.to_le_bytes());
    hash.update(count.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ids: &[(u128, u64)]) -> String {
        key(ids
            .iter()
            .map(|&(epoch, sequence)| RecordId { epoch, sequence }))
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
}
