//! The ids of a batch's records, and nothing else of it.

use super::{FIXED_LEN, HEADER_LEN, RecordId};

/// Where the first frame of a batch begins.
pub const FIRST_FRAME: usize = HEADER_LEN;

/// The id of the record whose frame begins at `at`, and where the next one begins; `None` where there
/// is no frame. Nothing else of the frame is looked at.
#[inline]
pub fn id_at(batch: &[u8], at: usize) -> Option<(RecordId, usize)> {
    let frame = batch.get(at..)?;
    let (len, frame) = frame.split_first_chunk()?;
    let len = u32::from_le_bytes(*len) as usize;
    let fixed = frame.get(..len)?.first_chunk::<FIXED_LEN>()?;
    let (epoch, sequence) = fixed[28..].split_first_chunk()?;
    let id = RecordId {
        epoch: u128::from_le_bytes(*epoch),
        sequence: u64::from_le_bytes(*sequence.first_chunk()?),
    };
    Some((id, at + 4 + len))
}
