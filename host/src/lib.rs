//! (skeleton)
pub mod lines;
