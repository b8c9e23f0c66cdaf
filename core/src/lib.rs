//! Records, loggers and the frame format of the rolog logging pipeline.
//!
//! A service links the `rolog-host` crate and gets its loggers from the [`LoggerFactory`] there; a
//! library depends on this crate alone and takes a [`Logger`], or a factory, from the service. What
//! is here needs no async runtime and does no input or output of its own.
//!
//! * [`Level`], [`macros`], [`Logger`], [`LoggerFactory`], [`TypedLogger`]: making records.
//! * [`mod@context`]: fields of a request or a task, for all of its records.
//! * `bridge`, with the features `log` and `tracing`: records of those crates.
//! * [`LogTarget`] and [`delivery`]: destinations that live in the service.
//! * [`frame`] and [`value`]: what a record is once it was made, and its published format.
//! * [`render`]: records as lines of JSON and of text.

pub mod backend;
mod background;
#[cfg(feature = "backtrace")]
pub mod backtrace;
#[cfg(any(feature = "log", feature = "tracing"))]
pub mod bridge;
pub mod call_site;
#[doc(hidden)]
pub mod capture;
pub mod clock;
pub mod context;
pub mod delivery;
pub mod error;
mod factory;
pub mod feedback;
pub mod frame;
pub mod intake;
pub mod level;
pub mod logger;
pub mod macros;
pub mod receipt;
pub mod render;
mod ring;
mod target;
pub mod template;
mod typed;
pub mod value;

pub use background::give_way;
pub use error::Error;
pub use factory::LoggerFactory;
pub use level::{Level, LevelRange, Threshold};
pub use logger::Logger;
pub use target::{BoxTarget, DynTarget, LogTarget};
pub use typed::TypedLogger;
