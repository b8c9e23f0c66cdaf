//! Records, loggers and the frame format of the rolog logging pipeline.

pub mod call_site;
pub mod clock;
pub mod delivery;
pub mod error;
pub mod frame;
pub mod intake;
pub mod level;
pub mod render;
mod ring;
pub mod template;
pub mod value;

pub use error::Error;
pub use level::{Level, LevelRange, Threshold};
