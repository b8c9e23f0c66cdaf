//! Time zones by name, from the files that the operating system has for them.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Component, Path};

use jiff::tz::{Offset, TimeZone};
use rolog_core::render;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// Where operating systems keep their zones.
const FOLDERS: [&str; 3] = [
    "/usr/share/zoneinfo",
    "/usr/lib/zoneinfo",
    "/usr/share/lib/zoneinfo",
];
/// A zone's rules, for the calendar and for lines.
type Rules = (TimeZone, render::Zone);

/// Larger than the file of any zone.
const MOST: u64 = 1 << 20;

/// A time zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    name: String,
    rules: TimeZone,
    /// The same for those who render.
    lines: render::Zone,
}

impl Zone {
    /// The zone of this name: `UTC`, `local`, a name such as `Europe/Berlin`, or an offset such as
    /// `+02:00`.
    ///
    /// # Errors
    /// A name that stands for no zone, or one that this machine does not know.
    pub fn named(name: &str) -> io::Result<Zone> {
        let (rules, lines) = match (name, offset(name)) {
            ("UTC" | "Z", _) => (TimeZone::UTC, render::Zone::UTC),
            (_, Some(offset)) => (
                TimeZone::fixed(offset),
                render::Zone::fixed(offset.seconds()).ok_or(ErrorKind::InvalidInput)?,
            ),
            ("local", _) => local()?,
            _ => from_file(name)?,
        };
        Ok(Zone {
            name: name.to_owned(),
            rules,
            lines,
        })
    }

    /// The name it was asked for by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// By a rule in POSIX notation, so that a test needs no zones on the machine.
    #[cfg(test)]
    pub(crate) fn by_rules(rule: &str) -> Zone {
        Zone {
            name: rule.to_owned(),
            rules: TimeZone::posix(rule).unwrap(),
            lines: render::Zone::UTC,
        }
    }

    pub(crate) fn for_lines(&self) -> render::Zone {
        self.lines.clone()
    }

    pub(crate) fn rules(&self) -> &TimeZone {
        &self.rules
    }
}

impl Default for Zone {
    fn default() -> Self {
        Zone {
            name: "UTC".into(),
            rules: TimeZone::UTC,
            lines: render::Zone::UTC,
        }
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        Zone::named(&name).map_err(|error| {
            D::Error::custom(format_args!(
                "`{name}` is no time zone that this machine knows ({error}), expected `UTC`, `local`, a name such as `Europe/Berlin` (which takes the package tzdata), or an offset such as `+02:00`"
            ))
        })
    }
}

/// `+02:00`, `-0330` or `+2`.
fn offset(text: &str) -> Option<Offset> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match (digits.split_once(':'), digits.len()) {
        (Some((hours, minutes)), _) if minutes.len() == 2 => (hours, minutes),
        (None, 4) => digits.split_at_checked(2)?,
        (None, 1 | 2) => (digits, "0"),
        _ => return None,
    };
    let whole = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| text.parse::<i32>().ok())?
    };
    let (hours, minutes) = (whole(hours)?, whole(minutes)?);
    if minutes > 59 {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

/// What the machine is set to, as the C library finds it.
fn local() -> io::Result<Rules> {
    match std::env::var("TZ") {
        Ok(name) if !name.is_empty() => {
            let name = name.trim_start_matches(':');
            match Path::new(name).is_absolute() {
                true => read("local", Path::new(name)),
                false if matches!(name, "UTC" | "UTC0" | "GMT") => {
                    Ok((TimeZone::UTC, render::Zone::UTC))
                }
                false => from_file(name),
            }
        }
        _ => match read("local", Path::new("/etc/localtime")) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Ok((TimeZone::UTC, render::Zone::UTC))
            }
            rules => rules,
        },
    }
}

fn from_file(name: &str) -> io::Result<Rules> {
    let plain = !name.is_empty()
        && Path::new(name)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
    if !plain {
        return Err(ErrorKind::InvalidInput.into());
    }
    let chosen = std::env::var_os("TZDIR");
    let folders = chosen.iter().map(Path::new);
    for folder in folders.chain(FOLDERS.map(Path::new)) {
        match read(name, &folder.join(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            rules => return rules,
        }
    }
    Err(ErrorKind::NotFound.into())
}

fn read(name: &str, path: &Path) -> io::Result<Rules> {
    let data = fs::metadata(path)?;
    if !data.is_file() || data.len() > MOST {
        return Err(ErrorKind::InvalidInput.into());
    }
    let bytes = fs::read(path)?;
    let rules = TimeZone::tzif(name, &bytes).map_err(io::Error::other)?;
    let lines = render::Zone::from_tzif(name, &bytes).ok_or(ErrorKind::InvalidData)?;
    Ok((rules, lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_and_nonsense_is_not() {
        for (text, seconds) in [
            ("+02:00", 7200),
            ("-0330", -12600),
            ("+2", 7200),
            ("+14", 50400),
        ] {
            assert_eq!(offset(text).map(Offset::seconds), Some(seconds), "{text}");
        }
        for bad in ["", "+", "2", "+02:0", "+02:60", "+99", "+-1", "+1:2:3", "é"] {
            assert_eq!(offset(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_that_leave_the_folder_of_zones_and_files_that_are_no_zones_are_refused() {
        for bad in [
            "../../etc/passwd",
            "/etc/passwd",
            "",
            "Europe",
            "No/Where",
            "zone.tab",
        ] {
            assert!(Zone::named(bad).is_err(), "{bad}");
        }
        assert_eq!(Zone::named("UTC").unwrap(), Zone::default());
    }
}
