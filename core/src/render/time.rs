//! Times as their reader wants them: in which form, and by whose clock.

use std::fmt;

use jiff::fmt::strtime;
use jiff::tz::{Offset, TimeZone};

use super::escape::escape;
use super::number;
use crate::value::Timestamp;

/// A time zone. The core reads no files: whoever has its rules hands them over.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Zone = Zone(TimeZone::UTC);

    /// So many seconds ahead of UTC. `None` for more than a day or so.
    pub fn fixed(seconds: i32) -> Option<Zone> {
        let offset = Offset::from_seconds(seconds).ok()?;
        Some(Zone(TimeZone::fixed(offset)))
    }

    /// The rules of a zone, as the operating system's file of it has them (`TZif`). `None` where the bytes
    /// are something else.
    pub fn from_tzif(name: &str, bytes: &[u8]) -> Option<Zone> {
        TimeZone::tzif(name, bytes).ok().map(Zone)
    }
}

impl Default for Zone {
    fn default() -> Self {
        Zone::UTC
    }
}

/// In which form times are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// `2026-11-22T11:15:00.123456789Z`, with so many digits of the second, 0 to 9.
    Rfc3339(u8),
    /// Seconds since 1970, a number.
    Seconds,
    /// Milliseconds since 1970, a number.
    Millis,
    /// Microseconds since 1970, a number.
    Micros,
    /// Nanoseconds since 1970, a number.
    Nanos,
    /// As `strftime` writes it: `%Y-%m-%d %H:%M:%S%.3f`.
    Written(String),
}

impl TimeFormat {
    /// Reads `rfc3339`, `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns`, or what `strftime` takes.
    ///
    /// # Errors
    /// A text that is none of these; the error says so.
    pub fn read(text: &str) -> Result<TimeFormat, String> {
        Ok(match text {
            "rfc3339" => TimeFormat::Rfc3339(9),
            "epoch_s" => TimeFormat::Seconds,
            "epoch_ms" => TimeFormat::Millis,
            "epoch_us" => TimeFormat::Micros,
            "epoch_ns" => TimeFormat::Nanos,
            text if text.contains('%') => {
                let probe = jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
                strtime::format(text, &probe)
                    .map_err(|error| format!("`{text}` cannot be written: {error}"))?;
                TimeFormat::Written(text.into())
            }
            text => return Err(format!("`{text}` is no form of time")),
        })
    }

    /// Whether times are numbers rather than text.
    pub fn is_number(&self) -> bool {
        !matches!(self, TimeFormat::Rfc3339(_) | TimeFormat::Written(_))
    }
}

impl Default for TimeFormat {
    fn default() -> Self {
        TimeFormat::Rfc3339(9)
    }
}

/// Writes times, and keeps what those of one second share.
#[derive(Debug)]
pub(super) struct Times {
    format: TimeFormat,
    zone: Zone,
    second: Option<i64>,
    /// Down to the second, and what stands behind its fraction.
    head: String,
    offset: String,
}

impl Times {
    pub(super) fn new(format: TimeFormat, zone: Zone) -> Self {
        Times {
            format,
            zone,
            second: None,
            head: String::new(),
            offset: String::new(),
        }
    }

    /// Appends a time as a JSON value.
    pub(super) fn json(&mut self, time: Timestamp, out: &mut Vec<u8>) {
        if self.format.is_number() {
            return self.bare(true, time, out);
        }
        out.push(b'"');
        self.bare(true, time, out);
        out.push(b'"');
    }

    /// Appends a time, to stand within quotes or outside of them.
    pub(super) fn bare(&mut self, quoted: bool, time: Timestamp, out: &mut Vec<u8>) {
        let nanos = time.nanos();
        match &self.format {
            TimeFormat::Seconds => number::integer(nanos.div_euclid(1_000_000_000), out),
            TimeFormat::Millis => number::integer(nanos.div_euclid(1_000_000), out),
            TimeFormat::Micros => number::integer(nanos.div_euclid(1000), out),
            TimeFormat::Nanos => number::integer(nanos, out),
            TimeFormat::Rfc3339(digits) => {
                let digits = usize::from((*digits).min(9));
                self.keep(nanos.div_euclid(1_000_000_000));
                out.extend_from_slice(self.head.as_bytes());
                if digits > 0 {
                    out.push(b'.');
                    let fraction = format!("{:09}", nanos.rem_euclid(1_000_000_000));
                    out.extend_from_slice(&fraction.as_bytes()[..digits]);
                }
                out.extend_from_slice(self.offset.as_bytes());
            }
            TimeFormat::Written(format) => {
                let text = strtime::format(format, &zoned(nanos, &self.zone));
                escape(quoted, &text.unwrap_or_default(), out);
            }
        }
    }

    fn keep(&mut self, second: i64) {
        if self.second == Some(second) {
            return;
        }
        self.second = Some(second);
        let time = zoned(second.saturating_mul(1_000_000_000), &self.zone);
        let seconds = time.offset().seconds();
        self.head = strtime::format("%Y-%m-%dT%H:%M:%S", &time).unwrap_or_default();
        self.offset = match seconds {
            0 => "Z".into(),
            _ => Shift(seconds).to_string(),
        };
    }
}

fn zoned(nanos: i64, zone: &Zone) -> jiff::Zoned {
    jiff::Timestamp::from_nanosecond(i128::from(nanos))
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_zoned(zone.0.clone())
}

/// `+02:00`; RFC 3339 has no seconds in it.
struct Shift(i32);

impl fmt::Display for Shift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        let minutes = self.0.unsigned_abs() / 60;
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: &str, zone: Zone, nanos: i64) -> String {
        let mut times = Times::new(TimeFormat::read(format).unwrap(), zone);
        let mut out = Vec::new();
        // Twice, since what is kept must come out the same.
        times.json(Timestamp::from_nanos(nanos), &mut out);
        let first = out.clone();
        out.clear();
        times.json(Timestamp::from_nanos(nanos), &mut out);
        assert_eq!(first, out);
        String::from_utf8(out).unwrap()
    }

    const TIME: i64 = 1_795_346_100_123_456_789;

    #[test]
    fn each_form_is_written_by_the_zones_clock() {
        let berlin = || Zone::fixed(3600).unwrap();
        for (format, zone, expected) in [
            ("rfc3339", Zone::UTC, "\"2026-11-22T11:15:00.123456789Z\""),
            (
                "rfc3339",
                berlin(),
                "\"2026-11-22T12:15:00.123456789+01:00\"",
            ),
            (
                "rfc3339",
                Zone::fixed(-12_600).unwrap(),
                "\"2026-11-22T07:45:00.123456789-03:30\"",
            ),
            ("epoch_s", berlin(), "1795346100"),
            ("epoch_ms", berlin(), "1795346100123"),
            ("epoch_us", berlin(), "1795346100123456"),
            ("epoch_ns", berlin(), "1795346100123456789"),
            (
                "%d.%m.%Y %H:%M:%S%.3f",
                berlin(),
                "\"22.11.2026 12:15:00.123\"",
            ),
            ("%Y \"x\"", Zone::UTC, "\"2026 \\\"x\\\"\""),
        ] {
            assert_eq!(written(format, zone, TIME), expected, "{format}");
        }
        let mut times = Times::new(TimeFormat::Rfc3339(3), Zone::UTC);
        let mut out = Vec::new();
        times.bare(false, Timestamp::from_nanos(-1), &mut out);
        assert_eq!(out, b"1969-12-31T23:59:59.999Z");
        assert_eq!(written("epoch_s", Zone::UTC, -1), "-1");
        for end in [i64::MIN, i64::MAX] {
            assert!(written("rfc3339", Zone::UTC, end).len() > 20);
        }
    }

    #[test]
    fn what_is_no_form_of_time_is_refused() {
        for bad in ["", "iso", "%", "RFC3339"] {
            assert!(TimeFormat::read(bad).is_err(), "{bad}");
        }
        assert_eq!(Zone::fixed(1_000_000), None);
        assert_eq!(Zone::from_tzif("x", b"no zone"), None);
    }
}
