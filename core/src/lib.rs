//! Records, loggers and the frame format of the rolog logging pipeline.

pub mod call_site;
pub mod delivery;
pub mod error;
pub mod frame;
pub mod level;
pub mod render;
pub mod template;
pub mod value;

pub use error::Error;
pub use level::{Level, LevelRange, Threshold};
