//! What became of a batch: the vocabulary that targets answer with and the flush stage acts on.

use std::fmt;
use std::time::Duration;

/// What kind of trouble a target met. Bounded, so that it can label a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// None of the others.
    Other = 0,
    /// The attempt did not end by its deadline.
    Timeout = 1,
    /// No connection, or one that broke.
    Connection = 2,
    /// The destination answers that it cannot serve now.
    Unavailable = 3,
    /// The destination asks for a slower pace.
    Throttled = 4,
    /// Credentials or permissions are refused.
    Auth = 5,
    /// The destination (a table, topic, path, URL) does not exist.
    NotFound = 6,
    /// The destination refuses the data itself.
    Invalid = 7,
    /// A record or a batch is larger than the destination takes.
    TooLarge = 8,
    /// No space left.
    Full = 9,
    /// An error of the operating system's input or output.
    Io = 10,
    /// The target panicked.
    Panic = 11,
    /// The attempt was cancelled.
    Cancelled = 12,
    /// The target's own invariants are broken.
    Internal = 13,
}

impl Class {
    /// Every class.
    pub const ALL: [Class; 14] = [
        Class::Other,
        Class::Timeout,
        Class::Connection,
        Class::Unavailable,
        Class::Throttled,
        Class::Auth,
        Class::NotFound,
        Class::Invalid,
        Class::TooLarge,
        Class::Full,
        Class::Io,
        Class::Panic,
        Class::Cancelled,
        Class::Internal,
    ];

    /// The word in metrics, dead letters and events.
    pub const fn name(self) -> &'static str {
        match self {
            Class::Other => "other",
            Class::Timeout => "timeout",
            Class::Connection => "connection",
            Class::Unavailable => "unavailable",
            Class::Throttled => "throttled",
            Class::Auth => "auth",
            Class::NotFound => "not_found",
            Class::Invalid => "invalid",
            Class::TooLarge => "too_large",
            Class::Full => "full",
            Class::Io => "io",
            Class::Panic => "panic",
            Class::Cancelled => "cancelled",
            Class::Internal => "internal",
        }
    }

    /// The number that crosses the plugin boundary.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The class with this number; [`Class::Other`] for one that a newer plugin knows.
    pub fn from_code(code: u8) -> Class {
        Class::ALL
            .into_iter()
            .find(|class| class.code() == code)
            .unwrap_or(Class::Other)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why an attempt did not deliver everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind of trouble.
    pub class: Class,
    /// One sentence for people, without secrets.
    pub message: String,
    /// How long the destination asks to be left alone; an hour of it is heeded at most.
    pub retry_after: Option<Duration>,
    /// Whether some of the batch may have reached the destination all the same.
    pub maybe_written: bool,
}

impl Failure {
    /// A failure of this class.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Failure {
            class,
            message: message.into(),
            retry_after: None,
            maybe_written: false,
        }
    }

    /// The destination asked to wait this long before the next attempt.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// The attempt broke midway: some records may be there all the same.
    #[must_use]
    pub fn maybe_written(mut self) -> Self {
        self.maybe_written = true;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.class)
    }
}

impl std::error::Error for Failure {}

/// What a target says of the records that an attempt did not deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Verdict {
    /// Nothing is left: every record that was not rejected is delivered.
    Delivered = 0,
    /// Try the rest again later.
    Retry = 1,
    /// The rest will never be accepted. When that is the whole batch, the stage halves it to find
    /// the records that are to blame.
    Reject = 2,
    /// Nothing will be accepted until someone acts (credentials, a missing table): attempts pause
    /// without being counted, and a slow probe finds out when it is over.
    Hold = 3,
    /// This instance is beyond repair: build a new one from its configuration, then try again.
    Fatal = 4,
}

/// A record that will never be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Its position in the batch, from 0.
    pub index: u32,
    /// The kind of trouble.
    pub class: Class,
    /// One sentence for people, without secrets.
    pub message: String,
}

/// What became of one attempt to deliver a batch.
///
/// ```
/// use rolog_core::delivery::{Class, Failure, Outcome};
/// use std::time::Duration;
///
/// let all_there = Outcome::delivered();
/// let later = Outcome::retry(
///     Failure::new(Class::Throttled, "429 Too Many Requests").retry_after(Duration::from_secs(2)),
/// );
/// // Two of the batch are still to be sent, the others are there:
/// let partly = Outcome::retry(Failure::new(Class::Connection, "reset by peer")).only([3, 7]);
/// assert!(all_there.is_delivered() && !later.is_delivered());
/// assert_eq!(partly.remaining(), Some(&[3, 7][..]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "the flush stage acts on the outcome"]
pub struct Outcome {
    verdict: Verdict,
    failure: Option<Failure>,
    remaining: Option<Vec<u32>>,
    rejected: Vec<Rejection>,
}

impl Outcome {
    /// Every record is where it should be.
    pub fn delivered() -> Self {
        Outcome {
            verdict: Verdict::Delivered,
            failure: None,
            remaining: None,
            rejected: Vec::new(),
        }
    }

    /// Nothing was delivered, and a later attempt may do better.
    pub fn retry(failure: Failure) -> Self {
        Self::failed(Verdict::Retry, failure)
    }

    /// Nothing was delivered, and the batch as it is never will be.
    pub fn refused(failure: Failure) -> Self {
        Self::failed(Verdict::Reject, failure)
    }

    /// These records will never be accepted; all others are delivered.
    pub fn rejected(rejected: Vec<Rejection>) -> Self {
        Self::delivered().and_rejected(rejected)
    }

    /// Nothing can be delivered until someone acts.
    pub fn hold(failure: Failure) -> Self {
        Self::failed(Verdict::Hold, failure)
    }

    /// This instance is beyond repair.
    pub fn fatal(failure: Failure) -> Self {
        Self::failed(Verdict::Fatal, failure)
    }

    /// An outcome from its parts, as it crosses the plugin boundary.
    pub fn failed(verdict: Verdict, failure: Failure) -> Self {
        Outcome {
            verdict,
            failure: Some(failure),
            remaining: None,
            rejected: Vec::new(),
        }
    }

    /// Narrows what is left to these positions: the batch's other records, but for rejected ones,
    /// are delivered.
    pub fn only(mut self, indices: impl IntoIterator<Item = u32>) -> Self {
        self.remaining = Some(indices.into_iter().collect());
        self
    }

    /// Adds records that will never be accepted, whatever becomes of the rest.
    pub fn and_rejected(mut self, rejected: Vec<Rejection>) -> Self {
        self.rejected = rejected;
        self
    }

    /// The same outcome with every text in it changed, for a host that must not let a secret out.
    pub fn map_text(mut self, change: impl Fn(&str) -> String) -> Self {
        if let Some(failure) = &mut self.failure {
            failure.message = change(&failure.message);
        }
        for rejection in &mut self.rejected {
            rejection.message = change(&rejection.message);
        }
        self
    }

    /// What the target says of what is left.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Why something is left; `None` exactly when the verdict is [`Verdict::Delivered`].
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// The positions that the verdict is about; `None` means all that were not rejected.
    pub fn remaining(&self) -> Option<&[u32]> {
        self.remaining.as_deref()
    }

    /// The records that will never be accepted.
    pub fn rejections(&self) -> &[Rejection] {
        &self.rejected
    }

    /// Every record of the batch was delivered.
    pub fn is_delivered(&self) -> bool {
        self.verdict == Verdict::Delivered && self.rejected.is_empty()
    }
}

impl<E> From<Result<(), E>> for Outcome
where
    E: std::error::Error,
{
    /// As rolog has it: an error means that the batch is tried again.
    fn from(result: Result<(), E>) -> Self {
        match result {
            Ok(()) => Outcome::delivered(),
            Err(error) => Outcome::retry(Failure::new(Class::Other, chain(&error))),
        }
    }
}

/// An error and its sources, at most 32 of them, joined by `: `.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    for source in crate::capture::sources(error.source()) {
        text.push_str(": ");
        text.push_str(&source.to_string());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::fmt;

    use super::*;

    /// Its source is itself. Asked more often than anybody should, it fails the test.
    #[derive(Debug)]
    struct Endless(std::cell::Cell<u32>);

    impl fmt::Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("again")
        }
    }

    impl Error for Endless {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.0.set(self.0.get() + 1);
            assert!(self.0.get() < 1000, "no end");
            Some(self)
        }
    }

    #[test]
    fn an_error_that_is_its_own_source_comes_to_an_end() {
        let text = chain(&Endless(0.into()));
        assert_eq!(text.matches("again").count(), 33);
    }
}
