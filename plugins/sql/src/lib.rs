//! Inserts records into a table of SQLite, PostgreSQL, `MySQL` or MariaDB; the URL decides.
//!
//! ```yaml
//! targets:
//!   archive:
//!     plugin: sql
//!     config:
//!       url: sqlite:logs/app.db      # or postgres://rolog@db/logs, mysql://rolog@db/logs
//!       create_table: true
//! ```
//!
//! What it promises:
//!
//! - **A batch is one transaction.** *Delivered* means that the database answered the commit. Rows that
//!   it refuses are found by halves and rejected alone, with its words.
//! - ***Maybe written* is said exactly when it is true**: when a commit was asked for and no answer came.
//!   With `idempotent: true` the record's id is a key, and what is delivered again is there once.
//! - **The table is checked** when the target starts and when it turns out to have changed: a column that
//!   is gone, or a type that cannot hold its part, is held with a message that names it.
//! - **A cancelled attempt is cancelled at the server**, rolled back, and settles.
//!
//! Every setting, the table, the outcomes and queries for readers are in the plugin's README.
//!
//! It never alters a table that is there, and deletes nothing but rows older than `keep`.

#![forbid(unsafe_code)]

mod address;
mod bisect;
mod config;
mod mysql;
mod parts;
mod pool;
mod postgres;
mod server;
mod sqlite;
mod table;
mod target;
mod time;
mod tls;
mod trouble;

pub use config::{ColumnSetting, Config, Synchronous, Tls, TlsMode, TooLong, TypedColumn, Unfit};
pub use rolog_plugin::settings::Span;
pub use target::Sql;

rolog_plugin::export_target!(Sql, name = "sql");
