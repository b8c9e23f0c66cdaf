//! Sizes and times as the pipeline file writes them, `4MiB` and `600ms`.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};

/// A span of time, such as `5s`, `1.5s` or `600ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A number of bytes, such as `4MiB` or `900kB`, or a bare number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        span(&text)
            .map(Span)
            .ok_or_else(|| wrong(&text, "a time such as `5s` or `600ms`"))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Written {
            Bytes(usize),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Bytes(bytes) => Ok(Size(bytes)),
            Written::Text(text) => size(&text)
                .map(Size)
                .ok_or_else(|| wrong(&text, "a size such as `4MiB`")),
        }
    }
}

fn wrong<E: Error>(text: &str, expected: &str) -> E {
    E::custom(format!("`{text}` cannot be read, expected {expected}"))
}

fn span(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let unit = match unit {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * unit).ok()
}

fn size(text: &str) -> Option<usize> {
    let (number, unit) = split(text)?;
    let unit: u32 = match unit {
        "" | "B" => 1,
        "kB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    Some((number * f64::from(unit)) as usize)
}

fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((number, text[end..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_read_as_the_pipeline_writes_them() {
        assert_eq!(span("600ms"), Some(Duration::from_millis(600)));
        assert_eq!(span("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(span("2m"), Some(Duration::from_mins(2)));
        assert_eq!(size("4MiB"), Some(4 << 20));
        assert_eq!(size("4096"), Some(4096));
        for text in ["", "5", "s", "-1s", "5 parsecs", "1e400s"] {
            assert_eq!(span(text), None, "{text}");
        }
        assert_eq!(size("4 apples"), None);
        assert!(serde_json::from_str::<Size>("true").is_err());
        assert_eq!(serde_json::from_str::<Size>("17").unwrap(), Size(17));
    }
}
