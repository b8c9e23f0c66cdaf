//! What other loggers write as the time.
//!
//! A time is taken only where it is certain. Text without an offset from UTC is not, unless the zone
//! is given, so it stays an ordinary field, and so does a number that no clock of today would show.

use jiff::Timestamp;

use super::options::Zone;
use super::stamp;

/// Seconds from this number on are an epoch time (1973-03-03); a thousand times as much is one in
/// milliseconds, and so on. The ranges meet, so the magnitude tells the unit.
const SECONDS: u64 = 100_000_000;
const MILLIS: u64 = SECONDS * 1_000;
const MICROS: u64 = MILLIS * 1_000;
const NANOS: u64 = MICROS * 1_000;

/// Nanoseconds since 1970, from one of the forms of [`stamp::at_start`] or from an epoch time that
/// stands in text. A time that does not say its offset is taken when `zone` does.
pub(super) fn text(text: &str, zone: Option<&Zone>) -> Option<i64> {
    let text = text.trim_ascii();
    match stamp::at_start(text.as_bytes()) {
        Some((stamp, length)) if length == text.len() => stamp.nanos(zone, Timestamp::now()),
        Some(_) => None,
        None => decimal(text),
    }
}

/// Nanoseconds since 1970, from a whole number in seconds, milliseconds, microseconds or
/// nanoseconds, by its magnitude: from 10^8, 10^11, 10^14 and 10^17 on. Each range begins in March
/// 1973; a lower number is a duration or a counter, not a time.
pub(super) fn integer(number: u64) -> Option<i64> {
    let number = i64::try_from(number).ok()?;
    number.checked_mul(unit(number as u64)?)
}

/// Like [`integer`] for a number with a fraction (zap writes seconds so), to the microsecond: a
/// 64-bit float holds no more of a present time.
pub(super) fn float(number: f64) -> Option<i64> {
    if !(number >= SECONDS as f64 && number < i64::MAX as f64) {
        return None;
    }
    let per_micro = match unit(number as u64)? {
        1_000_000_000 => 1e6,
        1_000_000 => 1e3,
        1_000 => 1.0,
        _ => return Some(number as i64),
    };
    ((number * per_micro).round() as i64).checked_mul(1_000)
}

/// Nanoseconds in the unit of an epoch time.
fn unit(number: u64) -> Option<i64> {
    match number {
        0..SECONDS => None,
        SECONDS..MILLIS => Some(1_000_000_000),
        MILLIS..MICROS => Some(1_000_000),
        MICROS..NANOS => Some(1_000),
        NANOS.. => Some(1),
    }
}

/// An epoch time in text, exactly: nginx's `$msec` is `1732274100.123`.
fn decimal(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() > 19 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let mut nanos = integer(whole)?;
    let mut worth = unit(whole)?;
    for digit in fraction.bytes() {
        worth /= 10;
        nanos = nanos.checked_add(i64::from(digit - b'0') * worth)?;
    }
    Some(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Option<i64> {
        super::text(text, None)
    }

    const NOON: i64 = 1_795_348_800_000_000_000; // 2026-11-22T12:00:00Z

    #[test]
    fn rfc_3339_and_its_usual_variants_are_read() {
        for form in [
            "2026-11-22T12:00:00Z",
            "2026-11-22t12:00:00z",
            "2026-11-22 12:00:00Z",
            " 2026-11-22T12:00:00.000Z",
            "2026-11-22T12:00:00,000+00:00",
            "2026-11-22T13:00:00+01:00",
            "2026-11-22T13:00:00+0100",
            "2026-11-22T06:30:00-05:30",
            "2026-11-22 12:00:00 UTC",
            "2026-11-22 12:00:00.000 GMT",
            "2026-11-22 14:00:00 +0200",
            "22/Nov/2026:12:00:00 +0000",
            "Sun, 22 Nov 2026 12:00:00 +0000",
        ] {
            assert_eq!(text(form), Some(NOON), "{form}");
        }
        assert_eq!(
            text("2026-11-22T12:00:00.123456789Z"),
            Some(NOON + 123_456_789)
        );
        assert_eq!(
            text("2026-11-22 12:00:00.123 UTC"),
            Some(NOON + 123_000_000)
        );
        assert_eq!(text("1969-12-31T23:59:59Z"), Some(-1_000_000_000));
    }

    #[test]
    fn what_is_not_certain_is_not_a_time() {
        for form in [
            "",
            "now",
            "2026-11-22",
            "2026-11-22T12:00:00",
            "2026-11-22 12:00:00,123",
            "2026-11-22 12:00:00 CET",
            "2026-13-22T12:00:00Z",
            "9999-01-01T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "12:00:00",
            "3.2",
            "17.5e8",
            "-1795348800",
            "99999999999999999999999",
            ".",
            "1795348800.1.2",
        ] {
            assert_eq!(text(form), None, "{form}");
        }
        assert_eq!(integer(0), None);
        assert_eq!(integer(SECONDS - 1), None);
        assert_eq!(integer(u64::MAX), None);
        for number in [0.003, -1.7e9, f64::NAN, f64::INFINITY, 1e30] {
            assert_eq!(float(number), None);
        }
    }

    #[test]
    fn a_zone_that_is_given_makes_a_time_without_one_certain() {
        let zone = "+01:00".parse().unwrap();
        let read = |form| super::text(form, Some(&zone));
        assert_eq!(read("2026-11-22 13:00:00,000"), Some(NOON));
        assert_eq!(read("2026/11/22 13:00:00"), Some(NOON));
        assert_eq!(read("2026-11-22T12:00:00Z"), Some(NOON));
        assert_eq!(
            read("2026-11-22 13:00:00 CET"),
            None,
            "a name is not an offset"
        );
    }

    #[test]
    fn the_magnitude_tells_the_unit() {
        assert_eq!(integer(1_795_348_800), Some(NOON));
        assert_eq!(integer(1_795_348_800_000), Some(NOON));
        assert_eq!(integer(1_795_348_800_000_000), Some(NOON));
        assert_eq!(integer(1_795_348_800_000_000_000), Some(NOON));
        // Both ends of each range are times that a log can have.
        let (first, last) = (SECONDS.cast_signed() * 1_000_000_000, i64::MAX);
        for (lowest, highest) in [(SECONDS, MILLIS), (MILLIS, MICROS), (MICROS, NANOS)] {
            assert_eq!(integer(lowest), Some(first));
            assert!(integer(highest - 1).is_none_or(|nanos| nanos > NOON));
        }
        assert_eq!(integer(last as u64), Some(last));
    }

    #[test]
    fn fractions_are_kept_exactly_in_text_and_to_the_microsecond_in_floats() {
        assert_eq!(text("1795348800.123"), Some(NOON + 123_000_000));
        assert_eq!(text("1795348800.123456789"), Some(NOON + 123_456_789));
        assert_eq!(text("1795348800123.5"), Some(NOON + 123_500_000));
        assert_eq!(
            text("1795348800.1234567899999999999999"),
            Some(NOON + 123_456_789)
        );
        assert_eq!(float(1_795_348_800.123_456), Some(NOON + 123_456_000));
        assert_eq!(float(1_795_348_800_123.5), Some(NOON + 123_500_000));
        assert_eq!(float(1_795_348_800_000_000.0), Some(NOON));
        assert_eq!(float(1.795_348_8e18), Some(NOON));
    }
}
