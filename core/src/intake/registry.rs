//! Which rings there are.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ring::{Memory, Producer, Reader, Shared, Sizes, ring, sync};

/// The end of a ring that the consumer reads, and whose it is.
pub(super) struct Source {
    pub(super) reader: Reader,
    pub(super) thread: u32,
    pub(super) name: Arc<str>,
    /// Entries up to this number belong to the pass under way.
    pub(super) limit: u64,
    /// Entries taken at the last look for idle rings.
    pub(super) taken_before: u64,
}

/// The rings of an intake, and what rings that are no more have counted.
pub(super) struct Registry {
    inner: Mutex<Inner>,
    /// How many rings were ever made. Store release under the lock, load acquire without it.
    made: AtomicU64,
}

struct Inner {
    closed: bool,
    live: Vec<sync::Arc<Shared>>,
    arrivals: Vec<Source>,
    emitted: u64,
    published: u64,
}

/// The sums over all rings, living and ended.
pub(super) struct Sums {
    pub(super) emitted: u64,
    pub(super) published: u64,
    pub(super) rings: u64,
}

impl Registry {
    pub(super) fn new() -> Self {
        Registry {
            inner: Mutex::new(Inner {
                closed: false,
                live: Vec::new(),
                arrivals: Vec::new(),
                emitted: 0,
                published: 0,
            }),
            made: AtomicU64::new(0),
        }
    }

    /// A ring for the calling thread; `None` once the registry is closed.
    pub(super) fn make(
        &self,
        memory: &Arc<Memory>,
        sizes: Sizes,
        thread: u32,
        name: Arc<str>,
    ) -> Option<Producer> {
        static SERIALS: AtomicU64 = AtomicU64::new(1);
        let mut inner = self.lock();
        if inner.closed {
            return None;
        }
        // Taken under the lock, so that arrivals come in the order of their serials.
        let serial = SERIALS.fetch_add(1, Ordering::Relaxed);
        let (producer, reader, shared) = ring(memory, sizes, serial);
        inner.live.push(shared);
        inner.arrivals.push(Source {
            reader,
            thread,
            name,
            limit: 0,
            taken_before: 0,
        });
        self.made.fetch_add(1, Ordering::Release);
        Some(producer)
    }

    /// How many rings were ever made.
    pub(super) fn made(&self) -> u64 {
        self.made.load(Ordering::Acquire)
    }

    /// Moves the rings that were made since the last call to the end of `sources`, and returns what
    /// [`made`](Self::made) was then.
    pub(super) fn take_arrivals(&self, sources: &mut Vec<Source>) -> u64 {
        let mut inner = self.lock();
        sources.append(&mut inner.arrivals);
        self.made()
    }

    /// Lets go of rings whose thread has ended and whose entries are taken, and keeps their counts.
    /// The one place where that happens, so that it happens once.
    pub(super) fn fold(&self, ended: &[Source]) {
        let mut inner = self.lock();
        for source in ended {
            let shared = source.reader.shared();
            inner.emitted += shared.emitted();
            inner.published += shared.published();
        }
        let gone: HashSet<u64> = ended
            .iter()
            .map(|source| source.reader.shared().serial())
            .collect();
        inner.live.retain(|shared| !gone.contains(&shared.serial()));
    }

    /// Closes every ring, and refuses new ones. The rings that were there.
    pub(super) fn close(&self) -> Vec<sync::Arc<Shared>> {
        let mut inner = self.lock();
        inner.closed = true;
        for shared in &inner.live {
            shared.close();
        }
        inner.live.clone()
    }

    pub(super) fn sums(&self) -> Sums {
        Self::sum(&self.lock())
    }

    /// As [`sums`](Self::sums), or `None` when the lock is held: for a child process, in which its
    /// holder may not exist.
    pub(super) fn try_sums(&self) -> Option<Sums> {
        self.inner.try_lock().ok().map(|inner| Self::sum(&inner))
    }

    fn sum(inner: &Inner) -> Sums {
        let mut sums = Sums {
            emitted: inner.emitted,
            published: inner.published,
            rings: inner.live.len() as u64,
        };
        for shared in &inner.live {
            sums.emitted += shared.emitted();
            sums.published += shared.published();
        }
        sums
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
