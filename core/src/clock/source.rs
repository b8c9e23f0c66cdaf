//! Where a clock reads the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Rate;
use super::counter::{self, Counter, counter, ticks};

/// Where a [`Clock`](super::Clock) reads the time.
pub trait TimeSource: Send {
    /// Ticks that never go back.
    fn ticks(&self) -> u64;

    /// Nanoseconds since 1970-01-01 UTC.
    fn utc(&self) -> i64;

    /// How long a tick is, as far as is known by now.
    fn rate(&self) -> Rate {
        Rate::NANOSECOND
    }
}

/// The clocks of the system: [`ticks`] and the real time.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemSource;

impl TimeSource for SystemSource {
    fn ticks(&self) -> u64 {
        ticks()
    }

    fn utc(&self) -> i64 {
        if counter() == Counter::Coarse {
            return counter::coarse_utc();
        }
        let nanos = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => nanos(since),
            Err(before) => -nanos(before.duration()),
        }
    }

    fn rate(&self) -> Rate {
        counter::rate()
    }
}

/// Clocks that a test moves by hand, with ticks of a nanosecond. Copies share the time.
///
/// ```
/// use rolog_core::clock::{Clock, ManualSource};
/// use std::time::Duration;
///
/// let time = ManualSource::new(1_000, 5_000_000);
/// let clock = Clock::new(time.clone());
/// time.advance(Duration::from_nanos(500));
/// assert_eq!(clock.utc(1_500), 5_000_500);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManualSource {
    ticks: Arc<AtomicU64>,
    utc: Arc<AtomicI64>,
}

impl ManualSource {
    /// Clocks that show these times.
    pub fn new(ticks: u64, utc: i64) -> Self {
        ManualSource {
            ticks: Arc::new(AtomicU64::new(ticks)),
            utc: Arc::new(AtomicI64::new(utc)),
        }
    }

    /// Time passes, on both clocks.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.ticks.fetch_add(by, Ordering::Relaxed);
        self.utc.fetch_add(by as i64, Ordering::Relaxed);
    }

    /// Somebody sets the system's clock: UTC moves by so many nanoseconds, ticks do not.
    pub fn set_utc_by(&self, nanos: i64) {
        self.utc.fetch_add(nanos, Ordering::Relaxed);
    }

    /// The ticks start anew from here, as after a machine's sleep; UTC does not.
    pub fn set_ticks(&self, ticks: u64) {
        self.ticks.store(ticks, Ordering::Relaxed);
    }
}

impl TimeSource for ManualSource {
    fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    fn utc(&self) -> i64 {
        self.utc.load(Ordering::Relaxed)
    }
}
