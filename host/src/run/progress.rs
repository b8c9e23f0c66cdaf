//! How far a run is, how fast it goes, and how long it will take.

use std::fmt;
use std::time::{Duration, Instant};

use super::feed::Fed;
use super::input::Input;

/// How far a run is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Records read.
    pub records: u64,
    /// Records a second, of late.
    pub rate: f64,
    /// Bytes read, before they were unpacked.
    pub bytes: u64,
    /// Bytes that there were at the start, where that is known.
    pub of: Option<u64>,
    /// How long the rest will take at the pace of late, once that is known.
    pub left: Option<Duration>,
}

impl fmt::Display for Progress {
    /// One short line: `1,234,567 records, 95,300/s, 340 MB of 1.0 GB (34%), 7s left`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (records, rate) = (Grouped(self.records), Grouped(self.rate as u64));
        write!(f, "{records} records, {rate}/s, {}", Size(self.bytes))?;
        if let Some(of) = self.of {
            let percent = (self.bytes * 100).checked_div(of).unwrap_or(100).min(100);
            write!(f, " of {} ({percent}%)", Size(of))?;
        }
        match self.left.map(|left| left.as_secs()) {
            Some(left @ 0..60) => write!(f, ", {left}s left"),
            Some(left @ 60..3600) => write!(f, ", {}m{:02}s left", left / 60, left % 60),
            Some(left) => write!(f, ", {}h{:02}m left", left / 3600, left / 60 % 60),
            None => Ok(()),
        }
    }
}

/// Follows a run, and smooths its pace.
pub(super) struct Pace {
    of: Option<u64>,
    last: Option<(Instant, u64, u64)>,
    records: f64,
    bytes: f64,
}

impl Pace {
    /// How often a step is worth it.
    pub(super) const STEP: Duration = Duration::from_millis(500);

    /// How much of the pace is that of the last step.
    const NEW: f64 = 0.2;

    pub(super) fn new(inputs: &[Input], follow: bool) -> Self {
        let sizes = inputs.iter().map(|input| input.size().filter(|_| !follow));
        Pace {
            of: sizes.sum(),
            last: None,
            records: 0.0,
            bytes: 0.0,
        }
    }

    pub(super) fn step(&mut self, fed: &Fed, now: Instant) -> Progress {
        let records = fed.lines.records();
        if let Some((then, records_then, bytes_then)) = self.last {
            let seconds = now.saturating_duration_since(then).as_secs_f64().max(1e-3);
            let smooth = |before: f64, step: u64| {
                let step = step as f64 / seconds;
                if before == 0.0 {
                    step
                } else {
                    before + Self::NEW * (step - before)
                }
            };
            self.records = smooth(self.records, records.saturating_sub(records_then));
            self.bytes = smooth(self.bytes, fed.bytes.saturating_sub(bytes_then));
        }
        self.last = Some((now, records, fed.bytes));
        let rest = self.of.map(|of| of.saturating_sub(fed.bytes));
        let left = rest.filter(|_| self.bytes > 0.0).and_then(|rest| {
            Duration::try_from_secs_f64((rest as f64 / self.bytes).min(360_000.0)).ok()
        });
        Progress {
            records,
            rate: self.records,
            bytes: fed.bytes,
            of: self.of,
            left,
        }
    }
}

/// `1,234,567`
struct Grouped(u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.bytes().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{}", char::from(digit))?;
        }
        Ok(())
    }
}

/// `340 MB`, `1.0 GB`
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut size, mut unit) = (self.0 as f64, "B");
        for larger in ["kB", "MB", "GB", "TB"] {
            if size < 999.5 {
                break;
            }
            (size, unit) = (size / 1000.0, larger);
        }
        let decimals = usize::from(size < 9.95 && unit != "B");
        write!(f, "{size:.decimals$} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::LineCounts;

    #[test]
    fn the_line_is_short_and_says_what_is_known() {
        let mut progress = Progress {
            records: 1_234_567,
            rate: 95_300.4,
            bytes: 340_000_000,
            of: Some(1_000_000_000),
            left: Some(Duration::from_secs(7)),
        };
        assert_eq!(
            progress.to_string(),
            "1,234,567 records, 95,300/s, 340 MB of 1.0 GB (34%), 7s left"
        );
        progress.left = Some(Duration::from_secs(754));
        assert!(progress.to_string().ends_with("(34%), 12m34s left"));
        progress.left = Some(Duration::from_secs(7_384));
        assert!(progress.to_string().ends_with(", 2h03m left"));
        let unknown = Progress {
            records: 999,
            bytes: 999_600,
            ..Progress::default()
        };
        assert_eq!(unknown.to_string(), "999 records, 0/s, 1.0 MB");
        let empty = Progress {
            of: Some(0),
            ..Progress::default()
        };
        assert_eq!(empty.to_string(), "0 records, 0/s, 0 B of 0 B (100%)");
    }

    #[test]
    fn the_pace_is_of_late_and_tells_how_long_the_rest_takes() {
        let mut pace = Pace {
            of: Some(10_000),
            ..Pace::new(&[], true)
        };
        let begin = Instant::now();
        let at = |seconds: u64, records: u64| {
            let fed = Fed {
                lines: LineCounts {
                    json: records,
                    ..LineCounts::default()
                },
                bytes: records * 10,
                ..Fed::default()
            };
            (fed, begin + Duration::from_secs(seconds))
        };
        let mut step = |seconds, records| {
            let (fed, now) = at(seconds, records);
            pace.step(&fed, now)
        };
        assert_eq!(step(0, 0).left, None, "nothing is known yet");
        let first = step(1, 100);
        assert_eq!(
            (first.rate, first.left),
            (100.0, Some(Duration::from_secs(9)))
        );
        let slower = step(2, 150);
        assert!((slower.rate - 90.0).abs() < 1e-9, "{slower:?}");
        assert_eq!(step(3, 1000).left, Some(Duration::ZERO));
    }
}
