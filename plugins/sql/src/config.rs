//! The settings, as a pipeline has them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rolog_plugin::ConfigError;
use rolog_plugin::settings::Span;
use serde::Deserialize;

use crate::address::Address;

/// The settings of an SQL target.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The database: `sqlite:PATH`, `postgres://…` or `mysql://…`.
    pub url: String,
    /// The password, where it does not stand in the URL.
    #[serde(default)]
    pub password: Option<String>,
    /// The table, with its schema where that matters: `logs`, `audit.logs`.
    #[serde(default = "default_table")]
    pub table: String,
    /// Whether a table that is missing is made.
    #[serde(default)]
    pub create_table: bool,
    /// What stands in which column; the documented table without it.
    #[serde(default)]
    pub columns: Option<BTreeMap<String, ColumnSetting>>,
    /// Whether the record's id is a key, so that a record that is delivered twice is there once.
    #[serde(default)]
    pub idempotent: bool,
    /// How long rows are kept.
    #[serde(default)]
    pub keep: Option<Span>,
    /// What becomes of a value that its column cannot hold.
    #[serde(default)]
    pub unfit: Unfit,
    /// What becomes of text that is longer than its column.
    #[serde(default)]
    pub too_long: TooLong,
    /// How long a connection may take to be made.
    #[serde(default = "default_connect_timeout")]
    pub connect_timeout: Span,
    /// How long a batch may take at the database; without it, as long as the attempt.
    #[serde(default)]
    pub statement_timeout: Option<Span>,
    /// How connections to a server are encrypted.
    #[serde(default)]
    pub tls: Tls,
    /// How soon a commit is on the disk (SQLite).
    #[serde(default)]
    pub synchronous: Option<Synchronous>,
    /// How long another writer of the file is waited for (SQLite).
    #[serde(default)]
    pub busy_timeout: Option<Span>,
}

fn default_table() -> String {
    "logs".to_owned()
}

fn default_connect_timeout() -> Span {
    Span(Duration::from_secs(10))
}

impl Config {
    /// Checks that the settings go with one another, and with the kind of database.
    pub(crate) fn agree(&self, address: &Address<'_>) -> Result<(), ConfigError> {
        let is_file = matches!(address, Address::Sqlite(_));
        for (setting, is_there, is_of_files) in [
            ("password", self.password.is_some(), false),
            ("statement_timeout", self.statement_timeout.is_some(), false),
            ("tls", self.tls != Tls::default(), false),
            ("synchronous", self.synchronous.is_some(), true),
            ("busy_timeout", self.busy_timeout.is_some(), true),
        ] {
            if is_there && is_file != is_of_files {
                let (what, others) = if is_file {
                    ("SQLite", "a server's `url`")
                } else {
                    ("a server", "SQLite's `url`")
                };
                let problem = ConfigError::at(setting, format!("{what} has no such setting"));
                return Err(problem.expected(format!("none, or {others}")));
            }
        }
        match (&self.tls.cert, &self.tls.key) {
            (Some(_), None) => Err((
                "tls.key",
                "the certificate in `cert` is of no use without it",
            )),
            (None, Some(_)) => Err(("tls.cert", "the key in `key` is of no use without it")),
            _ => Ok(()),
        }
        .map_err(|(setting, what)| ConfigError::at(setting, what).expected("both, or neither"))
    }
}

impl fmt::Debug for Config {
    /// Without the URL and the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("table", &self.table)
            .field("columns", &self.columns)
            .field("idempotent", &self.idempotent)
            .finish_non_exhaustive()
    }
}

/// What stands in a column: `message`, or `{ from: fields.user, type: bigint }`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum ColumnSetting {
    /// A part of the record.
    Part(String),
    /// A part of the record, and the type of the column where the table is made.
    Typed(TypedColumn),
}

/// A part of the record, and the type of the column where the table is made.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypedColumn {
    /// A part of the record.
    pub from: String,
    /// The database's name for the type.
    #[serde(rename = "type")]
    pub kind: String,
}

/// What becomes of a value that its column cannot hold, such as text in a column of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unfit {
    /// The record is rejected.
    #[default]
    Reject,
    /// The column is left null.
    Null,
}

/// What becomes of text that is longer than its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TooLong {
    /// It is cut, with `…` as its last character.
    #[default]
    Truncate,
    /// The record is rejected.
    Reject,
}

/// How soon a commit of SQLite is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    /// When the operating system sees fit.
    Off,
    /// Safe against the end of the process; the last commits may be lost with the machine.
    #[default]
    Normal,
    /// Before the batch counts as delivered.
    Full,
}

impl Synchronous {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Synchronous::Off => "OFF",
            Synchronous::Normal => "NORMAL",
            Synchronous::Full => "FULL",
        }
    }
}

/// How connections to a server are encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Whether, and whether the server has to prove who it is.
    pub mode: Option<TlsMode>,
    /// The certificates that vouch for the server, in a PEM file; the system's without it.
    pub ca: Option<PathBuf>,
    /// The client's certificate, in a PEM file.
    pub cert: Option<PathBuf>,
    /// The key of that, in a PEM file.
    pub key: Option<PathBuf>,
}

/// Whether connections are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// Never.
    Off,
    /// Where the server can; it need not prove who it is.
    Prefer,
    /// Always; the server need not prove who it is.
    Require,
    /// Always, and the server proves who it is.
    Verify,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_that_would_be_ignored_are_refused_at_their_place() {
        let refused = |url: &str, more: serde_json::Value| {
            let mut config = json!({ "url": url });
            let more = more.as_object().unwrap().clone();
            config.as_object_mut().unwrap().extend(more);
            let config: Config = serde_json::from_value(config).unwrap();
            let address = Address::parse(&config.url).unwrap();
            config.agree(&address).err().map(|error| error.to_string())
        };
        for (url, more, path) in [
            ("sqlite:a.db", json!({ "password": "x" }), "password"),
            (
                "sqlite:a.db",
                json!({ "statement_timeout": "1s" }),
                "statement_timeout",
            ),
            (
                "sqlite:a.db",
                json!({ "tls": { "mode": "require" } }),
                "tls",
            ),
            (
                "postgres://u@h/d",
                json!({ "synchronous": "full" }),
                "synchronous",
            ),
            (
                "mysql://u@h/d",
                json!({ "busy_timeout": "1s" }),
                "busy_timeout",
            ),
            (
                "postgres://u@h/d",
                json!({ "tls": { "cert": "c.pem" } }),
                "tls.key",
            ),
            (
                "mysql://u@h/d",
                json!({ "tls": { "key": "k.pem" } }),
                "tls.cert",
            ),
        ] {
            let told = refused(url, more).unwrap_or_default();
            assert!(told.starts_with(path), "{path}: {told}");
        }
        let file = json!({ "synchronous": "full", "busy_timeout": "1s" });
        assert_eq!(refused("sqlite:a.db", file), None);
        let tls = json!({ "cert": "c.pem", "key": "k.pem" });
        let server = json!({ "password": "x", "statement_timeout": "1s", "tls": tls });
        assert_eq!(refused("mysql://u@h/d", server), None);
    }
}
