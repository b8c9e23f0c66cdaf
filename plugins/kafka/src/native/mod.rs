//! librdkafka behind functions that cannot be called wrongly: the crate's only `unsafe` code.
//!
//! It stands on the bindings themselves, since what this target promises needs more of librdkafka
//! than its wrapper for Rust hands out: whether a message that failed was possibly written, what a
//! broker throttles, wake-ups in place of a thread that polls, and one look-up of a topic for many
//! messages.
//!
//! It never interprets what librdkafka says; that is the work of the modules above.

mod client;
mod code;
mod conf;
mod event;
mod produce;

pub(crate) use client::{Client, Throttle};
pub(crate) use code::Code;
pub(crate) use conf::{Conf, Refused};
pub(crate) use event::{Event, Report};
pub(crate) use produce::{Header, Outgoing, Producing};
