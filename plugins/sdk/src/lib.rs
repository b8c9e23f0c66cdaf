//! Write a target plugin for the rolog logging pipeline: a plain async trait and one macro.
//!
//! An author implements [`Target`] and calls [`export_target!`]; the result is a dynamic library
//! that any host of the same major version loads, and that can as well be linked in. Neither
//! `unsafe` nor a type of the binary interface appears in an author's code.
//!
//! The SDK promises around that code:
//!
//! - **One runtime per library.** All instances share a tokio runtime of two worker threads and a
//!   few for blocking work, started with the first instance and ended when the host says so. An
//!   instance for which the pipeline says `isolate: true` has its own.
//! - **No panic crosses.** What panics, in whatever call, task or `Drop`, fails that call, and is
//!   counted against its instance.
//! - **Configuration arrives checked**: it is deserialized into [`Target::Config`], and what does
//!   not fit is refused with its path.
//! - **Nothing is mute.** In a loaded library, what the plugin and its dependencies say through
//!   `log`, `tracing` and `metrics` goes to the host, attributed to the instance.
//!
//! It never retries, queues or batches: that is the host's work, the same for every target.
//!
//! A library needs `crate-type = ["cdylib"]`, with `"rlib"` beside it to be linked in as well, and
//! must not be built with `panic = "abort"`.

#![deny(unsafe_code)]

pub mod abi;
mod attempt;
mod batch;
mod calls;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod context;
mod ending;
mod engine;
mod export;
mod facade;
mod guard;
mod hosted;
mod library;
mod logger;
mod plan;
mod scope;
pub mod settings;
mod setup;
mod target;
mod under_way;

pub use abi::Buffer;
pub use attempt::Attempt;
pub use batch::Batch;
pub use context::{Context, Task};
#[doc(hidden)]
pub use export::private as __private;
pub use export::{Exported, Linked, linked};
pub use logger::Logger;
pub use plan::{ConfigError, Plan, Problem, Validation};
/// Records, renderers and log macros, in the version that this SDK is built with.
pub use rolog_core;
pub use setup::Setup;
pub use target::{Description, Target};

/// What the file of an author's target needs.
pub mod prelude {
    pub use crate::{Attempt, Batch, ConfigError, Context, Description, Plan, Setup, Target};
    pub use rolog_core::delivery::{Class, Failure, Outcome, Rejection, Verdict};
}
