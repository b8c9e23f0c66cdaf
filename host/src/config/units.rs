//! Sizes and times as text: `64MiB`, `600ms`, `1h30m`.

use std::fmt;
use std::time::Duration;

const SIZES: [(&str, u128); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

const TIMES: [(&str, u128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// A size as the pipeline file writes it: the largest unit that leaves no fraction.
pub(crate) struct ShowSize(pub(crate) usize);

impl fmt::Display for ShowSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as u128;
        let unit = SIZES
            .iter()
            .find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
        match unit {
            Some((name, unit)) => write!(f, "{}{name}", bytes / unit),
            None => f.write_str("0"),
        }
    }
}

/// A time as the pipeline file writes it.
pub(crate) struct ShowTime(pub(crate) Duration);

impl fmt::Display for ShowTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0s");
        }
        for (name, unit) in TIMES {
            if nanos >= unit {
                write!(f, "{}{name}", nanos / unit)?;
                nanos %= unit;
            }
        }
        Ok(())
    }
}

/// Reads `64MiB`, `1.5kB`, `4096`; units in any case.
///
/// The error says what is wrong with it.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    let (number, unit) = split(text.trim())?;
    let unit = match unit {
        "" => 1,
        unit => SIZES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))
            .map(|(_, unit)| *unit)
            .ok_or_else(|| format!("`{unit}` is not a unit of size"))?,
    };
    let bytes = scaled(number, unit)?;
    usize::try_from(bytes).map_err(|_| "the size is beyond all bounds".to_owned())
}

/// Reads `600ms`, `1.5s`, `1h30m`; a bare 0 needs no unit.
///
/// The error says what is wrong with it.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    let mut nanos: u128 = 0;
    let mut last = u128::MAX;
    loop {
        let (number, after) = split(rest)?;
        let letters = after
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let unit = match unit {
            "" => return Err(format!("the time has no unit: `{number}ms`, `{number}s`?")),
            unit => TIMES
                .iter()
                .find(|(name, _)| *name == unit)
                .map(|(_, unit)| *unit)
                .ok_or_else(|| format!("`{unit}` is not a unit of time"))?,
        };
        if unit >= last {
            return Err("the units do not go from large to small".to_owned());
        }
        last = unit;
        nanos = nanos.saturating_add(scaled(number, unit)?);
        if after.is_empty() {
            break;
        }
        rest = after.trim_start();
    }
    let seconds = u64::try_from(nanos / 1_000_000_000)
        .map_err(|_| "the time is beyond all bounds".to_owned())?;
    Ok(Duration::new(seconds, (nanos % 1_000_000_000) as u32))
}

/// A decimal number in front, and what follows it.
fn split(text: &str) -> Result<(&str, &str), String> {
    if text.starts_with('-') {
        return Err("it is negative".to_owned());
    }
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    if end == 0 {
        return Err("it does not begin with a number".to_owned());
    }
    Ok((&text[..end], text[end..].trim_start()))
}

/// A decimal number of units, which must come out whole.
fn scaled(number: &str, unit: u128) -> Result<u128, String> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| {
        if text.is_empty() || text.len() > 18 {
            return None;
        }
        text.parse::<u128>().ok()
    };
    let (Some(whole), Some(part)) = (digits(whole), digits(fraction)) else {
        return Err("the number is not one that can be read".to_owned());
    };
    // At most 18 digits each, so neither product can overflow.
    let scale = 10u128.pow(fraction.len() as u32);
    if !(part * unit).is_multiple_of(scale) {
        return Err("the fraction is finer than the smallest unit".to_owned());
    }
    Ok(whole * unit + part * unit / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_and_write() {
        for (text, bytes) in [
            ("64MiB", 64 << 20),
            ("1kB", 1000),
            ("1KB", 1000),
            ("1.5KiB", 1536),
            ("2 gib", 2 << 30),
            ("4096", 4096),
            ("0", 0),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "MiB",
            "-1",
            "64M",
            "1.5",
            "1e3",
            "1..5kB",
            "99999999999999999999",
            "9999999999TiB",
            "1kB2",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
        assert_eq!(ShowSize(64 << 20).to_string(), "64MiB");
        assert_eq!(ShowSize(1000).to_string(), "1kB");
        assert_eq!(ShowSize(1001).to_string(), "1001B");
        assert_eq!(ShowSize(0).to_string(), "0");
    }

    #[test]
    fn times_read_and_write() {
        for (text, millis) in [
            ("600ms", 600),
            ("1s", 1000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1500),
            ("0.6s", 600),
            ("1m 30s", 90_000),
            ("1d", 86_400_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(
                parse_time(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for text in [
            "",
            "s",
            "-1s",
            "10",
            "1.s",
            "1x",
            "30m1h",
            "1s1s",
            "999999999999999999d",
            "1s-",
        ] {
            assert!(parse_time(text).is_err(), "{text}");
        }
        assert_eq!(ShowTime(Duration::from_mins(90)).to_string(), "1h30m");
        assert_eq!(ShowTime(Duration::from_millis(1600)).to_string(), "1s600ms");
        assert_eq!(ShowTime(Duration::ZERO).to_string(), "0s");
    }
}
