//! Keeps what a stage tells.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rolog_core::delivery::{Class, Failure};

use super::numbers;
use crate::instance::BoxFuture;
use crate::stage::{DeadLetters, End, Event, EventKind, Letters, ReceiptSink, Services};

/// Keeps every event, receipt and dead letter.
#[derive(Default)]
pub(crate) struct Witness {
    events: Mutex<Vec<(Arc<str>, EventKind)>>,
    ends: Mutex<Vec<(u64, String, End)>>,
    letters: Mutex<Vec<Letters>>,
    /// The next burials fail.
    pub(crate) broken: Mutex<u32>,
    /// Burials are done, and are not answered.
    pub(crate) silent: AtomicBool,
}

impl Witness {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Services that tell this witness; with dead letters or without.
    pub(crate) fn services(self: &Arc<Self>, dead_letters: bool) -> Services {
        let events = Arc::clone(self);
        Services {
            receipts: Arc::clone(self) as Arc<dyn ReceiptSink>,
            events: Arc::new(move |event: &Event| {
                let event = (Arc::clone(&event.target), event.kind.clone());
                events.events.lock().unwrap().push(event);
            }),
            dead_letters: dead_letters.then(|| Arc::clone(self) as Arc<dyn DeadLetters>),
            meter: None,
            pressure: None,
        }
    }

    /// The names of the events of a target.
    pub(crate) fn events(&self, target: &str) -> Vec<&'static str> {
        let events = self.events.lock().unwrap();
        let of_target = events.iter().filter(|(name, _)| **name == *target);
        of_target.map(|(_, kind)| kind.name()).collect()
    }

    /// Slot, target that the record was routed to, and end.
    pub(crate) fn ends(&self) -> Vec<(u64, String, End)> {
        let mut ends = self.ends.lock().unwrap().clone();
        ends.sort_by_key(|(slot, ..)| *slot);
        ends
    }

    pub(crate) fn letters(&self) -> Vec<Letters> {
        self.letters.lock().unwrap().clone()
    }

    /// The numbers of all dead-lettered records.
    pub(crate) fn buried(&self) -> Vec<u64> {
        let letters = self.letters();
        letters
            .iter()
            .flat_map(|letters| numbers(&letters.batch))
            .collect()
    }
}

impl ReceiptSink for Witness {
    fn settled(&self, slot: u64, target: &str, end: &End) {
        let end = (slot, target.to_owned(), end.clone());
        self.ends.lock().unwrap().push(end);
    }
}

impl DeadLetters for Witness {
    fn bury(&self, letters: Letters) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            {
                let mut broken = self.broken.lock().unwrap();
                if *broken > 0 {
                    *broken -= 1;
                    return Err(Failure::new(Class::Full, "no space left"));
                }
            }
            self.letters.lock().unwrap().push(letters);
            if self.silent.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    }
}
