//! Names of loggers and the globs that match them.
//!
//! A name is a row of segments with `.` or `::` between them; the two are the same separator, and
//! empty segments do not count, so `shop::db`, `shop.db` and `shop..db` are one logger's place. In a
//! glob `*` stands for exactly one segment and `**` for any number, none included: `shop.**` matches
//! `shop`.

use std::fmt;
use std::str::FromStr;

/// The segments of a logger's name.
pub(crate) fn segments(name: &str) -> impl Iterator<Item = &str> {
    name.split("::")
        .flat_map(|part| part.split('.'))
        .filter(|segment| !segment.is_empty())
}

/// A part of a glob.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Segment {
    /// This text.
    Literal(Box<str>),
    /// `*`
    One,
    /// `**`
    Any,
}

/// A pattern of logger names.
///
/// ```
/// use rolog_host::pattern::LoggerGlob;
///
/// let glob: LoggerGlob = "shop.*.db.**".parse()?;
/// assert!(glob.matches("shop::orders::db"));
/// assert!(glob.matches("shop.orders.db.pool"));
/// assert!(!glob.matches("shop.db"));
/// # Ok::<(), rolog_host::pattern::InvalidGlob>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LoggerGlob {
    segments: Vec<Segment>,
}

impl LoggerGlob {
    /// The glob of every logger, `**`.
    pub fn all() -> Self {
        LoggerGlob {
            segments: vec![Segment::Any],
        }
    }

    /// A name in `levels` or an override: without `*` it means the logger and its subtree.
    ///
    /// # Errors
    /// A text that is not a glob.
    pub fn subtree(text: &str) -> Result<Self, InvalidGlob> {
        let mut glob: LoggerGlob = text.parse()?;
        let is_name = glob
            .segments
            .iter()
            .all(|segment| matches!(segment, Segment::Literal(_)));
        if is_name {
            glob.segments.push(Segment::Any);
        }
        Ok(glob)
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether it matches every name there can be.
    pub fn is_all(&self) -> bool {
        self.segments == [Segment::Any]
    }

    /// Whether it matches a logger's name.
    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<&str> = segments(name).collect();
        self.matches_segments(&name)
    }

    /// The same for a name that has been taken apart.
    pub(crate) fn matches_segments(&self, name: &[&str]) -> bool {
        let glob = &self.segments;
        let (mut at, mut in_glob) = (0, 0);
        // Where to go on when the rest does not fit: one more segment for the last `**`.
        let mut again: Option<(usize, usize)> = None;
        while at < name.len() {
            match glob.get(in_glob) {
                Some(Segment::Any) => {
                    again = Some((at, in_glob));
                    in_glob += 1;
                    continue;
                }
                Some(Segment::One) => {
                    at += 1;
                    in_glob += 1;
                    continue;
                }
                Some(Segment::Literal(text)) if **text == *name[at] => {
                    at += 1;
                    in_glob += 1;
                    continue;
                }
                _ => {}
            }
            let Some((from, star)) = again else {
                return false;
            };
            again = Some((from + 1, star));
            at = from + 1;
            in_glob = star + 1;
        }
        glob[in_glob..]
            .iter()
            .all(|segment| *segment == Segment::Any)
    }
}

impl FromStr for LoggerGlob {
    type Err = InvalidGlob;

    /// # Errors
    /// An empty text or segment, a `*` beside other characters, more than 64 segments or 500 bytes.
    fn from_str(text: &str) -> Result<Self, InvalidGlob> {
        const LONGEST: usize = 500;
        const MOST: usize = 64;
        if text.len() > LONGEST {
            return Err(InvalidGlob("it has more than 500 bytes"));
        }
        if text.contains(char::is_control) {
            return Err(InvalidGlob("it has a control character"));
        }
        if text.trim() != text {
            return Err(InvalidGlob("it has a space at an end"));
        }
        if text.is_empty() {
            return Err(InvalidGlob("it is empty"));
        }
        let mut segments: Vec<Segment> = Vec::new();
        for part in text.split("::").flat_map(|part| part.split('.')) {
            let segment = match part {
                "" => return Err(InvalidGlob("it has an empty segment")),
                "*" => Segment::One,
                // Two in a row mean what one means.
                "**" if segments.last() == Some(&Segment::Any) => continue,
                "**" => Segment::Any,
                part if part.contains('*') => {
                    return Err(InvalidGlob(
                        "a `*` stands for a whole segment, never for a part",
                    ));
                }
                part => Segment::Literal(part.into()),
            };
            segments.push(segment);
        }
        if segments.len() > MOST {
            return Err(InvalidGlob("it has more than 64 segments"));
        }
        Ok(LoggerGlob { segments })
    }
}

impl fmt::Display for LoggerGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.segments.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            f.write_str(match segment {
                Segment::Literal(text) => text,
                Segment::One => "*",
                Segment::Any => "**",
            })?;
        }
        Ok(())
    }
}

impl fmt::Debug for LoggerGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

/// A text that is not a glob. Displayed as the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidGlob(&'static str);

impl fmt::Display for InvalidGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidGlob {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_by_segments() {
        for (glob, name, expected) in [
            ("**", "", true),
            ("**", "a.b", true),
            ("*", "a", true),
            ("*", "a.b", false),
            ("*", "", false),
            ("shop.**", "shop", true),
            ("shop.**", "shop.db.pool", true),
            ("shop.**", "shopping", false),
            ("shop", "shop.db", false),
            ("shop::db", "shop.db", true),
            ("**.db", "db", true),
            ("**.db", "a.b::db", true),
            ("**.db", "a.db.b", false),
            ("a.**.b.**.c", "a.b.b.c.c", true),
            ("a.**.b.**.c", "a.c.b", false),
            ("a.**.**.b", "a.b", true),
            ("shop.db", "shop..db.", true),
        ] {
            let parsed: LoggerGlob = glob.parse().unwrap();
            assert_eq!(parsed.matches(name), expected, "{glob} on {name}");
        }
        assert!(LoggerGlob::subtree("shop.db").unwrap().matches("shop.db.x"));
        assert!(!LoggerGlob::subtree("shop.*").unwrap().matches("shop.db.x"));
    }

    #[test]
    fn what_is_no_glob_says_why() {
        for (text, reason) in [
            ("", "empty"),
            ("a..b", "empty segment"),
            ("a.", "empty segment"),
            ("pay*", "whole segment"),
            ("***", "whole segment"),
            ("a\nb", "control"),
            (" a", "space"),
        ] {
            let error = text.parse::<LoggerGlob>().unwrap_err();
            assert!(error.to_string().contains(reason), "{text}: {error}");
        }
        assert!("a.".repeat(300).parse::<LoggerGlob>().is_err());
        assert!(["a"; 65].join(".").parse::<LoggerGlob>().is_err());
    }
}
