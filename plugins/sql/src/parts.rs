//! The parts of a record that columns are filled with.

use std::fmt::Write as _;

use rolog_core::frame::{Record, RecordId};
use rolog_core::render::{json_fields, json_value};
use rolog_core::value::{Timestamp, Value};

/// What a column is filled with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    RecordId,
    Time,
    Level,
    LevelNumber,
    Logger,
    Message,
    Template,
    Args,
    /// The data, but for the keys that have a column of their own.
    Fields,
    /// One key of the data, or a path into maps.
    Field(String),
    Error,
    Observed,
    Thread,
    Module,
    File,
    Line,
}

/// What kind of value a part is, before any record is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    Text,
    /// The record's id: text, or its 24 bytes.
    Id,
    Time,
    Integer,
    Json,
    /// Whatever the service logs.
    Any,
}

const NAMES: [(&str, Part); 15] = [
    ("record_id", Part::RecordId),
    ("time", Part::Time),
    ("level", Part::Level),
    ("level_number", Part::LevelNumber),
    ("logger", Part::Logger),
    ("message", Part::Message),
    ("template", Part::Template),
    ("args", Part::Args),
    ("fields", Part::Fields),
    ("error", Part::Error),
    ("observed", Part::Observed),
    ("thread", Part::Thread),
    ("module", Part::Module),
    ("file", Part::File),
    ("line", Part::Line),
];

/// The columns of the documented table.
pub(crate) const DEFAULT: [(&str, &str); 11] = [
    ("record_id", "record_id"),
    ("time", "time"),
    ("level", "level"),
    ("logger", "logger"),
    ("message", "message"),
    ("template", "template"),
    ("args", "args"),
    ("fields", "fields"),
    ("error", "error"),
    ("trace_id", "fields.trace_id"),
    ("span_id", "fields.span_id"),
];

impl Part {
    /// A part by its name.
    pub(crate) fn parse(name: &str) -> Option<Part> {
        if let Some(key) = name.strip_prefix("fields.") {
            return (!key.is_empty()).then(|| Part::Field(key.to_owned()));
        }
        let known = NAMES.iter().find(|(known, _)| *known == name);
        known.map(|(_, part)| part.clone())
    }

    /// The names that [`Part::parse`] knows, for people.
    pub(crate) fn names() -> String {
        let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
        format!("{} or fields.KEY", names.join(", "))
    }

    pub(crate) fn nature(&self) -> Nature {
        match self {
            Part::RecordId => Nature::Id,
            Part::Time | Part::Observed => Nature::Time,
            Part::LevelNumber | Part::Line => Nature::Integer,
            Part::Args | Part::Fields | Part::Error => Nature::Json,
            Part::Field(_) => Nature::Any,
            _ => Nature::Text,
        }
    }

    /// Whether it is one of the keys of the documented table that have a column.
    pub(crate) fn is_trace(&self) -> bool {
        matches!(self, Part::Field(key) if key == "trace_id" || key == "span_id")
    }

    /// Whether every record has it.
    pub(crate) fn is_always_there(&self) -> bool {
        matches!(
            self,
            Part::RecordId
                | Part::Time
                | Part::Level
                | Part::LevelNumber
                | Part::Logger
                | Part::Message
                | Part::Fields
        )
    }
}

/// A value on its way into a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Text(&'a str),
    /// The record's id as text.
    Id(&'a str),
    /// A JSON text.
    Json(&'a str),
    Bool(bool),
    Integer(i128),
    Float(f64),
    Time(Timestamp),
    Bytes(&'a [u8]),
}

/// Takes parts out of records, with room that it uses again.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// Keys that have a column of their own.
    apart: Vec<String>,
    id: IdWriter,
    text: String,
    bytes: Vec<u8>,
}

impl Parts {
    /// For a table with these parts.
    pub(crate) fn of<'p>(parts: impl Iterator<Item = &'p Part>) -> Self {
        let apart = parts.filter_map(|part| match part {
            Part::Field(key) => Some(key.clone()),
            _ => None,
        });
        Parts {
            apart: apart.collect(),
            ..Parts::default()
        }
    }

    /// What a record has of a part.
    pub(crate) fn cell<'s>(&'s mut self, part: &Part, record: &Record<'s>) -> Cell<'s> {
        match part {
            Part::RecordId => Cell::Id(self.id.text(record.id())),
            Part::Time => Cell::Time(record.time()),
            Part::Level => Cell::Text(record.level().name()),
            Part::LevelNumber => Cell::Integer(i128::from(record.level().code())),
            Part::Logger => Cell::Text(record.logger()),
            Part::Message => match record.literal() {
                Some(text) => Cell::Text(text),
                None => self.write(|text| write!(text, "{}", record.message()), Cell::Text),
            },
            Part::Template => record.template().map_or(Cell::Null, Cell::Text),
            Part::Args if record.args().next().is_none() => Cell::Null,
            Part::Args => self.json(|out| {
                let mut mark = b'[';
                for value in record.args() {
                    out.push(mark);
                    json_value(&value, out);
                    mark = b',';
                }
                out.push(b']');
            }),
            Part::Fields => {
                let Parts { apart, bytes, .. } = self;
                bytes.clear();
                json_fields(record, |key| apart.iter().any(|own| own == key), bytes);
                Cell::Json(text_of(bytes))
            }
            Part::Field(key) => match field(record, key) {
                Some(value) => self.value(value),
                None => Cell::Null,
            },
            Part::Error => match record.error() {
                Some(error) => self.json(|out| json_value(&Value::Error(error), out)),
                None => Cell::Null,
            },
            Part::Observed => record.observed().map_or(Cell::Null, Cell::Time),
            Part::Thread => record.thread().map_or(Cell::Null, Cell::Text),
            Part::Module => record.module().map_or(Cell::Null, Cell::Text),
            Part::File => record
                .source()
                .map_or(Cell::Null, |(file, _)| Cell::Text(file)),
            Part::Line => record
                .source()
                .map_or(Cell::Null, |(_, line)| Cell::Integer(i128::from(line))),
        }
    }

    fn value<'s>(&'s mut self, value: Value<'s>) -> Cell<'s> {
        match value {
            Value::Null => Cell::Null,
            Value::Bool(value) => Cell::Bool(value),
            Value::I64(value) => Cell::Integer(i128::from(value)),
            Value::U64(value) => Cell::Integer(i128::from(value)),
            Value::I128(value) => Cell::Integer(value),
            Value::U128(value) => match i128::try_from(value) {
                Ok(value) => Cell::Integer(value),
                Err(_) => self.write(|text| write!(text, "{value}"), Cell::Text),
            },
            Value::F64(value) => Cell::Float(value),
            Value::Str(text) => Cell::Text(text),
            Value::Bytes(bytes) => Cell::Bytes(bytes),
            Value::Timestamp(time) => Cell::Time(time),
            Value::Duration(span) if span.subsec_nanos() == 0 => {
                Cell::Integer(i128::from(span.as_secs()))
            }
            Value::Duration(span) => Cell::Float(span.as_secs_f64()),
            other => self.json(|out| json_value(&other, out)),
        }
    }

    fn write<'s>(
        &'s mut self,
        write: impl FnOnce(&mut String) -> std::fmt::Result,
        cell: impl FnOnce(&'s str) -> Cell<'s>,
    ) -> Cell<'s> {
        self.text.clear();
        write(&mut self.text).expect("writing into memory does not fail");
        cell(&self.text)
    }

    fn json(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Cell<'_> {
        self.bytes.clear();
        write(&mut self.bytes);
        Cell::Json(text_of(&self.bytes))
    }
}

/// Writes records' ids, and keeps the epoch, which those of a process have in common.
#[derive(Debug)]
struct IdWriter {
    epoch: u128,
    text: [u8; 49],
}

impl Default for IdWriter {
    fn default() -> Self {
        let mut text = [b'0'; 49];
        text[32] = b'-';
        IdWriter { epoch: 0, text }
    }
}

impl IdWriter {
    fn text(&mut self, id: RecordId) -> &str {
        let (epoch, sequence) = self.text.split_at_mut(32);
        if self.epoch != id.epoch {
            self.epoch = id.epoch;
            hex(id.epoch, epoch);
        }
        hex(id.sequence.into(), &mut sequence[1..]);
        std::str::from_utf8(&self.text).expect("digits are ASCII")
    }
}

/// Fills the room with the last hexadecimal digits of a number.
fn hex(mut number: u128, room: &mut [u8]) {
    for place in room.iter_mut().rev() {
        *place = b"0123456789abcdef"[number as usize & 15];
        number >>= 4;
    }
}

fn text_of(json: &[u8]) -> &str {
    std::str::from_utf8(json).expect("the renderer writes UTF-8")
}

/// The value of a key, or else of a path through maps.
fn field<'a>(record: &Record<'a>, key: &str) -> Option<Value<'a>> {
    let whole = record.fields().find(|(name, _)| *name == key);
    if let Some((_, value)) = whole {
        return Some(value);
    }
    let (first, mut rest) = key.split_once('.')?;
    let (_, mut value) = record.fields().find(|(name, _)| *name == first)?;
    loop {
        let Value::Map(map) = value else {
            return None;
        };
        if let Some(found) = map.get(rest) {
            return Some(found);
        }
        let (next, after) = rest.split_once('.')?;
        value = map.get(next)?;
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_is_written_as_its_display_has_it(ids: Vec<(u128, u64)>) {
            let mut writer = IdWriter::default();
            for (epoch, sequence) in ids {
                let id = RecordId { epoch, sequence };
                prop_assert_eq!(writer.text(id), id.to_string());
                let next = RecordId { epoch, sequence: sequence / 2 };
                prop_assert_eq!(writer.text(next), next.to_string());
            }
        }
    }
}
