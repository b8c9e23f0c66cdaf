//! How severe a record is, and what a logger, a route or a target lets through.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// The severity of a record.
///
/// The codes are those of rolog (debug 10 to critical 50), with `Trace` added below them for what
/// the bridges from `log` and `tracing` bring. There is no `None`: a record always has a level, and
/// a *threshold* that inherits is [`Threshold::Inherit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Finest detail, 5.
    Trace = 5,
    /// Detail for whoever works on the code, 10.
    Debug = 10,
    /// What the service does in normal operation, 20.
    Information = 20,
    /// Unexpected, and handled, 30.
    Warning = 30,
    /// Something failed, 40.
    Error = 40,
    /// The service cannot go on as it should, 50.
    Critical = 50,
}

impl Level {
    /// Every level, the least severe first.
    pub const ALL: [Level; 6] = [
        Level::Trace,
        Level::Debug,
        Level::Information,
        Level::Warning,
        Level::Error,
        Level::Critical,
    ];

    /// The number that stands for the level in frames and in rolog, 5 to 50.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Position in [`Level::ALL`], 0 to 5, for tables by level.
    pub const fn index(self) -> usize {
        match self {
            Level::Trace => 0,
            Level::Debug => 1,
            Level::Information => 2,
            Level::Warning => 3,
            Level::Error => 4,
            Level::Critical => 5,
        }
    }

    /// The name that renderers write and configuration reads: `trace`, `debug`, `info`, `warning`,
    /// `error`, `critical`.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Information => "info",
            Level::Warning => "warning",
            Level::Error => "error",
            Level::Critical => "critical",
        }
    }

    /// The `SeverityNumber` that OpenTelemetry's log data model has for the level, the lowest of its
    /// range: 9 for [`Level::Information`]. Its `SeverityText` is the [`name`](Level::name), as that
    /// is to be the source's own.
    /// See <https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber>.
    pub const fn severity_number(self) -> u8 {
        match self {
            Level::Trace => 1,
            Level::Debug => 5,
            Level::Information => 9,
            Level::Warning => 13,
            Level::Error => 17,
            Level::Critical => 21,
        }
    }

    /// The level with this code, for readers of frames.
    pub const fn from_code(code: u8) -> Option<Level> {
        match code {
            5 => Some(Level::Trace),
            10 => Some(Level::Debug),
            20 => Some(Level::Information),
            30 => Some(Level::Warning),
            40 => Some(Level::Error),
            50 => Some(Level::Critical),
            _ => None,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl TryFrom<u8> for Level {
    type Error = Error;

    /// # Errors
    /// A code that is not a level's; 0 (rolog's `NONE`) is not a record's level either.
    fn try_from(code: u8) -> Result<Self, Error> {
        Level::from_code(code).ok_or_else(|| {
            Error::level(format!(
                "{code} is not a level: use 5 (trace), 10 (debug), 20 (info), 30 (warning), 40 (error) or 50 (critical)"
            ))
        })
    }
}

impl FromStr for Level {
    type Err = Error;

    /// Reads a level's name, in any case, with the usual synonyms (`information`, `warn`, `err`,
    /// `fatal`).
    ///
    /// # Errors
    /// Any other word.
    fn from_str(text: &str) -> Result<Self, Error> {
        const NAMES: [(&str, Level); 11] = [
            ("trace", Level::Trace),
            ("debug", Level::Debug),
            ("info", Level::Information),
            ("information", Level::Information),
            ("warning", Level::Warning),
            ("warn", Level::Warning),
            ("error", Level::Error),
            ("err", Level::Error),
            ("critical", Level::Critical),
            ("crit", Level::Critical),
            ("fatal", Level::Critical),
        ];
        NAMES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text))
            .map(|(_, level)| *level)
            .ok_or_else(|| {
                Error::level(format!(
                    "`{text}` is not a level: use trace, debug, info, warning, error or critical"
                ))
            })
    }
}

/// The least level that a logger, a route or a target lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Threshold {
    /// Takes the minimum of what it belongs to: rolog's `NONE` in `add_target`.
    #[default]
    Inherit,
    /// This level and those above it.
    At(Level),
    /// Nothing.
    Off,
}

impl From<Level> for Threshold {
    fn from(level: Level) -> Self {
        Threshold::At(level)
    }
}

impl TryFrom<u8> for Threshold {
    type Error = Error;

    /// 0 inherits, any other number is a level's code.
    ///
    /// # Errors
    /// A number that is neither 0 nor a level's code.
    fn try_from(code: u8) -> Result<Self, Error> {
        if code == 0 {
            return Ok(Threshold::Inherit);
        }
        Level::try_from(code).map(Threshold::At)
    }
}

/// A range of levels, both ends included, as routes state it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LevelRange {
    least: Level,
    most: Level,
}

impl LevelRange {
    /// Every level.
    pub const ALL: LevelRange = LevelRange {
        least: Level::Trace,
        most: Level::Critical,
    };

    /// From `least` to `most`, both included.
    ///
    /// # Errors
    /// `least` above `most`: such a range lets nothing through.
    pub fn new(least: Level, most: Level) -> Result<Self, Error> {
        if least > most {
            return Err(Error::level(format!(
                "the range {least}..{most} is empty: write {most}..{least}"
            )));
        }
        Ok(LevelRange { least, most })
    }

    /// The least level in the range.
    pub const fn least(self) -> Level {
        self.least
    }

    /// The most severe level in the range.
    pub const fn most(self) -> Level {
        self.most
    }

    /// Whether the range lets `level` through.
    pub fn contains(self, level: Level) -> bool {
        self.least <= level && level <= self.most
    }
}

impl From<Level> for LevelRange {
    /// Exactly this level.
    fn from(level: Level) -> Self {
        LevelRange {
            least: level,
            most: level,
        }
    }
}

impl fmt::Display for LevelRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (least, most) if least == most => write!(f, "{least}"),
            (least, Level::Critical) => write!(f, "{least}.."),
            (least, most) => write!(f, "{least}..{most}"),
        }
    }
}

impl FromStr for LevelRange {
    type Err = Error;

    /// Reads `error` (exactly that level), `info..`, `..warning` or `debug..warning`.
    ///
    /// # Errors
    /// A word that is not a level, or a range that is empty.
    fn from_str(text: &str) -> Result<Self, Error> {
        let end = |part: &str, open: Level| match part.trim() {
            "" => Ok(open),
            word => word.parse(),
        };
        match text.trim().split_once("..") {
            None => text.trim().parse::<Level>().map(LevelRange::from),
            Some((least, most)) => {
                LevelRange::new(end(least, Level::Trace)?, end(most, Level::Critical)?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_names_and_order_agree() {
        for pair in Level::ALL.windows(2) {
            assert!(pair[0] < pair[1]);
        }
        for (index, level) in Level::ALL.into_iter().enumerate() {
            assert_eq!(level.index(), index);
            assert_eq!(Level::try_from(level.code()).unwrap(), level);
            assert_eq!(level.name().parse::<Level>().unwrap(), level);
        }
    }

    #[test]
    fn an_invalid_level_is_refused_with_the_remedy() {
        let error = Level::try_from(60).unwrap_err();
        assert!(error.is_level());
        assert!(error.to_string().contains("60 is not a level"));
        assert!(error.to_string().contains("50 (critical)"));
        assert!(Level::try_from(0).is_err());
        assert!("verbose".parse::<Level>().is_err());
        assert!(Threshold::try_from(7).is_err());
        assert_eq!(Threshold::try_from(0).unwrap(), Threshold::Inherit);
    }

    #[test]
    fn ranges_read_as_routes_write_them() {
        let range = |text: &str| text.parse::<LevelRange>().unwrap();
        assert_eq!(range("error"), LevelRange::from(Level::Error));
        assert_eq!(range("..").to_string(), "trace..");
        assert!(range("info..").contains(Level::Critical));
        assert!(!range("debug..warning").contains(Level::Error));
        assert!(range("..warning").contains(Level::Trace));
        assert!("error..debug".parse::<LevelRange>().is_err());
        assert!("loud..".parse::<LevelRange>().is_err());
    }
}
