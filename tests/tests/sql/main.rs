//! The SQL target, against real databases.

#![allow(clippy::unwrap_used, reason = "a test that fails to unwrap has failed")]

mod common;
mod postgres;
mod postgres_faults;
mod sqlite;
