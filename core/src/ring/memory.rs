//! Where ring memory comes from, and the budget that all rings of an intake share.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Alignment of a block: two cache lines, because neighbouring lines are fetched in pairs.
pub(crate) const BLOCK_ALIGN: usize = 128;

/// A piece of memory that a ring lives in.
///
/// # Safety
///
/// [`base`](Block::base) points to [`bytes`](Block::bytes) bytes that are initialised, aligned to
/// 128, readable and writable, stay where they are, and are used by nobody else until the block is
/// dropped.
pub unsafe trait Block: Send + Sync {
    /// The first byte.
    fn base(&self) -> NonNull<u8>;

    /// How many bytes there are.
    fn bytes(&self) -> usize;
}

/// Makes the blocks that rings live in.
///
/// The heap is the source that is there; a source of file mappings would make rings that can be
/// read after the process has ended.
pub trait MemorySource: Send + Sync + 'static {
    /// A block of at least this many bytes, or `None` when there is none to be had.
    fn allocate(&self, bytes: usize) -> Option<Box<dyn Block>>;
}

/// Blocks from the global allocator.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeapMemory;

struct HeapBlock {
    base: NonNull<u8>,
    bytes: usize,
    /// What was allocated, some bytes before `base`.
    whole: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the block owns its allocation; whoever holds it may use it from any thread.
unsafe impl Send for HeapBlock {}
// SAFETY: the block itself has no method that touches the bytes.
unsafe impl Sync for HeapBlock {}

// SAFETY: the aligned part of a zeroed allocation of its own, as large as asked for, until `drop`.
unsafe impl Block for HeapBlock {
    fn base(&self) -> NonNull<u8> {
        self.base
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for HeapBlock {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout in `allocate`, and freed here only.
        unsafe { dealloc(self.whole.as_ptr(), self.layout) }
    }
}

impl MemorySource for HeapMemory {
    fn allocate(&self, bytes: usize) -> Option<Box<dyn Block>> {
        if bytes == 0 {
            return None;
        }
        // A little more, of an alignment that is nothing special: such memory comes from the system
        // full of zeros, page by page when it is used. An aligned block would be filled with zeros
        // here, on the thread that logs.
        let layout = Layout::from_size_align(bytes.checked_add(BLOCK_ALIGN)?, 1).ok()?;
        // SAFETY: the layout is not empty.
        let whole = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        let offset = whole.as_ptr().align_offset(BLOCK_ALIGN);
        debug_assert!(offset < BLOCK_ALIGN);
        Some(Box::new(HeapBlock {
            // SAFETY: less than the alignment, which is what was allocated beyond `bytes`.
            base: unsafe { whole.add(offset) },
            bytes,
            whole,
            layout,
        }))
    }
}

/// A source of blocks with a limit.
pub(crate) struct Memory {
    source: Box<dyn MemorySource>,
    limit: usize,
    /// Relaxed throughout: it bounds a sum, and no other memory is published through it.
    used: AtomicUsize,
    /// Someone was refused since the last look.
    short: AtomicBool,
    /// The bytes of a block that is kept ready; 0 for none.
    ready_bytes: usize,
    /// A block in nobody's use, its pages in memory already: for the ring that grows next. It is not
    /// counted as used, and gives way where the limit needs it to.
    ready: Mutex<Option<Box<dyn Block>>>,
}

/// The share of the budget beyond whose use no further block is made ready.
const READY_SHARE: usize = 4;
/// No system has smaller pages.
const PAGE: usize = 4096;

impl Memory {
    pub(crate) fn new(source: Box<dyn MemorySource>, limit: usize) -> Arc<Self> {
        Self::with_ready(source, limit, 0)
    }

    /// One that keeps a block of so many bytes ready, if it is told to [`prepare`](Self::prepare).
    pub(crate) fn with_ready(
        source: Box<dyn MemorySource>,
        limit: usize,
        ready_bytes: usize,
    ) -> Arc<Self> {
        Arc::new(Memory {
            source,
            limit,
            used: AtomicUsize::new(0),
            short: AtomicBool::new(false),
            ready_bytes,
            ready: Mutex::new(None),
        })
    }

    fn ready(&self) -> MutexGuard<'_, Option<Box<dyn Block>>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a block ready, where there is none and much of the budget is left. For a thread that has
    /// the time.
    pub(crate) fn prepare(&self) {
        let is_wanted = || {
            self.ready_bytes > 0
                && self.used() + self.ready_bytes <= self.limit / READY_SHARE
                && self.ready().is_none()
        };
        if !is_wanted() {
            return;
        }
        // Not with the lock held: who logs would wait for it.
        let Some(block) = self.source.allocate(self.ready_bytes) else {
            return;
        };
        for at in (0..block.bytes()).step_by(PAGE) {
            // SAFETY: within the block, which is nobody else's.
            unsafe { block.base().add(at).write_volatile(0) };
        }
        *self.ready() = Some(block);
    }

    /// The bytes of the block that is ready, if there is one.
    pub(crate) fn has_ready(&self) -> Option<usize> {
        self.ready().as_ref().map(|_| self.ready_bytes)
    }

    /// A block for a borrower that is counted already.
    fn block(&self, bytes: usize) -> Option<Box<dyn Block>> {
        let mut ready = self.ready();
        if bytes == self.ready_bytes
            && let Some(block) = ready.take()
        {
            return Some(block);
        }
        let unused = if self.used() + self.ready_bytes > self.limit {
            ready.take()
        } else {
            None
        };
        drop(ready);
        drop(unused);
        self.source.allocate(bytes)
    }

    /// Takes a block back, and keeps it if it can be of use.
    fn give_back(&self, block: Box<dyn Block>, bytes: usize) {
        let mut ready = self.ready();
        if bytes == self.ready_bytes && ready.is_none() && self.used() <= self.limit {
            *ready = Some(block);
        }
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether the limit was met since the last call.
    pub(crate) fn take_short(&self) -> bool {
        self.short.swap(false, Ordering::Relaxed)
    }

    /// Remembers that a ring had to do without.
    pub(crate) fn note_short(&self) {
        self.short.store(true, Ordering::Relaxed);
    }

    /// A share of the limit.
    pub(crate) fn share(&self, of: usize) -> usize {
        self.limit / of
    }

    /// Whether a block of `bytes` could be had now, with `spare` bytes left free.
    pub(crate) fn has_left(&self, bytes: usize, spare: usize) -> bool {
        bytes <= self.limit.saturating_sub(spare).saturating_sub(self.used())
    }

    /// A block of `bytes` within the limit, if `spare` bytes of it stay free.
    pub(crate) fn borrow(self: &Arc<Self>, bytes: usize, spare: usize) -> Option<Loan> {
        let limit = self.limit.saturating_sub(spare);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|sum| *sum <= limit)
            })
            .ok()?;
        // From here on the loan gives the bytes back, whatever happens.
        let mut loan = Loan {
            block: None,
            bytes,
            memory: self.clone(),
        };
        loan.block = Some(self.block(bytes)?);
        Some(loan)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("limit", &self.limit)
            .field("used", &self.used())
            .finish_non_exhaustive()
    }
}

/// A block that counts against the limit as long as it lives.
pub(crate) struct Loan {
    block: Option<Box<dyn Block>>,
    bytes: usize,
    memory: Arc<Memory>,
}

impl Loan {
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.block
            .as_ref()
            .expect("`borrow` hands out loans with a block only")
            .base()
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        // First the block: while it is counted as used, what is kept stays within the limit.
        if let Some(block) = self.block.take() {
            self.memory.give_back(block, self.bytes);
        }
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_and_what_is_given_back_can_be_lent_again() {
        let memory = Memory::new(Box::new(HeapMemory), 1000);
        let first = memory.borrow(600, 0).unwrap();
        assert!(memory.borrow(401, 0).is_none());
        let second = memory.borrow(400, 0).unwrap();
        assert_eq!(memory.used(), 1000);
        drop(first);
        assert_eq!(memory.used(), 400);
        assert!(memory.borrow(usize::MAX, 0).is_none());
        assert!(memory.borrow(500, 200).is_none());
        drop(memory.borrow(500, 100).unwrap());
        drop(second);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn a_block_is_kept_ready_as_long_as_there_is_plenty() {
        let memory = Memory::with_ready(Box::new(HeapMemory), 80_000, 10_000);
        assert_eq!(memory.has_ready(), None, "nobody has told it to");
        memory.prepare();
        assert_eq!((memory.has_ready(), memory.used()), (Some(10_000), 0));
        let other = memory.borrow(5_000, 0).unwrap();
        assert_eq!(memory.has_ready(), Some(10_000), "of another size");
        let first = memory.borrow(10_000, 0).unwrap();
        assert_eq!((memory.has_ready(), memory.used()), (None, 15_000));
        memory.prepare();
        assert_eq!(memory.has_ready(), None, "a quarter would be passed");
        drop(first);
        assert_eq!((memory.has_ready(), memory.used()), (Some(10_000), 5_000));
        let large = memory.borrow(70_000, 0).unwrap();
        assert_eq!(memory.has_ready(), None, "it gives way to what is used");
        drop((large, other));
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn a_source_that_has_nothing_leaves_the_budget_untouched() {
        struct Empty;
        impl MemorySource for Empty {
            fn allocate(&self, _: usize) -> Option<Box<dyn Block>> {
                None
            }
        }
        let memory = Memory::new(Box::new(Empty), 1000);
        assert!(memory.borrow(10, 0).is_none());
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn heap_blocks_are_zeroed_and_aligned() {
        let block = HeapMemory.allocate(4096).unwrap();
        assert_eq!(block.base().as_ptr() as usize % BLOCK_ALIGN, 0);
        assert_eq!(block.bytes(), 4096);
        // SAFETY: the block's contract.
        let bytes = unsafe { std::slice::from_raw_parts(block.base().as_ptr(), 4096) };
        assert!(bytes.iter().all(|byte| *byte == 0));
        assert!(HeapMemory.allocate(0).is_none());
    }
}
