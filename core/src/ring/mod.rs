//! The byte ring between one calling thread and the pump.
//!
//! A ring carries contiguous *entries* (a fixed header, then the values) from the one thread that
//! writes it to the one reader that drains it. It starts small, grows by linking a larger segment
//! when it is full, and gives its memory back when its thread is idle.
//!
//! **Promises.** An entry is seen whole or not at all. Entries arrive in the order in which they
//! were published. In the steady state a publish takes no lock, allocates nothing and makes no
//! system call. The bytes of an entry hold no pointer, and the positions of a segment lie in the
//! same block as its data, so that a block may be a file mapping that outlives the process.
//!
//! **Never.** A ring never overwrites what was not read and never waits; when there is no room it
//! says so, and the [intake](crate::intake) decides what becomes of the record.
//!
//! # Memory order
//!
//! | location | writer | reader | order |
//! |---|---|---|---|
//! | `Control::head` | producer, after the bytes | reader, before the bytes | release / acquire |
//! | `Control::tail` | reader, after it is done with the bytes | producer, before it writes over them | release / acquire |
//! | `Segment::next` | producer, after its last `head` of the segment | reader, which then looks at `head` once more | release / acquire |
//! | `Shared::published` | producer, after `head` | reader, as the bound of one pass | release / acquire |
//! | `Shared::first` | producer when it is null, else the reader | both | release / acquire |
//! | `Shared::busy` then `Shared::attention` | producer stores, then loads | reader stores `attention`, then loads `busy` | see below |
//!
//! The last row is a store on each side followed by a load of the other side's location, which
//! acquire and release do not order. The producer pays a compiler fence only: the reader runs
//! `membarrier` between its store and its load, which makes every running thread of the process
//! pass a full fence. Where `membarrier` is missing both sides use a sequentially consistent fence
//! (see the `barrier` module). The doorbell of the pump relies on the same pair.
//!
//! # Checking
//!
//! The atomics and the bytes go through the `sync` module, so that loom can replace them:
//! `RUSTFLAGS="--cfg loom" cargo test -p rolog-core --release --lib loom`.

pub(crate) mod barrier;
mod entry;
pub(crate) mod fork;
pub(crate) mod local;
mod memory;
mod producer;
mod reader;
mod segment;
mod shared;
pub(crate) mod sync;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

pub use entry::EntryHeader;
pub use memory::{Block, HeapMemory, MemorySource};

pub(crate) use entry::footprint;
pub(crate) use memory::Memory;
pub(crate) use producer::{Claim, Producer, Refused};
pub(crate) use reader::Reader;
pub(crate) use segment::Segment;
pub(crate) use shared::{Shared, Sizes};

/// A new ring, still without memory: its two ends and what both share.
pub(crate) fn ring(
    memory: &std::sync::Arc<Memory>,
    sizes: Sizes,
    serial: u64,
) -> (Producer, Reader, sync::Arc<Shared>) {
    let shared = sync::Arc::new(Shared::new(serial, sizes));
    (
        Producer::new(shared.clone(), memory.clone()),
        Reader::new(shared.clone()),
        shared,
    )
}
