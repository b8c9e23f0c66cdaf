//! x

#![forbid(unsafe_code)]

mod address;
mod bisect;
mod config;
mod parts;
mod postgres;
mod sqlite;
mod table;
mod target;
mod time;
mod tls;
mod trouble;

pub use config::{ColumnSetting, Config, Synchronous, Tls, TlsMode, TooLong, TypedColumn, Unfit};
pub use target::Sql;
pub use time::Span;

rolog_plugin::export_target!(Sql, name = "sql");
