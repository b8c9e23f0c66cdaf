//! Texts with holes that each record fills.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use rolog_core::frame::Record;
use rolog_core::value::Value;
use serde::de::{Deserialize, Deserializer, Error};

/// A text with holes that each record fills: an index, a topic, a header.
///
/// A hole is `{name}`, or `{name|default}` for records that have no such thing. Braces that open no
/// hole are doubled. The names:
///
/// | name | value |
/// |---|---|
/// | `logger`, `level`, `message`, `module`, `thread`, `record_id` | of the record |
/// | `time` | RFC 3339 in UTC, with nanoseconds |
/// | `year`, `month`, `day`, `hour` | of the time, in UTC, as two digits (the year: four) |
/// | `unix` | the time in seconds since 1970, with nine digits of fraction |
/// | any other | the record's field of that name; `a.b` also finds `b` in the map `a`, and `data.NAME` the field `NAME`, whatever that is |
///
/// What is null or empty is as good as nothing.
///
/// ```
/// use rolog_plugin::settings::Template;
///
/// let topic: Template = "logs.{logger}.{tenant|none}".parse()?;
/// assert_eq!(topic.fixed(), None);
/// assert_eq!(topic.to_string(), "logs.{logger}.{tenant|none}");
/// assert!("a{".parse::<Template>().is_err());
/// # Ok::<(), rolog_plugin::settings::TemplateError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Hole(Hole),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Hole {
    name: String,
    of: Of,
    default: Option<String>,
}

/// What a hole is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Logger,
    Level,
    Message,
    Module,
    Thread,
    RecordId,
    Time,
    Year,
    Month,
    Day,
    Hour,
    Unix,
    Field,
}

/// A brace that opens or closes no hole. Displayed with the text from there on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError(String);

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` opens or closes no hole", self.0)
    }
}

impl std::error::Error for TemplateError {}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let mut template = Template { parts: Vec::new() };
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            template.text(&rest[..at]);
            rest = &rest[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                template.text(&rest[..1]);
                rest = &rest[2..];
            } else if let Some((hole, after)) = Hole::read(rest) {
                template.parts.push(Part::Hole(hole));
                rest = after;
            } else {
                return Err(TemplateError(rest.chars().take(20).collect()));
            }
        }
        template.text(rest);
        Ok(template)
    }
}

impl Template {
    /// Reads a text such as JSON, in which braces that form no hole stand for themselves.
    pub fn lenient(text: &str) -> Self {
        let mut template = Template { parts: Vec::new() };
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            template.text(&rest[..at]);
            rest = &rest[at..];
            if let Some((hole, after)) = Hole::read(rest) {
                template.parts.push(Part::Hole(hole));
                rest = after;
            } else {
                template.text("{");
                rest = &rest[1..];
            }
        }
        template.text(rest);
        template
    }

    fn text(&mut self, text: &str) {
        match self.parts.last_mut() {
            _ if text.is_empty() => {}
            Some(Part::Text(last)) => last.push_str(text),
            _ => self.parts.push(Part::Text(text.to_owned())),
        }
    }

    /// The text, where there are no holes.
    pub fn fixed(&self) -> Option<&str> {
        match &self.parts[..] {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Its texts and holes one by one, each as a template and, of a hole, with its name.
    pub fn parts(&self) -> impl Iterator<Item = (Option<&str>, Template)> {
        self.parts.iter().map(|part| {
            let name = match part {
                Part::Text(_) => None,
                Part::Hole(hole) => Some(hole.name.as_str()),
            };
            let parts = vec![part.clone()];
            (name, Template { parts })
        })
    }

    /// Adds another template behind this one.
    pub fn append(&mut self, other: Template) {
        for part in other.parts {
            match part {
                Part::Text(text) => self.text(&text),
                hole @ Part::Hole(_) => self.parts.push(hole),
            }
        }
    }

    /// The same with its texts, but not what fills its holes, changed.
    #[must_use]
    pub fn map_text(mut self, change: impl Fn(&str) -> String) -> Self {
        for part in &mut self.parts {
            if let Part::Text(text) = part {
                *text = change(text);
            }
        }
        self
    }

    /// Appends the text of `record`.
    ///
    /// # Errors
    /// The name of what the record does not have; what was appended is cut off again.
    pub fn fill<'t>(&'t self, record: &Record<'_>, out: &mut String) -> Result<(), &'t str> {
        self.fill_by(record, out, |text, out| {
            out.push_str(text);
            true
        })
    }

    /// Appends the text of `record`, what fills its holes by way of `put`, which can say `false` to a
    /// value that it refuses.
    ///
    /// # Errors
    /// The name of what the record does not have, or `put` refused; what was appended is cut off
    /// again.
    pub fn fill_by<'t>(
        &'t self,
        record: &Record<'_>,
        out: &mut String,
        mut put: impl FnMut(&str, &mut String) -> bool,
    ) -> Result<(), &'t str> {
        let start = out.len();
        let mut value = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Hole(hole) => {
                    value.clear();
                    let text = hole.text(record, &mut value).or(hole.default.as_deref());
                    if !text.is_some_and(|text| put(text, out)) {
                        out.truncate(start);
                        return Err(&hole.name);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Hole {
    /// The hole at the start of a text, and what follows it.
    fn read(text: &str) -> Option<(Self, &str)> {
        let inside = text.strip_prefix('{')?;
        let end =
            inside.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '@')))?;
        let name = &inside[..end];
        if name.is_empty() {
            return None;
        }
        let (default, rest) = match inside[end..].strip_prefix('|') {
            Some(after) => {
                let close = after.find(['{', '}', '"'])?;
                (Some(after[..close].to_owned()), &after[close..])
            }
            None => (None, &inside[end..]),
        };
        let rest = rest.strip_prefix('}')?;
        let of = Of::name(name);
        let name = name.to_owned();
        Some((Hole { name, of, default }, rest))
    }

    /// What the record has for it, written into `out` where it is no text already.
    fn text<'s>(&self, record: &Record<'s>, out: &'s mut String) -> Option<&'s str> {
        let text = match self.of {
            Of::Logger => record.logger(),
            Of::Level => record.level().name(),
            Of::Module => record.module()?,
            Of::Thread => record.thread()?,
            Of::Message => written(out, format_args!("{}", record.message())),
            Of::RecordId => {
                let digits = record.id().digits();
                out.push_str(str::from_utf8(&digits).expect("digits and a dash are ASCII"));
                out
            }
            Of::Time => time(record, out, 0..),
            Of::Year => time(record, out, 0..4),
            Of::Month => time(record, out, 5..7),
            Of::Day => time(record, out, 8..10),
            Of::Hour => time(record, out, 11..13),
            Of::Unix => {
                let nanos = record.time().nanos();
                let second = 1_000_000_000;
                let (seconds, rest) = (nanos.div_euclid(second), nanos.rem_euclid(second));
                written(out, format_args!("{seconds}.{rest:09}"))
            }
            Of::Field => match field(record, &self.name)? {
                Value::Null => return None,
                Value::Str(text) => text,
                value => written(out, format_args!("{value}")),
            },
        };
        (!text.is_empty()).then_some(text)
    }
}

impl Of {
    fn name(name: &str) -> Of {
        match name {
            "logger" => Of::Logger,
            "level" => Of::Level,
            "message" => Of::Message,
            "module" => Of::Module,
            "thread" => Of::Thread,
            "record_id" => Of::RecordId,
            "time" => Of::Time,
            "year" => Of::Year,
            "month" => Of::Month,
            "day" => Of::Day,
            "hour" => Of::Hour,
            "unix" => Of::Unix,
            _ => Of::Field,
        }
    }
}

fn written<'s>(out: &'s mut String, text: fmt::Arguments<'_>) -> &'s str {
    out.write_fmt(text)
        .expect("writing into a string does not fail, and no value's Display does");
    out
}

/// A piece of `2026-11-22T11:15:00.123456789Z`.
fn time<'s>(
    record: &Record<'_>,
    out: &'s mut String,
    piece: impl std::slice::SliceIndex<str, Output = str>,
) -> &'s str {
    written(out, format_args!("{}", record.time()))
        .get(piece)
        .unwrap_or_default()
}

/// The field of this name, what a path of names leads to, or the field behind `data.`.
fn field<'a>(record: &Record<'a>, name: &str) -> Option<Value<'a>> {
    let by_key = |key: &str| {
        let mut fields = record.fields();
        fields.find(|(other, _)| *other == key).map(|(_, v)| v)
    };
    if let Some(value) = by_key(name) {
        return Some(value);
    }
    let (first, rest) = name.split_once('.')?;
    let inside = by_key(first).and_then(|value| {
        rest.split('.').try_fold(value, |value, step| match value {
            Value::Map(map) => map.get(step),
            _ => None,
        })
    });
    match (inside, first) {
        (None, "data") => field(record, rest),
        (inside, _) => inside,
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Part::Hole(hole) => match &hole.default {
                None => write!(f, "{{{}}}", hole.name),
                Some(default) => write!(f, "{{{}|{default}}}", hole.name),
            },
        })
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(|wrong| {
            D::Error::custom(format_args!(
                "{wrong}, expected holes such as {{logger}}, and {{{{ for a brace"
            ))
        })
    }
}

#[cfg(test)]
mod tests;
