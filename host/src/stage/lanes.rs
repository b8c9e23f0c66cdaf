//! Lanes: what is being delivered, and what waits to be tried again.
//!
//! A stage has as many lanes as its concurrency. A lane has one batch, or the parts of one that was
//! halved, and tries the first of them until it has ended, then the next. Here is what a lane is,
//! and when batches may be tried at all, or go to the fallback instead.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::breaker::BreakerRules;
use super::driver::Driver;
use super::group::Group;
use super::slot::SlotPhase;
use crate::instance::Maker;
use crate::resources::any_shared;

/// One batch on its way.
#[derive(Debug)]
pub(super) struct Lane {
    /// The batch, or what it was halved into; never empty.
    pub parts: VecDeque<Group>,
    pub state: LaneState,
}

/// What a lane does with its first part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LaneState {
    /// Nothing keeps it.
    Ready,
    /// It waits for its next attempt.
    BackingOff { until: Instant },
    /// It is being delivered.
    Attempting { id: u64, cut: Instant },
    /// It was cancelled, and has to settle.
    Cancelled { id: u64, until: Instant },
}

/// An attempt that was given up without an answer. The instance is left alone until it comes.
#[derive(Debug)]
pub(super) struct Fenced {
    pub id: u64,
    /// Which instance makes it.
    pub generation: u64,
    /// What that uses, and nobody else may until it has settled.
    pub resources: Vec<String>,
    /// What it tries to deliver, where there was nowhere else to go.
    pub parts: VecDeque<Group>,
    /// Bytes that it holds although the records have gone on.
    pub pinned: usize,
}

impl Lane {
    pub(super) fn attempt(&self) -> Option<u64> {
        match self.state {
            LaneState::Attempting { id, .. } | LaneState::Cancelled { id, .. } => Some(id),
            LaneState::Ready | LaneState::BackingOff { .. } => None,
        }
    }

    /// Whether an attempt of it is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.attempt().is_some()
    }

    /// When it has to be looked at.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.state {
            LaneState::Ready => None,
            LaneState::BackingOff { until } | LaneState::Cancelled { until, .. } => Some(until),
            LaneState::Attempting { cut, .. } => Some(cut),
        }
    }
}

impl Driver {
    /// The breaker has nowhere to send batches without a fallback, and stays closed.
    pub(super) fn breaker_rules(&self) -> BreakerRules {
        let failures = match self.fallbacks.len() {
            0 => 0,
            _ => self.settings.breaker.failures,
        };
        BreakerRules {
            failures,
            ..self.settings.breaker
        }
    }

    pub(super) fn is_attempting(&self) -> bool {
        self.lanes.iter().any(Lane::is_busy)
    }

    pub(super) fn holds_fenced(&self) -> bool {
        self.fenced.iter().any(|fenced| !fenced.parts.is_empty())
    }

    /// Whether the instance may be given batches at all.
    fn is_usable(&self) -> bool {
        self.slot.phase == SlotPhase::Active && self.slot.successor.is_none() && !self.is_fenced()
    }

    /// Whether the instance that serves has not settled an attempt in its grace.
    pub(super) fn is_fenced(&self) -> bool {
        let generation = self.slot.generation;
        self.fenced.iter().any(|f| f.generation == generation)
    }

    /// Whether an attempt of this instance, or of one before it, has not settled and may still write
    /// to something that an instance of `maker` would use.
    pub(super) fn is_fenced_from(&self, maker: &dyn Maker) -> bool {
        if self.fenced.is_empty() {
            return false;
        }
        let wanted = maker.resources();
        let mut fenced = self.fenced.iter();
        fenced.any(|fenced| any_shared(&fenced.resources, &wanted))
    }

    /// How many attempts may be under way now.
    pub(super) fn allowed(&self, now: Instant) -> usize {
        if !self.is_usable() || self.gives_up(now) {
            return 0;
        }
        if let Some(hold) = self.hold {
            return usize::from(now >= hold.probe_at);
        }
        self.breaker.allows(now, self.settings.concurrency)
    }

    /// Whether batches take the fallback at once, where they have one.
    pub(super) fn diverts(&self, now: Instant) -> bool {
        let broken = match self.breaker.probe_at() {
            // While the probe is under way the others do not wait for it.
            Some(probe_at) => now < probe_at || self.is_attempting(),
            None => false,
        };
        broken
            || self.is_fenced()
            || matches!(
                self.slot.phase,
                SlotPhase::Failed { .. } | SlotPhase::Quarantined
            )
    }

    /// Whether a batch goes to the fallback instead of being tried here.
    pub(super) fn leaves(&self, group: &Group, now: Instant) -> bool {
        let diverts = self.diverts(now);
        let spills = !self.is_usable() || self.hold.is_some();
        if !diverts && !spills {
            return false;
        }
        // A held batch stays as long as the queue has room for more.
        (diverts || self.shared.lock().is_pressed()) && self.has_candidates(group)
    }

    /// Whether batches leave for the fallback once the queue is full.
    pub(super) fn spills(&self, now: Instant) -> bool {
        self.allowed(now) == 0 && (self.hold.is_some() || self.slot.phase != SlotPhase::Active)
    }
}
