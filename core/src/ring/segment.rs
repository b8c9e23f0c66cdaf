//! One block of a ring: positions and data, written by one side and read by the other.

use std::ptr::NonNull;
use std::sync::Arc;

use super::memory::{BLOCK_ALIGN, Loan, Memory};
use super::sync::{AtomicPtr, AtomicU64, Watch};

/// The positions of a segment, at the start of its block.
///
/// Positions only rise; the place of a position in the data is its remainder by the capacity.
#[repr(C, align(128))]
pub(super) struct Control {
    /// Everything before this is published. Producer: store release. Reader: load acquire.
    pub(super) head: AtomicU64,
    _apart: [u64; 15],
    /// Everything before this may be written over. Reader: store release. Producer: load acquire.
    pub(super) tail: AtomicU64,
}

const CONTROL_BYTES: usize = size_of::<Control>().next_multiple_of(BLOCK_ALIGN);

/// A block of ring memory with its positions; `next` leads to the one that replaced it.
pub(crate) struct Segment {
    control: NonNull<Control>,
    data: NonNull<u8>,
    capacity: usize,
    watch: Watch,
    /// Set once, by the producer, after its last publish here. Store release, load acquire.
    pub(super) next: AtomicPtr<Segment>,
    _loan: Loan,
}

impl Segment {
    /// A segment of `capacity` bytes (a power of two, at least 64) out of the budget, if `spare`
    /// bytes of the budget stay.
    pub(super) fn new(memory: &Arc<Memory>, capacity: usize, spare: usize) -> Option<Box<Segment>> {
        debug_assert!(capacity.is_power_of_two() && capacity >= 64);
        let loan = memory.borrow(Self::cost(capacity), spare)?;
        let control = loan.base().cast::<Control>();
        // SAFETY: the block is aligned to 128 and has CONTROL_BYTES + capacity bytes of its own.
        let data = unsafe {
            control.write(Control {
                head: AtomicU64::new(0),
                _apart: [0; 15],
                tail: AtomicU64::new(0),
            });
            loan.base().add(CONTROL_BYTES)
        };
        Some(Box::new(Segment {
            control,
            data,
            capacity,
            watch: Watch::new(capacity),
            next: AtomicPtr::new(std::ptr::null_mut()),
            _loan: loan,
        }))
    }

    /// What a segment of this capacity takes out of the budget.
    pub(crate) const fn cost(capacity: usize) -> usize {
        CONTROL_BYTES + capacity
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    #[inline]
    pub(super) fn control(&self) -> &Control {
        // SAFETY: written in `new`; it lives as long as the loan, and is shared from then on.
        unsafe { self.control.as_ref() }
    }

    /// The bytes at `offset`, to write.
    ///
    /// # Safety
    ///
    /// The caller is the producer, `offset + len` is within the capacity, no other slice of these
    /// bytes is alive, and they are neither published nor still to be read: they lie between `head`
    /// and `tail + capacity`, as of a load of `tail` with acquire.
    #[inline]
    #[expect(
        clippy::mut_from_ref,
        reason = "the range is the producer's own, see Safety"
    )]
    pub(super) unsafe fn bytes_mut(&self, offset: usize, len: usize) -> &mut [u8] {
        debug_assert!(offset + len <= self.capacity);
        self.watch.written(offset, len);
        // SAFETY: within the data of the block, initialised, and exclusive by the contract above.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(offset).as_ptr(), len) }
    }

    /// The bytes at `offset`, to read.
    ///
    /// # Safety
    ///
    /// The caller is the reader, `offset + len` is within the capacity, and the bytes lie between
    /// `tail` and `head`, as of a load of `head` with acquire; `tail` does not pass them while the
    /// slice is alive.
    #[inline]
    pub(super) unsafe fn bytes(&self, offset: usize, len: usize) -> &[u8] {
        debug_assert!(offset + len <= self.capacity);
        self.watch.read(offset, len);
        // SAFETY: within the data of the block, initialised, and not written by the contract above.
        unsafe { std::slice::from_raw_parts(self.data.add(offset).as_ptr(), len) }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: written in `new`, dropped here only; the loan that holds it goes after this.
        unsafe { self.control.drop_in_place() }
    }
}
