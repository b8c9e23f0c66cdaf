//! What the ring synchronises with: the standard library's types, or loom's in a model check.

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Arc, Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering},
};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Arc, Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering, fence},
};

use std::sync::PoisonError;

/// Locks, whatever became of an earlier holder: the data behind the pipeline's locks is consistent
/// between any two statements that can panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells loom which bytes of a segment are written and read; nothing in a normal build.
///
/// loom sees accesses to its own cells only, and it has no cell that lends out a part of itself.
/// So the bytes stay plain memory, and one empty cell for each eight of them stands in for them.
pub(crate) struct Watch {
    #[cfg(loom)]
    words: Vec<loom::cell::UnsafeCell<()>>,
}

#[cfg(not(loom))]
impl Watch {
    pub(crate) fn new(_bytes: usize) -> Self {
        Watch {}
    }

    #[inline]
    pub(crate) fn written(&self, _offset: usize, _len: usize) {
        let Watch {} = self;
    }

    #[inline]
    pub(crate) fn read(&self, _offset: usize, _len: usize) {
        let Watch {} = self;
    }
}

#[cfg(loom)]
impl Watch {
    pub(crate) fn new(bytes: usize) -> Self {
        Watch {
            words: (0..bytes / 8)
                .map(|_| loom::cell::UnsafeCell::new(()))
                .collect(),
        }
    }

    pub(crate) fn written(&self, offset: usize, len: usize) {
        for word in &self.words[offset / 8..(offset + len).div_ceil(8)] {
            word.with_mut(|_| ());
        }
    }

    pub(crate) fn read(&self, offset: usize, len: usize) {
        for word in &self.words[offset / 8..(offset + len).div_ceil(8)] {
            word.with(|_| ());
        }
    }
}
