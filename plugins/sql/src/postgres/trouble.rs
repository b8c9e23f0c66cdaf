//! PostgreSQL's error codes.

use std::error::Error as _;
use std::io;

use rolog_core::delivery::chain;
use rolog_plugin::prelude::*;
use tokio_postgres::Error;
use tokio_postgres::error::DbError;
use tokio_rustls::rustls;

use crate::trouble::{Cause, Trouble};

/// What an error means that was met while doing something.
pub(super) fn told(doing: &str, error: &Error) -> Trouble {
    if let Some(answer) = error.as_db_error() {
        let (cause, class) = classify(answer.code().code());
        return Trouble::new(
            cause,
            class,
            format!("cannot {doing}: {}", sentence(answer)),
        );
    }
    let (cause, class) = without_answer(error);
    Trouble::new(cause, class, format!("cannot {doing}: {}", chain(error)))
}

/// The server's words. Its detail may repeat a whole row, and is cut.
fn sentence(answer: &DbError) -> String {
    let mut text = format!("{} ({})", answer.message(), answer.code().code());
    if let Some(detail) = answer.detail() {
        text += ": ";
        text += &detail[..detail.floor_char_boundary(300)];
    }
    text
}

fn without_answer(error: &Error) -> (Cause, Class) {
    let mut source = error.source();
    while let Some(one) = source {
        if let Some(error) = one.downcast_ref::<io::Error>() {
            let inner = error.get_ref();
            let tls = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
            return match tls {
                Some(rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_)) => {
                    (Cause::Someone, Class::Auth)
                }
                _ => (Cause::Connection, Class::Connection),
            };
        }
        source = one.source();
    }
    let text = error.to_string();
    // The driver tells these apart by their words only: no password, no TLS where it is wanted.
    if [
        "invalid configuration",
        "error performing TLS",
        "authentication error",
    ]
    .iter()
    .any(|start| text.starts_with(start))
    {
        return (Cause::Someone, Class::Auth);
    }
    (Cause::Connection, Class::Connection)
}

fn classify(code: &str) -> (Cause, Class) {
    match code {
        // The last is said by functions of the database's own, as by a trigger of a row.
        "22P03" | "22P04" | "P0001" => (Cause::Row, Class::Invalid),
        "53100" => (Cause::Later, Class::Full),
        "57014" => (Cause::Later, Class::Cancelled),
        // Too much of something; or it is a standby, and the next connection may lead to the primary.
        "53300" | "53200" | "53400" | "25006" => (Cause::Connection, Class::Unavailable),
        "42501" => (Cause::Someone, Class::Auth),
        "42P01" | "42703" | "3D000" | "3F000" => (Cause::Someone, Class::NotFound),
        // A plan of the table as it was before it changed.
        "0A000" => (Cause::Later, Class::Other),
        "54000" => (Cause::Row, Class::TooLarge),
        _ => match &code[..code.floor_char_boundary(2)] {
            "22" | "23" | "44" => (Cause::Row, Class::Invalid),
            "28" => (Cause::Someone, Class::Auth),
            "42" => (Cause::Someone, Class::Invalid),
            "08" | "57" => (Cause::Connection, Class::Unavailable),
            "40" | "55" | "53" => (Cause::Later, Class::Unavailable),
            "58" => (Cause::Later, Class::Io),
            _ => (Cause::Later, Class::Other),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_of_errors_by_what_helps_against_it() {
        for (codes, cause) in [
            (
                &["22001", "22P02", "23505", "23502", "23514", "P0001"][..],
                Cause::Row,
            ),
            (&["40001", "40P01", "55P03", "53100", "XX000"], Cause::Later),
            (
                &["57P01", "57P03", "53300", "08006", "25006"],
                Cause::Connection,
            ),
            (
                &["28P01", "28000", "42501", "42P01", "42703", "3D000"],
                Cause::Someone,
            ),
        ] {
            for code in codes {
                assert_eq!(classify(code).0, cause, "{code}");
            }
        }
        assert_eq!(classify(""), (Cause::Later, Class::Other));
    }
}
