//! Sends records to Kafka, one message each.
//!
//! ```yaml
//! targets:
//!   stream:
//!     plugin: kafka
//!     config:
//!       brokers: kafka1:9092,kafka2:9092
//!       topic: logs-{logger}       # holes are filled by each record
//!       key: "{tenant}"            # without it, messages have no key
//!       format: json               # json, otlp or frame
//!       compression: lz4           # none, lz4, zstd, snappy or gzip
//!       properties:                # whatever else librdkafka can be told
//!         linger.ms: 5
//! ```
//!
//! What it promises:
//!
//! - ***Delivered* means acknowledged**: each record's own delivery report has come, from all
//!   replicas in sync unless `acks` says otherwise. An attempt returns when the last report has.
//! - **No doubles within a producer's life**, and the order of an attempt's records in each
//!   partition: idempotence is on unless it is switched off.
//! - **One place retries a failure.** librdkafka does, for `delivery_timeout`; what it then gives up
//!   is the pipeline's to try again, and nothing here does.
//! - **Time-outs are told apart**: whether a record that failed may be there all the same is
//!   librdkafka's own account of what it had sent.
//! - **No queue of its own.** What librdkafka holds is the batches of attempts that are under way;
//!   the pipeline bounds those.
//! - **Settings are checked by librdkafka** itself, before anything changes.
//!
//! Trouble is told apart: what brokers cannot do now is retried; an unknown topic, a missing
//! permission and refused credentials are held until someone acts; a record that is too large or
//! invalid is rejected, found out among those that were refused with it; a producer that is beyond
//! repair is built anew.
//!
//! It never creates topics itself (a cluster may be set to), and never reads from Kafka.

#![deny(unsafe_code)]

mod config;
mod delivery;
mod format;
mod meaning;
mod message;
#[allow(
    unsafe_code,
    reason = "the one place that calls librdkafka, behind functions that are safe"
)]
mod native;
mod producer;
mod pump;
mod reports;
mod settings;
mod statistics;
mod target;
#[cfg(test)]
mod testing;
mod token;
mod topic;
mod watch;

pub use config::{Brokers, Compression, Config, Format, Property};
pub use rolog_plugin::settings::{Span, Template};
pub use target::Kafka;

rolog_plugin::export_target!(Kafka, name = "kafka");
