//! Time: cheap monotonic ticks for callers, and UTC for what leaves the pump.
//!
//! A caller stamps a record with [`ticks`]. The pump turns ticks into UTC with a [`Clock`], which it
//! keeps in line with the system's clock by [`Clock::sync`].
//!
//! **Promises.** Ticks never go back, on any thread. Between two steps the UTC of growing ticks
//! never goes back either: a small difference to the system's clock is worked off slowly, by running
//! at most half a per cent faster or slower. A difference of [`STEP`] and more is taken over at
//! once and reported as a [`ClockStep`]. Records from before a correction keep the time that they
//! would have had before it.
//!
//! **Never.** A clock has no thread and no timer; whoever owns it decides when it is synchronised.

use std::fmt;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A difference from which on the clock steps: that of NTP daemons.
pub const STEP: Duration = Duration::from_millis(128);

/// The fastest correction: nanoseconds in a million, half a per cent.
const SLEW_PPM: i64 = 5_000;

/// Readings of which the one with the smallest gap counts.
const READINGS: usize = 3;

static ANCHOR: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Monotonic nanoseconds since a moment in the life of this process.
#[inline]
pub fn ticks() -> u64 {
    let since = ANCHOR.elapsed();
    since.as_secs() * 1_000_000_000 + u64::from(since.subsec_nanos())
}

/// How many ticks a duration has.
pub fn ticks_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Where a [`Clock`] reads the time.
pub trait TimeSource: Send {
    /// Monotonic nanoseconds.
    fn ticks(&self) -> u64;

    /// Nanoseconds since 1970-01-01 UTC.
    fn utc(&self) -> i64;
}

/// The clocks of the system: [`ticks`] and the real time.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemSource;

impl TimeSource for SystemSource {
    fn ticks(&self) -> u64 {
        ticks()
    }

    fn utc(&self) -> i64 {
        let nanos = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => nanos(since),
            Err(before) => -nanos(before.duration()),
        }
    }
}

/// Clocks that a test moves by hand. Copies share the time.
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
        let by = ticks_of(by);
        self.ticks.fetch_add(by, Ordering::Relaxed);
        self.utc.fetch_add(by as i64, Ordering::Relaxed);
    }

    /// Somebody sets the system's clock: UTC moves by so many nanoseconds, ticks do not.
    pub fn set_utc_by(&self, nanos: i64) {
        self.utc.fetch_add(nanos, Ordering::Relaxed);
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

/// The system's clock was set: what was reported as an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStep {
    /// When it was noticed, in ticks.
    pub ticks: u64,
    /// By how many nanoseconds UTC went forward; negative for back.
    pub nanos: i64,
}

impl fmt::Display for ClockStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.nanos < 0 { "back" } else { "forward" };
        let by = Duration::from_nanos(self.nanos.unsigned_abs());
        write!(f, "the system clock was set {way} by {by:?}")
    }
}

/// Converts ticks to UTC.
pub struct Clock {
    source: Box<dyn TimeSource>,
    now: Line,
    /// For ticks before `now` begins.
    before: Line,
}

/// UTC as a function of ticks: from `ticks` on at a corrected rate for `slew_for` ticks, then at the
/// true one.
#[derive(Clone, Copy)]
struct Line {
    ticks: u64,
    utc: i64,
    slew_for: u64,
    /// Nanoseconds in a million that are added.
    ppm: i64,
}

impl Line {
    fn utc(&self, ticks: u64) -> i64 {
        if ticks < self.ticks {
            return self.utc.saturating_sub(signed(self.ticks - ticks));
        }
        let since = ticks - self.ticks;
        let slewed = i128::from(since.min(self.slew_for)) * i128::from(self.ppm) / 1_000_000;
        self.utc
            .saturating_add(signed(since))
            .saturating_add(slewed as i64)
    }
}

fn signed(nanos: u64) -> i64 {
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

impl Clock {
    /// A clock that shows what the source shows.
    pub fn new(source: impl TimeSource + 'static) -> Self {
        let (ticks, utc) = read(&source);
        let now = Line {
            ticks,
            utc,
            slew_for: 0,
            ppm: 0,
        };
        Clock {
            source: Box::new(source),
            now,
            before: now,
        }
    }

    /// The clock of the system.
    pub fn system() -> Self {
        Self::new(SystemSource)
    }

    /// The source's ticks.
    pub fn ticks(&self) -> u64 {
        self.source.ticks()
    }

    /// Nanoseconds since 1970-01-01 UTC at these ticks.
    pub fn utc(&self, ticks: u64) -> i64 {
        if ticks < self.now.ticks {
            self.before.utc(ticks)
        } else {
            self.now.utc(ticks)
        }
    }

    /// Compares with the source. A small difference is worked off from here on; a large one is
    /// taken over, and returned. Once a second is often enough.
    pub fn sync(&mut self) -> Option<ClockStep> {
        let (ticks, utc) = read(self.source.as_ref());
        if ticks < self.now.ticks {
            return None;
        }
        let shown = self.now.utc(ticks);
        let difference = utc.saturating_sub(shown);
        self.before = self.now;
        if difference.unsigned_abs() >= STEP.as_nanos() as u64 {
            self.now = Line {
                ticks,
                utc,
                slew_for: 0,
                ppm: 0,
            };
            return Some(ClockStep {
                ticks,
                nanos: difference,
            });
        }
        self.now = Line {
            ticks,
            utc: shown,
            slew_for: difference.unsigned_abs() * 1_000_000 / SLEW_PPM as u64,
            ppm: SLEW_PPM * difference.signum(),
        };
        None
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock")
            .field("ticks", &self.now.ticks)
            .field("utc", &self.now.utc)
            .finish_non_exhaustive()
    }
}

/// Ticks and UTC of one moment: a thread may lose its turn between the two readings, so the tightest
/// of a few is taken.
fn read(source: &dyn TimeSource) -> (u64, i64) {
    let one = || {
        let before = source.ticks();
        let utc = source.utc();
        let gap = source.ticks().saturating_sub(before);
        (gap, before + gap / 2, utc)
    };
    let mut best = one();
    for _ in 1..READINGS {
        let next = one();
        if next.0 < best.0 {
            best = next;
        }
    }
    (best.1, best.2)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(time: &ManualSource, clock: &Clock) -> i64 {
        clock.utc(time.ticks())
    }

    #[test]
    fn ticks_never_go_back() {
        let mut last = ticks();
        for _ in 0..10_000 {
            let next = ticks();
            assert!(next >= last);
            last = next;
        }
    }

    #[test]
    fn the_system_clock_is_met() {
        let clock = Clock::system();
        let off = clock.utc(clock.ticks()) - SystemSource.utc();
        assert!(
            off.unsigned_abs() < SECOND.as_nanos() as u64,
            "{off} ns off"
        );
    }

    #[test]
    fn a_small_difference_is_worked_off_without_going_back() {
        for nanos in [-10_000_000, 10_000_000] {
            let time = ManualSource::new(77, 1_000_000_000_000);
            let mut clock = Clock::new(time.clone());
            time.advance(SECOND);
            time.set_utc_by(nanos);
            let mut last = at(&time, &clock);
            assert_eq!(clock.sync(), None);
            assert_eq!(at(&time, &clock), last, "no jump at the correction");
            // Half a per cent of 2 s is 10 ms; synchronising on the way changes nothing.
            for step in 0..2_000 {
                time.advance(Duration::from_millis(1));
                if step % 500 == 0 {
                    assert_eq!(clock.sync(), None);
                }
                let next = at(&time, &clock);
                let passed = next - last;
                assert!(
                    (994_999..=1_005_001).contains(&passed),
                    "{passed} ns in 1 ms"
                );
                last = next;
            }
            assert!((at(&time, &clock) - time.utc()).abs() <= 5);
            time.advance(SECOND * 3600);
            assert!((at(&time, &clock) - time.utc()).abs() <= 5, "no overshoot");
        }
    }

    #[test]
    fn a_step_is_taken_over_and_reported_and_older_records_keep_their_time() {
        for nanos in [-3_600_000_000_000, 128_000_000] {
            let time = ManualSource::new(0, 1_000_000_000_000_000);
            let mut clock = Clock::new(time.clone());
            time.advance(SECOND);
            let older = time.ticks();
            let time_of_older = clock.utc(older);
            time.advance(SECOND);
            time.set_utc_by(nanos);
            let step = clock.sync().unwrap();
            assert_eq!((step.nanos, step.ticks), (nanos, time.ticks()));
            assert_eq!(at(&time, &clock), time.utc());
            assert_eq!(clock.utc(older), time_of_older);
            assert_eq!(clock.sync(), None);
        }
    }

    #[test]
    fn a_step_reads_well() {
        let step = ClockStep {
            ticks: 1,
            nanos: -1_500_000_000,
        };
        assert_eq!(step.to_string(), "the system clock was set back by 1.5s");
    }

    #[test]
    fn extreme_times_saturate() {
        let clock = Clock::new(ManualSource::new(0, i64::MAX - 10));
        assert_eq!(clock.utc(u64::MAX), i64::MAX);
        let clock = Clock::new(ManualSource::new(u64::MAX, i64::MIN + 10));
        assert_eq!(clock.utc(0), i64::MIN);
    }
}
