//! The file plugin, loaded, and what happens to files in real life: the process is killed, logrotate
//! comes by, the disk is full, a second process wants the same file.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod crash;
mod files;
mod full;
mod logrotate;
mod second;
