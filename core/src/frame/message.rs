//! A record's message with its holes filled.

use std::fmt;

use super::Record;
use crate::template::{Piece, pieces};
use crate::value::Value;

/// The message of a record; its `Display` fills the holes of the template.
#[derive(Clone, Copy, Debug)]
pub struct Message<'r, 'a> {
    pub(super) record: &'r Record<'a>,
}

/// What stands in a message at one place.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// Text of the template, or the whole literal message.
    Text(&'a str),
    /// The value that fills a hole.
    Value(Value<'a>),
    /// A hole that nothing fills: its name.
    Unfilled(&'a str),
}

impl<'a> Message<'_, 'a> {
    /// Calls `each` with the parts of the message, in order, until it fails.
    ///
    /// # Errors
    /// The first error of `each`.
    pub fn parts<E>(&self, mut each: impl FnMut(Part<'a>) -> Result<(), E>) -> Result<(), E> {
        let record = self.record;
        if let Some(text) = record.literal() {
            return each(Part::Text(text));
        }
        let mut next = 0;
        for piece in pieces(record.template().unwrap_or_default()) {
            each(match piece {
                Piece::Text(text) => Part::Text(text),
                Piece::Hole(name) => match fill(record, name, &mut next) {
                    Some(value) => Part::Value(value),
                    None => Part::Unfilled(name),
                },
            })?;
        }
        Ok(())
    }
}

fn fill<'a>(record: &Record<'a>, name: &str, next: &mut usize) -> Option<Value<'a>> {
    if !name.is_empty() {
        if let Some((_, value)) = record.fields().find(|(key, _)| *key == name) {
            return Some(value);
        }
        if let Ok(index) = name.parse::<usize>() {
            return record.args().nth(index);
        }
    }
    let value = record.args().nth(*next)?;
    *next += 1;
    Some(value)
}

impl fmt::Display for Message<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Value(value) => write!(f, "{value}"),
            Part::Unfilled(name) => write!(f, "{{{name}}}"),
        })
    }
}
