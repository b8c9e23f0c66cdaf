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
mod postgres_tls;
mod readers;
mod sqlite;
mod strangers;
