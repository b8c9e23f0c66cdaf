//! `rolog run` on what real programs write: every line comes out, with its time and its level.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod dpkg;
mod journal;
mod nginx;
mod postgres;
mod support;
mod syslog;
