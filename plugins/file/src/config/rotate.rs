//! When a file is rotated, and what becomes of it then.

use std::time::Duration;

use rolog_plugin::settings;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::amount::{Size, Span};
/// When the file is put aside and a new one begun. Whichever comes first; at least one is given.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// Before a batch that would make the file larger than this. A batch is never divided, so that
    /// one that is larger by itself makes a file of its own.
    #[serde(default)]
    pub size: Option<Size>,
    /// At the turn of each hour, day, week (Monday) or month, or of each part of a day, in the target's
    /// `zone`.
    #[serde(default)]
    pub every: Option<Every>,
}

/// A period of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// A number of minutes that divides a day, counted from midnight.
    Minutes(u32),
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first to the first.
    Month,
}

impl Every {
    fn read(text: &str) -> Option<Every> {
        Some(match text {
            "minute" => Every::Minutes(1),
            "hour" => Every::Minutes(60),
            "day" | "1d" => Every::Day,
            "week" | "1w" => Every::Week,
            "month" => Every::Month,
            text => {
                let span = text.parse::<settings::Span>().ok()?.0;
                let minutes = u32::try_from(span.as_secs() / 60).ok()?;
                let whole = span == Duration::from_mins(minutes.into());
                let fits = whole && (1..1440).contains(&minutes) && 1440 % minutes == 0;
                return fits.then_some(Every::Minutes(minutes));
            }
        })
    }
}

impl<'de> Deserialize<'de> for Every {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Every::read(&text).ok_or_else(|| {
            D::Error::custom(format_args!(
                "`{text}` is no period, expected `hour`, `day`, `week`, `month`, or a part of a day such as `15m` or `6h`"
            ))
        })
    }
}

/// How much of what was rotated stays. Whatever is beyond any of these goes, the oldest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// So many rotated files.
    #[serde(default)]
    pub files: Option<usize>,
    /// Those that were rotated no longer ago than this.
    #[serde(default)]
    pub age: Option<Span>,
    /// As many as fit into this, as they are on the disk.
    #[serde(default)]
    pub bytes: Option<Size>,
}

/// How rotated files are made smaller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compress {
    /// Not at all.
    #[default]
    Off,
    /// As gzip does.
    Gzip,
    /// As zstd does: smaller, in a quarter of the time.
    Zstd,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_divide_the_day_or_are_those_of_the_calendar() {
        assert_eq!(Every::read("hour"), Some(Every::Minutes(60)));
        assert_eq!(Every::read("15m"), Some(Every::Minutes(15)));
        assert_eq!(Every::read("1h30m"), Some(Every::Minutes(90)));
        assert_eq!(Every::read("900s"), Some(Every::Minutes(15)));
        assert_eq!(Every::read("1d"), Some(Every::Day));
        assert_eq!(Every::read("month"), Some(Every::Month));
        for bad in [
            "", "7m", "90s", "30s", "0s", "1m1ms", "2d", "24h", "daily", "0m",
        ] {
            assert_eq!(Every::read(bad), None, "{bad}");
        }
    }
}
