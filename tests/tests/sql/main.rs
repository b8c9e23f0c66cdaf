//! The SQL target, against real databases.

#![allow(clippy::unwrap_used, reason = "a test that fails to unwrap has failed")]

#[path = "../http/certificates.rs"]
mod certificates;
mod common;
mod exact;
mod mariadb;
mod mariadb_faults;
mod postgres;
mod postgres_faults;
mod readers;
mod sqlite;
