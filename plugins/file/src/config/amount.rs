//! Sizes and times as settings: `64MiB`, `7d`.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Units of size, the first of those that a number could be meant in.
const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
];

const TIMES: [(&str, u64); 5] = [
    ("s", 1),
    ("m", 60),
    ("h", 3600),
    ("d", 86_400),
    ("w", 604_800),
];

/// A number of bytes, at least one. Written `64MiB`, `1kB` or `4096`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    /// This many bytes, or one where that is none.
    pub fn new(bytes: u64) -> Self {
        Size(bytes.max(1))
    }

    /// How many bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

/// A span of whole seconds, at least one. Written `90s`, `15m`, `36h`, `7d` or `2w`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

impl Span {
    /// This span, or a second where it is shorter.
    pub fn new(span: Duration) -> Self {
        Span(span.max(Duration::from_secs(1)))
    }

    /// How long it is.
    pub fn duration(self) -> Duration {
        self.0
    }
}

/// The number in front of a unit of `units`, times that unit. Case does not matter.
pub(super) fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim();
    let factor = units
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))
        .map(|(_, factor)| *factor)?;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

pub(super) fn span(text: &str) -> Option<Duration> {
    amount(text, &TIMES)
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs)
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reads;

        impl Visitor<'_> for Reads {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as `64MiB`, or a number of bytes")
            }

            fn visit_u64<E: Error>(self, bytes: u64) -> Result<Size, E> {
                match bytes {
                    0 => Err(E::custom("0 bytes are too few, expected at least 1")),
                    bytes => Ok(Size(bytes)),
                }
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
                match text.parse().ok().or_else(|| amount(text, &SIZES)) {
                    Some(bytes) => self.visit_u64(bytes),
                    None => Err(E::custom(format_args!(
                        "`{text}` is no size, expected one such as `64MiB` or `1kB`"
                    ))),
                }
            }
        }

        from.deserialize_any(Reads)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reads;

        impl Visitor<'_> for Reads {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as `7d`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Span, E> {
                span(text).map(Span).ok_or_else(|| {
                    E::custom(format_args!(
                        "`{text}` is no time, expected one of at least a second, such as `90s`, `36h` or `7d`"
                    ))
                })
            }
        }

        from.deserialize_any(Reads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_with_their_units_and_nothing_else_is() {
        let size = |json: &str| serde_json::from_str::<Size>(json).map(Size::bytes).ok();
        assert_eq!(size("\"64MiB\""), Some(64 << 20));
        assert_eq!(size("\"1 kb\""), Some(1000));
        assert_eq!(size("\"4096\""), Some(4096));
        assert_eq!(size("7"), Some(7));
        for bad in [
            "0",
            "-1",
            "1.5",
            "\"\"",
            "\"MiB\"",
            "\"1M\"",
            "\"99999999TiB\"",
        ] {
            assert_eq!(size(bad), None, "{bad}");
        }
        let span = |json: &str| serde_json::from_str::<Span>(json).map(Span::duration).ok();
        assert_eq!(span("\"7d\""), Some(Duration::from_hours(168)));
        assert_eq!(span("\"90s\""), Some(Duration::from_secs(90)));
        for bad in ["7", "\"0s\"", "\"7\"", "\"7 years\""] {
            assert_eq!(span(bad), None, "{bad}");
        }
    }
}
