//! How the pump is woken, and how it comes to sleep without missing a record.

use std::time::Instant;

use crate::ring::barrier::{self, Light};
use crate::ring::sync::{AtomicU32, AtomicU64, Condvar, Mutex, Ordering, lock};

/// The pump is at work.
const AWAKE: u32 = 0;
/// The pump is to look at the rings again before it waits.
const RUNG: u32 = 1;
/// The pump waits for the next poll; only urgent records cut that short.
const POLLING: u32 = 2;
/// The pump waits for anything.
const SLEEPING: u32 = 3;

/// The one place where callers and pump meet.
///
/// A caller *publishes, then looks* whether the pump sleeps; the pump *announces its sleep, then
/// looks* at the rings. Between the two halves of each side stands one half of the barrier pair, so
/// at least one of them sees the other: no record stays behind while the pump sleeps.
pub(super) struct Doorbell {
    state: AtomicU32,
    asleep: Mutex<()>,
    bell: Condvar,
    /// How often a caller had to wake the pump, which costs the caller some microseconds.
    wakes: AtomicU64,
}

impl Doorbell {
    pub(super) fn new() -> Self {
        Doorbell {
            state: AtomicU32::new(AWAKE),
            asleep: Mutex::new(()),
            bell: Condvar::new(),
            wakes: AtomicU64::new(0),
        }
    }

    /// The caller's look, after it published: whether it must [`ring`](Self::ring).
    #[inline]
    pub(super) fn must_ring(&self, light: Light) -> bool {
        light.fence();
        // Relaxed: ordered after the publish by the light barrier; nothing is read through it.
        self.state.load(Ordering::Relaxed) == SLEEPING
    }

    /// Makes the pump look at the rings, at once if it waits.
    #[cold]
    pub(super) fn ring(&self) {
        // Release: what was published before is seen by the pump that answers. Acquire: the pump's
        // wait comes before the notification.
        let before = self.state.swap(RUNG, Ordering::AcqRel);
        if before == POLLING || before == SLEEPING {
            self.wakes.fetch_add(1, Ordering::Relaxed);
            // The pump looks at the state with the lock held before it waits; with the lock taken
            // once in between, the notification cannot fall before its wait.
            drop(lock(&self.asleep));
            self.bell.notify_one();
        }
    }

    pub(super) fn wakes(&self) -> u64 {
        self.wakes.load(Ordering::Relaxed)
    }

    /// The pump waits until it is rung for, or until `until`. True when it was rung for.
    pub(super) fn poll(&self, until: Instant) -> bool {
        self.announce(POLLING) || self.doze(Some(until))
    }

    /// The pump sleeps until there is a record, or until `until`. `idle` is asked after the sleep
    /// was announced whether all rings are empty; otherwise there is no sleep. `None` when there
    /// was none for that reason (or for want of a barrier), else whether it was rung for.
    pub(super) fn sleep(
        &self,
        until: Option<Instant>,
        idle: impl FnOnce() -> bool,
    ) -> Option<bool> {
        if self.announce(SLEEPING) {
            return Some(true);
        }
        if barrier::heavy() && idle() {
            Some(self.doze(until))
        } else {
            // Somebody may have rung in the meantime, and then that is the answer.
            self.answer().then_some(true)
        }
    }

    /// True when the bell was rung, and then nothing is announced.
    fn announce(&self, state: u32) -> bool {
        // Acquire on failure: with the ringer's release, what it published is seen.
        let announced =
            self.state
                .compare_exchange(AWAKE, state, Ordering::AcqRel, Ordering::Acquire);
        announced.is_err() && self.answer()
    }

    /// The pump is awake again. True when it was rung for.
    fn answer(&self) -> bool {
        self.state.swap(AWAKE, Ordering::AcqRel) == RUNG
    }

    fn doze(&self, until: Option<Instant>) -> bool {
        let mut guard = lock(&self.asleep);
        // Acquire: as in `announce`.
        while self.state.load(Ordering::Acquire) != RUNG {
            guard = match until {
                None => match self.bell.wait(guard) {
                    Ok(guard) => guard,
                    Err(poisoned) => poisoned.into_inner(),
                },
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    match self.bell.wait_timeout(guard, left) {
                        Ok((guard, _)) => guard,
                        Err(poisoned) => poisoned.into_inner().0,
                    }
                }
            };
        }
        drop(guard);
        self.answer()
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use std::time::Duration;

    use loom::thread;

    use super::*;
    use crate::ring::sync::Arc;
    use crate::ring::{EntryHeader, HeapMemory, Memory, Producer, Sizes, ring};

    fn publish(producer: &Producer) {
        while !producer
            .claim(8)
            .is_ok_and(|claim| !claim.write(&EntryHeader::default(), |_| ()))
        {
            assert!(producer.grow(8));
        }
    }

    /// A record is published while the pump goes to rest; if it is missed, the model deadlocks.
    fn nothing_is_missed(
        tell: fn(&Doorbell),
        rest: impl Fn(&Doorbell, &dyn Fn() -> bool) + Copy + Send + Sync + 'static,
    ) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound.get_or_insert(3);
        builder.check(move || {
            let memory = Memory::new(Box::new(HeapMemory), 1 << 16);
            let sizes = Sizes {
                first: 1024,
                roomy: 0,
                largest: 1024,
            };
            let (producer, mut reader, _) = ring(&memory, sizes, 1);
            let doorbell = Arc::new(Doorbell::new());
            let bell = doorbell.clone();
            let caller = thread::spawn(move || {
                publish(&producer);
                tell(&bell);
            });
            while reader.take_if(|_| true).is_none() {
                rest(&doorbell, &|| reader.is_drained());
            }
            caller.join().unwrap();
        });
    }

    #[test]
    fn loom_a_pump_that_goes_to_sleep_misses_no_record() {
        nothing_is_missed(
            |bell| {
                if bell.must_ring(Light::of_now()) {
                    bell.ring();
                }
            },
            |bell, idle| {
                let _ = bell.sleep(None, idle);
            },
        );
    }

    #[test]
    fn loom_an_urgent_record_ends_the_wait_for_the_next_poll() {
        nothing_is_missed(Doorbell::ring, |bell, _| {
            // loom has no time: this waits until it is rung for.
            bell.poll(Instant::now() + Duration::from_hours(1));
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::ring::{EntryHeader, HeapMemory, Memory, Sizes, ring};

    /// One record at a time, each published only when the one before it was taken: a missed one
    /// would end the exchange for good.
    #[test]
    fn no_record_is_missed_by_a_pump_that_sleeps_after_each() {
        const ROUNDS: u64 = 20_000;
        barrier::prepare();
        let memory = Memory::new(Box::new(HeapMemory), 1 << 20);
        let sizes = Sizes {
            first: 4096,
            roomy: 0,
            largest: 4096,
        };
        let (producer, mut reader, _) = ring(&memory, sizes, 1);
        let doorbell = Arc::new(Doorbell::new());
        let taken = Arc::new(AtomicU64::new(0));
        let caller = {
            let (doorbell, taken) = (doorbell.clone(), taken.clone());
            thread::spawn(move || {
                assert!(producer.grow(8));
                for round in 0..ROUNDS {
                    while taken.load(Ordering::Acquire) < round {
                        std::hint::spin_loop();
                    }
                    if let Ok(claim) = producer.claim(8) {
                        claim.write(&EntryHeader::default(), |_| ());
                    }
                    if doorbell.must_ring(Light::of_now()) {
                        doorbell.ring();
                    }
                }
            })
        };
        let hang = Instant::now() + Duration::from_mins(1);
        while reader.taken() < ROUNDS {
            if reader.take_if(|_| true).is_some() {
                reader.release();
                taken.store(reader.taken(), Ordering::Release);
            } else {
                let rung = doorbell.sleep(Some(hang), || reader.is_drained());
                assert_ne!(rung, Some(false), "record {} was missed", reader.taken());
            }
        }
        caller.join().unwrap();
    }
}
