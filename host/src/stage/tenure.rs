//! Who is in the slot: starting, rebuilding, replacing, quarantining and ending instances.

use futures_util::stream::StreamExt as _;
use rolog_core::delivery::{Class, Failure};
use tokio::time::Instant;

use super::backoff::heeded;
use super::driver::{Done, Driver};
use super::event::EventKind;
use super::ledger::DropReason;
use super::phase::{Ended, Phase};
use super::slot::{Command, Patience, Seat, SlotPhase, Swapped, Swapping, bounded, start, swap};
use super::status::Mode;

impl Driver {
    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Replace(mut seat, reply) => {
                self.slot.yields.append(&mut seat.yields);
                if let Some((_, earlier)) = self.slot.successor.replace((seat, reply)) {
                    // The one that asked may have gone; there is nobody to tell then.
                    let message = "another successor came before its turn";
                    drop(earlier.send(Err(Failure::new(Class::Cancelled, message))));
                }
            }
            Command::Yield(opener) => {
                // Where nobody is on the way it opens here.
                if self.slot.successor.is_some() || self.slot.swapping.is_some() {
                    self.slot.settles.push(opener);
                }
            }
            Command::Find(id, reply) => {
                // Whoever asked may have gone.
                drop(reply.send(self.find(id)));
            }
            Command::Retry => {
                let now = Instant::now();
                if let Some(hold) = &mut self.hold {
                    hold.probe_at = now;
                }
                match self.slot.phase {
                    SlotPhase::Quarantined => self.slot.phase = SlotPhase::Broken,
                    SlotPhase::Failed { .. } => self.slot.phase = SlotPhase::Failed { again: now },
                    _ => {}
                }
                self.panics = 0;
            }
            Command::Quarantine(failure) => match self.slot.phase {
                SlotPhase::Changing => self.slot.condemned = Some(failure),
                SlotPhase::Quarantined => {}
                _ => self.put_away(&failure),
            },
        }
    }

    fn patience(&self) -> Patience {
        Patience {
            start: self.settings.timeout,
            end: self.settings.grace,
        }
    }

    /// Starts what the slot waits for, once the instance has settled.
    pub(super) fn change(&mut self, now: Instant) -> bool {
        if !self.slot.wants_change(now) || self.is_attempting() || self.gives_up(now) {
            return false;
        }
        if let Some((seat, reply)) = self.slot.successor.take() {
            // What a fenced attempt may still write to is nobody else's, whichever instance made it.
            let awaited = !self.slot.yields.is_empty() && !self.fenced.is_empty();
            if awaited || self.is_fenced_from(&*seat.maker) {
                self.slot.successor = Some((seat, reply));
                return false;
            }
            let was = std::mem::replace(&mut self.slot.phase, SlotPhase::Changing);
            let next = seat.clone();
            self.slot.swapping = Some(Swapping { seat, reply, was });
            let (old, patience) = (self.slot.instance.clone(), self.patience());
            let serves = was == SlotPhase::Active;
            let yields = std::mem::take(&mut self.slot.yields);
            self.start(
                async move { Done::Swap(swap(next, old, serves, patience, yields).await) },
                |failure| Done::Swap(Swapped::Undone(failure.clone(), Some(failure))),
            );
            return true;
        }
        if self.is_fenced() || self.is_fenced_from(&*self.slot.maker) {
            return false;
        }
        let mut seat = Seat::vacant(self.slot.maker.clone());
        let mut predecessor = self.slot.instance.take();
        if self.slot.phase == SlotPhase::Vacant {
            seat.instance = predecessor.take();
        }
        let patience = self.patience();
        self.slot.phase = SlotPhase::Changing;
        self.start(
            async move { Done::Start(start(seat, predecessor, patience).await) },
            |failure| Done::Start(Err(failure)),
        );
        true
    }

    /// An instance has started, or could not.
    pub(super) fn started(
        &mut self,
        result: Result<std::sync::Arc<dyn crate::instance::Instance>, Failure>,
    ) {
        match result {
            Ok(instance) => {
                let rebuilt = self.slot.generation > 0;
                self.serve(instance);
                if rebuilt {
                    self.account(|state, _| state.row.rebuilds += 1);
                    self.shared.tell(EventKind::Rebuilt);
                }
            }
            Err(failure) => {
                let class = failure.class;
                self.account(|state, _| state.row.failures.add(class, 1));
                self.start_failed(failure);
            }
        }
    }

    fn start_failed(&mut self, failure: Failure) {
        if let Some(why) = self.slot.condemned.take() {
            return self.put_away(&why);
        }
        let wait = self.settings.hold.wait(self.slot.rounds);
        let wait = wait.max(failure.retry_after.map(heeded).unwrap_or_default());
        self.slot.phase = SlotPhase::Failed {
            again: Instant::now() + wait,
        };
        self.slot.rounds += 1;
        self.failure = Some(failure.clone());
        self.shared.tell(EventKind::StartFailed { failure });
    }

    fn serve(&mut self, instance: std::sync::Arc<dyn crate::instance::Instance>) {
        self.slot.instance = Some(instance);
        self.slot.phase = SlotPhase::Active;
        self.slot.generation += 1;
        self.slot.rounds = 0;
        self.panics = 0;
        if let Some(why) = self.slot.condemned.take() {
            self.put_away(&why);
        }
    }

    /// A replacement has come to its end.
    pub(super) fn swapped(&mut self, swapped: Swapped) {
        let Some(Swapping { seat, reply, was }) = self.slot.swapping.take() else {
            return;
        };
        let result = match swapped {
            Swapped::Done(instance) => {
                self.slot.maker = seat.maker;
                self.slot.settles.clear();
                self.hold = None;
                self.serve(instance);
                self.shared.tell(EventKind::Replaced);
                Ok(())
            }
            Swapped::Onward(failure) => {
                self.slot.maker = seat.maker;
                self.slot.instance = None;
                self.slot.settles.clear();
                self.start_failed(failure.clone());
                Err(failure)
            }
            Swapped::Undone(failure, back) => {
                self.shared.tell(EventKind::ReplaceFailed {
                    failure: failure.clone(),
                });
                match back {
                    None => self.slot.phase = was,
                    // The old one does not come back as it was: it is built anew.
                    Some(back) => self.start_failed(back),
                }
                Err(failure)
            }
        };
        if let Some(why) = self.slot.condemned.take() {
            self.put_away(&why);
        }
        // Whoever asked may have stopped waiting.
        drop(reply.send(result));
    }

    /// Uses the instance no more.
    pub(super) fn quarantine(&mut self, failure: &Failure) {
        if self.slot.phase == SlotPhase::Active {
            self.put_away(failure);
        }
    }

    fn put_away(&mut self, failure: &Failure) {
        self.slot.phase = SlotPhase::Quarantined;
        self.account(|state, _| state.row.quarantines += 1);
        self.shared.tell(EventKind::Quarantined {
            failure: failure.clone(),
        });
    }

    /// The last of a stage: nothing is taken any more, what is left is lost, the instance ends.
    pub(super) async fn finish(mut self) {
        let end = self.drain.map_or_else(Instant::now, |drain| drain.end);
        let mut left_fenced = 0;
        let now = Instant::now();
        for mut lane in std::mem::take(&mut self.lanes) {
            if lane.is_busy() {
                // No grace was left for it: it is as good as fenced.
                left_fenced += 1;
                self.interrupt(&mut lane.parts[0], now);
            }
            self.give_all(lane.parts, DropReason::Deadline);
        }
        for fenced in std::mem::take(&mut self.fenced) {
            self.account(|state, _| state.recharge(fenced.pinned, 0));
            self.give_all(fenced.parts, DropReason::Deadline);
            left_fenced += 1;
        }
        let left = {
            let mut state = self.shared.lock();
            state.phase = Phase::Disposed;
            state.seal();
            std::iter::from_fn(|| state.take()).collect::<Vec<_>>()
        };
        for group in left {
            self.give(group, DropReason::Deadline);
        }
        self.lose_line();
        self.tell();
        let waiting = self.slot.successor.take().map(|(_, reply)| reply);
        let turning = self.slot.swapping.take().map(|swapping| swapping.reply);
        for reply in waiting.into_iter().chain(turning) {
            let message = "the target was disposed of first";
            drop(reply.send(Err(Failure::new(Class::Cancelled, message))));
        }
        let failure = match left_fenced {
            0 => self.end_instance(end).await,
            // One that is fenced is left alone.
            _ => None,
        };
        let mut state = self.shared.lock();
        state.status.mode = Mode::Disposed;
        state.ended = Some(Ended {
            fenced: left_fenced,
            failure,
        });
        // Handles of this stage may live on; what it falls back to need not wait for them.
        let feeders = std::mem::take(&mut state.fallbacks);
        drop(state);
        drop(feeders);
        self.shared.room_freed();
        self.shared.progress.notify_waiters();
        self.shared.freed.raise();
        // What is fenced runs on: dropping it would not end it, and it may still be told to.
        let mut jobs = std::mem::take(&mut self.jobs);
        tokio::spawn(async move {
            while let Some(done) = jobs.next().await {
                // An instance that came too late to serve still lets go.
                if let Done::Start(Ok(late)) | Done::Swap(Swapped::Done(late)) = done {
                    drop(bounded("shutdown", LAST_MOMENT, late.shutdown(LAST_MOMENT)).await);
                }
            }
        });
    }

    /// Lets go of the instance, in what is left of the time.
    async fn end_instance(&mut self, end: Instant) -> Option<Failure> {
        let instance = self.slot.instance.take()?;
        // There is always a moment for it, and never more than that after the deadline.
        let most = end
            .saturating_duration_since(Instant::now())
            .max(LAST_MOMENT);
        self.start(
            async move { Done::End(bounded("shutdown", most, instance.shutdown(most)).await) },
            |failure| Done::End(Err(failure)),
        );
        loop {
            match self.jobs.next().await {
                Some(Done::End(result)) => return result.err(),
                // Dead letters that came too late, say: their records are counted as lost.
                Some(_) => {}
                None => return None,
            }
        }
    }
}

/// What a target gets to let go of its destination when the deadline has passed already.
const LAST_MOMENT: std::time::Duration = std::time::Duration::from_millis(100);
