//! Events as sentences, for the records and the people that are told of them.

use std::fmt;

use crate::stage::{Event, EventKind};

impl fmt::Display for Event {
    /// ``target `app`: attempts succeed again``
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(target) = self.target() {
            write!(f, "target `{target}`: ")?;
        }
        self.kind.fmt(f)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use EventKind as E;
        match self {
            E::Failed { failure } => write!(f, "an attempt failed: {failure}"),
            E::Recovered => f.write_str("attempts succeed again"),
            E::StartFailed { failure } => {
                write!(f, "it cannot be started, and is tried again: {failure}")
            }
            E::BreakerOpened => f.write_str(
                "it fails again and again; new batches take the fallback until it recovers",
            ),
            E::BreakerClosed => f.write_str("it has recovered and takes its batches again"),
            E::FallbackInUse { fallback, records } => {
                write!(f, "the fallback `{fallback}` took {records} records")
            }
            E::DeadLettered { records, failure } => {
                write!(f, "{records} records went to the dead letters: {failure}")
            }
            E::DeadLettersFailed { records, failure } => write!(
                f,
                "the dead letters cannot be written, and {records} records are lost: {failure}"
            ),
            E::Dropped { reason, records } => {
                write!(f, "{records} records were dropped ({reason})")
            }
            E::Refused { reason, records } => {
                write!(f, "{records} records were refused ({reason})")
            }
            E::Held { failure } => {
                write!(f, "nothing can be delivered until someone acts: {failure}")
            }
            E::Released => f.write_str("it no longer holds"),
            E::Fenced { attempt, records } => write!(
                f,
                "attempt {attempt} with {records} records did not end when it was cancelled; \
                 the instance is left alone until it does"
            ),
            E::Unfenced => f.write_str("every cancelled attempt has ended"),
            E::Quarantined { failure } => {
                write!(f, "its instance is used no more: {failure}")
            }
            E::Rebuilt => f.write_str("its instance was built anew"),
            E::Replaced => f.write_str("a successor took its instance's place"),
            E::ReloadFailed { reason } => f.write_str(reason),
            E::ReplaceFailed { failure } => {
                write!(
                    f,
                    "the successor cannot be used, and the old instance goes on: {failure}"
                )
            }
        }
    }
}
