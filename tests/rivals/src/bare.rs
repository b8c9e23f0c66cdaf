//! The least that a log call could do: a ring of bytes with one writer, and no pipeline around it.
//!
//! What rolog's call takes is held against this, so that the figure says what the pipeline costs and
//! not what the machine does.

use std::sync::atomic::{AtomicU64, Ordering};

/// A ring that is only as good as it must be to carry the same bytes.
pub struct Bare {
    bytes: Box<[u8; 1 << 16]>,
    head: AtomicU64,
    tail: AtomicU64,
    seen: u64,
}

impl Bare {
    /// An empty one of 64 KiB.
    pub fn new() -> Self {
        Bare {
            bytes: Box::new([0; 1 << 16]),
            head: AtomicU64::new(0),
            tail: AtomicU64::new(0),
            seen: 0,
        }
    }

    /// The values of the benchmarks' call, as rolog encodes them; what finds no room is left out.
    #[inline]
    pub fn put(&mut self, id: u64, total: f64, text: &str) {
        let len = 9 + 9 + 5 + text.len();
        let need = (32 + len as u64 + 7) & !7;
        let head = self.head.load(Ordering::Relaxed);
        let mut start = head;
        let mask = self.bytes.len() as u64 - 1;
        if (start & mask) + need > mask + 1 {
            start = (start | mask) + 1;
        }
        if start + need > self.seen + mask + 1 {
            self.seen = self.tail.load(Ordering::Acquire);
            if start + need > self.seen + mask + 1 {
                return;
            }
        }
        let at = (start & mask) as usize;
        let entry = &mut self.bytes[at..at + need as usize];
        let (fixed, payload) = entry
            .split_first_chunk_mut::<32>()
            .expect("it has 32 bytes and more");
        fixed[..4].copy_from_slice(&(len as u32).to_le_bytes());
        fixed[4..8].copy_from_slice(&7_u32.to_le_bytes());
        fixed[8..16].copy_from_slice(&1_u64.to_le_bytes());
        fixed[16..24].copy_from_slice(&stamp().to_le_bytes());
        fixed[24..].copy_from_slice(&0_u64.to_le_bytes());
        let (first, rest) = payload
            .split_first_chunk_mut::<9>()
            .expect("the id has nine");
        first[0] = 0x61;
        first[1..].copy_from_slice(&id.to_le_bytes());
        let (first, rest) = rest
            .split_first_chunk_mut::<9>()
            .expect("the total has nine");
        first[0] = 0x62;
        first[1..].copy_from_slice(&total.to_le_bytes());
        rest[0] = 0xc0;
        rest[1..5].copy_from_slice(&(text.len() as u32).to_le_bytes());
        rest[5..5 + text.len()].copy_from_slice(text.as_bytes());
        self.head.store(start + need, Ordering::Release);
    }

    /// Makes room, as a reader would.
    pub fn drain(&mut self) {
        self.tail
            .store(self.head.load(Ordering::Acquire), Ordering::Release);
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn stamp() -> u64 {
    // SAFETY: the instruction reads a counter and touches nothing.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
fn stamp() -> u64 {
    rolog_core::clock::ticks()
}

impl Default for Bare {
    fn default() -> Self {
        Bare::new()
    }
}
