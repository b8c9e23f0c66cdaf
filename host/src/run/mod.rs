//! What `rolog run` does: log lines in, records through a pipeline, and an account at the end.

mod account;

pub use account::{Account, TargetAccount};
