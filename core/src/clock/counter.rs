//! The counter that callers stamp their records with.
//!
//! Three kinds. The processor's time stamp counter is read without leaving the program and without
//! waiting for what came before; it is used where the processor says that it is invariant *and* the
//! kernel keeps its own time by it, which means that the kernel has found it to agree on all
//! processors and goes on watching it. Elsewhere it is the monotonic clock of the system. The coarse
//! clock, which moves on with the kernel's timer only, is for those who ask for it.
//!
//! One kind is chosen for the life of the process, before the first record.

#[cfg(unix)]
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Rate;

/// What ticks are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// The processor's time stamp counter.
    Tsc,
    /// The system's monotonic clock, in nanoseconds.
    Monotonic,
    /// The same as of the kernel's last timer tick, 1 to 10 ms ago.
    Coarse,
}

/// How long the time stamp counter is compared with the system's clock before it is used: enough for
/// a rate within some parts in 100,000. Later comparisons reach further back.
const FIRST_LOOK: Duration = Duration::from_millis(1);

/// A counter that departs from the monotonic clock by more than this between two comparisons has
/// been interfered with (a machine that slept, or moved to another host).
const DEPARTURE_PPM: u64 = 1_000;

/// The chosen kind; 0 before. Relaxed: whoever reads the kind reads nothing else through it, and
/// what it is chosen by lies behind a lock.
static CHOSEN: AtomicU8 = AtomicU8::new(0);
const TSC: u8 = 1;
const MONOTONIC: u8 = 2;
const COARSE: u8 = 3;

/// For [`ticks_of`]: the ticks of a second, nearly.
static PER_SECOND: AtomicU64 = AtomicU64::new(1_000_000_000);

static CALIBRATION: Mutex<Option<Calibration>> = Mutex::new(None);
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nobody else measures the tick while this is there.
#[cfg(unix)]
pub(crate) type Held = MutexGuard<'static, Option<Calibration>>;

#[cfg(unix)]
pub(crate) fn hold() -> Held {
    CALIBRATION.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The present, in ticks: their length depends on the [`counter`] of this machine.
#[inline]
pub fn ticks() -> u64 {
    if CHOSEN.load(Ordering::Relaxed) == TSC {
        tsc()
    } else {
        ticks_of_the_system()
    }
}

/// How many ticks a duration has, nearly: for windows and pauses.
pub fn ticks_of(duration: Duration) -> u64 {
    counter();
    let per_second = u128::from(PER_SECOND.load(Ordering::Relaxed));
    let ticks = duration.as_nanos().saturating_mul(per_second) / 1_000_000_000;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// What ticks are counted by in this process. Chosen here, if it was not before.
pub fn counter() -> Counter {
    loop {
        match CHOSEN.load(Ordering::Relaxed) {
            TSC => return Counter::Tsc,
            MONOTONIC => return Counter::Monotonic,
            COARSE => return Counter::Coarse,
            _ => choose(false),
        }
    }
}

/// Counts by the coarse clock: a cheaper call where the time stamp counter is slow or missing, for
/// times that are right within some milliseconds. To be called before the first pipeline starts;
/// says whether it came in time. Linux only: elsewhere the answer is false.
///
/// Records of different threads are then put in order within those milliseconds only; those of one
/// thread keep theirs.
pub fn use_coarse() -> bool {
    choose(true);
    counter() == Counter::Coarse
}

#[cold]
fn choose(coarse: bool) {
    let mut calibration = CALIBRATION.lock().unwrap_or_else(PoisonError::into_inner);
    if CHOSEN.load(Ordering::Relaxed) != 0 {
        return;
    }
    let chosen = if coarse && cfg!(target_os = "linux") {
        COARSE
    } else if is_tsc_trusted()
        && let Some(first) = Calibration::first(tsc)
    {
        PER_SECOND.store(first.per_second(), Ordering::Relaxed);
        *calibration = Some(first);
        TSC
    } else {
        MONOTONIC
    };
    CHOSEN.store(chosen, Ordering::Relaxed);
}

#[cold]
fn ticks_of_the_system() -> u64 {
    match counter() {
        Counter::Tsc => tsc(),
        Counter::Monotonic => nanos_since(*START),
        Counter::Coarse => coarse(libc_clock::MONOTONIC),
    }
}

/// How long a tick is, as far as is known by now.
pub(super) fn rate() -> Rate {
    let mut calibration = CALIBRATION.lock().unwrap_or_else(PoisonError::into_inner);
    calibration
        .as_mut()
        .map_or(Rate::NANOSECOND, |c| c.look(Reading::tightest(tsc)))
}

/// Nanoseconds since 1970 as of the kernel's last timer tick.
pub(super) fn coarse_utc() -> i64 {
    i64::try_from(coarse(libc_clock::REALTIME)).unwrap_or(i64::MAX)
}

/// The tick's length, from the longest time over which it can be measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calibration {
    from: Reading,
    last: Reading,
    rate: Rate,
}

/// Counter and monotonic clock at one moment.
#[derive(Clone, Copy, Debug)]
struct Reading {
    ticks: u64,
    nanos: u64,
}

impl Reading {
    /// A thread may lose its turn between two readings: the tightest of a few counts.
    fn tightest(counter: fn() -> u64) -> Reading {
        let one = || {
            let before = counter();
            let nanos = nanos_since(*START);
            let gap = counter().wrapping_sub(before);
            let ticks = before.wrapping_add(gap / 2);
            (gap, Reading { ticks, nanos })
        };
        let (mut gap, mut best) = one();
        for _ in 0..4 {
            let next = one();
            if next.0 < gap {
                (gap, best) = next;
            }
        }
        best
    }
}

impl Calibration {
    fn first(counter: fn() -> u64) -> Option<Calibration> {
        let from = Reading::tightest(counter);
        let until = Instant::now() + FIRST_LOOK;
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        let last = Reading::tightest(counter);
        // What counts slower than 10 MHz, or not at all, is not what it says it is.
        let rate = between(from, last).filter(|rate| rate.nanos(1_000_000) < 100_000_000)?;
        Some(Calibration { from, last, rate })
    }

    fn per_second(&self) -> u64 {
        let ticks = u128::from(self.last.ticks - self.from.ticks) * 1_000_000_000;
        let nanos = u128::from(self.last.nanos - self.from.nanos);
        u64::try_from(ticks / nanos).unwrap_or(u64::MAX)
    }

    fn look(&mut self, now: Reading) -> Rate {
        let passed = now.nanos.saturating_sub(self.last.nanos);
        let counted = self.rate.nanos(now.ticks.saturating_sub(self.last.ticks));
        let allowed = FIRST_LOOK.as_nanos() as u64 + passed / 1_000_000 * DEPARTURE_PPM;
        if now.ticks < self.last.ticks || counted.abs_diff(passed) > allowed {
            // What was measured before says nothing of the time after it.
            self.from = now;
        } else if let Some(rate) = between(self.from, now)
            && now.nanos - self.from.nanos >= FIRST_LOOK.as_nanos() as u64
        {
            self.rate = rate;
        }
        self.last = now;
        self.rate
    }
}

fn between(from: Reading, to: Reading) -> Option<Rate> {
    let ticks = to
        .ticks
        .checked_sub(from.ticks)
        .filter(|ticks| *ticks > 0)?;
    let nanos = to
        .nanos
        .checked_sub(from.nanos)
        .filter(|nanos| *nanos > 0)?;
    Rate::of(nanos, ticks)
}

fn nanos_since(start: Instant) -> u64 {
    let since = start.elapsed();
    since.as_secs() * 1_000_000_000 + u64::from(since.subsec_nanos())
}

/// Whether the time stamp counter is invariant, and what the kernel goes by.
fn is_tsc_trusted() -> bool {
    const IN_USE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    is_tsc_invariant() && std::fs::read_to_string(IN_USE).is_ok_and(|name| name.trim() == "tsc")
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[allow(unsafe_code, reason = "no safe function reads the counter")]
#[inline]
fn tsc() -> u64 {
    // SAFETY: the instruction is there on every x86-64, reads a register and touches no memory.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
fn is_tsc_invariant() -> bool {
    use std::arch::x86_64::__cpuid;
    const LEAF: u32 = 0x8000_0007;
    __cpuid(0x8000_0000).eax >= LEAF && __cpuid(LEAF).edx & (1 << 8) != 0
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
fn tsc() -> u64 {
    nanos_since(*START)
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
fn is_tsc_invariant() -> bool {
    false
}

#[cfg(target_os = "linux")]
mod libc_clock {
    pub(super) const MONOTONIC: libc::clockid_t = libc::CLOCK_MONOTONIC_COARSE;
    pub(super) const REALTIME: libc::clockid_t = libc::CLOCK_REALTIME_COARSE;
}

#[cfg(not(target_os = "linux"))]
mod libc_clock {
    pub(super) const MONOTONIC: () = ();
    pub(super) const REALTIME: () = ();
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the standard library has no coarse clock")]
fn coarse(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes to the structure that it is given, and to nothing else.
    let done = unsafe { libc::clock_gettime(clock, &raw mut time) };
    debug_assert_eq!(done, 0, "Linux has had these clocks since 2.6.32");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(not(target_os = "linux"))]
fn coarse((): ()) -> u64 {
    nanos_since(*START)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const MHZ: u64 = 2_600;

    /// A counter of 2,600 MHz after so many nanoseconds.
    fn at(nanos: u64) -> Reading {
        Reading {
            ticks: 1_000 + nanos * MHZ / 1_000,
            nanos,
        }
    }

    fn calibrated() -> Calibration {
        let (from, last) = (at(0), at(1_000_000));
        let rate = between(from, last).expect("time passes between the two");
        Calibration { from, last, rate }
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
    fn a_rate_gets_better_with_the_time_that_it_was_measured_over() {
        let mut calibration = calibrated();
        assert_eq!(calibration.per_second(), MHZ * 1_000_000);
        // The first look was off by 100 ns in a millisecond.
        calibration.from.nanos += 100;
        for second in 1..=10 {
            calibration.look(at(second * 1_000_000_000));
        }
        let hour = calibration.rate.nanos(3_600 * MHZ * 1_000_000);
        assert!(hour.abs_diff(3_600_000_000_000) < 40_000, "{hour}");
    }

    #[test]
    fn a_counter_that_was_interfered_with_is_measured_anew() {
        let good = calibrated().rate;
        for shift in [-5_000_000_000_i64, 5_000_000_000] {
            let mut calibration = calibrated();
            calibration.look(at(10_000_000_000));
            let shifted = |nanos: u64| {
                let Reading { ticks, nanos } = at(nanos);
                Reading {
                    ticks: ticks.checked_add_signed(shift).unwrap(),
                    nanos,
                }
            };
            for second in 11..20 {
                let rate = calibration.look(shifted(second * 1_000_000_000));
                let (rate, good) = (rate.nanos(MHZ * 1_000_000), good.nanos(MHZ * 1_000_000));
                assert!(rate.abs_diff(good) < 10, "{rate} in second {second}");
            }
        }
    }

    #[test]
    fn what_does_not_count_is_not_used() {
        assert!(Calibration::first(|| 7).is_none());
        assert!(Calibration::first(|| nanos_since(*START) / 1_000).is_none());
    }

    #[test]
    fn a_duration_has_as_many_ticks_as_pass_in_it() {
        let pause = Duration::from_millis(20);
        // The thread may lose its turn anywhere, so the ticks lie between two durations.
        let outer = Instant::now();
        let before = ticks();
        let inner = Instant::now();
        while inner.elapsed() < pause {
            std::hint::spin_loop();
        }
        let least = ticks_of(inner.elapsed());
        let passed = ticks() - before;
        let most = ticks_of(outer.elapsed());
        assert!(passed >= least - least / 100, "{passed} of {least} ticks");
        assert!(passed <= most + most / 100, "{passed} of {most} ticks");
    }
}
