//! The pump's side.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Intake;
use super::drain::{Drained, Entry, Merge, Pass};
use super::registry::Source;
use crate::ring::{Reader, barrier, local};

/// How often the rings are looked at after a record.
const POLL: Duration = Duration::from_millis(10);
/// How long they are looked at without a further one.
const LINGER: Duration = Duration::from_secs(1);
/// How often memory of idle rings is looked for.
const RECLAIM: Duration = Duration::from_secs(1);
/// The pause before the next look, when a record came as the pump was about to sleep.
const GLANCE: Duration = Duration::from_millis(1);

/// Why [`Consumer::wait`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// A caller rang: the pump slept, a ring that will not grow is half full, or a record is urgent.
    Rung,
    /// It is time for the next look.
    Timer,
}

/// The one reader of all rings of an [`Intake`]. When it is dropped, it closes the intake.
pub struct Consumer {
    intake: Arc<Intake>,
    /// In the order of their serials.
    sources: Vec<Source>,
    queue: Reader,
    /// Entries taken from the queue at the last look for idle rings.
    queue_taken_before: u64,
    merge: Merge,
    /// How many rings had been made when the arrivals were taken in.
    made: u64,
    last_record: Instant,
    next_reclaim: Instant,
    /// The memory of idle rings was looked for since the last record.
    rested: bool,
}

impl Consumer {
    pub(super) fn new(intake: Arc<Intake>, queue: Reader) -> Self {
        let now = Instant::now();
        // Before anybody logs.
        intake.memory.prepare();
        Consumer {
            intake,
            sources: Vec::new(),
            queue,
            queue_taken_before: 0,
            merge: Merge::default(),
            made: 0,
            last_record: now,
            next_reclaim: now + RECLAIM,
            rested: false,
        }
    }

    /// The intake that this drains.
    pub fn intake(&self) -> &Arc<Intake> {
        &self.intake
    }

    /// Gives what was published up to now to `sink`, in the order of time: at most `limit` records,
    /// none that is newer than `cutoff` (in ticks). Records of one thread keep their order.
    ///
    /// Calls that `sink` makes on this thread never wait for room.
    pub fn drain(&mut self, cutoff: u64, limit: usize, sink: &mut dyn FnMut(Entry<'_>)) -> Drained {
        let _no_wait = local::no_wait_guard();
        if self.intake.registry.made() != self.made {
            self.made = self.intake.registry.take_arrivals(&mut self.sources);
        }
        let drained = Pass {
            intake: &self.intake,
            sources: &mut self.sources,
            queue: &mut self.queue,
            merge: &mut self.merge,
            cutoff,
            limit,
            sink,
        }
        .run();
        self.release();
        if drained.records > 0 || drained.next.is_some() {
            self.last_record = Instant::now();
            self.rested = false;
        }
        drained
    }

    /// Waits for the next look at the rings: at most 10 ms while there was a record within the last
    /// second, else until there is one; and never beyond `until`.
    pub fn wait(&mut self, until: Option<Instant>) -> Woken {
        // Here, and not on the thread whose ring grows.
        self.intake.memory.prepare();
        let now = Instant::now();
        if now >= self.next_reclaim {
            self.reclaim(false);
            self.next_reclaim = now + RECLAIM;
        }
        let at_most = |pause: Duration| until.map_or(now + pause, |until| until.min(now + pause));
        let rung = if now.saturating_duration_since(self.last_record) < LINGER {
            self.intake.doorbell.poll(at_most(POLL))
        } else {
            if !self.rested {
                self.reclaim(true);
                self.rested = true;
            }
            let slept = self.intake.doorbell.sleep(until, || self.is_idle());
            slept.unwrap_or_else(|| self.intake.doorbell.poll(at_most(GLANCE)))
        };
        if rung { Woken::Rung } else { Woken::Timer }
    }

    /// Whether everything that was published is drained. After
    /// [`Intake::close`] that stays so.
    pub fn is_idle(&self) -> bool {
        self.intake.registry.made() == self.made
            && self.sources.iter().all(|source| source.reader.is_drained())
            && self.queue.is_drained()
    }

    /// Gives the room of what was taken back to the callers, and lets go of ended threads.
    fn release(&mut self) {
        let mut released = self.queue.release();
        let mut any_ended = false;
        for source in &mut self.sources {
            released |= source.reader.release();
            any_ended |= source.is_over();
        }
        if any_ended {
            let ended: Vec<Source> = self
                .sources
                .extract_if(.., |source| source.is_over())
                .collect();
            self.intake.registry.fold(&ended);
            released = true;
        }
        if released {
            self.intake.room.notify();
        }
    }

    /// Takes memory away from rings that had no entry since the last look (or, with `all`, from all
    /// that are empty) and are larger than at their start; when the budget was met since then, also
    /// from those that are not.
    fn reclaim(&mut self, all: bool) {
        let short = self.intake.memory.take_short();
        let first = self.intake.sizes.first;
        let mut asked = Vec::new();
        for source in &mut self.sources {
            let taken = source.reader.taken();
            let idle = source.taken_before == taken || all;
            source.taken_before = taken;
            if idle && source.reader.is_drained() && (short || source.reader.capacity() > first) {
                asked.extend(source.reader.reclaim());
            }
        }
        let taken = self.queue.taken();
        let idle = self.queue_taken_before == taken || all;
        self.queue_taken_before = taken;
        if idle && self.queue.is_drained() {
            asked.extend(self.queue.reclaim());
        }
        if asked.is_empty() {
            return;
        }
        let barrier = barrier::heavy();
        for reclaim in asked {
            reclaim.finish(barrier, false);
        }
        self.intake.room.notify();
    }
}

impl Source {
    /// Its thread has ended, and all its entries are taken.
    fn is_over(&self) -> bool {
        // First the end, then the count: after the end the count stays.
        self.reader.shared().ended() && self.reader.is_drained()
    }
}

impl Drop for Consumer {
    /// Nobody will drain any more, so nothing more is taken; what is left is counted as dropped.
    fn drop(&mut self) {
        if self.intake.is_forked() {
            return;
        }
        self.intake.close();
        self.intake.registry.take_arrivals(&mut self.sources);
        let readers = self.sources.iter_mut().map(|source| &mut source.reader);
        let mut asked = Vec::new();
        let mut left = 0;
        for reader in readers.chain([&mut self.queue]) {
            left += reader.shared().published() - reader.taken();
            asked.extend(reader.reclaim());
        }
        let barrier = barrier::heavy();
        for reclaim in asked {
            reclaim.finish(barrier, true);
        }
        self.intake.tally.discarded.add(left);
        let disposed = super::DropReason::Disposed;
        self.intake.tally.dropped(disposed).add(left);
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("rings", &self.sources.len())
            .finish_non_exhaustive()
    }
}
