//! The HTTP target against a server that does what a script says.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod bulk;
mod common;
mod conformance;
mod faults;
mod loki;
mod outcomes;
mod requests;
mod server;
mod settings;
mod tls;
