//! A producer, and what belongs to its life.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rolog_plugin::Task;
use rolog_plugin::prelude::*;
use tokio::sync::Notify;

use crate::meaning::Meaning;
use crate::native::{Client, Code, Conf};
use crate::pump::pump;
use crate::reports::Ledger;
use crate::token::Tokens;
use crate::watch::{Trouble, Watch};

/// A question that is not answered within this time is asked again.
const ASK: Duration = Duration::from_secs(1);
/// What is purged while librdkafka moves it from one queue to another is purged again.
const PURGE_AGAIN: Duration = Duration::from_millis(200);

/// A producer of librdkafka's, from its first connection to its end.
pub(crate) struct Producer {
    pub(crate) client: Arc<Client>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) watch: Arc<Watch>,
    context: Context,
    pump: Task<()>,
    ending: AtomicBool,
    ended: Notify,
}

impl Producer {
    /// Begins to connect.
    pub(crate) fn start(
        conf: Conf,
        tokens: Option<Tokens>,
        context: &Context,
    ) -> Result<Self, Failure> {
        let client = Client::new(conf).map_err(|why| Failure::new(Class::Invalid, why))?;
        let client = Arc::new(client);
        let (ledger, watch) = (Arc::<Ledger>::default(), Arc::<Watch>::default());
        let pump = context.spawn(pump(
            Arc::clone(&client),
            Arc::clone(&ledger),
            Arc::clone(&watch),
            tokens,
            context.clone(),
        ));
        Ok(Producer {
            client,
            ledger,
            watch,
            context: context.clone(),
            pump,
            ending: AtomicBool::new(false),
            ended: Notify::new(),
        })
    }

    /// Waits for a broker that answers.
    ///
    /// # Errors
    /// The cluster refuses to be used, or none of its brokers answers in time.
    pub(crate) async fn reach(&self, limit: Duration) -> Result<(), Failure> {
        let (client, until) = (Arc::clone(&self.client), Instant::now() + limit);
        let denied = Arc::new(AtomicBool::new(false));
        let given_up = Arc::clone(&denied);
        let asking = self.context.spawn_blocking(move || {
            loop {
                let rest = until.saturating_duration_since(Instant::now());
                let answer = client.ask(None, rest.min(ASK));
                if answer.is_ok() || rest.is_zero() || given_up.load(Ordering::Relaxed) {
                    return answer;
                }
            }
        });
        tokio::select! {
            answer = asking => answer?.map_err(|code| self.unreached(code)),
            trouble = self.watch.denied() => {
                denied.store(true, Ordering::Relaxed);
                Err(failure(&trouble))
            }
        }
    }

    /// Has librdkafka look again at topics that it knows to be in trouble.
    pub(crate) async fn look_again(&self, limit: Duration) {
        for topic in self.watch.take_suspects() {
            let client = Arc::clone(&self.client);
            let limit = limit.min(ASK);
            let asked = self
                .context
                .spawn_blocking(move || client.ask(Some(&topic), limit));
            // What the answer was shows when the next message is sent.
            drop(asked.await);
        }
    }

    /// Gives up all that is on its way, again and again, until the caller needs no more of it.
    pub(crate) async fn purge(&self) {
        loop {
            self.client.purge();
            tokio::time::sleep(PURGE_AGAIN).await;
        }
    }

    /// Whether nothing is to be sent any more.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    /// Resolves when nothing is to be sent any more.
    pub(crate) async fn ended(&self) {
        loop {
            let ended = self.ended.notified();
            if self.is_ending() {
                return;
            }
            ended.await;
        }
    }

    /// Sends what is queued, and says whether all of it was settled.
    pub(crate) async fn flush(&self, limit: Duration) -> Result<bool, Failure> {
        let client = Arc::clone(&self.client);
        self.context
            .spawn_blocking(move || client.flush(limit))
            .await
    }

    /// Sends what is queued within the limit, gives up the rest, and ends librdkafka's threads.
    pub(crate) async fn end(&self, limit: Duration) {
        let until = Instant::now() + limit;
        let rest = || until.saturating_duration_since(Instant::now());
        // A fifth of the time is for what has to be given up and for the threads to end. That not
        // all was sent shows in what the attempts answer.
        let _ = self.flush(limit * 4 / 5).await;
        self.ending.store(true, Ordering::Release);
        self.ended.notify_waiters();
        // The attempts are told what became of their records before the reports stop.
        let _ = tokio::time::timeout(rest(), self.ledger.closed()).await;
    }

    /// Ends the taking of events; what is reported later goes unheard.
    pub(crate) fn stop(&self) {
        self.pump.abort();
    }

    fn unreached(&self, code: Code) -> Failure {
        if let Some(trouble) = self.watch.trouble() {
            return failure(&trouble);
        }
        let class = match Meaning::of(code) {
            Meaning::Hold(class) | Meaning::Retry(class) => class,
            _ => Class::Connection,
        };
        Failure::new(class, format!("no broker answers: {code}"))
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The failure for trouble that is not of a single message.
pub(crate) fn failure(trouble: &Trouble) -> Failure {
    let class = match Meaning::of(trouble.code) {
        Meaning::Hold(class) | Meaning::Retry(class) | Meaning::Refused(class) => class,
        Meaning::Fatal | Meaning::Again => Class::Internal,
    };
    Failure::new(class, trouble.text.clone())
}
