//! Texts with holes that each record fills: for topics, keys and headers.

use std::fmt::{self, Write as _};

use rolog_core::frame::Record;
use rolog_core::value::Value;
use serde::de::{Deserialize, Deserializer, Error};

/// A text with holes that each record fills.
///
/// A hole is `{name}`. `logger`, `level`, `record_id`, `thread` and `module` are the record's own;
/// any other name is one of its data, and so is `{data.NAME}` whatever the name. `{{` and `}}` are
/// braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Logger,
    Level,
    RecordId,
    Thread,
    Module,
    Data(String),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// A brace that opens or closes no hole, and a hole without a name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                plain.push_str(&rest[..1]);
                rest = &rest[2..];
                continue;
            }
            let name = rest
                .strip_prefix('{')
                .and_then(|rest| rest.split_once('}'))
                .map(|(name, after)| {
                    rest = after;
                    name
                });
            match name {
                None => return Err(format!("a brace in `{text}` opens or closes no hole")),
                Some(name) if name.is_empty() || name.contains('{') => {
                    return Err(format!("`{text}` has a hole without a name"));
                }
                Some(name) => {
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(Piece::hole(name));
                }
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Template { pieces })
    }

    /// The text, where there are no holes.
    pub fn fixed(&self) -> Option<&str> {
        match &self.pieces[..] {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Appends the text of `record`.
    ///
    /// # Errors
    /// The name of what the record does not have; what was appended is cut off again.
    pub fn fill<'t>(&'t self, record: &Record<'_>, out: &mut String) -> Result<(), &'t str> {
        let start = out.len();
        for piece in &self.pieces {
            let missing = match piece {
                Piece::Text(text) => {
                    out.push_str(text);
                    None
                }
                Piece::Logger => {
                    out.push_str(record.logger());
                    None
                }
                Piece::Level => {
                    out.push_str(record.level().name());
                    None
                }
                Piece::RecordId => {
                    let id = record.id().digits();
                    out.push_str(str::from_utf8(&id).expect("digits and a dash are ASCII"));
                    None
                }
                Piece::Thread => put(record.thread(), out).err().map(|()| "thread"),
                Piece::Module => put(record.module(), out).err().map(|()| "module"),
                Piece::Data(name) => {
                    let found = record.fields().find(|(key, _)| key == name);
                    data(found.map(|(_, value)| value), out)
                        .err()
                        .map(|()| &name[..])
                }
            };
            if let Some(missing) = missing {
                out.truncate(start);
                return Err(missing);
            }
        }
        Ok(())
    }
}

impl Piece {
    fn hole(name: &str) -> Piece {
        match name {
            "logger" => Piece::Logger,
            "level" => Piece::Level,
            "record_id" => Piece::RecordId,
            "thread" => Piece::Thread,
            "module" => Piece::Module,
            name => Piece::Data(name.strip_prefix("data.").unwrap_or(name).to_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Template::parse(&text).map_err(|wrong| {
            D::Error::custom(format!(
                "{wrong}, expected holes such as {{logger}}, and {{{{ for a brace"
            ))
        })
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Piece::Logger => f.write_str("{logger}"),
            Piece::Level => f.write_str("{level}"),
            Piece::RecordId => f.write_str("{record_id}"),
            Piece::Thread => f.write_str("{thread}"),
            Piece::Module => f.write_str("{module}"),
            Piece::Data(name) => write!(f, "{{data.{name}}}"),
        })
    }
}

fn put(text: Option<&str>, out: &mut String) -> Result<(), ()> {
    out.push_str(text.ok_or(())?);
    Ok(())
}

/// A null is as good as nothing.
fn data(value: Option<Value<'_>>, out: &mut String) -> Result<(), ()> {
    match value {
        None | Some(Value::Null) => return Err(()),
        Some(Value::Str(text)) => out.push_str(text),
        Some(value) => {
            // Writing into a text does not fail.
            let _ = write!(out, "{value}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rolog_core::frame::Batch;

    use super::*;
    use crate::testing;

    fn filled(template: &str) -> Result<String, String> {
        let batch = testing::one_of_each();
        let batch = Batch::parse(&batch).unwrap();
        let record = batch.get(0).unwrap();
        let template = Template::parse(template)?;
        let mut out = "before ".to_owned();
        match template.fill(&record, &mut out) {
            Ok(()) => Ok(out.split_off(7)),
            Err(missing) => {
                assert_eq!(out, "before ");
                Err(format!("no {missing}"))
            }
        }
    }

    #[test]
    fn holes_take_the_records_own_and_its_data() {
        assert_eq!(filled("logs").as_deref(), Ok("logs"));
        assert_eq!(filled("{{{level}}}").as_deref(), Ok("{warning}"));
        assert_eq!(filled("{logger}/{user}").as_deref(), Ok("shop.db/Ada"));
        assert_eq!(filled("{count}-{data.level}").as_deref(), Ok("-7-high"));
        assert_eq!(
            filled("{record_id}").as_deref(),
            Ok("000000000000000000000000000000ab-0000000000000005")
        );
        assert_eq!(filled("{tenant}"), Err("no tenant".to_owned()));
        assert_eq!(filled("{nothing}"), Err("no nothing".to_owned()));
    }

    #[test]
    fn braces_that_are_no_holes_are_refused() {
        for wrong in ["{", "a}", "{}", "{a", "{a{b}"] {
            assert!(Template::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Template::parse("plain").unwrap().fixed(), Some("plain"));
        assert_eq!(Template::parse("{a}").unwrap().fixed(), None);
    }
}
