//! Sizes and times as settings of rotation: at least a byte, at least a second.

use std::time::Duration;

use rolog_plugin::settings;
use serde::Deserialize;

/// A number of bytes, at least one. Written `64MiB`, `1kB` or `4096`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "settings::Size")]
pub struct Size(u64);

/// A span of time, at least a second. Written `90s`, `1h30m`, `7d` or `2w`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "settings::Span")]
pub struct Span(Duration);

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

impl TryFrom<settings::Size> for Size {
    type Error = &'static str;

    fn try_from(size: settings::Size) -> Result<Self, Self::Error> {
        match size.0 {
            0 => Err("0 bytes are too few, expected at least 1"),
            bytes => Ok(Size(bytes as u64)),
        }
    }
}

impl TryFrom<settings::Span> for Span {
    type Error = String;

    fn try_from(span: settings::Span) -> Result<Self, Self::Error> {
        if span.0 < Duration::from_secs(1) {
            return Err(format!("`{span}` is too short, expected at least a second"));
        }
        Ok(Span(span.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_no_size_and_a_moment_no_age() {
        let size = |json: &str| serde_json::from_str::<Size>(json).map(Size::bytes);
        assert_eq!(size("\"64MiB\"").unwrap(), 64 << 20);
        assert_eq!(
            size("0").unwrap_err().to_string(),
            "0 bytes are too few, expected at least 1"
        );
        let span = |json: &str| serde_json::from_str::<Span>(json).map(Span::duration);
        assert_eq!(span("\"7d\"").unwrap(), Duration::from_hours(168));
        assert_eq!(
            span("\"999ms\"").unwrap_err().to_string(),
            "`999ms` is too short, expected at least a second"
        );
    }
}
