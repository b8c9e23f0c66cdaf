//! What librdkafka complains of beside the reports of messages: the reason behind a message that
//! timed out.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::meaning::Meaning;
use crate::native::Code;

/// So many topics in trouble are looked at again before the next attempt.
const SUSPECTS: usize = 16;

/// The last trouble that a producer met.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    last: Mutex<Option<Trouble>>,
    denied: Notify,
    suspects: Mutex<BTreeSet<String>>,
}

/// Trouble that is not of a single message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) code: Code,
    pub(crate) text: String,
}

impl Watch {
    /// Notes trouble.
    pub(crate) fn note(&self, code: Code, text: String) {
        let denied = Meaning::of(code).is_hold();
        let mut last = self.last();
        // That no broker can be reached says less than why the connection to each was refused.
        let less = Meaning::of(code).is_vague();
        if less
            && last
                .as_ref()
                .is_some_and(|one| !Meaning::of(one.code).is_vague())
        {
            return;
        }
        *last = Some(Trouble { code, text });
        drop(last);
        if denied {
            self.denied.notify_waiters();
        }
    }

    /// What trouble there was is over.
    pub(crate) fn over(&self) {
        *self.last() = None;
    }

    /// The last trouble, if it is not over.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.last().clone()
    }

    /// Resolves when the cluster refuses to be used: what someone must mend.
    pub(crate) async fn denied(&self) -> Trouble {
        loop {
            let denied = self.denied.notified();
            if let Some(trouble) = self.trouble().filter(|one| Meaning::of(one.code).is_hold()) {
                return trouble;
            }
            denied.await;
        }
    }

    /// librdkafka remembers for minutes that there was something wrong with this topic.
    pub(crate) fn suspect(&self, topic: &str) {
        let mut suspects = self.suspects();
        if suspects.len() < SUSPECTS && !suspects.contains(topic) {
            suspects.insert(topic.to_owned());
        }
    }

    /// The topics to be looked at again.
    pub(crate) fn take_suspects(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.suspects())
    }

    fn last(&self) -> MutexGuard<'_, Option<Trouble>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn suspects(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
