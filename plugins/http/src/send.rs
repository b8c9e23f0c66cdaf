//! One request, and what its answer or the lack of one means.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION,
    RETRY_AFTER,
};
use reqwest::{Body, Client, Method, Response};
use rolog_plugin::prelude::*;
use tokio::time::{Instant, timeout_at};

use crate::answer::cleaned;
use crate::auth::Auth;
use crate::format::{ReadAnswer, Reading};
use crate::pack::Request;
use crate::status::{self, Meaning, Meanings};
use crate::tls;
use crate::upload::{Begun, Upload};

/// How often a request is tried that broke before any of its body was taken.
const STALE: usize = 3;
/// The most of an answer that is read for its text, or so that its connection can be used again.
const TEXT: usize = 64 << 10;
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// The most of an answer that says what became of each record.
const ANSWER: usize = 64 << 20;

/// Sends requests.
pub(crate) struct Sender {
    pub client: Client,
    pub method: Method,
    pub auth: Arc<Auth>,
    pub encoding: Option<&'static str>,
    pub key: Option<HeaderName>,
    pub meanings: Meanings,
    pub reader: Option<ReadAnswer>,
    /// The URL, for people.
    pub shown: String,
    /// What an answer must not repeat into an error.
    pub secrets: Vec<String>,
    pub context: Context,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Sent {
    /// Everything is there.
    Delivered,
    /// The service says it of each record.
    Partly(Reading),
    /// It has none of it, or is not known to.
    Failed(Meaning, Failure),
}

impl Sender {
    /// Sends a request, to be answered by then. `begun` tells whether any of it may have left, also
    /// to whoever drops this midway.
    pub(crate) async fn send(&self, request: &Request, until: Instant, begun: &Begun) -> Sent {
        let headers = match self.headers(request).await {
            Ok(headers) => headers,
            Err(failure) => return Sent::Failed(Meaning::Hold(failure.class), failure),
        };
        let mut tries = 0;
        loop {
            tries += 1;
            // The runtime looks at what its sockets have to tell. By then the end of a kept connection
            // that the server has closed is known to it, and the request goes out on another as if
            // nothing had happened. Without that it is found out when the body has been taken, and
            // nobody can tell any more whether the server had it.
            tokio::task::yield_now().await;
            let upload = Upload::new(request.body.clone(), begun.clone());
            let sending = self
                .client
                .request(self.method.clone(), request.route.url.clone())
                .headers(headers.clone())
                .body(Body::wrap(upload))
                .send();
            match timeout_at(until, sending).await {
                Ok(Ok(response)) => return self.answer(response, request, until).await,
                Ok(Err(error)) if begun.get() || error.is_connect() || tries == STALE => {
                    return self.broken(&error, begun);
                }
                // A kept connection that the service had closed: nothing of this was written.
                Ok(Err(_)) => {}
                Err(_) => {
                    let what = format!("{} {}: no answer in time", self.method, self.shown);
                    let failure = maybe(Failure::new(Class::Timeout, what), begun.revoke());
                    return Sent::Failed(Meaning::Retry(Class::Timeout), failure);
                }
            }
        }
    }

    async fn headers(&self, request: &Request) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(&request.content_type) {
            headers.insert(CONTENT_TYPE, value);
        }
        if let Some(encoding) = self.encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        if let (Some(name), Ok(key)) = (&self.key, HeaderValue::from_str(&request.key)) {
            headers.insert(name.clone(), key);
        }
        for (name, value) in &request.route.headers {
            headers.insert(name.clone(), value.clone());
        }
        if let Some(value) = self.authorization().await? {
            headers.insert(AUTHORIZATION, value);
        }
        Ok(headers)
    }

    pub(crate) async fn authorization(&self) -> Result<Option<HeaderValue>, Failure> {
        let (at_hand, look) = self.auth.at_hand();
        if !look {
            return Ok(at_hand);
        }
        let (sender, read) = (self.auth.clone(), self.context.clone());
        match read.spawn_blocking(move || sender.read()).await? {
            // The one at hand may still do while the file is being replaced.
            Err(_) if at_hand.is_some() => Ok(at_hand),
            read => read,
        }
    }

    async fn answer(&self, mut response: Response, request: &Request, until: Instant) -> Sent {
        let status = response.status();
        let code = status.as_u16();
        let meaning = self.meanings.of(code);
        if meaning == Meaning::Delivered {
            let Some(read) = self.reader.filter(|_| status.is_success()) else {
                let soon = until.min(Instant::now() + PATIENCE);
                // So that the connection can be used again; what it says changes nothing.
                let _ = timeout_at(soon, collect(&mut response, TEXT)).await;
                return Sent::Delivered;
            };
            return match timeout_at(until, collect(&mut response, ANSWER)).await {
                Ok((answer, true)) => {
                    let json = is_json(&response);
                    self.read(read(&answer, json, request.records.len()), &answer)
                }
                // It did take the records, and what it says of each of them is not known.
                Ok(_) => self.unread("its answer broke off"),
                Err(_) => self.unread("its answer did not end in time"),
            };
        }
        if code == 401 {
            self.auth.doubt();
        }
        let soon = until.min(Instant::now() + PATIENCE);
        let mut text = Vec::new();
        let _ = timeout_at(soon, collect_into(&mut response, TEXT, &mut text)).await;
        let meaning = match meaning {
            Meaning::Reject(_) if code == 400 && lacks_certificate(&text) => {
                Meaning::Hold(Class::Auth)
            }
            meaning => meaning,
        };
        let told = self.cleaned(&text);
        let location = response.headers().get(LOCATION).map(HeaderValue::as_bytes);
        let more = match location {
            Some(place) if status.is_redirection() => {
                format!(
                    " to {}; redirections are not followed, so set `url`",
                    self.cleaned(place)
                )
            }
            _ if told.is_empty() => String::new(),
            _ => format!(": {told}"),
        };
        let class = match meaning {
            Meaning::Retry(class) | Meaning::Reject(class) | Meaning::Hold(class) => class,
            Meaning::Split | Meaning::Delivered => Class::TooLarge,
        };
        let what = format!("{} {} is answered {status}{more}", self.method, self.shown);
        let mut failure = maybe(Failure::new(class, what), status::maybe_written(code));
        let after = response.headers().get(RETRY_AFTER);
        if let Some(after) = after.and_then(|value| value.to_str().ok())
            && let Some(delay) = status::retry_after(after, SystemTime::now())
        {
            failure = failure.retry_after(delay);
        }
        Sent::Failed(meaning, failure)
    }

    fn read(&self, reading: Reading, answer: &[u8]) -> Sent {
        if let Some(warning) = &reading.warning {
            log::warn!(
                "{} remarks: {}",
                self.shown,
                self.cleaned(warning.as_bytes())
            );
        }
        if reading.unreadable {
            let told = self.cleaned(answer);
            return self.unread(&format!("its answer cannot be read: {told}"));
        }
        if reading.troubles.is_empty() {
            return Sent::Delivered;
        }
        Sent::Partly(reading)
    }

    fn unread(&self, why: &str) -> Sent {
        let what = format!("{} {}: {why}", self.method, self.shown);
        let failure = Failure::new(Class::Unavailable, what).maybe_written();
        Sent::Failed(Meaning::Retry(Class::Unavailable), failure)
    }

    fn broken(&self, error: &reqwest::Error, begun: &Begun) -> Sent {
        let what = format!("{} {}: {}", self.method, self.shown, told(error));
        match tls::refusal(error) {
            Some(refusal) if tls::stays(refusal) => Sent::Failed(
                Meaning::Hold(Class::Auth),
                // Who refuses a certificate reads nothing of what came with it.
                Failure::new(Class::Auth, what),
            ),
            _ => Sent::Failed(
                Meaning::Retry(Class::Connection),
                maybe(Failure::new(Class::Connection, what), begun.revoke()),
            ),
        }
    }

    /// A text of the service as an error may repeat it.
    pub(crate) fn cleaned(&self, text: &[u8]) -> String {
        let mut secrets = self.auth.secrets();
        secrets.extend_from_slice(&self.secrets);
        cleaned(text, &secrets)
    }
}

fn maybe(failure: Failure, maybe: bool) -> Failure {
    if maybe {
        failure.maybe_written()
    } else {
        failure
    }
}

/// An error and what it comes from, without the URL, which may have secrets in its query.
pub(crate) fn told(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut next: Option<&dyn std::error::Error> = std::error::Error::source(error);
    if next.is_none() {
        return "the request cannot be made".into();
    }
    while let Some(error) = next {
        let part = error.to_string();
        // Layers repeat one another.
        if !text.ends_with(&part) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&part);
        }
        next = error.source();
    }
    text
}

/// The answer, or as much of it as is wanted; and whether that is all of it.
async fn collect(response: &mut Response, most: usize) -> (Vec<u8>, bool) {
    let mut text = Vec::new();
    let whole = collect_into(response, most, &mut text).await;
    (text, whole)
}

async fn collect_into(response: &mut Response, most: usize, text: &mut Vec<u8>) -> bool {
    loop {
        match response.chunk().await {
            Ok(None) => return true,
            Ok(Some(chunk)) if text.len() + chunk.len() <= most => text.extend_from_slice(&chunk),
            Ok(Some(chunk)) => {
                text.extend_from_slice(&chunk[..most - text.len()]);
                return false;
            }
            Err(_) => return false,
        }
    }
}

fn is_json(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

/// nginx answers 400 to a client without the certificate that it asks for, and says so in the text:
/// nothing is wrong with the records.
fn lacks_certificate(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.contains("No required SSL certificate was sent")
        || text.contains("The SSL certificate error")
}
