//! Rows in PostgreSQL's binary form.

use std::borrow::Cow;

use rolog_core::frame::{Record, RecordId};
use rolog_plugin::prelude::*;

use super::layout::{Column, Form};
use crate::config::Unfit;
use crate::parts::{Cell, Parts};
use crate::table::Wanted;
use crate::trouble::{Cause, Trouble};

/// What stands before the rows of a binary `COPY`, and behind them.
pub(super) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
pub(super) const TRAILER: &[u8] = &[0xff, 0xff];
/// 2000-01-01T00:00:00Z, in microseconds since 1970.
const EPOCH: i64 = 946_684_800_000_000;
/// Stands where PostgreSQL has no way to store the character U+0000.
const NUL: &str = "\u{2400}";

/// Turns records into rows.
pub(super) struct Rows<'t> {
    wanted: &'t Wanted,
    columns: &'t [Column],
    parts: Parts,
    room: String,
}

impl<'t> Rows<'t> {
    pub(super) fn new(wanted: &'t Wanted, columns: &'t [Column]) -> Self {
        Rows {
            wanted,
            columns,
            parts: Parts::of(wanted.columns.iter().map(|column| &column.part)),
            room: String::new(),
        }
    }

    /// Appends a row of a `COPY`.
    pub(super) fn row(&mut self, record: &Record<'_>, out: &mut Vec<u8>) -> Result<(), Trouble> {
        let start = out.len();
        out.extend_from_slice(&(self.columns.len() as i16).to_be_bytes());
        for place in 0..self.columns.len() {
            if let Err(trouble) = self.field(place, record, out) {
                out.truncate(start);
                return Err(trouble);
            }
        }
        Ok(())
    }

    /// Appends an element to the array of each column.
    pub(super) fn elements(
        &mut self,
        record: &Record<'_>,
        arrays: &mut [Array],
    ) -> Result<(), Trouble> {
        for place in 0..self.columns.len() {
            let array = &mut arrays[place];
            let start = array.bytes.len();
            if let Err(trouble) = self.field(place, record, &mut array.bytes) {
                array.bytes.truncate(start);
                for earlier in &mut arrays[..place] {
                    earlier.take_back();
                }
                return Err(trouble);
            }
            array.last = start;
            array.count += 1;
        }
        Ok(())
    }

    fn field(
        &mut self,
        place: usize,
        record: &Record<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Trouble> {
        let (column, wanted) = (&self.columns[place], &self.wanted.columns[place]);
        let cell = self.parts.cell(&wanted.part, record);
        let start = out.len();
        let fitted = column
            .kind
            .fit(cell, self.wanted.too_long, &mut self.room)
            .and_then(|cell| put(column.form, cell, out));
        match fitted {
            Ok(()) => Ok(()),
            Err(_) if self.wanted.unfit == Unfit::Null => {
                out.truncate(start);
                out.extend_from_slice(&(-1_i32).to_be_bytes());
                Ok(())
            }
            Err(what) => {
                let message = format!("column `{}` cannot hold {what}", wanted.name);
                Err(Trouble::new(Cause::Row, Class::Invalid, message))
            }
        }
    }
}

fn put(form: Form, cell: Cell<'_>, out: &mut Vec<u8>) -> Result<(), &'static str> {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    match (form, cell) {
        (_, Cell::Null) => {
            out[at..].copy_from_slice(&(-1_i32).to_be_bytes());
            return Ok(());
        }
        (Form::Text, Cell::Text(text) | Cell::Id(text) | Cell::Json(text)) => {
            out.extend_from_slice(without_nul(text).as_bytes());
        }
        (Form::Json, Cell::Json(text)) => {
            out.extend_from_slice(json_without_nul(text).as_bytes());
        }
        (Form::Jsonb, Cell::Json(text)) => {
            out.push(1);
            out.extend_from_slice(json_without_nul(text).as_bytes());
        }
        (Form::Int2, Cell::Integer(n)) => out.extend_from_slice(&(n as i16).to_be_bytes()),
        (Form::Int4, Cell::Integer(n)) => out.extend_from_slice(&(n as i32).to_be_bytes()),
        (Form::Int8, Cell::Integer(n)) => out.extend_from_slice(&(n as i64).to_be_bytes()),
        (Form::Float4, Cell::Float(n)) => out.extend_from_slice(&(n as f32).to_be_bytes()),
        (Form::Float8, Cell::Float(n)) => out.extend_from_slice(&n.to_be_bytes()),
        (Form::Numeric, Cell::Integer(number)) => numeric(&number.to_string(), out)?,
        (Form::Numeric, Cell::Float(number)) => numeric(&number.to_string(), out)?,
        (Form::Bool, Cell::Bool(value)) => out.push(u8::from(value)),
        (Form::Time, Cell::Time(time)) => {
            let micros = time.nanos().div_euclid(1000) - EPOCH;
            out.extend_from_slice(&micros.to_be_bytes());
        }
        (Form::Bytes, Cell::Bytes(bytes)) => out.extend_from_slice(bytes),
        (Form::Bytes, Cell::Id(text)) => {
            let id: RecordId = text.parse().map_err(|_| "a record's id")?;
            out.extend_from_slice(&id.epoch.to_be_bytes());
            out.extend_from_slice(&id.sequence.to_be_bytes());
        }
        (Form::Uuid, Cell::Text(text)) => {
            let digits: String = text.chars().filter(|c| *c != '-').collect();
            let whole = digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            let number = whole.then(|| u128::from_str_radix(&digits, 16).ok());
            let number = number.flatten().ok_or("a text that is no UUID")?;
            out.extend_from_slice(&number.to_be_bytes());
        }
        (_, other) => return Err(other.name()),
    }
    let length = i32::try_from(out.len() - at - 4).map_err(|_| "a value of 2 GiB")?;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// Appends decimal digits, as `-12.5`, in groups of four from the point outwards.
fn numeric(text: &str, out: &mut Vec<u8>) -> Result<(), &'static str> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let before = whole.len().div_ceil(4);
    let after = fraction.len().div_ceil(4);
    let padded = format!("{whole:0>0$}{fraction:0<1$}", before * 4, after * 4);
    let group = |four: &[u8]| {
        four.iter()
            .fold(0, |n, digit| n * 10 + u16::from(digit - b'0'))
    };
    let groups: Vec<u16> = padded.as_bytes().chunks(4).map(group).collect();
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let trailing = groups.iter().rev().take_while(|group| **group == 0).count();
    let kept = groups.get(leading..groups.len() - trailing).unwrap_or(&[]);
    let weight = if kept.is_empty() {
        0
    } else {
        before as i64 - 1 - leading as i64
    };
    let sign = if negative && !kept.is_empty() {
        0x4000
    } else {
        0
    };
    let count = u16::try_from(kept.len()).map_err(|_| "a number of that many digits")?;
    for number in [count, weight as u16, sign, fraction.len() as u16]
        .iter()
        .chain(kept)
    {
        out.extend_from_slice(&number.to_be_bytes());
    }
    Ok(())
}

fn without_nul(text: &str) -> Cow<'_, str> {
    if text.as_bytes().contains(&0) {
        text.replace('\0', NUL).into()
    } else {
        text.into()
    }
}

/// The same for a JSON text, where the character is written `\u0000`.
fn json_without_nul(text: &str) -> Cow<'_, str> {
    const ESCAPE: &str = "\\u0000";
    if !text.contains(ESCAPE) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let (kept, length) = if escape.starts_with(ESCAPE) {
            (NUL, ESCAPE.len())
        } else {
            // Two characters, of which the second may be a backslash too.
            (&escape[..2], 2)
        };
        out.push_str(kept);
        rest = &escape[length..];
    }
    out.push_str(rest);
    out.into()
}

/// An array of a column's values, as the server takes it.
#[derive(Debug)]
pub(super) struct Array {
    bytes: Vec<u8>,
    count: i32,
    /// Where the last element begins.
    last: usize,
}

/// Dimensions, whether there are nulls, type, length, lower bound.
const ARRAY_HEADER: usize = 20;

impl Array {
    pub(super) fn of(column: &Column) -> Array {
        let mut bytes = Vec::with_capacity(ARRAY_HEADER);
        for number in [1, 1, column.oid as i32, 0, 1] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        Array {
            bytes,
            count: 0,
            last: ARRAY_HEADER,
        }
    }

    fn take_back(&mut self) {
        self.bytes.truncate(self.last);
        self.count -= 1;
    }

    pub(super) fn finish(&mut self) {
        self.bytes[12..16].copy_from_slice(&self.count.to_be_bytes());
    }
}

impl tokio_postgres::types::ToSql for Array {
    fn to_sql(
        &self,
        _: &tokio_postgres::types::Type,
        out: &mut bytes::BytesMut,
    ) -> Result<tokio_postgres::types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(&self.bytes);
        Ok(tokio_postgres::types::IsNull::No)
    }

    fn accepts(_: &tokio_postgres::types::Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn json_loses_nothing_but_the_character_that_cannot_be_stored(text in "[\0\\\\u0a\"]{0,12}") {
            let json = serde_json::to_string(&text).unwrap();
            let read: String = serde_json::from_str(&json_without_nul(&json)).unwrap();
            prop_assert_eq!(read, text.replace('\0', NUL));
        }
    }
}
