//! What the handles of a stage and its task have in common.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::deadletter::DeadLetters;
use super::event::{Event, EventKind, EventSink};
use super::measures::{Measure, Meter};
use super::receipt::{NoReceipts, ReceiptSink};
use super::reserve::{Freed, Reserved};
use super::settings::StageSettings;
use super::state::State;

/// What a frame needs beside its payload, its share of the dictionary included, as far as it can be
/// known before it is encoded.
pub(super) const FRAME_ROOM: usize = 96;

/// Told when a queue whose callers are to wait (`overflow: block`) passes its high-water mark, seven
/// eighths, and when it is back below one half.
///
/// Called by whoever moved the queue across the mark, the pump included: an implementation raises a
/// bit and returns.
pub trait PressureSink: Send + Sync {
    /// Whether callers of loggers that are routed to `target` should take the slow path.
    fn pressure(&self, target: &str, raised: bool);

    /// Whether such a queue has no room at all: only then there is something to wait for.
    fn full(&self, target: &str, full: bool) {
        let _ = (target, full);
    }
}

/// Who is told what a stage does.
#[derive(Clone)]
pub struct Services {
    /// Takes the ends of copies that somebody waits for.
    pub receipts: Arc<dyn ReceiptSink>,
    /// Takes events.
    pub events: Arc<dyn EventSink>,
    /// Takes records that nobody else takes; without it they are dropped, and counted.
    pub dead_letters: Option<Arc<dyn DeadLetters>>,
    /// Takes measurements one by one.
    pub meter: Option<Arc<dyn Meter>>,
    /// Is told about full queues.
    pub pressure: Option<Arc<dyn PressureSink>>,
}

impl Default for Services {
    /// Nobody is told, and nothing is kept.
    fn default() -> Self {
        Services {
            receipts: Arc::new(NoReceipts),
            events: Arc::new(|_: &Event| {}),
            dead_letters: None,
            meter: None,
            pressure: None,
        }
    }
}

pub(super) struct Shared {
    pub name: Arc<str>,
    pub services: Services,
    /// Wakes the task.
    pub work: Arc<Notify>,
    /// Wakes those that wait for room.
    pub room: Notify,
    pub freed: Freed,
    /// Wakes those that wait for records to end.
    pub progress: Notify,
    /// How many targets may still fall back to this one.
    pub feeders: AtomicUsize,
    pub reserved: Reserved,
    pressed: AtomicBool,
    /// Whether callers are to wait and there is no room for a record more, as of the last look.
    full: AtomicBool,
    state: Mutex<State>,
}

impl Shared {
    pub(super) fn new(state: State, services: Services) -> Arc<Self> {
        Arc::new(Shared {
            name: Arc::clone(&state.name),
            services,
            work: Arc::new(Notify::new()),
            room: Notify::new(),
            freed: Freed::default(),
            progress: Notify::new(),
            feeders: AtomicUsize::new(0),
            reserved: Reserved::default(),
            pressed: AtomicBool::new(false),
            full: AtomicBool::new(false),
            state: Mutex::new(state),
        })
    }

    /// A panic under the lock cannot leave a row that does not balance: its moves are single
    /// statements. So a poisoned lock is as good as any.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn settings(&self) -> Arc<StageSettings> {
        Arc::clone(&self.lock().settings)
    }

    /// Tells those that wait for room that there may be some.
    pub(super) fn room_freed(&self) {
        self.room.notify_waiters();
        self.freed.raise();
    }

    /// Raises or lowers the pressure for callers, with hysteresis. Under the lock, so that changes
    /// are told in their order.
    pub(super) fn feel_pressure(&self, state: &State) {
        let Some(sink) = &self.services.pressure else {
            return;
        };
        let before = self.pressed.load(Ordering::Relaxed);
        let full = if before {
            !state.is_relaxed()
        } else {
            state.is_pressed()
        };
        let now = state.blocks() && full;
        if now != before {
            self.pressed.store(now, Ordering::Relaxed);
            sink.pressure(&self.name, now);
        }
        self.feel_full(state, sink.as_ref());
    }

    /// Says so when the queue becomes full, or is full no more. Under the lock, too.
    fn feel_full(&self, state: &State, sink: &dyn PressureSink) {
        let full = state.blocks() && !state.has_room(self, 1, FRAME_ROOM);
        if full != self.full.load(Ordering::Relaxed) {
            self.full.store(full, Ordering::Relaxed);
            sink.full(&self.name, full);
        }
    }

    /// The stage has ended, and nobody is to wait for it.
    pub(super) fn has_ended(&self, state: &State) {
        if let Some(sink) = &self.services.pressure {
            self.feel_full(state, sink.as_ref());
        }
    }

    /// Whether the queue was full at the last look. A hint: who waits looks again, under the lock.
    pub(super) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    pub(super) fn measure(&self, measured: &[(Measure, f64)]) {
        let mut state = self.lock();
        for (measure, value) in measured {
            state.measures.observe(*measure, *value);
        }
        drop(state);
        if let Some(meter) = &self.services.meter {
            for (measure, value) in measured {
                meter.observe(&self.name, *measure, *value);
            }
        }
    }

    pub(super) fn tell(&self, kind: EventKind) {
        self.services.events.event(&Event {
            target: Arc::clone(&self.name),
            kind,
            suppressed: 0,
        });
    }
}
