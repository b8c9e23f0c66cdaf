//! Paths with holes: `logs/{logger}/{date}.jsonl`.
//!
//! The base directory is what stands in front of the first part of the path with a hole. No value
//! leads out of it: each fills a hole as an ordinary piece of a file name, whatever it contains, and
//! only the template itself says how deep a file lies. The same for links: a directory below the base
//! that leads out of it is refused when a file is opened.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rolog_core::frame::Record;

use super::safe;
use crate::rotate::is_rotated_name;
use crate::zone::Zone;

/// The longest part of a path, so that there is room behind it for what a rotated file is called.
const LONGEST: usize = 200;
/// The least room for a value; what is longer is cut.
const LEAST: usize = 40;
/// What a date may be made of: each is a number of a fixed length.
const CONVERSIONS: &str = "YmdHMjGVu";
const DATE: &str = "%Y-%m-%d";

/// A path with holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    base: PathBuf,
    /// The parts of the path below the base.
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    pieces: Vec<Piece>,
    /// The most bytes that one value may take.
    room: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Logger,
    Level,
    /// A date in this format, which has no `/`.
    Date(String),
    Field(String),
}

impl Template {
    /// Reads a path. `None` for one without holes, with the path as it is meant.
    pub(crate) fn read(path: &str) -> Result<Result<Template, PathBuf>, String> {
        let mut segments = vec![Vec::new()];
        let mut holes = false;
        let mut rest = path;
        while let Some(at) = rest.find(['{', '}', '/']) {
            text(&mut segments, &rest[..at]);
            let (mark, behind) = rest[at..].split_at(1);
            rest = behind;
            match mark {
                "/" => segments.push(Vec::new()),
                mark if behind.starts_with(mark) => {
                    text(&mut segments, mark);
                    rest = &behind[1..];
                }
                "{" => {
                    let (name, behind) = behind
                        .split_once('}')
                        .ok_or("a `{` has no `}`; one that is meant as it is stands there twice")?;
                    holes = true;
                    hole(&mut segments, name)?;
                    rest = behind;
                }
                _ => {
                    return Err(
                        "a `}` has no `{`; one that is meant as it is stands there twice".into(),
                    );
                }
            }
        }
        text(&mut segments, rest);
        let named = |segment: &Vec<Piece>| segment.iter().any(|p| !matches!(p, Piece::Text(_)));
        let first = segments.iter().position(named).unwrap_or(segments.len());
        let base = if first == 0 {
            PathBuf::from(".")
        } else {
            let plain = segments
                .drain(..first)
                .map(|segment| match segment.as_slice() {
                    [Piece::Text(text)] => text.clone(),
                    _ => String::new(),
                });
            let plain: Vec<_> = plain.collect();
            let root = if plain == [""] { "/" } else { "" };
            PathBuf::from(plain.join("/") + root)
        };
        if !holes {
            return Ok(Err(base));
        }
        let segments = segments
            .into_iter()
            .map(Segment::new)
            .collect::<Result<_, _>>()?;
        Ok(Ok(Template { base, segments }))
    }

    /// The directory that no file leaves.
    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// The same below another base.
    pub(crate) fn below(self, base: PathBuf) -> Self {
        Template { base, ..self }
    }

    /// Whether a folder below the base, as its parts, is one on the way to such files.
    pub(crate) fn leads_through(&self, parts: &[String]) -> bool {
        let mut each = self.segments.iter().zip(parts);
        parts.len() < self.segments.len()
            && each.all(|(segment, part)| matches(&segment.pieces, part))
    }

    /// Whether a path below the base, as its parts, is one that records could lead to.
    pub(crate) fn matches<'p>(&self, mut parts: impl Iterator<Item = &'p str>) -> bool {
        let each = self.segments.iter().all(|segment| {
            let part = parts.next();
            part.is_some_and(|part| matches(&segment.pieces, part))
        });
        each && parts.next().is_none()
    }
}

fn text(segments: &mut [Vec<Piece>], text: &str) {
    let segment = segments.last_mut().expect("there is always one");
    match segment.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(before)) => before.push_str(text),
        _ => segment.push(Piece::Text(text.into())),
    }
}

fn hole(segments: &mut Vec<Vec<Piece>>, name: &str) -> Result<(), String> {
    let piece = match name.split_once([':', '.']) {
        None if name == "logger" => Piece::Logger,
        None if name == "level" => Piece::Level,
        None if name == "date" => Piece::Date(DATE.into()),
        Some(("field", key)) if name.starts_with("field.") && !key.is_empty() => {
            Piece::Field(key.into())
        }
        Some(("date", format)) if name.starts_with("date:") => {
            for (n, format) in format.split('/').enumerate() {
                if n > 0 {
                    segments.push(Vec::new());
                }
                date(format)?;
                let segment = segments.last_mut().expect("there is always one");
                segment.push(Piece::Date(format.into()));
            }
            return Ok(());
        }
        _ => {
            return Err(format!(
                "`{{{name}}}` is not known; there are `{{logger}}`, `{{level}}`, `{{date}}`, `{{date:%Y/%m}}` and `{{field.name}}`"
            ));
        }
    };
    segments
        .last_mut()
        .expect("there is always one")
        .push(piece);
    Ok(())
}

fn date(format: &str) -> Result<(), String> {
    let mut chars = format.chars();
    let mut any = false;
    while let Some(c) = chars.next() {
        let fits = match c {
            '%' => {
                any = true;
                chars.next().is_some_and(|c| CONVERSIONS.contains(c))
            }
            c => c.is_ascii_alphanumeric() || matches!(c, '-' | '_'),
        };
        if !fits {
            return Err(format!(
                "the date `{format}` holds what a name may not; it is made of letters, digits, `-`, `_`, `/`, %Y %m %d %H %M, the day of the year %j, and the week's %G %V %u"
            ));
        }
    }
    any.then_some(())
        .ok_or_else(|| format!("the date `{format}` has no part of a date in it"))
}

impl Segment {
    fn new(pieces: Vec<Piece>) -> Result<Segment, String> {
        if let [] | [Piece::Text(_)] = pieces.as_slice() {
            let name = match pieces.first() {
                Some(Piece::Text(text)) => text.as_str(),
                _ => "",
            };
            if matches!(name, "" | "." | "..") || name.len() > LONGEST {
                return Err(format!("`{name}` cannot stand behind the first hole"));
            }
        }
        let fixed = |piece: &Piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Date(format) => format.len() * 2,
            _ => 0,
        };
        let values = pieces.iter().filter(|piece| fixed(piece) == 0).count();
        let left = LONGEST.saturating_sub(pieces.iter().map(fixed).sum());
        let room = left / values.max(1);
        if values > 0 && room < LEAST || values > 3 {
            return Err(
                "a part of it leaves too little room for values: at most three and 200 bytes"
                    .into(),
            );
        }
        Ok(Segment { pieces, room })
    }
}

fn matches(pieces: &[Piece], name: &str) -> bool {
    let Some((piece, pieces)) = pieces.split_first() else {
        return name.is_empty();
    };
    match piece {
        Piece::Text(text) => name
            .strip_prefix(&**text)
            .is_some_and(|name| matches(pieces, name)),
        Piece::Date(format) => behind_date(format, name).is_some_and(|name| matches(pieces, name)),
        Piece::Logger | Piece::Level | Piece::Field(_) => {
            let ends = name.char_indices().map(|(at, c)| at + c.len_utf8());
            let fits = |end: usize| safe::could_be(&name[..end]) && matches(pieces, &name[end..]);
            ends.into_iter().any(fits)
        }
    }
}

/// What stands in `name` behind a date of this format.
fn behind_date<'n>(format: &str, mut name: &'n str) -> Option<&'n str> {
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        let digits = match (c, chars.as_str().chars().next()) {
            ('%', conversion) => {
                chars.next();
                match conversion? {
                    'Y' | 'G' => 4,
                    'j' => 3,
                    'u' => 1,
                    _ => 2,
                }
            }
            (c, _) => {
                name = name.strip_prefix(c)?;
                continue;
            }
        };
        let (number, rest) = name.split_at_checked(digits)?;
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        name = rest;
    }
    Some(name)
}

/// Fills the holes of a template.
#[derive(Debug)]
pub(crate) struct Expander {
    template: Template,
    zone: Zone,
    /// The dates of this minute, which most records share.
    minute: i64,
    dates: Vec<String>,
}

impl Expander {
    pub(crate) fn new(template: Template, zone: Zone) -> Self {
        Expander {
            template,
            zone,
            minute: i64::MIN,
            dates: Vec::new(),
        }
    }

    pub(crate) fn base(&self) -> &Path {
        self.template.base()
    }

    /// Puts the path of the record's file, below the base, into `path`.
    pub(crate) fn expand(&mut self, record: &Record<'_>, path: &mut String) {
        path.clear();
        self.date(record.time().nanos());
        let mut dates = self.dates.iter();
        for (n, segment) in self.template.segments.iter().enumerate() {
            if n > 0 {
                path.push('/');
            }
            let start = path.len();
            for piece in &segment.pieces {
                match piece {
                    Piece::Text(text) => path.push_str(text),
                    Piece::Date(_) => path.push_str(dates.next().map_or("-", String::as_str)),
                    Piece::Level => path.push_str(record.level().name()),
                    Piece::Logger if record.logger().contains("::") => {
                        safe::append(&record.logger().replace("::", "."), segment.room, path);
                    }
                    Piece::Logger => safe::append(record.logger(), segment.room, path),
                    Piece::Field(key) => {
                        let value = record.fields().find(|(name, _)| name == key);
                        match value {
                            Some((_, value)) => match value.as_str() {
                                Some(text) => safe::append(text, segment.room, path),
                                None => safe::append(&value.to_string(), segment.room, path),
                            },
                            None => path.push('-'),
                        }
                    }
                }
            }
            // A value must not pass off its file as a rotated one, which could be let go of.
            if is_rotated_name(&path.as_bytes()[start..]) {
                let name = path[start..].replace('Z', "%5A");
                path.truncate(start);
                path.push_str(&name);
            }
        }
    }

    fn date(&mut self, nanos: i64) {
        let minute = nanos.div_euclid(60_000_000_000);
        if minute == self.minute {
            return;
        }
        self.minute = minute;
        self.dates.clear();
        let time = Timestamp::from_second(minute * 60).unwrap_or(Timestamp::UNIX_EPOCH);
        let time = time.to_zoned(self.zone.rules().clone());
        for piece in self
            .template
            .segments
            .iter()
            .flat_map(|segment| &segment.pieces)
        {
            if let Piece::Date(format) = piece {
                self.dates.push(time.strftime(format).to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::testing::record;
    use proptest::prelude::*;
    use rolog_core::value::OwnedValue;
    use std::path::Component;

    fn read(path: &str) -> Template {
        Template::read(path).unwrap().unwrap()
    }

    fn expanded(path: &str, logger: &str, field: Option<&str>, time: &str) -> String {
        let template = read(path);
        let time: Timestamp = time.parse().unwrap();
        let value = field.map(|text| OwnedValue::Str(text.into()));
        let field = value.as_ref().map(|value| ("x", value));
        record(logger, time, field, |record| {
            let mut expander = Expander::new(template.clone(), Zone::named("+02:00").unwrap());
            let mut path = String::new();
            expander.expand(record, &mut path);
            assert!(template.matches(path.split('/')), "{path}");
            path
        })
    }

    const TIME: &str = "2026-11-22T23:30:00Z";

    #[test]
    fn holes_are_filled_and_the_base_is_what_stands_before_them() {
        for (template, base, path) in [
            (
                "logs/{logger}/{date}.jsonl",
                "logs",
                "shop.db/2026-11-23.jsonl",
            ),
            ("/var/log/app/{level}.log", "/var/log/app", "warning.log"),
            ("/{logger}", "/", "shop.db"),
            ("{date:%Y/%m/%d-%H%M}.log", ".", "2026/11/23-0130.log"),
            ("a/b/x-{field.x}-{field.y}/{{}}", "a/b", "x-7-/{}"),
        ] {
            assert_eq!(read(template).base(), Path::new(base), "{template}");
            let path = path.replace("7-/", "7--/");
            assert_eq!(expanded(template, "shop::db", Some("7"), TIME), path);
        }
        for plain in ["logs/app.jsonl", "/var/log/{{x}}.log", "app", "/app"] {
            let path = plain.replace("{{", "{").replace("}}", "}");
            assert_eq!(Template::read(plain).unwrap(), Err(PathBuf::from(path)));
        }
    }

    #[test]
    fn templates_that_cannot_work_are_refused() {
        for (template, text) in [
            ("{", "has no `}`"),
            ("}", "has no `{`"),
            ("{host}", "`{host}` is not known"),
            ("{field.}", "not known"),
            ("{field:x}", "not known"),
            ("{logger}/../x", "`..` cannot stand"),
            ("{logger}//x", "`` cannot stand"),
            ("{logger}/", "`` cannot stand"),
            ("{date:}", "no part of a date"),
            ("{date:..}", "may not"),
            ("{date:%T}", "may not"),
            ("{date:%Y %m}", "may not"),
            ("{logger}{logger}{logger}{logger}", "too little room"),
        ] {
            let error = Template::read(template).unwrap_err();
            assert!(error.contains(text), "{template}: {error}");
        }
        assert!(Template::read(&format!("{{logger}}{}", "x".repeat(180))).is_err());
    }

    #[test]
    fn a_value_cannot_pass_off_its_file_as_a_rotated_one() {
        let moment = "20261122T140000.123456Z";
        let name = expanded("logs/{logger}.jsonl", &format!("app.{moment}"), None, TIME);
        assert_eq!(name, "app.20261122T140000.123456%5A.jsonl");
        let name = expanded("logs/{logger}.{field.x}", "app", Some(moment), TIME);
        assert!(!is_rotated_name(name.as_bytes()));
    }

    #[test]
    fn only_what_records_could_lead_to_matches() {
        let template = read("logs/{logger}/a-{date}.jsonl");
        let matches = |path: &str| template.matches(path.split('/'));
        assert!(matches("shop/a-2026-11-22.jsonl"));
        for other in [
            "shop",
            "a-2026-11-22.jsonl",
            "shop/b-2026-11-22.jsonl",
            "shop/a-2026-11-22.json",
            "shop/a-2026-1-22.jsonl",
            "shop/x/a-2026-11-22.jsonl",
            ".shop/a-2026-11-22.jsonl",
            "sh op/a-2026-11-22.jsonl",
        ] {
            assert!(!matches(other), "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_value_leads_out_of_the_base(logger in any::<String>(), field in any::<String>()) {
            let path = expanded("logs/{logger}/.{field.x}/{field.x}-{level}", &logger, Some(&field), TIME);
            let path = Path::new(&path);
            prop_assert_eq!(path.components().count(), 3);
            prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
            prop_assert!(path.components().all(|part| part.as_os_str().len() <= 255));
        }
    }
}
