//! The error codes of `MySQL` and MariaDB.

use mysql_async::{DriverError, Error, IoError};
use rolog_core::delivery::chain;
use rolog_plugin::prelude::*;

use crate::trouble::{Cause, Trouble};

/// What an error means that was met while doing something.
pub(super) fn told(doing: &str, error: &Error) -> Trouble {
    match error {
        Error::Server(answer) => {
            let (cause, class) = classify(answer.code, &answer.state, &answer.message);
            let message = &answer.message;
            let words = &message[..message.floor_char_boundary(300)];
            let text = format!("cannot {doing}: {words} ({})", answer.code);
            Trouble::new(cause, class, text)
        }
        Error::Driver(DriverError::UnknownAuthPlugin { name }) => {
            let text = format!(
                "cannot {doing}: the account is to prove who it is by `{name}`, which is not \
                 supported; give it one of caching_sha2_password, ed25519, mysql_native_password \
                 and parsec"
            );
            Trouble::new(Cause::Someone, Class::Auth, text)
        }
        other => {
            let (cause, class) = without_answer(other);
            Trouble::new(cause, class, format!("cannot {doing}: {}", chain(other)))
        }
    }
}

/// Whether it is encryption that did not come about.
pub(super) fn is_tls(error: &Error) -> bool {
    match error {
        Error::Io(IoError::Tls(_)) | Error::Driver(DriverError::NoClientSslFlagFromServer) => true,
        // What rustls refuses comes as an error of the stream.
        Error::Io(IoError::Io(error)) => error.kind() == std::io::ErrorKind::InvalidData,
        _ => false,
    }
}

fn without_answer(error: &Error) -> (Cause, Class) {
    match error {
        error if is_tls(error) => (Cause::Someone, Class::Auth),
        Error::Driver(
            DriverError::CleartextPluginDisabled | DriverError::MysqlOldPasswordDisabled,
        ) => (Cause::Someone, Class::Auth),
        Error::Driver(DriverError::PacketTooLarge) => (Cause::Row, Class::TooLarge),
        _ => (Cause::Connection, Class::Connection),
    }
}

fn classify(code: u16, state: &str, message: &str) -> (Cause, Class) {
    match code {
        // Wrong strings, data cut, a failed check: older than their classes.
        1265 | 1366 | 3140 | 3819 | 4025 => (Cause::Row, Class::Invalid),
        1118 | 1153 => (Cause::Row, Class::TooLarge),
        1021 | 1114 => (Cause::Later, Class::Full),
        // The operating system's own number is in the words only.
        1026 | 1030 if message.contains("28") => (Cause::Later, Class::Full),
        3 | 1026 | 1030 => (Cause::Later, Class::Io),
        // Too many connections; or it is read-only, and the next one may lead to the primary.
        1040 | 1203 | 1226 | 1290 | 1792 | 1836 => (Cause::Connection, Class::Unavailable),
        1053 | 1079 | 1158..=1161 | 1927 | 3169 => (Cause::Connection, Class::Connection),
        1205 | 1206 | 1213 | 1412 => (Cause::Later, Class::Unavailable),
        // Killed; the time for a statement is over.
        1317 | 1969 | 3024 => (Cause::Later, Class::Cancelled),
        // Unknown, expired, locked or blocked; without the right to it.
        1044 | 1045 | 1129 | 1130 | 1142 | 1143 | 1227 | 1370 | 1524 | 1698 | 1820 | 1862
        | 3118 | 3159 | 4151 => (Cause::Someone, Class::Auth),
        1049 | 1054 | 1146 | 1364 => (Cause::Someone, Class::NotFound),
        _ => match &state[..state.floor_char_boundary(2)] {
            // The last are of the database's own triggers.
            "22" | "23" | "45" => (Cause::Row, Class::Invalid),
            "28" => (Cause::Someone, Class::Auth),
            "42" => (Cause::Someone, Class::Invalid),
            "08" => (Cause::Connection, Class::Unavailable),
            _ => (Cause::Later, Class::Other),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_of_errors_by_what_helps_against_it() {
        for (code, state, cause) in [
            (1062, "23000", Cause::Row),
            (1406, "22001", Cause::Row),
            (1366, "HY000", Cause::Row),
            (4025, "23000", Cause::Row),
            (1644, "45000", Cause::Row),
            (1213, "40001", Cause::Later),
            (1205, "HY000", Cause::Later),
            (1114, "HY000", Cause::Later),
            (1317, "70100", Cause::Later),
            (1040, "08004", Cause::Connection),
            (1047, "08S01", Cause::Connection),
            (1290, "HY000", Cause::Connection),
            (1927, "70100", Cause::Connection),
            (1045, "28000", Cause::Someone),
            (1146, "42S02", Cause::Someone),
            (9999, "", Cause::Later),
        ] {
            assert_eq!(classify(code, state, "").0, cause, "{code}");
        }
        let full = "Got error 28 \"No space left on device\" from storage engine InnoDB";
        assert_eq!(classify(1030, "HY000", full).1, Class::Full);
    }
}
