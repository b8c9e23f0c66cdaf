//! The harness of the end-to-end tests: it finds what they run, and keeps an account of what could
//! not be run on this machine.

#![forbid(unsafe_code)]

pub mod artifacts;
pub mod fixtures;
pub mod fuzz;
pub mod plugins;
pub mod servers;
mod skip;

pub use skip::skip;

/// The code of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
