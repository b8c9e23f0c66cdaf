//! The Kafka target against librdkafka's own mock cluster, which is part of the library: nothing has
//! to be set up.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod by_the_book;
mod conformance;
mod contents;
mod mock;
mod trouble;
mod under_way;
