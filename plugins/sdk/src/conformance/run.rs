//! What the checks have in common: fresh destinations, bounded calls, comparisons.

use std::cell::Cell;
use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use rolog_core::delivery::{Failure, Outcome, Verdict};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::client::Client;
use super::{Suite, batch};

/// What a check comes to; otherwise what is wrong, for people.
pub(super) type Check<T = ()> = Result<T, String>;

/// How often a destination is looked at while something is expected there.
const LOOK: Duration = Duration::from_millis(10);
/// How long a destination is watched for what must not come.
const WATCH: Duration = Duration::from_millis(300);

/// One run of a suite.
pub(super) struct Run {
    pub(super) suite: Suite,
    places: Cell<usize>,
}

impl Run {
    pub(super) fn new(suite: Suite) -> Self {
        Run {
            suite,
            places: Cell::new(0),
        }
    }

    /// A destination that nobody has used.
    pub(super) fn place(&self) -> usize {
        self.places.replace(self.places.get() + 1)
    }

    /// Waits for an answer, as long as the suite's patience lasts.
    pub(super) async fn within<T>(
        &self,
        what: &str,
        limit: Duration,
        answer: impl Future<Output = T>,
    ) -> Check<T> {
        let late = |_| format!("{what} has not come back within {limit:?}");
        timeout(limit, answer).await.map_err(late)
    }

    /// Waits for an answer that has to be a success.
    pub(super) async fn fine<T>(
        &self,
        what: &str,
        answer: impl Future<Output = Result<T, Failure>>,
    ) -> Check<T> {
        let answer = self.within(what, self.suite.patience, answer).await?;
        answer.map_err(|failure| format!("{what} failed: {failure}"))
    }

    pub(super) async fn create(&self, config: &Value) -> Check<Client> {
        let created = Client::create(self.suite.module, config);
        self.fine("`create`", created).await
    }

    /// An instance with a destination of its own, active.
    pub(super) async fn active(&self, place: usize) -> Check<Client> {
        let client = self.create(&(self.suite.config)(place)).await?;
        self.fine("`activate`", client.activate()).await?;
        Ok(client)
    }

    /// Delivers, and wants everything delivered.
    pub(super) async fn deliver(&self, to: &Client, messages: &[String]) -> Check {
        let outcome = self.attempt(to, messages).await?;
        if outcome.is_delivered() {
            return Ok(());
        }
        Err(format!(
            "a delivery without any trouble came to {outcome:?}"
        ))
    }

    /// Delivers, and takes any answer.
    pub(super) async fn attempt(&self, to: &Client, messages: &[String]) -> Check<Outcome> {
        let patience = self.suite.patience;
        let (_, answer) = to.deliver(batch(messages), patience);
        let outcome = self.within("`deliver`", patience, answer).await?;
        judge(&outcome, messages.len())?;
        Ok(outcome)
    }

    pub(super) async fn shut_down(&self, client: &Client) -> Check {
        let end = client.shutdown(self.suite.patience);
        self.fine("`shutdown`", end).await
    }

    /// Waits until exactly these are at a destination.
    pub(super) async fn arrives(&self, place: usize, expected: &[String], when: &str) -> Check {
        let Some(arrived) = &self.suite.arrived else {
            return Ok(());
        };
        let end = Instant::now() + self.suite.patience;
        loop {
            let there = arrived(place);
            if there == expected {
                return Ok(());
            }
            // What is delivered may take a while to be seen; what is too much stays too much.
            if there.len() >= expected.len() || Instant::now() >= end {
                return Err(differs(&there, expected, when));
            }
            sleep(LOOK).await;
        }
    }

    /// Checks that these are at a destination, and that nothing comes to them for a while.
    pub(super) async fn stays(&self, place: usize, expected: &[String], when: &str) -> Check {
        let Some(arrived) = &self.suite.arrived else {
            return Ok(());
        };
        let end = Instant::now() + WATCH;
        loop {
            let there = arrived(place);
            if there != expected {
                return Err(differs(&there, expected, when));
            }
            if Instant::now() >= end {
                return Ok(());
            }
            sleep(LOOK).await;
        }
    }

    /// What is at a destination now; `None` where nobody can look.
    pub(super) fn there(&self, place: usize) -> Option<Vec<String>> {
        self.suite.arrived.as_ref().map(|arrived| arrived(place))
    }
}

/// Whether an answer makes sense for a batch of this length.
pub(super) fn judge(outcome: &Outcome, len: usize) -> Check {
    let rejected = outcome.rejections().iter().map(|one| one.index);
    let remaining = outcome.remaining().unwrap_or(&[]).iter().copied();
    if let Some(index) = rejected.chain(remaining).find(|i| *i as usize >= len) {
        return Err(format!(
            "an answer names record {index} of a batch of {len}"
        ));
    }
    match outcome.failure() {
        Some(failure) if failure.message.is_empty() => {
            Err(format!("a failure of class {} has no text", failure.class))
        }
        _ => Ok(()),
    }
}

/// Messages that no other destination gets.
pub(super) fn words(place: usize, name: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{place}/{name}/{n}")).collect()
}

/// The messages that an answer calls delivered.
pub(super) fn delivered(outcome: &Outcome, messages: &[String]) -> Vec<String> {
    let rejected = |index: u32| outcome.rejections().iter().any(|one| one.index == index);
    let left = |index: u32| match (outcome.verdict(), outcome.remaining()) {
        (Verdict::Delivered, _) => false,
        (_, None) => true,
        (_, Some(named)) => named.contains(&index),
    };
    let there = |index: &usize| !rejected(*index as u32) && !left(*index as u32);
    let indices = (0..messages.len()).filter(there);
    indices.map(|index| messages[index].clone()).collect()
}

/// Whether some of an attempt's rest may be at the destination all the same.
pub(super) fn maybe_written(outcome: &Outcome) -> bool {
    outcome
        .failure()
        .is_some_and(|failure| failure.maybe_written)
}

fn differs(there: &[String], expected: &[String], when: &str) -> String {
    let at = there
        .iter()
        .zip(expected)
        .take_while(|(a, b)| a == b)
        .count();
    format!(
        "{when}, {} records are at the destination where {} should be; from position {at} on there \
         is {:?} in place of {:?}",
        there.len(),
        expected.len(),
        some(there, at),
        some(expected, at)
    )
}

/// A few of a list, for a message.
fn some(list: &[String], from: usize) -> impl Debug + '_ {
    &list[from.min(list.len())..(from + 3).min(list.len())]
}
