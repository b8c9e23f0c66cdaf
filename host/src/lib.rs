//! (skeleton)
pub mod lines;
pub mod run;
