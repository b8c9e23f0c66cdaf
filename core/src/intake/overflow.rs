//! The shared queue: where records go that have no ring of their own.
//!
//! It is one more ring, of a fixed size and behind a lock, whose entries also say which thread they
//! come from and what that thread had put into its own ring before, so that the order of a thread's
//! records holds across both.

use std::sync::Arc;

use super::Thread;
use super::tally::{DropReason, Dropped, Refusal};
use crate::Level;
use crate::frame::ThreadRef;
use crate::ring::local;
use crate::ring::sync::{self, Mutex, lock};
use crate::ring::{EntryHeader, Memory, Producer, Reader, Refused, Segment, Shared, Sizes, ring};

/// Bytes before the name in front of each payload.
const FIXED: usize = 24;
/// Longer thread names are cut.
const MAX_NAME: usize = 128;
/// What the queue adds to a payload at most.
pub(super) const MAX_PREFIX: usize = FIXED + MAX_NAME;
/// One part in four of the queue is for errors.
const RESERVE_SHARE: usize = 4;

pub(super) struct Overflow {
    producer: Mutex<Producer>,
    pub(super) shared: sync::Arc<Shared>,
    pub(super) memory: Arc<Memory>,
    reserve: usize,
}

impl Overflow {
    /// A queue of `capacity` bytes, which it takes when it is used first.
    pub(super) fn new(
        source: Box<dyn crate::ring::MemorySource>,
        capacity: usize,
    ) -> (Self, Reader) {
        let memory = Memory::new(source, Segment::cost(capacity));
        let sizes = Sizes {
            first: capacity,
            roomy: 0,
            largest: capacity,
        };
        let (producer, reader, shared) = ring(&memory, sizes, 0);
        let overflow = Overflow {
            producer: Mutex::new(producer),
            shared,
            memory,
            reserve: capacity / RESERVE_SHARE,
        };
        (overflow, reader)
    }

    /// Whether a payload of this size would be taken now.
    pub(super) fn has_room(&self, len: usize, level: u8) -> bool {
        let len = FIXED + cut(&local::name()).len() + len;
        let producer = lock(&self.producer);
        self.claim(&producer, len, level, |_| ()).is_ok()
    }

    /// Appends a record. The answer: whether the pump is due, as for a ring.
    pub(super) fn push(
        &self,
        intake: u64,
        thread: &Thread,
        header: &EntryHeader,
        payload: &[u8],
    ) -> Result<bool, Refusal> {
        let (serial, stamp) = local::stamp(intake).unwrap_or((0, 0));
        let name = local::name();
        let name = cut(&name);
        let len = FIXED + name.len() + payload.len();
        let producer = lock(&self.producer);
        self.claim(&producer, len, header.level, |claim| {
            claim.write(header, |bytes| {
                bytes[0..8].copy_from_slice(&serial.to_le_bytes());
                bytes[8..16].copy_from_slice(&stamp.to_le_bytes());
                bytes[16..20].copy_from_slice(&thread.id().to_le_bytes());
                bytes[20..24].copy_from_slice(&(name.len() as u32).to_le_bytes());
                bytes[FIXED..FIXED + name.len()].copy_from_slice(name.as_bytes());
                bytes[FIXED + name.len()..].copy_from_slice(payload);
            })
        })
    }

    fn claim<R>(
        &self,
        producer: &Producer,
        len: usize,
        level: u8,
        then: impl FnOnce(crate::ring::Claim<'_>) -> R,
    ) -> Result<R, Refusal> {
        let reserve = if level >= Level::Error.code() {
            0
        } else {
            self.reserve
        };
        // At most: a look at why it is closed or empty, then the memory, then the claim.
        for _ in 0..3 {
            match producer.claim_leaving(len, reserve) {
                Ok(claim) => return Ok(then(claim)),
                Err(Refused::Attention) if !producer.resume() => {
                    return Err(Refusal::Dropped(Dropped(DropReason::Disposed)));
                }
                Err(Refused::Attention) => {}
                Err(Refused::Full) if producer.grow(len) => {}
                Err(Refused::Full | Refused::Nested) => return Err(Refusal::Full),
            }
        }
        Err(Refusal::Full)
    }
}

/// Where an entry of the queue comes from.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    /// The ring of the thread, 0 where it has none.
    pub(super) serial: u64,
    /// How many entries that ring had published before.
    pub(super) stamp: u64,
    pub(super) thread: ThreadRef<'a>,
}

/// Takes an entry of the queue apart: where it comes from, and the record's own payload.
pub(super) fn split(bytes: &[u8]) -> (Origin<'_>, &[u8]) {
    let u64_at = |at: usize| {
        let mut raw = [0; 8];
        raw.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(raw)
    };
    let ids = u64_at(16);
    let (name, payload) = bytes[FIXED..].split_at((ids >> 32) as usize);
    let origin = Origin {
        serial: u64_at(0),
        stamp: u64_at(8),
        thread: ThreadRef {
            id: ids as u32,
            name: std::str::from_utf8(name).unwrap_or_default(),
        },
    };
    (origin, payload)
}

fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_NAME)]
}
