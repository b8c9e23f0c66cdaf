//! Which report belongs to which attempt: every message that was handed over is reported once, and
//! an attempt waits for all of its own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::native::{Code, Report};

// A mark holds a round's number and a position; there is no Kafka target on smaller machines.
const _: () = assert!(usize::BITS >= 64, "a mark needs 64 bits");

/// The rounds whose messages are on their way.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    rounds: Mutex<HashMap<u32, Arc<Round>>>,
    next: AtomicU32,
    delivered: AtomicBool,
    closed: Notify,
}

/// Messages that were handed over together.
#[derive(Debug)]
pub(crate) struct Round {
    /// How many are not settled yet.
    open: AtomicUsize,
    failed: Mutex<Vec<Failed>>,
    done: Notify,
}

/// A round that an attempt waits for; later reports of one that is dropped go unheard.
pub(crate) struct Waiting<'l> {
    ledger: &'l Ledger,
    number: u32,
    round: Arc<Round>,
}

/// A message that was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    /// The record's position in its batch.
    pub(crate) index: u32,
    pub(crate) code: Code,
    pub(crate) maybe_written: bool,
}

impl Ledger {
    /// Opens a round of so many messages.
    pub(crate) fn open(&self, messages: usize) -> Waiting<'_> {
        let round = Arc::new(Round {
            open: AtomicUsize::new(messages),
            failed: Mutex::default(),
            done: Notify::new(),
        });
        let mut rounds = self.rounds();
        let number = loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if !rounds.contains_key(&number) {
                break number;
            }
        };
        rounds.insert(number, Arc::clone(&round));
        drop(rounds);
        Waiting {
            ledger: self,
            number,
            round,
        }
    }

    /// Resolves when no round is open.
    pub(crate) async fn closed(&self) {
        loop {
            let closed = self.closed.notified();
            if self.rounds().is_empty() {
                return;
            }
            closed.await;
        }
    }

    /// Takes reports, many of one round after the other.
    pub(crate) fn take(&self, reports: impl FnOnce(&mut dyn FnMut(Report))) {
        let mut sheet = Sheet::default();
        reports(&mut |report| {
            let (number, index) = split(report.mark);
            if sheet.number != Some(number) {
                self.settle(&mut sheet);
                sheet.number = Some(number);
            }
            sheet.settled += 1;
            if report.code != Code::NONE {
                sheet.failed.push(Failed {
                    index,
                    code: report.code,
                    maybe_written: report.maybe_written,
                });
            }
        });
        self.settle(&mut sheet);
    }

    /// Whether any message was delivered since the last look.
    pub(crate) fn has_delivered(&self) -> bool {
        self.delivered.swap(false, Ordering::Relaxed)
    }

    fn settle(&self, sheet: &mut Sheet) {
        let Some(number) = sheet.number else {
            return;
        };
        if sheet.settled > sheet.failed.len() {
            self.delivered.store(true, Ordering::Relaxed);
        }
        let round = self.rounds().get(&number).cloned();
        if let Some(round) = round {
            round.failed().append(&mut sheet.failed);
            round.settled(sheet.settled);
        }
        *sheet = Sheet::default();
    }

    fn rounds(&self) -> MutexGuard<'_, HashMap<u32, Arc<Round>>> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports of one round, until they are taken to it.
#[derive(Default)]
struct Sheet {
    number: Option<u32>,
    settled: usize,
    failed: Vec<Failed>,
}

impl Waiting<'_> {
    /// What the message of the record at this position is to be marked with.
    pub(crate) fn mark(&self, index: u32) -> usize {
        (self.number as usize) << 32 | index as usize
    }

    /// A message that was not handed over will not be reported.
    pub(crate) fn not_sent(&self, failed: Option<Failed>) {
        self.round.failed().extend(failed);
        self.round.settled(1);
    }

    /// Resolves when every message is settled.
    pub(crate) async fn done(&self) {
        loop {
            let done = self.round.done.notified();
            if self.round.open.load(Ordering::Acquire) == 0 {
                return;
            }
            done.await;
        }
    }

    /// The messages that were not delivered, in the order of their records.
    pub(crate) fn failed(&self) -> Vec<Failed> {
        let mut failed = std::mem::take(&mut *self.round.failed());
        failed.sort_unstable_by_key(|failed| failed.index);
        failed
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.ledger.rounds().remove(&self.number);
        self.ledger.closed.notify_waiters();
    }
}

impl Round {
    fn settled(&self, messages: usize) {
        if self.open.fetch_sub(messages, Ordering::AcqRel) == messages {
            self.done.notify_waiters();
        }
    }

    fn failed(&self) -> MutexGuard<'_, Vec<Failed>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn split(mark: usize) -> (u32, u32) {
    ((mark >> 32) as u32, mark as u32)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    fn report(mark: usize, code: i32) -> Report {
        Report {
            mark,
            code: Code(code),
            maybe_written: code == -192,
        }
    }

    #[test]
    fn a_round_is_done_when_each_of_its_messages_is_settled() {
        let ledger = Ledger::default();
        let (one, two) = (ledger.open(3), ledger.open(1));
        let mut cx = Context::from_waker(Waker::noop());
        let mut done = pin!(one.done());
        assert!(done.as_mut().poll(&mut cx).is_pending());
        ledger.take(|each| {
            each(report(one.mark(2), -192));
            each(report(two.mark(0), 0));
            each(report(one.mark(0), 0));
        });
        assert!(ledger.has_delivered());
        assert!(!ledger.has_delivered());
        assert!(done.as_mut().poll(&mut cx).is_pending());
        one.not_sent(None);
        assert!(done.as_mut().poll(&mut cx).is_ready());
        assert!(pin!(two.done()).poll(&mut cx).is_ready());
        let failed = Failed {
            index: 2,
            code: Code(-192),
            maybe_written: true,
        };
        assert_eq!(one.failed(), [failed]);
        assert_eq!(two.failed(), []);
    }

    #[test]
    fn a_report_of_a_round_that_nobody_waits_for_goes_unheard() {
        let ledger = Ledger::default();
        let gone = ledger.open(1).mark(0);
        let other = ledger.open(1);
        ledger.take(|each| each(report(gone, 0)));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(pin!(other.done()).poll(&mut cx).is_pending());
    }
}
