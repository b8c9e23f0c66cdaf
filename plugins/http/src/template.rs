//! Texts with holes that each record fills.
//!
//! A hole is `{name}`, or `{name|default}` for records that have no such thing. The names:
//!
//! | name | value |
//! |---|---|
//! | `logger`, `level`, `message`, `module`, `thread`, `record_id` | of the record |
//! | `time` | RFC 3339 in UTC, with nanoseconds |
//! | `year`, `month`, `day`, `hour` | of the time, in UTC, as two digits (the year: four) |
//! | `unix` | the time in seconds since 1970, with nine digits of fraction |
//! | any other | the record's field of that name; `a.b` also finds `b` in the map `a` |
//!
//! A record that lacks what a hole without a default names is refused, and said to lack it.

use std::fmt::Write as _;

use rolog_core::frame::Record;
use rolog_core::value::Value;

/// A text with holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Text(String),
    Hole {
        name: String,
        default: Option<String>,
    },
}

impl Template {
    /// Reads a text in which every brace that opens no hole is doubled.
    ///
    /// The error says what is wrong with it.
    pub(crate) fn strict(text: &str) -> Result<Self, String> {
        let mut template = Template { parts: Vec::new() };
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            template.text(&rest[..at]);
            rest = &rest[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                template.text(&rest[..1]);
                rest = &rest[2..];
            } else if let Some((hole, after)) = hole(rest) {
                template.parts.push(hole);
                rest = after;
            } else {
                return Err(format!(
                    "`{}` opens or closes no hole",
                    rest.chars().take(20).collect::<String>()
                ));
            }
        }
        template.text(rest);
        Ok(template)
    }

    /// Reads a text such as JSON, in which braces that form no hole stand for themselves.
    pub(crate) fn lenient(text: &str) -> Self {
        let mut template = Template { parts: Vec::new() };
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            template.text(&rest[..at]);
            rest = &rest[at..];
            if let Some((hole, after)) = hole(rest) {
                template.parts.push(hole);
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

    /// A template of one part.
    pub(crate) fn of(part: Part) -> Self {
        Template { parts: vec![part] }
    }

    /// Its parts, in order.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Adds another template behind this one.
    pub(crate) fn append(&mut self, other: Template) {
        for part in other.parts {
            match part {
                Part::Text(text) => self.text(&text),
                hole @ Part::Hole { .. } => self.parts.push(hole),
            }
        }
    }

    /// The same with its texts, but not its holes, changed.
    pub(crate) fn map_text(mut self, change: impl Fn(&str) -> String) -> Self {
        for part in &mut self.parts {
            if let Part::Text(text) = part {
                *text = change(text);
            }
        }
        self
    }

    /// Whether there is no hole in it.
    pub(crate) fn is_fixed(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// The text with each hole shown as it is written, for people.
    pub(crate) fn shown(&self) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Hole { name, .. } => {
                    out.push('{');
                    out.push_str(name);
                    out.push('}');
                }
            }
        }
        out
    }

    /// Appends the text for a record, what fills its holes by way of `put`.
    ///
    /// The error is the name of the hole that the record does not fill, or that `put` refused.
    pub(crate) fn fill<'t>(
        &'t self,
        record: &Record<'_>,
        out: &mut String,
        mut put: impl FnMut(&str, &mut String) -> bool,
    ) -> Result<(), &'t str> {
        let mut value = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Hole { name, default } => {
                    value.clear();
                    let text = match (lookup(record, name, &mut value), default) {
                        (true, _) => value.as_str(),
                        (false, Some(default)) => default,
                        (false, None) => return Err(name),
                    };
                    if !put(text, out) {
                        return Err(name);
                    }
                }
            }
        }
        Ok(())
    }
}

/// The hole at the start of a text, and what follows it.
fn hole(text: &str) -> Option<(Part, &str)> {
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
    let name = name.to_owned();
    Some((Part::Hole { name, default }, rest))
}

/// Appends what the record has by a name; `false` when it has nothing, or nothing but emptiness.
fn lookup(record: &Record<'_>, name: &str, out: &mut String) -> bool {
    let text = |text: Option<&str>, out: &mut String| out.push_str(text.unwrap_or_default());
    match name {
        "logger" => text(Some(record.logger()), out),
        "level" => text(Some(record.level().name()), out),
        "module" => text(record.module(), out),
        "thread" => text(record.thread(), out),
        "message" => push(out, format_args!("{}", record.message())),
        "record_id" => push(out, format_args!("{}", record.id())),
        "time" | "year" | "month" | "day" | "hour" => {
            // `2026-11-22T11:15:00.123456789Z`
            let time = record.time().to_string();
            let part = match name {
                "year" => time.get(..4),
                "month" => time.get(5..7),
                "day" => time.get(8..10),
                "hour" => time.get(11..13),
                _ => Some(time.as_str()),
            };
            text(part, out);
        }
        "unix" => {
            let nanos = record.time().nanos();
            let (seconds, rest) = (
                nanos.div_euclid(1_000_000_000),
                nanos.rem_euclid(1_000_000_000),
            );
            push(out, format_args!("{seconds}.{rest:09}"));
        }
        field => match find(record, field) {
            None | Some(Value::Null) => {}
            Some(value) => push(out, format_args!("{value}")),
        },
    }
    !out.is_empty()
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text)
        .expect("writing into a string does not fail, and no value's Display does");
}

/// The field of this name, or what a path of names leads to.
fn find<'a>(record: &Record<'a>, name: &str) -> Option<Value<'a>> {
    let by_key = |key: &str| {
        let mut fields = record.fields();
        fields.find(|(other, _)| *other == key).map(|(_, v)| v)
    };
    if let Some(value) = by_key(name) {
        return Some(value);
    }
    let mut path = name.split('.');
    let mut value = by_key(path.next()?)?;
    for step in path {
        match value {
            Value::Map(map) => value = map.get(step)?,
            _ => return None,
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::batch;

    fn filled(template: &Template) -> Result<String, String> {
        let batch = batch(1, |_| "hello".into());
        let view = batch.view();
        let record = view.get(0).unwrap();
        let mut out = String::new();
        let put = |text: &str, out: &mut String| {
            out.push_str(text);
            true
        };
        template
            .fill(&record, &mut out, put)
            .map_err(str::to_owned)?;
        Ok(out)
    }

    #[test]
    fn holes_are_filled_from_the_record_its_fields_and_its_maps() {
        let template =
            Template::strict("/{logger}/{level}/{n}/{tenant}/{where.city}/{{x}}").unwrap();
        assert_eq!(
            filled(&template).unwrap(),
            "/shop.orders/info/0/north/Oslo/{x}"
        );
        let template = Template::strict("{year}.{month}.{day}.{hour} {time} {unix}").unwrap();
        assert_eq!(
            filled(&template).unwrap(),
            "2026.11.22.11 2026-11-22T11:15:00.123456789Z 1795346100.123456789"
        );
        let template = Template::strict("{message} {record_id}").unwrap();
        assert_eq!(
            filled(&template).unwrap(),
            "hello 00000000000000000000000000000001-0000000000000000"
        );
    }

    #[test]
    fn what_a_record_lacks_is_named_or_has_a_default() {
        let missing = |text| filled(&Template::strict(text).unwrap());
        assert_eq!(missing("{nothing}"), Err("nothing".to_owned()));
        assert_eq!(missing("{where.street}"), Err("where.street".to_owned()));
        assert_eq!(missing("{n.deeper}"), Err("n.deeper".to_owned()));
        assert_eq!(missing("a/{nothing|none}"), Ok("a/none".to_owned()));
        assert_eq!(missing("{thread|main}"), Ok("main".to_owned()));
    }

    #[test]
    fn a_brace_that_opens_no_hole_is_refused_or_stands_for_itself() {
        for text in ["a{", "a}", "{a b}", "{}", "{a|b{c}}"] {
            assert!(Template::strict(text).is_err(), "{text}");
        }
        let json = Template::lenient("{\"event\":{message},\"x\":{}}");
        assert_eq!(filled(&json).unwrap(), "{\"event\":hello,\"x\":{}}");
        assert_eq!(json.shown(), "{\"event\":{message},\"x\":{}}");
        assert!(Template::lenient("{\"a\": {\"b\": 1}}").is_fixed());
    }
}
