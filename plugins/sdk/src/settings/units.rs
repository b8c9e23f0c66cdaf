//! Sizes and times as text: `64MiB`, `600ms`, `1h30m`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

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

const TIMES: [(&str, u128); 8] = [
    ("w", 604_800_000_000_000),
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// A number of bytes. Read from `64MiB`, `1.5kB` or `4096` (units in any case) or a bare number;
/// written with the largest unit that leaves no fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub usize);

/// A span of time. Read from `600ms`, `1.5s`, `1h30m`, `7d` or `2w`, its units from large to small,
/// or a bare 0; written in the same way, in days at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

/// Why a text is no [`Size`] or no [`Span`]. Displayed as half a sentence without the text itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitError(String);

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UnitError {}

impl From<&str> for UnitError {
    fn from(what: &str) -> Self {
        UnitError(what.to_owned())
    }
}

impl fmt::Display for Size {
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

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0s");
        }
        for (name, unit) in &TIMES[1..] {
            if nanos >= *unit {
                write!(f, "{}{name}", nanos / unit)?;
                nanos %= unit;
            }
        }
        Ok(())
    }
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = split(text.trim())?;
        let unit = match unit {
            "" => 1,
            unit => SIZES
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(unit))
                .map(|(_, unit)| *unit)
                .ok_or_else(|| UnitError(format!("`{unit}` is not a unit of size")))?,
        };
        usize::try_from(scaled(number, unit)?)
            .map(Size)
            .map_err(|_| UnitError::from("the size is beyond all bounds"))
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let mut rest = text.trim();
        if rest == "0" {
            return Ok(Span(Duration::ZERO));
        }
        let mut nanos: u128 = 0;
        let mut last = u128::MAX;
        loop {
            let (number, after) = split(rest)?;
            let letters = after
                .find(|c: char| !c.is_alphabetic())
                .unwrap_or(after.len());
            let (unit, after) = after.split_at(letters);
            let unit = unit_of_time(number, unit)?;
            if unit >= last {
                return Err("the units do not go from large to small".into());
            }
            last = unit;
            nanos = nanos.saturating_add(scaled(number, unit)?);
            if after.is_empty() {
                break;
            }
            rest = after.trim_start();
        }
        let seconds = u64::try_from(nanos / 1_000_000_000)
            .map_err(|_| UnitError::from("the time is beyond all bounds"))?;
        let nanos = (nanos % 1_000_000_000) as u32;
        Ok(Span(Duration::new(seconds, nanos)))
    }
}

fn unit_of_time(number: &str, unit: &str) -> Result<u128, UnitError> {
    if unit.is_empty() {
        let problem = format!("the time has no unit: `{number}ms`, `{number}s`?");
        return Err(UnitError(problem));
    }
    let known = TIMES.iter().find(|(name, _)| *name == unit);
    known
        .map(|(_, unit)| *unit)
        .ok_or_else(|| UnitError(format!("`{unit}` is not a unit of time")))
}

/// A decimal number in front, and what follows it.
fn split(text: &str) -> Result<(&str, &str), UnitError> {
    if text.starts_with('-') {
        return Err("it is negative".into());
    }
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    if end == 0 {
        return Err("it does not begin with a number".into());
    }
    Ok((&text[..end], text[end..].trim_start()))
}

/// A decimal number of units, which must come out whole.
fn scaled(number: &str, unit: u128) -> Result<u128, UnitError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| {
        if text.is_empty() || text.len() > 18 {
            return None;
        }
        text.parse::<u128>().ok()
    };
    let (Some(whole), Some(part)) = (digits(whole), digits(fraction)) else {
        return Err("the number is not one that can be read".into());
    };
    // At most 18 digits each, so neither product can overflow.
    let scale = 10u128.pow(fraction.len() as u32);
    if !(part * unit).is_multiple_of(scale) {
        return Err("the fraction is finer than the smallest unit".into());
    }
    Ok(whole * unit + part * unit / scale)
}

/// Reads either from a text or a bare number.
struct Reads(&'static str);

impl Visitor<'_> for Reads {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

fn read<'de, D, T>(from: D, expected: &'static str) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = UnitError>,
{
    let text = from.deserialize_any(Reads(expected))?;
    text.parse()
        .map_err(|what| D::Error::custom(format_args!("`{text}`: {what}, expected {expected}")))
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        read(from, "a size such as `64MiB`, or a number of bytes")
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        read(from, "a time such as `600ms`, `1h30m` or `7d`")
    }
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
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
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
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
        assert_eq!(Size(64 << 20).to_string(), "64MiB");
        assert_eq!(Size(1000).to_string(), "1kB");
        assert_eq!(Size(1001).to_string(), "1001B");
        assert_eq!(Size(0).to_string(), "0");
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
            ("2w", 1_209_600_000),
            ("0", 0),
            ("0s", 0),
        ] {
            let span = Span(Duration::from_millis(millis));
            assert_eq!(text.parse(), Ok(span), "{text}");
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
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        assert_eq!(Span(Duration::from_mins(90)).to_string(), "1h30m");
        assert_eq!(Span(Duration::from_millis(1600)).to_string(), "1s600ms");
        assert_eq!(Span(Duration::from_hours(168)).to_string(), "7d");
        assert_eq!(Span(Duration::ZERO).to_string(), "0s");
    }

    #[test]
    fn settings_are_texts_or_numbers_and_what_is_neither_says_what_it_should_be() {
        assert_eq!(serde_json::from_str::<Size>("17").unwrap(), Size(17));
        assert_eq!(
            serde_json::from_str::<Size>("\"1 kB\"").unwrap(),
            Size(1000)
        );
        assert_eq!(
            serde_json::from_str::<Span>("0").unwrap(),
            Span(Duration::ZERO)
        );
        let wrong = |json: &str| serde_json::from_str::<Span>(json).unwrap_err().to_string();
        assert!(
            wrong("5").starts_with("`5`: the time has no unit: `5ms`, `5s`?, expected a time"),
            "{}",
            wrong("5")
        );
        assert!(wrong("true").contains("expected a time such as"));
        assert!(serde_json::from_str::<Size>("-1").is_err());
    }
}
