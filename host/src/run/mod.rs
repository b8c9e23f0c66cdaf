//! What `rolog run` does: log lines in, records through a pipeline, and an account at the end.
//!
//! A [`Job`] has a thread that reads: it cuts inputs into lines, makes records of them and hands each
//! to the pipeline once every queue that it is routed to has room. So it reads no faster than the
//! slowest target takes, holds a line and what the queues may hold, and drops nothing for want of
//! room. Files are read one after the other; those that are followed, all at once, and one of them that
//! cannot be opened or read for a while is told once and tried again. A [`Stop`] ends the reading within
//! moments, from any state.
//!
//! The pipeline may change while the run lasts. A line goes by the routes that are in force when it is
//! read; what waits for room at a target that is taken away goes by the new ones.
//!
//! The [`Account`] is put together from what was counted line by line and what the targets' rows say;
//! it never derives one from the other, so that a record which went missing would show.

mod account;
mod feed;
mod follow;
mod input;
mod job;
mod output;
mod packed;
mod progress;
mod raw;
mod report;
mod sink;
mod stop;
mod tail;

pub use account::{Account, TargetAccount};
pub use feed::{Fed, Feed, Sink, Taken};
pub use input::{Input, InputError};
pub use job::{Job, Notice, Source};
pub use progress::Progress;
pub use sink::PipelineSink;
pub use stop::{Stop, Stopper};
