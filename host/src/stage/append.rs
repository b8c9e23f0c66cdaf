//! What goes into a queue, and whom its end is told.

use std::sync::Arc;

use rolog_core::frame::FrameMeta;

use super::fallback::Journey;
use super::ledger::RefusalReason;
use super::receipt::{End, ReceiptSink};
use super::shared::FRAME_ROOM;

/// A record that has just been logged.
#[derive(Clone, Copy)]
pub(super) struct Content<'a> {
    pub meta: &'a FrameMeta<'a>,
    pub payload: &'a [u8],
}

impl Content<'_> {
    /// What it needs at most, as far as can be known before it is encoded.
    pub(super) fn need(self) -> usize {
        need(self.payload)
    }
}

/// What a record with this payload needs at most.
pub(super) fn need(payload: &[u8]) -> usize {
    payload.len() + FRAME_ROOM
}

/// Whether a record was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Append {
    /// It is counted and in the open batch.
    Accepted,
    /// It is counted as refused, and nowhere.
    Refused(RefusalReason),
}

/// The end of copies that somebody may wait for, collected under the lock and told after it.
#[derive(Default)]
pub(super) struct Ends(Vec<(Arc<Journey>, u64, End)>);

impl Ends {
    pub(super) fn add(
        &mut self,
        journey: &Arc<Journey>,
        slots: &[(u32, u64)],
        end: impl Fn() -> End,
    ) {
        let ends = slots
            .iter()
            .map(|(_, slot)| (Arc::clone(journey), *slot, end()));
        self.0.extend(ends);
    }

    /// Tells them, under no lock of the stage.
    pub(super) fn tell(&mut self, sink: &dyn ReceiptSink) {
        for (journey, slot, end) in self.0.drain(..) {
            sink.settled(slot, &journey.routed, &end);
        }
    }
}
