//! The `rolog` command as its users meet it: the program itself, started as a process.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod check;
#[cfg(unix)]
mod control;
mod help;
mod lines;
mod plan;
mod plugins;
mod replay;
mod run;
mod support;
