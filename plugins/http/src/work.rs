//! How far an attempt has come, and what became of its batch.

use std::collections::VecDeque;

use rolog_plugin::prelude::*;

use crate::pack::Request;
use crate::upload::Begun;

/// How far an attempt has come.
#[derive(Default)]
pub(crate) struct Work {
    /// Still to be sent.
    pub(crate) queue: VecDeque<Request>,
    /// Being sent.
    pub(crate) current: Option<(Vec<u32>, Begun)>,
    /// Nothing is known of the records before they were put into requests.
    pub(crate) packed: bool,
    pub(crate) rejected: Vec<Rejection>,
    rest: Vec<u32>,
    why: Option<(Verdict, Failure)>,
}

impl Work {
    /// These records are left, for this reason.
    pub(crate) fn leave(&mut self, records: &[u32], verdict: Verdict, failure: Failure) {
        self.rest.extend_from_slice(records);
        let maybe = failure.maybe_written;
        match &mut self.why {
            // To try again later includes to hold what is still held then.
            Some((Verdict::Hold, held)) if verdict == Verdict::Retry => {
                let maybe_written = maybe || held.maybe_written;
                let failure = Failure {
                    maybe_written,
                    ..failure
                };
                self.why = Some((verdict, failure));
            }
            Some((_, first)) => first.maybe_written |= maybe,
            None => self.why = Some((verdict, failure)),
        }
    }

    /// Everything that is not yet answered is left.
    pub(crate) fn give_up(&mut self, verdict: Verdict, failure: Failure) {
        let mut records = Vec::new();
        let mut failure = failure;
        if let Some((current, begun)) = self.current.take() {
            failure.maybe_written |= begun.revoke();
            records.extend(current);
        }
        for request in self.queue.drain(..) {
            records.extend(request.records);
        }
        self.leave(&records, verdict, failure);
    }

    /// This record will never be accepted.
    pub(crate) fn reject(&mut self, index: u32, class: Class, message: String) {
        self.rejected.push(Rejection {
            index,
            class,
            message,
        });
    }

    /// What became of the batch as a whole.
    pub(crate) fn outcome(self) -> Outcome {
        match self.why {
            None => Outcome::rejected(self.rejected),
            Some((verdict, failure)) if !self.packed => Outcome::failed(verdict, failure),
            Some((verdict, failure)) => Outcome::failed(verdict, failure)
                .only(self.rest)
                .and_rejected(self.rejected),
        }
    }
}
