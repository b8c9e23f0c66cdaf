//! The stage as its users see it, on a paused clock.

mod basics;
mod breaker;
mod chain;
mod ease;
mod fence;
mod model;
mod outage;
mod outcomes;
mod overflow;
mod reserve;
mod slot;

use std::time::Duration;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const fn s(s: u64) -> Duration {
    Duration::from_secs(s)
}
