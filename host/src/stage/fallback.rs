//! From one target to the next.
//!
//! A [`Feeder`] is a stage seen from a target that falls back to it. While one exists, the stage
//! that it leads to stays open through shutdown, so that all stages can be disposed of at once and
//! still end in the order of the chain.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::group::Sealed;
use super::reserve::Reservation;
use super::shared::Shared;

/// The way that a group has come, and where it may still go.
pub(super) struct Journey {
    /// The target that it was routed to.
    pub routed: Arc<str>,
    /// The targets that have given it up.
    pub visited: Vec<Arc<str>>,
    /// What is left of the chains of those.
    pub rest: Vec<Feeder>,
}

impl Journey {
    /// The journey of what is routed to `target`.
    pub(super) fn start(target: Arc<str>) -> Arc<Self> {
        Arc::new(Journey {
            routed: target,
            visited: Vec::new(),
            rest: Vec::new(),
        })
    }

    /// Where a group that the target `here` gives up may go, in order: first the target's own
    /// chain, then what is left of those that brought it here; never to where it has been.
    pub(super) fn candidates(&self, here: &str, own: &[Feeder]) -> Vec<Feeder> {
        let mut list: Vec<Feeder> = Vec::new();
        for feeder in own.iter().chain(&self.rest) {
            let name = feeder.name();
            let known = list.iter().any(|other| other.name() == name);
            let been = &**name == here || self.visited.iter().any(|other| other == name);
            if !known && !been {
                list.push(feeder.clone());
            }
        }
        list
    }

    /// The journey after `here` has given the group up and `rest` is what remains to be tried.
    pub(super) fn onward(&self, here: &Arc<str>, rest: &[Feeder]) -> Arc<Self> {
        let mut visited = self.visited.clone();
        visited.push(Arc::clone(here));
        Arc::new(Journey {
            routed: Arc::clone(&self.routed),
            visited,
            rest: rest.to_vec(),
        })
    }
}

impl fmt::Debug for Journey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journey")
            .field("routed", &self.routed)
            .field("visited", &self.visited)
            .field("rest", &self.rest)
            .finish()
    }
}

/// A target as another one's fallback. Made by [`Stage::as_fallback`](super::Stage::as_fallback).
pub struct Feeder {
    stage: Arc<Shared>,
}

impl Feeder {
    pub(super) fn new(stage: Arc<Shared>) -> Self {
        stage.feeders.fetch_add(1, Ordering::Relaxed);
        Feeder { stage }
    }

    /// The target's name.
    pub fn name(&self) -> &Arc<str> {
        &self.stage.name
    }

    /// How many records a group may have at most.
    pub(super) fn piece(&self) -> usize {
        let settings = self.stage.settings();
        settings.batch.max_size.min(settings.max_records)
    }

    /// Room for a group, if there is any.
    pub(super) fn reserve(&self, records: usize, bytes: usize) -> Room {
        let state = self.stage.lock();
        if state.closed_to_feeders() {
            return Room::Never;
        }
        // A group that is larger than the whole queue gets in when the queue is empty.
        let bytes = bytes.min(state.settings.max_bytes);
        if state.has_room(&self.stage, records, bytes) {
            return Room::Reserved(Reservation::take(&self.stage, records, bytes));
        }
        Room::Later
    }

    /// Calls `wake` when room may have become free.
    pub(super) fn when_room(&self, wake: &Arc<tokio::sync::Notify>) {
        let mut state = self.stage.lock();
        if !state.hungry.iter().any(|other| Arc::ptr_eq(other, wake)) {
            state.hungry.push(Arc::clone(wake));
        }
    }

    /// Puts a group into the room that was reserved for it. What this returns was not taken,
    /// because the stage has ended in between.
    pub(super) fn put(
        &self,
        room: Reservation,
        sealed: Sealed,
        maybe_written: bool,
        journey: Arc<Journey>,
    ) -> Result<(), Sealed> {
        let mut state = self.stage.lock();
        if state.closed_to_feeders() {
            return Err(sealed);
        }
        state.take_over(sealed, maybe_written, journey);
        drop(state);
        drop(room);
        self.stage.work.notify_one();
        Ok(())
    }
}

impl Clone for Feeder {
    fn clone(&self) -> Self {
        Feeder::new(Arc::clone(&self.stage))
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        // No lock: a group, and the journey in it, may be dropped under the lock of another stage.
        if self.stage.feeders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.stage.work.notify_one();
        }
    }
}

impl fmt::Debug for Feeder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Feeder").field(self.name()).finish()
    }
}

/// How many targets stand behind each other in the longest chain.
pub(super) fn height(chain: &[Feeder]) -> u32 {
    // The configuration refuses cycles; the bound is for pipelines that are made in code.
    fn measure(chain: &[Feeder], most: u32) -> u32 {
        if most == 0 {
            return 0;
        }
        let behind = |feeder: &Feeder| {
            let next = feeder.stage.lock().fallbacks.clone();
            1 + measure(&next, most - 1)
        };
        chain.iter().map(behind).max().unwrap_or(0)
    }
    measure(chain, 8)
}

/// What a fallback says to a group that asks for room.
#[derive(Debug)]
pub(super) enum Room {
    /// Here it is.
    Reserved(Reservation),
    /// There is none now.
    Later,
    /// The target has ended.
    Never,
}
