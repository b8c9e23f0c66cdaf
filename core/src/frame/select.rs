//! Splitting a sealed batch.

use super::{Batch, HEADER_LEN};
use crate::error::Error;

/// The batch of the records at these positions of `bytes`, in the order given, frames untouched.
///
/// The dictionary comes along whole: it is small beside the frames, and references stay valid.
///
/// # Errors
/// Bytes that are not a batch, and a position that it does not have.
pub fn select(bytes: &[u8], keep: impl IntoIterator<Item = u32>) -> Result<Vec<u8>, Error> {
    let batch = Batch::open(bytes)?;
    let frames: Vec<&[u8]> = batch.raw_frames().collect();
    let mut out = Vec::with_capacity(bytes.len());
    out.extend_from_slice(&bytes[..HEADER_LEN]);
    let mut count = 0u32;
    for index in keep {
        let frame = frames.get(index as usize).ok_or_else(|| {
            Error::frame(format!(
                "there is no record {index} in a batch of {}",
                frames.len()
            ))
        })?;
        out.extend_from_slice(&(frame.len() as u32).to_le_bytes());
        out.extend_from_slice(frame);
        count += 1;
    }
    let dictionary_at = out.len() as u32;
    out[8..12].copy_from_slice(&count.to_le_bytes());
    out[12..16].copy_from_slice(&dictionary_at.to_le_bytes());
    out.extend_from_slice(batch.raw_dictionary());
    Ok(out)
}
