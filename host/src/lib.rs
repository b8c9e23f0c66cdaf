//! The plugin-driven logging pipeline that a service embeds, and the `rolog` command.
//!
//! A service starts a [`Host`] from a YAML pipeline, takes loggers from its factory, and disposes it
//! at the end:
//!
//! ```text
//! logger ─▶ ring ─▶ pump ─▶ routes ─▶ flush stage ─▶ plugin
//!  (service thread)  (one thread)      (one a target: batches, retries, fallback, account)
//! ```
//!
//! * [`Host`] and [`HostBuilder`]: starting, flushing, disposing, looking at what happens.
//! * [`config`] and [`router`]: the pipeline file, and where records go by it.
//! * [`stage`]: what stands between the routes and any target.
//! * [`capture`](mod@capture): what a test's code logs.
//! * [`levels`]: other levels, for a while.
//! * [`reload`]: changing the pipeline while the service runs.
//! * [`control`]: asking and steering a pipeline from outside its process.
//! * [`loader`]: plugins that are dynamic libraries.
//! * [`lines`] and [`run`]: what the `rolog` command reads, and what it accounts for.

mod builtin;
pub mod capture;
mod catalog;
pub mod config;
pub mod control;
pub mod dead_letters;
mod dress;
mod error;
mod event_text;
pub mod explain;
mod feedback;
mod host;
mod in_process;
pub mod instance;
mod keep;
mod ledger;
pub mod levels;
pub mod lines;
pub mod loader;
mod masked;
pub mod metrics;
mod outlets;
mod panic_hook;
pub mod pattern;
mod pipeline;
mod pump;
mod redact;
pub mod reload;
mod replay;
mod report;
mod resources;
pub mod router;
mod routes;
pub mod run;
pub mod stage;
mod voices;
mod waiting;
mod watchdog;

pub use builtin::{Memory, MemoryRecord};
pub use error::Error;
pub use host::{Host, HostBuilder};
pub use ledger::{Ledger, SourceRow};
pub use replay::Replay;
pub use report::Report;
