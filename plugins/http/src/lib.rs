//! Sends records to an HTTP service: any that takes JSON, OpenTelemetry collectors, Loki, and
//! Elasticsearch or `OpenSearch`.
//!
//! ```yaml
//! targets:
//!   collector:
//!     plugin: http
//!     config:
//!       url: https://logs.example.com/ingest/{tenant|shared}
//!       format: ndjson
//!       compression: zstd
//!       auth: { bearer: "${LOG_TOKEN}" }
//!     flush: { concurrency: 4 }
//! ```
//!
//! The settings and what becomes of records are in the plugin's `README.md`. What it promises:
//!
//! - ***Delivered* means answered with success**, for each record where the service says it of each.
//! - **Nothing is lost to a mistake**: what is wrong with credentials, addresses and certificates
//!   holds the records, what is wrong with a record rejects that record alone.
//! - ***Maybe written* is said truthfully**: of what was under way when a request broke, and of
//!   nothing of which no byte had left. The key that goes with each request depends on the ids of
//!   its records alone.
//! - **No secret** of the settings is in an error, a log line or a dump, even where a service sends
//!   it back.
//!
//! It never follows a redirection, and never repeats a request that may have been received: that is
//! the flush stage's decision.
//!
//! A batch becomes requests (`route`, `pack`, `format`, `compress`), each of which is sent and its
//! answer read (`send`, `status`); `target` puts together what became of the batch.

#![forbid(unsafe_code)]

mod answer;
mod auth;
#[doc(hidden)]
pub mod bodies;
mod check;
mod client;
mod compress;
mod config;
pub mod format;
mod key;
mod pack;
mod route;
mod send;
mod shelf;
mod status;
mod target;
#[cfg(test)]
mod testing;
mod tls;
mod upload;
mod work;

pub use config::{Auth, Compression, Config, Format, Method, Statuses, Tls, TlsVersion, Version};
pub use rolog_plugin::settings::{Secret, Size, Span};
pub use target::Http;

rolog_plugin::export_target!(Http, name = "http");
