//! Time: cheap ticks for callers, and UTC for what leaves the pump.
//!
//! A caller stamps a record with [`ticks`], in whatever unit the machine's [`counter`] has. The pump
//! turns ticks into UTC with a [`Clock`], which it keeps in line with the system's clock by
//! [`Clock::sync`]; how long a tick is, is measured on the way, and known the better the longer the
//! process runs.
//!
//! **Promises.** Ticks of a thread do not go back. Between two steps the UTC of growing ticks never
//! goes back either: a small difference to the system's clock is worked off slowly, by running at
//! most half a per cent faster or slower. A difference of [`STEP`] and more is taken over at once and
//! reported as a [`ClockStep`]. Records from before a correction keep the time that they would have
//! had before it.
//!
//! **Never.** A clock has no thread and no timer; whoever owns it decides when it is synchronised.

mod counter;
mod source;

use std::fmt;
use std::time::Duration;

pub use counter::{Counter, counter, ticks, ticks_of, use_coarse};
#[cfg(unix)]
pub(crate) use counter::{Held, hold};
pub use source::{ManualSource, SystemSource, TimeSource};

/// A difference from which on the clock steps: that of NTP daemons.
pub const STEP: Duration = Duration::from_millis(128);

/// The fastest correction: nanoseconds in a million, half a per cent.
const SLEW_PPM: i64 = 5_000;

/// Readings of which the one with the smallest gap counts.
const READINGS: usize = 3;

/// How long a tick is: nanoseconds in units of 2^-32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(u64);

impl Rate {
    /// A tick is a nanosecond.
    pub const NANOSECOND: Rate = Rate(1 << 32);

    /// So many nanoseconds in so many ticks; `None` for ticks that are none, or of four seconds and
    /// more.
    pub fn of(nanos: u64, ticks: u64) -> Option<Rate> {
        let units = (u128::from(nanos) << 32).checked_div(ticks.into())?;
        u64::try_from(units).ok().map(Rate)
    }

    /// The nanoseconds of so many ticks.
    #[inline]
    pub fn nanos(self, ticks: u64) -> u64 {
        let nanos = (u128::from(ticks) * u128::from(self.0)) >> 32;
        u64::try_from(nanos).unwrap_or(u64::MAX)
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

/// UTC as a function of ticks: from `ticks` on at a corrected rate for `slew_for` nanoseconds, then
/// at the true one.
#[derive(Clone, Copy)]
struct Line {
    ticks: u64,
    utc: i64,
    rate: Rate,
    slew_for: u64,
    /// Nanoseconds in a million that are added.
    ppm: i64,
}

impl Line {
    fn straight(ticks: u64, utc: i64, rate: Rate) -> Line {
        Line {
            ticks,
            utc,
            rate,
            slew_for: 0,
            ppm: 0,
        }
    }

    #[inline]
    fn utc(&self, ticks: u64) -> i64 {
        let Some(since) = ticks.checked_sub(self.ticks) else {
            let before = self.rate.nanos(self.ticks - ticks);
            return self.utc.saturating_sub(signed(before));
        };
        let since = self.rate.nanos(since);
        // What is worked off lies below a step, so that this is some seconds times some thousands.
        let slewed = signed(since.min(self.slew_for)) * self.ppm / 1_000_000;
        self.utc
            .saturating_add(signed(since))
            .saturating_add(slewed)
    }
}

fn signed(nanos: u64) -> i64 {
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

impl Clock {
    /// A clock that shows what the source shows.
    pub fn new(source: impl TimeSource + 'static) -> Self {
        let (ticks, utc) = read(&source);
        let now = Line::straight(ticks, utc, source.rate());
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
    #[inline]
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
        let rate = self.source.rate();
        let shown = self.now.utc(ticks);
        let difference = utc.saturating_sub(shown);
        self.before = self.now;
        // Ticks that begin anew (a machine slept) leave nothing that could be gone on from.
        let began_anew = ticks < self.now.ticks;
        if began_anew || difference.unsigned_abs() >= STEP.as_nanos() as u64 {
            self.now = Line::straight(ticks, utc, rate);
            if began_anew {
                self.before = self.now;
            }
            return (difference.unsigned_abs() >= STEP.as_nanos() as u64).then_some(ClockStep {
                ticks,
                nanos: difference,
            });
        }
        self.now = Line {
            ticks,
            utc: shown,
            rate,
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(time: &ManualSource, clock: &Clock) -> i64 {
        clock.utc(time.ticks())
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
    fn ticks_that_begin_anew_are_gone_on_from() {
        let time = ManualSource::new(1_000_000_000_000, 1_000_000_000_000);
        let mut clock = Clock::new(time.clone());
        time.advance(SECOND);
        time.set_ticks(5_000);
        clock.sync();
        assert_eq!(at(&time, &clock), time.utc());
        time.advance(SECOND);
        assert_eq!(clock.sync(), None);
        assert_eq!(at(&time, &clock), time.utc());
    }

    /// Ticks of 2,600 MHz, of which the source first believes that they are a little longer.
    struct Measured(ManualSource, Arc<AtomicU64>);

    impl TimeSource for Measured {
        fn ticks(&self) -> u64 {
            (u128::from(self.0.ticks()) * 26 / 10) as u64
        }

        fn utc(&self) -> i64 {
            self.0.utc()
        }

        fn rate(&self) -> Rate {
            Rate::of(self.1.load(Ordering::Relaxed), 26_000_000).expect("a tick is short")
        }
    }

    #[test]
    fn a_rate_that_gets_better_makes_no_jump() {
        let time = ManualSource::new(1 << 40, 1_000_000_000_000_000);
        let believed = Arc::new(AtomicU64::new(10_000_500));
        let mut clock = Clock::new(Measured(time.clone(), believed.clone()));
        let mut last = clock.utc(clock.ticks());
        for step in 0..20_000 {
            time.advance(Duration::from_millis(1));
            if step == 1_000 {
                believed.store(10_000_000, Ordering::Relaxed);
            }
            if step % 10 == 0 {
                assert_eq!(clock.sync(), None);
            }
            let next = clock.utc(clock.ticks());
            let passed = next - last;
            assert!((994_900..=1_005_100).contains(&passed), "{passed} ns");
            last = next;
        }
        let off = clock.utc(clock.ticks()) - time.utc();
        assert!(off.abs() < 10, "{off} ns off at the end");
    }

    #[test]
    fn the_systems_clock_is_followed_for_a_while() {
        let mut clock = Clock::system();
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_millis(30) {
            assert_eq!(clock.sync(), None);
        }
        let before = SystemSource.utc();
        let shown = clock.utc(clock.ticks());
        let after = SystemSource.utc();
        let fine = before - 1_000_000..=after + 1_000_000;
        assert!(fine.contains(&shown), "{shown} not in {fine:?}");
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
