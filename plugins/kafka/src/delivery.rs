//! One attempt: every record of a batch handed over, every report waited for.
//!
//! A broker that refuses a request refuses it as a whole, whichever of its records is to blame, and
//! which records librdkafka sent in one request nobody knows. So the records that were refused are
//! sent again in halves, until those are alone that are refused for themselves.

use std::collections::VecDeque;
use std::time::Duration;

use rolog_core::frame;
use rolog_plugin::prelude::*;

use crate::meaning::Meaning;
use crate::message::{NotSent, Shape, Writer};
use crate::native::Code;
use crate::producer::{self, Producer};
use crate::reports::{Failed, Waiting};

/// So many records are handed over before others of the runtime have their turn.
const TURN: usize = 256;

/// One attempt at a batch.
pub(crate) struct Delivery<'a> {
    pub(crate) producer: &'a Producer,
    pub(crate) shape: &'a Shape,
    pub(crate) attempt: &'a Attempt,
    pub(crate) view: &'a frame::Batch<'a>,
}

/// What became of the records that were not delivered.
#[derive(Default)]
struct Result {
    rejected: Vec<Rejection>,
    left: Vec<Failed>,
}

impl Delivery<'_> {
    /// Tries, once.
    pub(crate) async fn run(&self, writer: &mut Writer) -> Outcome {
        let mut result = Result::default();
        let all: Vec<u32> = (0..self.view.len() as u32).collect();
        let mut groups = VecDeque::from([all]);
        while let Some(group) = groups.pop_front() {
            if !result.left.is_empty() || self.attempt.is_cancelled() || self.producer.is_ending() {
                // Trouble of another kind: what is still to be found out, a later attempt will.
                result.left.extend(group.into_iter().map(not_sent));
                continue;
            }
            let failed = self.send(&group, writer, &mut result.rejected).await;
            self.sort_out(&group, failed, &mut groups, &mut result);
        }
        self.answer(result)
    }

    /// Sends the records at these positions and waits for their reports; gives those that were not
    /// delivered and may be another time.
    async fn send(
        &self,
        group: &[u32],
        writer: &mut Writer,
        rejected: &mut Vec<Rejection>,
    ) -> Vec<Failed> {
        let waiting = self.producer.ledger.open(group.len());
        let mut wanted = group.iter().copied().peekable();
        let mut records = (0u32..).zip(self.view.records());
        let mut open = group.len();
        while open > 0 {
            let cut = self.attempt.is_cancelled() || self.producer.is_ending();
            let mut sent = 0;
            {
                let mut producing = self.producer.client.producing();
                for (index, record) in &mut records {
                    if wanted.next_if_eq(&index).is_none() {
                        continue;
                    }
                    sent += 1;
                    if cut {
                        waiting.not_sent(Some(not_sent(index)));
                    } else {
                        let mark = waiting.mark(index);
                        if let Err(why) = writer.send(self.shape, &record, mark, &mut producing) {
                            unsent(&waiting, index, why, rejected);
                        }
                    }
                    if sent == TURN {
                        break;
                    }
                }
            }
            open -= sent;
            if sent < TURN {
                break;
            }
            tokio::task::yield_now().await;
        }
        for _ in 0..open {
            // Only a batch that does not have what it says it has comes here.
            waiting.not_sent(None);
        }
        let settled = waiting.done();
        tokio::pin!(settled);
        tokio::select! {
            () = &mut settled => {}
            () = self.cut() => {
                tokio::select! {
                    () = &mut settled => {}
                    () = self.producer.purge() => {}
                }
            }
        }
        waiting.failed()
    }

    /// Resolves when the attempt is not to go on.
    async fn cut(&self) {
        tokio::select! {
            () = self.attempt.cancelled() => {}
            () = self.producer.ended() => {}
        }
    }

    /// Decides on what was not delivered of a group.
    fn sort_out(
        &self,
        group: &[u32],
        failed: Vec<Failed>,
        groups: &mut VecDeque<Vec<u32>>,
        result: &mut Result,
    ) {
        let cancelled = self.attempt.is_cancelled() || self.producer.is_ending();
        let (mut refused, mut again) = (Vec::new(), Vec::new());
        for one in failed {
            match Meaning::of(one.code) {
                Meaning::Refused(class) if group.len() == 1 => result.rejected.push(Rejection {
                    index: one.index,
                    class,
                    message: one.code.to_string(),
                }),
                Meaning::Refused(_) => refused.push(one.index),
                Meaning::Again if !cancelled => again.push(one.index),
                _ => result.left.push(one),
            }
        }
        // The first halves first, so that those that are accepted keep their order.
        if refused.len() > 1 {
            let second = refused.split_off(refused.len() / 2);
            groups.push_front(second);
        }
        for more in [refused, again] {
            if !more.is_empty() {
                groups.push_front(more);
            }
        }
    }

    /// What the stage is told.
    fn answer(&self, mut result: Result) -> Outcome {
        result.left.sort_unstable_by_key(|failed| failed.index);
        let Some(worst) = result.left.iter().max_by_key(|one| rank(one.code)).copied() else {
            return Outcome::rejected(result.rejected);
        };
        let cancelled = self.attempt.is_cancelled();
        let (verdict, mut failure) = self.judge(worst.code, cancelled);
        let left = result.left.len();
        if left < self.view.len() {
            failure.message = format!("{left} of {} records: {}", self.view.len(), failure.message);
        }
        if result.left.iter().any(|one| one.maybe_written) {
            failure = failure.maybe_written();
        }
        if verdict == Verdict::Hold {
            self.suspect(worst.index);
        }
        Outcome::failed(verdict, failure)
            .only(result.left.iter().map(|one| one.index))
            .and_rejected(result.rejected)
    }

    fn judge(&self, code: Code, cancelled: bool) -> (Verdict, Failure) {
        if let Some((code, text)) = self.producer.client.fatal() {
            // A producer that may not write will not be allowed to by being built anew.
            return match Meaning::of(code) {
                Meaning::Hold(class) => (Verdict::Hold, Failure::new(class, text)),
                _ => (Verdict::Fatal, Failure::new(Class::Internal, text)),
            };
        }
        match Meaning::of(code) {
            Meaning::Hold(class) => (Verdict::Hold, Failure::new(class, code.to_string())),
            Meaning::Fatal => (
                Verdict::Fatal,
                Failure::new(Class::Internal, code.to_string()),
            ),
            _ if cancelled => {
                let failure = Failure::new(Class::Cancelled, "the attempt was cancelled");
                (Verdict::Retry, failure)
            }
            Meaning::Retry(class @ (Class::Timeout | Class::Connection)) => {
                self.timed_out(class, code)
            }
            Meaning::Retry(class) | Meaning::Refused(class) => {
                (Verdict::Retry, Failure::new(class, code.to_string()))
            }
            Meaning::Again => {
                let failure = Failure::new(Class::Cancelled, "the target is ending");
                (Verdict::Retry, failure)
            }
        }
    }

    /// That time ran out is what librdkafka says of a message whatever the reason was.
    fn timed_out(&self, class: Class, code: Code) -> (Verdict, Failure) {
        let Some(trouble) = self.producer.watch.trouble() else {
            return (Verdict::Retry, Failure::new(class, code.to_string()));
        };
        let mut failure = producer::failure(&trouble);
        failure.message = format!("{code}: {}", failure.message);
        match Meaning::of(trouble.code) {
            Meaning::Hold(_) => (Verdict::Hold, failure),
            _ => (Verdict::Retry, failure),
        }
    }

    /// librdkafka is to look at the topic of this record again before the next attempt.
    fn suspect(&self, index: u32) {
        let mut topic = String::new();
        if let Some(record) = self.view.get(index as usize)
            && let Ok(topic) = self.shape.topic(&record, &mut topic)
        {
            self.producer.watch.suspect(topic);
        }
    }
}

/// A message that could not be handed over.
fn unsent(waiting: &Waiting<'_>, index: u32, why: NotSent, rejected: &mut Vec<Rejection>) {
    let code = match why {
        NotSent::NoTopic(lacks) => {
            rejected.push(Rejection {
                index,
                class: Class::Invalid,
                message: format!("the record has no `{lacks}`, after which its topic is named"),
            });
            return waiting.not_sent(None);
        }
        NotSent::Refused(code) => code,
    };
    match Meaning::of(code) {
        // It was looked at alone.
        Meaning::Refused(class) => {
            rejected.push(Rejection {
                index,
                class,
                message: code.to_string(),
            });
            waiting.not_sent(None);
        }
        _ => waiting.not_sent(Some(Failed {
            index,
            code,
            maybe_written: false,
        })),
    }
}

/// A record that was not even tried.
fn not_sent(index: u32) -> Failed {
    Failed {
        index,
        code: Code::of(rdkafka_sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PURGE_QUEUE),
        maybe_written: false,
    }
}

/// The failure that says most about a batch.
fn rank(code: Code) -> u8 {
    match Meaning::of(code) {
        Meaning::Fatal => 5,
        Meaning::Hold(_) => 4,
        Meaning::Retry(Class::Cancelled) => 1,
        Meaning::Retry(_) => 3,
        Meaning::Refused(_) => 2,
        Meaning::Again => 0,
    }
}

/// How much longer than librdkafka an attempt should have, so that it learns what became of its
/// records before it is cancelled.
pub(crate) const MARGIN: Duration = Duration::from_secs(1);
