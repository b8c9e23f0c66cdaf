//! What the operating system's errors mean for the records of a batch.

use std::io::{Error, ErrorKind};
use std::path::Path;

use rolog_plugin::prelude::*;

/// The failure for an error that was met while doing something with the file at `path`.
pub(crate) fn failure(doing: &str, path: &Path, error: &Error) -> Failure {
    Failure::new(
        verdict(error).1,
        format!("cannot {doing} {}: {error}", path.display()),
    )
}

/// The outcome of an attempt that met an error before it had written anything that stayed.
pub(crate) fn outcome(doing: &str, path: &Path, error: &Error) -> Outcome {
    Outcome::failed(verdict(error).0, failure(doing, path, error))
}

/// The outcome of an attempt of which something may have stayed.
pub(crate) fn maybe_written(outcome: Outcome) -> Outcome {
    let verdict = outcome.verdict();
    match outcome.failure() {
        Some(failure) => Outcome::failed(verdict, failure.clone().maybe_written()),
        None => outcome,
    }
}

fn verdict(error: &Error) -> (Verdict, Class) {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            (Verdict::Hold, Class::Full)
        }
        ErrorKind::PermissionDenied => (Verdict::Hold, Class::Auth),
        // Busy with a second process.
        ErrorKind::ReadOnlyFilesystem | ErrorKind::ResourceBusy => {
            (Verdict::Hold, Class::Unavailable)
        }
        ErrorKind::IsADirectory | ErrorKind::NotADirectory | ErrorKind::InvalidFilename => {
            (Verdict::Hold, Class::NotFound)
        }
        ErrorKind::NotFound => (Verdict::Retry, Class::NotFound),
        // Too many open files, here or in the whole system: others close some.
        _ if matches!(error.raw_os_error(), Some(23 | 24)) => (Verdict::Retry, Class::Unavailable),
        _ => (Verdict::Retry, Class::Io),
    }
}
