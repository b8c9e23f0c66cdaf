//! What the host calls.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderName;
use rolog_plugin::prelude::*;
use tokio::time::Instant;

use crate::auth::Auth;
use crate::check;
use crate::config::{Config, Method};
use crate::format;
use crate::pack::{Packed, Packer, Request};
use crate::route::Routes;
use crate::send::{Sender, Sent};
use crate::status::{Meaning, Meanings};
use crate::upload::Begun;
use crate::work::Work;

/// Batches above this many bytes are compressed where it does not keep others waiting,
const LARGE: usize = 32 << 10;
/// and written there above this many, which takes about as long.
const VERY_LARGE: usize = 1 << 20;
/// Enough records for bodies of about a megabyte.
const PREFERRED_BATCH: usize = 5000;

/// Sends records to an HTTP service.
pub struct Http {
    context: Context,
    packer: Arc<Packer>,
    sender: Sender,
    timeout: Option<Duration>,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http")
            .field("url", &self.sender.shown)
            .finish_non_exhaustive()
    }
}

impl Target for Http {
    type Config = Config;

    fn describe() -> Description {
        Description {
            summary: "sends records to an HTTP service, as JSON or as its own interface wants it"
                .into(),
            ..Description::default()
        }
    }

    fn validate(config: &Config, setup: &Setup) -> Result<Plan, ConfigError> {
        let plan = check::check(config, &|path: &Path| setup.resolve(path))?;
        Ok(plan.preferred_batch(PREFERRED_BATCH))
    }

    async fn create(config: Config, context: Context) -> Result<Self, Failure> {
        let making = context.clone();
        let target = context
            .spawn_blocking(move || make(&config, making))
            .await?
            .map_err(|error| Failure::new(Class::Invalid, error.to_string()))?;
        // A token that is not there yet is found out here, not with the first records.
        target.0.sender.authorization().await?;
        if let Some(probe) = target.1 {
            target.0.probe(probe).await?;
        }
        Ok(target.0)
    }

    async fn deliver(&self, batch: &Batch, attempt: &Attempt) -> Outcome {
        let mut work = Work::default();
        tokio::select! {
            biased;
            result = self.work(batch, attempt, &mut work) => match result {
                Ok(()) => {}
                Err(outcome) => return outcome,
            },
            () = attempt.cancelled() => {
                // The request under way ended with its future.
                let failure = Failure::new(Class::Cancelled, "the attempt was cancelled");
                work.give_up(Verdict::Retry, failure);
            }
        }
        work.outcome()
    }
}

impl Http {
    /// Sends the batch. An `Err` is an outcome for the batch as a whole.
    async fn work(&self, batch: &Batch, attempt: &Attempt, work: &mut Work) -> Result<(), Outcome> {
        let deadline = Instant::from_std(attempt.deadline());
        let until = |timeout: Option<Duration>| match timeout {
            Some(timeout) => deadline.min(Instant::now() + timeout),
            None => deadline,
        };
        let packed = self.pack(batch, None).await.map_err(Outcome::retry)?;
        let alone = packed.requests.len() == 1 && packed.rejected.is_empty();
        work.rejected = packed.rejected;
        work.queue = packed.requests.into();
        work.packed = true;
        while let Some(request) = work.queue.pop_front() {
            let begun = Begun::default();
            work.current = Some((request.records.clone(), begun.clone()));
            let sent = self
                .sender
                .send(&request, until(self.timeout), &begun)
                .await;
            work.current = None;
            match sent {
                Sent::Delivered | Sent::Failed(Meaning::Delivered, _) => {}
                Sent::Partly(reading) => self.sort_out(&request, reading, work),
                Sent::Failed(Meaning::Retry(_), failure) => {
                    work.leave(&request.records, Verdict::Retry, failure.clone());
                    let unsent = Failure {
                        maybe_written: false,
                        ..failure
                    };
                    work.give_up(Verdict::Retry, unsent);
                }
                Sent::Failed(Meaning::Hold(_), failure) => {
                    work.leave(&request.records, Verdict::Hold, failure.clone());
                    // Others may go where nothing is wrong.
                    if self.packer.routes().fixed().is_some() {
                        work.give_up(Verdict::Hold, failure);
                    }
                }
                Sent::Failed(meaning @ (Meaning::Reject(_) | Meaning::Split), failure) => {
                    if meaning == Meaning::Split && request.records.len() > 1 {
                        self.packer.too_large(request.plain);
                    }
                    if alone {
                        return Err(Outcome::refused(failure));
                    }
                    self.halve(batch, &request, failure, work).await;
                }
            }
        }
        Ok(())
    }

    /// What the service says of single records.
    fn sort_out(&self, request: &Request, reading: format::Reading, work: &mut Work) {
        if reading.refused > 0 {
            metrics::counter!("http_refused_total").increment(reading.refused);
        }
        for (position, trouble) in reading.troubles {
            let Some(&index) = request.records.get(position as usize) else {
                continue;
            };
            let message = self.sender.cleaned(trouble.text.as_bytes());
            let failure = |class| {
                let shown = &self.sender.shown;
                Failure::new(class, format!("{shown}: {}: {message}", trouble.status))
            };
            // Said of some records, it is said for good, whatever a status means for a request.
            let meaning = match reading.refused {
                0 => self.sender.meanings.of(trouble.status),
                _ => Meaning::Reject(Class::Invalid),
            };
            match meaning {
                Meaning::Delivered => {}
                Meaning::Retry(class) => work.leave(&[index], Verdict::Retry, failure(class)),
                Meaning::Hold(class) => work.leave(&[index], Verdict::Hold, failure(class)),
                Meaning::Reject(class) => work.reject(index, class, message),
                Meaning::Split => work.reject(index, Class::TooLarge, message),
            }
        }
    }

    /// Looks for the records that a request was refused for, in its halves. A batch that is one
    /// request is halved by the flush stage instead.
    async fn halve(&self, batch: &Batch, request: &Request, failure: Failure, work: &mut Work) {
        if let [one] = request.records[..] {
            work.reject(one, failure.class, failure.message);
            return;
        }
        // Until they are in the queue again: a cancellation must find them somewhere.
        work.current = Some((request.records.clone(), Begun::default()));
        let (first, second) = request.records.split_at(request.records.len() / 2);
        let mut halves = Vec::new();
        for half in [first, second] {
            match self.pack(batch, Some(half.to_vec())).await {
                Ok(packed) => halves.extend(packed.requests),
                Err(failure) => work.leave(half, Verdict::Retry, failure),
            }
        }
        work.current = None;
        for request in halves.into_iter().rev() {
            work.queue.push_front(request);
        }
    }

    async fn pack(&self, batch: &Batch, which: Option<Vec<u32>>) -> Result<Packed, Failure> {
        let large = match self.packer.encoding() {
            Some(_) => LARGE,
            None => VERY_LARGE,
        };
        if batch.bytes().len() <= large {
            return self.packer.pack(batch, which.as_deref());
        }
        let (packer, batch) = (Arc::clone(&self.packer), batch.clone());
        self.context
            .spawn_blocking(move || packer.pack(&batch, which.as_deref()))
            .await?
    }

    /// Asks for something of the service's, to see that it is there and lets us in.
    async fn probe(&self, url: Url) -> Result<(), Failure> {
        let sender = &self.sender;
        let mut request = sender.client.get(url);
        if let Some(value) = sender.authorization().await? {
            request = request.header(reqwest::header::AUTHORIZATION, value);
        }
        let limit = self.timeout.unwrap_or(Duration::from_secs(10));
        let answer = tokio::time::timeout(limit, request.send()).await;
        let status = match answer {
            Ok(Ok(response)) => response.status(),
            Ok(Err(error)) => {
                let what = format!("the probe got no answer: {}", crate::send::told(&error));
                return Err(Failure::new(Class::Connection, what));
            }
            Err(_) => {
                return Err(Failure::new(
                    Class::Timeout,
                    "the probe got no answer in time",
                ));
            }
        };
        let class = match sender.meanings.of(status.as_u16()) {
            Meaning::Delivered => return Ok(()),
            Meaning::Retry(class) | Meaning::Reject(class) | Meaning::Hold(class) => class,
            Meaning::Split => Class::TooLarge,
        };
        Err(Failure::new(
            class,
            format!("the probe is answered {status}"),
        ))
    }
}

/// Makes an instance; the settings are checked again, as files may have changed since.
fn make(config: &Config, context: Context) -> Result<(Http, Option<Url>), ConfigError> {
    let resolve = {
        let context = context.clone();
        move |path: &Path| context.setup().resolve(path)
    };
    let routes = Routes::new(config)?;
    let client = crate::client::client(config, &resolve)?;
    let auth = Auth::new(config.auth.as_ref(), &resolve)?;
    let probe = check::probe(config)?;
    let secrets = check::secrets(config);
    let key = match config.idempotency_header.as_str() {
        "" => None,
        name => Some(HeaderName::try_from(name).map_err(|_| {
            ConfigError::at(
                "idempotency_header",
                format!("`{name}` is no name of a header"),
            )
        })?),
    };
    let method = match config.method {
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
    };
    let timeout = config.timeout.map(|span| span.0);
    let sender = |packer: &Packer, config: &Config| Sender {
        client,
        method,
        auth: Arc::new(auth),
        encoding: packer.encoding(),
        key,
        meanings: Meanings::new(config.statuses.clone()),
        reader: format::reader(config.format),
        shown: packer.routes().shown().to_owned(),
        secrets,
        context: context.clone(),
    };
    let packer = Packer::new(config.clone(), routes);
    let http = Http {
        sender: sender(&packer, config),
        packer: Arc::new(packer),
        timeout,
        context,
    };
    Ok((http, probe))
}
