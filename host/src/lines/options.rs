//! How lines are read, where it is not found out from the lines themselves.

use std::fmt;
use std::str::FromStr;

use jiff::tz::{Offset, TimeZone};
use regex::Regex;
use rolog_core::Level;

use super::keys::Keys;
use super::level::Words;

/// How lines are read. The default finds out what there is to find out.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What the lines are.
    pub format: Format,
    /// Keys that mean parts of the record, beside the usual ones.
    pub keys: Keys,
    /// Words that mean levels, beside the usual ones.
    pub levels: Words,
    /// The zone of times that do not say theirs; without it such a time is not taken.
    pub zone: Option<Zone>,
    /// Which lines of text belong together.
    pub join: Join,
}

/// What lines are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Found out line by line.
    #[default]
    Auto,
    /// Objects of JSON.
    Json,
    /// Pairs of logfmt.
    Logfmt,
    /// RFC 5424, RFC 3164, or the forms in which syslog daemons write files.
    Syslog,
    /// Text for people.
    Text,
}

impl Format {
    /// Every format, with the name it is asked for by.
    pub const ALL: [(&'static str, Format); 5] = [
        ("auto", Format::Auto),
        ("json", Format::Json),
        ("logfmt", Format::Logfmt),
        ("syslog", Format::Syslog),
        ("text", Format::Text),
    ];
}

/// Which lines of text are one record.
#[derive(Clone, Debug, Default)]
pub enum Join {
    /// Those that look like the rest of a stack trace, or are indented, belong to the line before.
    #[default]
    Traces,
    /// Those that do not begin with a time belong to the line before.
    Times,
    /// Those that this does not match belong to the line before.
    Starts(Box<Regex>),
    /// Every line is a record.
    Never,
}

impl FromStr for Join {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "traces" => Ok(Join::Traces),
            "times" => Ok(Join::Times),
            "never" => Ok(Join::Never),
            pattern => match pattern.strip_prefix("starts:") {
                Some(pattern) => Regex::new(pattern)
                    .map(|regex| Join::Starts(Box::new(regex)))
                    .map_err(|error| format!("no regular expression: {error}")),
                None => Err("neither `traces`, `times`, `never` nor `starts:REGEX`".to_owned()),
            },
        }
    }
}

/// A time zone: `UTC`, `local` (this machine's), an offset like `+02:00`, or a name like
/// `Europe/Prague`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(pub(super) TimeZone);

impl FromStr for Zone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("utc") || text.eq_ignore_ascii_case("z") {
            return Ok(Zone(TimeZone::UTC));
        }
        if text == "local" {
            return TimeZone::try_system()
                .map(Zone)
                .map_err(|error| format!("this machine does not tell its time zone: {error}"));
        }
        if let Some(offset) = offset(text) {
            return Ok(Zone(TimeZone::fixed(offset)));
        }
        TimeZone::get(text).map(Zone).map_err(|_| {
            "no time zone: write `UTC`, `local`, an offset like `+02:00` or a name like \
             `Europe/Prague`"
                .to_owned()
        })
    }
}

fn offset(text: &str) -> Option<Offset> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    super::stamp::offset_seconds(&text.as_bytes()[1..])
        .and_then(|(seconds, length)| (length + 1 == text.len()).then_some(seconds))
        .and_then(|seconds| Offset::from_seconds(sign * seconds).ok())
}

/// A word or number, and the level that it means: `loud=error`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelWord {
    /// The word, in lower case.
    pub word: String,
    /// What it means.
    pub level: Level,
}

impl FromStr for LevelWord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, level) = text
            .rsplit_once('=')
            .ok_or("a word and a level are wanted, like `loud=error`")?;
        let word = word.trim().to_ascii_lowercase();
        if word.is_empty() {
            return Err("the word is missing, as in `loud=error`".to_owned());
        }
        let level = level
            .trim()
            .parse()
            .map_err(|error: rolog_core::Error| error.to_string())?;
        Ok(LevelWord { word, level })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Format::ALL.iter().find(|(_, format)| format == self);
        f.write_str(name.map_or("auto", |(name, _)| name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_read_in_every_form_and_nonsense_is_refused() {
        for text in ["UTC", "utc", "Z", "+00:00", "local", "-0530", "+02:00"] {
            assert!(text.parse::<Zone>().is_ok(), "{text}");
        }
        for text in ["", "+2", "+25:99", "Mars/Olympus", "+02:00x"] {
            let error = text.parse::<Zone>().unwrap_err();
            assert!(error.starts_with("no time zone"), "{text}: {error}");
        }
    }

    #[test]
    fn a_word_for_a_level_is_two_parts() {
        let word: LevelWord = "LOUD = error".parse().unwrap();
        assert_eq!((word.word.as_str(), word.level), ("loud", Level::Error));
        for wrong in ["loud", "=error", "loud=louder", ""] {
            assert!(wrong.parse::<LevelWord>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ways_to_join_are_named_or_a_pattern() {
        assert!(matches!("times".parse(), Ok(Join::Times)));
        assert!(matches!("starts:^\\d".parse(), Ok(Join::Starts(_))));
        for wrong in ["starts:(", "starts", "sometimes"] {
            assert!(wrong.parse::<Join>().is_err(), "{wrong}");
        }
    }
}
