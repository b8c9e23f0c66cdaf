//! What `rolog run` does: log lines in, records through a pipeline, and an account at the end.

mod account;
mod feed;
mod input;
mod report;
mod stop;

pub use account::{Account, TargetAccount};
pub use feed::{Fed, Sink, Taken, feed};
pub use input::{Input, InputError};
pub use stop::{Stop, Stopper};
