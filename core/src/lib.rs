//! Records, loggers and the frame format of the rolog logging pipeline.

pub mod delivery;
pub mod error;
pub mod level;

pub use error::Error;
pub use level::{Level, LevelRange, Threshold};
