//! SQLite's error codes.

use std::path::Path;

use rolog_plugin::prelude::*;
use rusqlite::{Error, ErrorCode};

use crate::trouble::{Cause, Trouble};

/// What an error means that was met while doing something with the file.
pub(crate) fn told(doing: &str, path: &Path, error: &Error) -> Trouble {
    let (cause, class) = classify(error);
    let message = format!("cannot {doing} {}: {error}", path.display());
    Trouble::new(cause, class, message)
}

fn classify(error: &Error) -> (Cause, Class) {
    let Error::SqliteFailure(code, text) = error else {
        // Nothing of ours is sent that SQLite could not compile, but for names that are not there.
        return match error {
            Error::SqlInputError { msg, .. } if is_about_names(msg) => {
                (Cause::Someone, Class::NotFound)
            }
            _ => (Cause::Later, Class::Internal),
        };
    };
    let text = text.as_deref().unwrap_or_default();
    match code.code {
        ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch => (Cause::Row, Class::Invalid),
        ErrorCode::TooBig => (Cause::Row, Class::TooLarge),
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::SchemaChanged
        | ErrorCode::FileLockingProtocolFailed
        | ErrorCode::OutOfMemory => (Cause::Later, Class::Unavailable),
        ErrorCode::DiskFull => (Cause::Later, Class::Full),
        ErrorCode::OperationInterrupted => (Cause::Later, Class::Cancelled),
        ErrorCode::SystemIoFailure => (Cause::Later, Class::Io),
        ErrorCode::PermissionDenied
        | ErrorCode::ReadOnly
        | ErrorCode::AuthorizationForStatementDenied => (Cause::Someone, Class::Auth),
        ErrorCode::CannotOpen | ErrorCode::NotFound => (Cause::Someone, Class::NotFound),
        ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt => (Cause::Someone, Class::Io),
        _ if is_about_names(text) => (Cause::Someone, Class::NotFound),
        _ => (Cause::Later, Class::Other),
    }
}

fn is_about_names(text: &str) -> bool {
    text.starts_with("no such") || text.contains("has no column named")
}
