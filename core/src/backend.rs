//! What stands behind a factory: the pipeline that the host crate runs.
//!
//! Loggers know their gate and their rings; everything else they ask of a [`Backend`]. A service
//! never meets this trait; the host crate implements it.

use std::pin::Pin;
use std::time::Duration;

use crate::delivery::Failure;
use crate::error::Error;
use crate::feedback::OwnVoice;
use crate::level::{Level, Threshold};
use crate::receipt::Delivery;
use crate::target::BoxTarget;

/// A future in a box.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Room that a waiting caller asks for before it publishes its record.
#[derive(Clone, Debug)]
pub struct RoomRequest {
    /// The logger's id in the pipeline; 0 for one that is known by name only.
    pub logger_id: u32,
    /// The logger's name.
    pub logger: std::sync::Arc<str>,
    /// The record's level.
    pub level: Level,
    /// The bytes of its payload.
    pub bytes: usize,
    /// Whether the caller wants to know what becomes of the record.
    pub receipt: bool,
}

/// A target as [`crate::LoggerFactory::targets`] shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetInfo {
    /// Its name in the pipeline.
    pub name: String,
    /// The plugin that made it; `in-process` for a target that the service itself added.
    pub kind: String,
    /// The least level that it takes beside what its routes say.
    pub minimum: Threshold,
}

/// What failed while a pipeline was disposed.
#[derive(Clone, Debug)]
pub struct DisposeError {
    /// The target that failed.
    pub target: String,
    /// Why.
    pub failure: Failure,
    /// How many records it lost by that.
    pub lost: u64,
}

impl std::fmt::Display for DisposeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "target `{}`: {}", self.target, self.failure)?;
        match self.lost {
            0 => Ok(()),
            lost => write!(f, "; {lost} records lost"),
        }
    }
}

impl std::error::Error for DisposeError {}

/// The pipeline behind a factory.
pub trait Backend: Send + Sync {
    /// The least level that a logger of this name lets through; `None`: nothing.
    fn gate(&self, logger: &str) -> Option<Level>;

    /// The least level that a logger of any name lets through, or one below it; `None`: none lets
    /// anything through.
    fn least(&self) -> Option<Level> {
        Some(Level::Trace)
    }

    /// Takes a record that was made on a thread of the pipeline's own or of a target. It never waits.
    fn feed_back(&self, record: OwnVoice) {
        drop(record);
    }

    /// Whether a target that this logger is routed to is full and asks its callers to wait.
    fn is_pressed(&self, logger: &str) -> bool;

    /// Waits, no longer than the configuration bounds it, until the targets of this logger have room
    /// again. Called by the slow path of a log call while a target with `overflow: block` is full.
    fn wait_for_room(&self, logger: u32, level: Level);

    /// Waits for room in every target that the record will be routed to, and reserves it. The slot
    /// goes into the record's ring entry; 0 where no target takes the record.
    fn reserve(&self, request: RoomRequest) -> BoxFuture<'static, Result<u64, Error>>;

    /// [`Backend::reserve`] for callers that block.
    ///
    /// # Errors
    /// A pipeline that has been disposed.
    fn reserve_blocking(&self, request: RoomRequest) -> Result<u64, Error>;

    /// Gives a slot back whose record was never published.
    fn release(&self, slot: u64);

    /// Resolves when the record of this slot has reached an end at each of its targets.
    fn delivery(&self, slot: u64) -> BoxFuture<'static, Delivery>;

    /// Adds a target of the service's own, for records of every logger from `minimum` on.
    ///
    /// # Errors
    /// A name that is taken, or a pipeline that has been disposed.
    fn add_target(&self, target: BoxTarget, minimum: Threshold) -> Result<(), Error>;

    /// The targets there are.
    fn targets(&self) -> Vec<TargetInfo>;

    /// The least level of loggers of which the configuration says nothing.
    fn min_level(&self) -> Level;

    /// Changes it, for loggers that exist too.
    fn set_min_level(&self, level: Level);

    /// Delivers what is queued, within `deadline`, and ends the pipeline.
    fn dispose(&self, deadline: Duration) -> BoxFuture<'static, Vec<DisposeError>>;
}
