//! Records that somebody waits for: room that is held for them, and receipts.
//!
//! A slot is a number in the record's ring entry. It names the room that was reserved for the record
//! in the queues of its targets, and collects the ends of its copies. Slots are given out once and
//! never used again, so that a late answer cannot reach the wrong waiter.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use rolog_core::receipt::{self, Delivery, TargetEnd};

use crate::stage::{End, EndState, ReceiptSink, Reservation};

/// The slots of a pipeline.
#[derive(Default)]
pub(crate) struct Slots {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    last: u64,
    slots: HashMap<u64, Slot>,
}

struct Slot {
    room: Vec<Reservation>,
    receipt: Option<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// How many ends there will be; known once the record was routed.
    expected: Option<usize>,
    ends: Vec<TargetEnd>,
    waker: Option<Waker>,
    /// Nobody waits any more.
    abandoned: bool,
}

impl Waiting {
    fn is_complete(&self) -> bool {
        self.expected == Some(self.ends.len())
    }
}

impl Slots {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new slot with this room, and a receipt if one is wanted.
    pub(crate) fn add(&self, room: Vec<Reservation>, receipt: bool) -> u64 {
        let mut table = self.table();
        table.last += 1;
        let id = table.last;
        let receipt = receipt.then(Waiting::default);
        table.slots.insert(id, Slot { room, receipt });
        id
    }

    /// Forgets a slot whose record was never published; its room is free again.
    pub(crate) fn release(&self, id: u64) {
        // Taken out of the table first: freeing room wakes callers that may come for a slot.
        let slot = self.table().slots.remove(&id);
        drop(slot);
    }

    /// The pump's: the record of this slot goes to `copies` targets. Returns the room that is held
    /// for it, and whether its ends are to be told.
    pub(crate) fn routed(&self, id: u64, copies: usize) -> (Vec<Reservation>, bool) {
        let mut table = self.table();
        let Some(slot) = table.slots.get_mut(&id) else {
            return (Vec::new(), false);
        };
        let room = std::mem::take(&mut slot.room);
        let Some(waiting) = &mut slot.receipt else {
            table.slots.remove(&id);
            return (room, false);
        };
        waiting.expected = Some(copies);
        wake_or_remove(&mut table, id);
        (room, true)
    }

    /// Resolves when every copy of the record has ended.
    pub(crate) fn delivery(self: &Arc<Self>, id: u64) -> impl Future<Output = Delivery> + use<> {
        Ends {
            slots: Arc::clone(self),
            id,
        }
    }

    /// Ends every receipt that is still open, once no stage is left to tell more.
    pub(crate) fn close(&self) {
        let mut table = self.table();
        let open: Vec<u64> = table.slots.keys().copied().collect();
        let room: Vec<Reservation> = table
            .slots
            .values_mut()
            .flat_map(|slot| slot.room.drain(..))
            .collect();
        for id in open {
            if let Some(Slot {
                receipt: Some(waiting),
                ..
            }) = table.slots.get_mut(&id)
            {
                waiting.expected = Some(waiting.ends.len());
                wake_or_remove(&mut table, id);
            } else {
                table.slots.remove(&id);
            }
        }
        drop(table);
        drop(room);
    }
}

/// Tells the waiter of a slot that is complete; without one, forgets the slot.
fn wake_or_remove(table: &mut Table, id: u64) {
    let Some(waiting) = table.slots.get_mut(&id).and_then(|s| s.receipt.as_mut()) else {
        return;
    };
    if !waiting.is_complete() {
        return;
    }
    if waiting.abandoned {
        table.slots.remove(&id);
    } else if let Some(waker) = waiting.waker.take() {
        waker.wake();
    }
}

impl ReceiptSink for Slots {
    fn settled(&self, slot: u64, target: &str, end: &End) {
        let mut table = self.table();
        let Some(waiting) = table.slots.get_mut(&slot).and_then(|s| s.receipt.as_mut()) else {
            return;
        };
        waiting.ends.push(TargetEnd {
            target: target.to_owned(),
            at: end.at.to_string(),
            end: match end.state {
                EndState::Delivered => receipt::End::Delivered,
                EndState::DeadLettered => receipt::End::DeadLettered,
                EndState::Dropped(reason) => receipt::End::Dropped(reason.name()),
                EndState::Refused(reason) => receipt::End::Dropped(reason.name()),
                EndState::Suppressed(reason) => receipt::End::Dropped(reason.name()),
            },
            maybe_written: end.maybe_written,
            failure: end.failure.clone(),
        });
        wake_or_remove(&mut table, slot);
    }
}

struct Ends {
    slots: Arc<Slots>,
    id: u64,
}

impl Future for Ends {
    type Output = Delivery;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Delivery> {
        let mut table = self.slots.table();
        let Some(waiting) = table
            .slots
            .get_mut(&self.id)
            .and_then(|s| s.receipt.as_mut())
        else {
            return Poll::Ready(Delivery::default());
        };
        if waiting.is_complete() {
            let targets = std::mem::take(&mut waiting.ends);
            table.slots.remove(&self.id);
            return Poll::Ready(Delivery { targets });
        }
        waiting.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        let mut table = self.slots.table();
        if let Some(waiting) = table
            .slots
            .get_mut(&self.id)
            .and_then(|s| s.receipt.as_mut())
        {
            waiting.abandoned = true;
            wake_or_remove(&mut table, self.id);
        }
    }
}
