//! Rows as literals of a statement.
//!
//! The session is set so that a backslash escapes and the character set is UTF-8; with both, what is
//! escaped here cannot end a string.

use std::fmt::Write as _;

use memchr::memchr3;
use rolog_core::frame::Record;
use rolog_plugin::prelude::*;

use crate::config::Unfit;
use crate::parts::{Cell, Parts};
use crate::table::{Kind, Wanted};
use crate::time;
use crate::trouble::{Cause, Trouble};

/// Turns records into rows.
pub(super) struct Rows<'t> {
    wanted: &'t Wanted,
    kinds: &'t [Kind],
    parts: Parts,
    room: String,
    clock: time::Writer,
}

impl<'t> Rows<'t> {
    pub(super) fn new(wanted: &'t Wanted, kinds: &'t [Kind]) -> Self {
        Rows {
            wanted,
            kinds,
            parts: Parts::of(wanted.columns.iter().map(|column| &column.part)),
            room: String::new(),
            clock: time::Writer::new(' '),
        }
    }

    /// Appends a row, with a comma behind each value but the last.
    pub(super) fn row(&mut self, record: &Record<'_>, out: &mut String) -> Result<(), Trouble> {
        let start = out.len();
        let mut mark = '(';
        for (place, column) in self.wanted.columns.iter().enumerate() {
            out.push(mark);
            mark = ',';
            let cell = self.parts.cell(&column.part, record);
            let before = out.len();
            let put = self.kinds[place]
                .fit(cell, self.wanted.too_long, &mut self.room)
                .and_then(|cell| put(self.kinds[place], cell, &mut self.clock, out));
            match put {
                Ok(()) => {}
                Err(_) if self.wanted.unfit == Unfit::Null => {
                    out.truncate(before);
                    out.push_str("NULL");
                }
                Err(what) => {
                    out.truncate(start);
                    let message = format!("column `{}` cannot hold {what}", column.name);
                    return Err(Trouble::new(Cause::Row, Class::Invalid, message));
                }
            }
        }
        out.push(')');
        Ok(())
    }
}

fn put(
    kind: Kind,
    cell: Cell<'_>,
    clock: &mut time::Writer,
    out: &mut String,
) -> Result<(), &'static str> {
    let written = match cell {
        Cell::Null => out.write_str("NULL"),
        Cell::Id(text) if kind == Kind::Bytes => {
            write!(out, "X'{}{}'", &text[..32], &text[33..])
        }
        Cell::Text(text) | Cell::Id(text) | Cell::Json(text) => {
            string(text, out);
            Ok(())
        }
        Cell::Bool(value) => out.write_str(if value { "1" } else { "0" }),
        Cell::Integer(number) => write!(out, "{number}"),
        Cell::Float(number) if !number.is_finite() => return Err("a number that is not finite"),
        // An exponent would make it a float again, and other digits.
        Cell::Float(number) if kind == Kind::Decimal => write!(out, "{number}"),
        Cell::Float(number) => write!(out, "{number:e}"),
        Cell::Time(at) => {
            out.push('\'');
            out.push_str(clock.text(at, 6, false));
            out.write_str("'")
        }
        Cell::Bytes(bytes) => {
            out.push_str("X'");
            bytes
                .iter()
                .try_for_each(|byte| write!(out, "{byte:02x}"))
                .and_then(|()| out.write_str("'"))
        }
    };
    written.expect("writing into memory does not fail");
    Ok(())
}

fn string(text: &str, out: &mut String) {
    out.reserve(text.len() + 2);
    out.push('\'');
    let mut rest = text;
    while let Some(at) = memchr3(b'\'', b'\\', 0, rest.as_bytes()) {
        out.push_str(&rest[..at]);
        out.push('\\');
        out.push(match rest.as_bytes()[at] {
            0 => '0',
            byte => char::from(byte),
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('\'');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_text_ends_where_its_literal_does_and_means_the_same(text in "[\0\\\\'\"%0aü]{0,12}") {
            let mut sql = String::new();
            string(&text, &mut sql);
            let mut inner = sql.strip_prefix('\'').unwrap().strip_suffix('\'').unwrap().chars();
            let mut read = String::new();
            while let Some(c) = inner.next() {
                prop_assert_ne!(c, '\'');
                read.push(match c {
                    '\\' => match inner.next() {
                        Some('0') => '\0',
                        Some(escaped) => escaped,
                        None => panic!("the literal's end is escaped: {sql}"),
                    },
                    plain => plain,
                });
            }
            prop_assert_eq!(read, text);
        }
    }
}
