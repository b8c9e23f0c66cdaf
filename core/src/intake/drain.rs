//! One pass over the rings: a merge by time.
//!
//! A pass takes in what was published before it began. The rings are looked at first and the shared
//! queue after them, because of threads that use both: whatever such a thread put into the queue
//! before an entry of its ring that the pass has seen is then in the pass as well. The other way
//! round, an entry of the queue says how many entries its thread's ring had before it, and they go
//! first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Intake;
use super::overflow::split;
use super::registry::Source;
use crate::frame::ThreadRef;
use crate::ring::{EntryHeader, Reader};

/// A record on its way out of the rings, borrowed from them.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// What was published with it.
    pub header: EntryHeader,
    /// The thread that made the call.
    pub thread: ThreadRef<'a>,
    /// Its values.
    pub payload: &'a [u8],
    /// It is older than one that was brought before it: it was published too late for the reorder
    /// window, or came through the shared queue, which keeps the order in which it was reached.
    pub late: bool,
}

/// What a pass brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// How many records went to the sink.
    pub records: usize,
    /// The limit ended the pass, and there is more.
    pub more: bool,
    /// The ticks of the oldest record that was seen and left, because it is newer than the cut-off.
    pub next: Option<u64>,
}

/// What passes keep between them.
#[derive(Default)]
pub(super) struct Merge {
    /// The ticks of the rings' oldest entries. A source may have several here; those that are not
    /// true any more are passed over.
    heap: BinaryHeap<Reverse<(u64, usize)>>,
    /// The newest record that was brought.
    newest: u64,
}

/// The oldest entry of the shared queue.
#[derive(Clone, Copy)]
struct QueueFront {
    ticks: u64,
    serial: u64,
    stamp: u64,
}

/// One pass.
pub(super) struct Pass<'a> {
    pub(super) intake: &'a Intake,
    pub(super) sources: &'a mut [Source],
    pub(super) queue: &'a mut Reader,
    pub(super) merge: &'a mut Merge,
    pub(super) cutoff: u64,
    pub(super) limit: usize,
    pub(super) sink: &'a mut dyn FnMut(Entry<'_>),
}

impl Pass<'_> {
    pub(super) fn run(mut self) -> Drained {
        let mut left = self.limit;
        self.look_at_rings();
        let queue_limit = self.queue.shared().published();
        let mut front = self.queue_front(queue_limit);
        while left > 0 {
            let oldest = self.oldest_ring();
            let from_queue = front.filter(|front| {
                front.ticks <= self.cutoff && oldest.is_none_or(|(ticks, _)| front.ticks <= ticks)
            });
            if let Some(entry) = from_queue {
                if let Some(index) = self.waits_for(entry) {
                    left -= self.take_run(index, left, |_| true, Some(entry.stamp));
                    self.look_at_ring(index);
                } else {
                    self.take_from_queue();
                    left -= 1;
                    front = self.queue_front(queue_limit);
                }
            } else if let Some((_, index)) = oldest {
                self.merge.heap.pop();
                let bound = self.merge.heap.peek().map_or(u64::MAX, |next| next.0.0);
                let bound = bound.min(self.cutoff);
                let before_queue = move |ticks| front.is_none_or(|front| ticks < front.ticks);
                let admit = move |ticks| ticks <= bound && before_queue(ticks);
                left -= self.take_run(index, left, admit, None);
                self.look_at_ring(index);
            } else {
                break;
            }
        }
        let queue_ready = front.is_some_and(|front| front.ticks <= self.cutoff);
        Drained {
            records: self.limit - left,
            more: queue_ready || self.oldest_ring().is_some(),
            next: self.oldest_beyond_cutoff(front),
        }
    }

    fn look_at_rings(&mut self) {
        self.merge.heap.clear();
        for index in 0..self.sources.len() {
            let source = &mut self.sources[index];
            source.limit = source.reader.shared().published();
            self.look_at_ring(index);
        }
    }

    /// Enters the ring's oldest entry into the heap, if it belongs to this pass.
    fn look_at_ring(&mut self, index: usize) {
        if let Some(ticks) = self.sources[index].front_ticks()
            && ticks <= self.cutoff
        {
            self.merge.heap.push(Reverse((ticks, index)));
        }
    }

    /// The ring whose turn it is; it stays in the heap.
    fn oldest_ring(&mut self) -> Option<(u64, usize)> {
        while let Some(Reverse((ticks, index))) = self.merge.heap.peek().copied() {
            if self.sources[index].front_ticks() == Some(ticks) {
                return Some((ticks, index));
            }
            self.merge.heap.pop();
        }
        None
    }

    fn queue_front(&mut self, limit: u64) -> Option<QueueFront> {
        if self.queue.taken() >= limit {
            return None;
        }
        let (header, bytes) = self.queue.front()?;
        let (origin, _) = split(bytes);
        Some(QueueFront {
            ticks: header.ticks,
            serial: origin.serial,
            stamp: origin.stamp,
        })
    }

    /// The ring that has entries which go before this one of the queue.
    fn waits_for(&mut self, entry: QueueFront) -> Option<usize> {
        let serial = |source: &Source| source.reader.shared().serial();
        let index = self
            .sources
            .binary_search_by_key(&entry.serial, serial)
            .ok()?;
        let source = &mut self.sources[index];
        // What is up to the stamp was published before the queue's entry, so it is visible.
        source.limit = source.limit.max(entry.stamp);
        (source.reader.taken() < entry.stamp).then_some(index)
    }

    /// Takes entries from one ring while `admit` agrees to their ticks; up to the number `until`.
    fn take_run(
        &mut self,
        index: usize,
        most: usize,
        admit: impl Fn(u64) -> bool,
        until: Option<u64>,
    ) -> usize {
        let source = &mut self.sources[index];
        let end = until.unwrap_or(source.limit);
        let mut taken = 0;
        while taken < most && source.reader.taken() < end {
            let Some((header, payload)) = source.reader.take_if(&admit) else {
                break;
            };
            taken += 1;
            let entry = Entry {
                header,
                thread: ThreadRef {
                    id: source.thread,
                    name: &source.name,
                },
                payload,
                late: header.ticks < self.merge.newest,
            };
            hand_over(self.intake, &mut self.merge.newest, self.sink, entry);
        }
        taken
    }

    fn take_from_queue(&mut self) {
        if let Some((header, bytes)) = self.queue.take_if(|_| true) {
            let (origin, payload) = split(bytes);
            let entry = Entry {
                header,
                thread: origin.thread,
                payload,
                late: header.ticks < self.merge.newest,
            };
            hand_over(self.intake, &mut self.merge.newest, self.sink, entry);
        }
    }

    fn oldest_beyond_cutoff(&mut self, front: Option<QueueFront>) -> Option<u64> {
        let rings = self.sources.iter_mut().filter_map(Source::front_ticks);
        rings
            .chain(front.map(|front| front.ticks))
            .filter(|ticks| *ticks > self.cutoff)
            .min()
    }
}

impl Source {
    /// The ticks of the oldest entry that belongs to this pass.
    fn front_ticks(&mut self) -> Option<u64> {
        if self.reader.taken() < self.limit {
            self.reader.front_ticks()
        } else {
            None
        }
    }
}

/// Counts, then gives the entry to the sink: when the sink panics, the entry is gone and counted.
#[inline]
fn hand_over(intake: &Intake, newest: &mut u64, sink: &mut dyn FnMut(Entry<'_>), entry: Entry<'_>) {
    *newest = entry.header.ticks.max(*newest);
    intake.tally.drained.bump_alone();
    if entry.late {
        intake.tally.late.bump_alone();
    }
    sink(entry);
}
