//! Buffers of batches that were delivered, for those that come next: memory that is new costs more than
//! what is written into it.

use std::collections::VecDeque;

use crate::instance::Buffer;

/// How many there are at most.
const KEPT: usize = 2;
/// Larger ones are given back.
const LARGEST: usize = 4 << 20;

#[derive(Default)]
pub(super) struct Resting(VecDeque<Buffer>);

impl Resting {
    /// Keeps a buffer for later. Whoever delivered it may hold it for a moment yet.
    pub(super) fn put(&mut self, buffer: Buffer) {
        if self.0.len() < KEPT && buffer.capacity() <= LARGEST {
            self.0.push_back(buffer);
        }
    }

    /// A buffer that is nobody's any more. One that is still held is left to who holds it.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        while let Some(buffer) = self.0.pop_front() {
            if let Ok(bytes) = Buffer::try_unwrap(buffer) {
                return Some(bytes.into());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(bytes: usize) -> Buffer {
        Buffer::new(vec![7; bytes].into())
    }

    #[test]
    fn a_buffer_is_used_again_once_nobody_holds_it() {
        let mut resting = Resting::default();
        let held = buffer(10);
        resting.put(held.clone());
        resting.put(buffer(20));
        assert_eq!(resting.take().map(|bytes| bytes.len()), Some(20));
        assert!(resting.take().is_none());
        assert_eq!(held[..], [7; 10], "what is held stays as it is");
    }

    #[test]
    fn few_are_kept_and_no_large_ones() {
        let mut resting = Resting::default();
        resting.put(buffer(LARGEST + 1));
        assert!(resting.take().is_none());
        for _ in 0..5 {
            resting.put(buffer(1));
        }
        assert_eq!(resting.0.len(), KEPT);
    }
}
