//! Rows as they are bound, made of records on one thread while another writes earlier ones.

use std::ops::Range;
use std::sync::mpsc;
use std::thread;

use rolog_core::frame::{self, Record};
use rolog_plugin::prelude::*;
use rusqlite::types::ValueRef;

use crate::bisect::rejection;
use crate::config::Unfit;
use crate::parts::{Cell, Parts};
use crate::table::{Kind, Wanted, put_text};
use crate::time;
use crate::trouble::{Cause, Trouble};

/// From this many rows on, a thread of its own makes them.
const MANY: usize = 500;
/// Rows that are kept for their room from one batch to the next.
const SPARE: usize = 32;

/// Some rows, as many as a statement takes.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) count: usize,
    /// A value for each column of each row.
    values: Vec<Value>,
    bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Value {
    Null,
    Integer(i64),
    Real(f64),
    /// Where it stands in the bytes.
    Text(Range<usize>),
    Blob(Range<usize>),
}

impl Rows {
    fn clear(&mut self) {
        self.count = 0;
        self.values.clear();
        self.bytes.clear();
    }

    /// The values, row by row.
    pub(super) fn values(&self) -> impl Iterator<Item = ValueRef<'_>> {
        self.values.iter().map(|value| match value {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Real(number) => ValueRef::Real(*number),
            Value::Text(place) => ValueRef::Text(&self.bytes[place.clone()]),
            Value::Blob(place) => ValueRef::Blob(&self.bytes[place.clone()]),
        })
    }

    fn push(&mut self, cell: Cell<'_>, clock: &mut time::Writer) {
        let start = self.bytes.len();
        let value = match cell {
            Cell::Null => Value::Null,
            Cell::Bool(value) => Value::Integer(i64::from(value)),
            Cell::Integer(number) if i64::try_from(number).is_ok() => Value::Integer(number as i64),
            Cell::Float(number) if !number.is_nan() => Value::Real(number),
            Cell::Bytes(bytes) => {
                self.bytes.extend_from_slice(bytes);
                Value::Blob(start..self.bytes.len())
            }
            Cell::Text(text) | Cell::Json(text) | Cell::Id(text) => {
                self.bytes.extend_from_slice(text.as_bytes());
                Value::Text(start..self.bytes.len())
            }
            Cell::Time(at) => {
                let text = clock.text(at, 9, true);
                self.bytes.extend_from_slice(text.as_bytes());
                Value::Text(start..self.bytes.len())
            }
            Cell::Integer(_) | Cell::Float(_) => {
                let mut text = String::new();
                put_text(cell, &mut text);
                self.bytes.extend_from_slice(text.as_bytes());
                Value::Text(start..self.bytes.len())
            }
        };
        self.values.push(value);
    }
}

/// Makes rows of records.
pub(super) struct Maker<'m> {
    pub(super) wanted: &'m Wanted,
    pub(super) kinds: &'m [Kind],
    pub(super) records: &'m frame::Batch<'m>,
    /// Rows at a time.
    pub(super) most: usize,
}

impl Maker<'_> {
    /// Makes rows of the records at these places and hands them to `write`, as many at a time as a
    /// statement takes, until there are no more or it fails. Gives the records that do not fit.
    pub(super) fn make(
        &self,
        places: Range<usize>,
        spare: &mut Vec<Rows>,
        mut write: impl FnMut(&Rows) -> Result<(), Trouble>,
    ) -> Result<Vec<Rejection>, Trouble> {
        if places.len() >= MANY
            && let Some(done) = self.make_beside(places.clone(), spare, &mut write)
        {
            return done;
        }
        let mut making = self.begin(places);
        let mut rows = spare.pop().unwrap_or_default();
        while making.fill(&mut rows) {
            write(&rows)?;
        }
        spare.push(rows);
        Ok(making.rejected)
    }

    /// The same with a thread that makes rows while others are written; none where there cannot be
    /// one.
    fn make_beside(
        &self,
        places: Range<usize>,
        spare: &mut Vec<Rows>,
        write: &mut impl FnMut(&Rows) -> Result<(), Trouble>,
    ) -> Option<Result<Vec<Rejection>, Trouble>> {
        let (made, coming) = mpsc::channel::<Rows>();
        let (used, again) = mpsc::channel::<Rows>();
        let keep = std::mem::take(spare);
        let mut making = self.begin(places);
        thread::scope(|scope| {
            let thread = thread::Builder::new().name("rows for SQLite".into());
            let maker = thread.spawn_scoped(scope, move || {
                let mut keep = keep;
                loop {
                    let rows = again.try_recv().ok().or_else(|| keep.pop());
                    let mut rows = rows.unwrap_or_default();
                    // Nobody takes them any more when one of them could not be written.
                    if !making.fill(&mut rows) || made.send(rows).is_err() {
                        keep.extend(again.try_iter());
                        return (making.rejected, keep);
                    }
                }
            });
            let maker = maker.ok()?;
            let written = coming.into_iter().try_for_each(|rows| {
                write(&rows)?;
                // Room for the next ones, if there are any.
                let _ = used.send(rows);
                Ok(())
            });
            let (rejected, keep) = match maker.join() {
                Ok(ended) => ended,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            spare.extend(keep.into_iter().take(SPARE));
            Some(written.map(|()| rejected))
        })
    }

    fn begin(&self, places: Range<usize>) -> Making<'_, impl Iterator<Item = (usize, Record<'_>)>> {
        let records = self.records.records().enumerate();
        Making {
            maker: self,
            left: records.skip(places.start).take(places.len()),
            parts: Parts::of(self.wanted.columns.iter().map(|column| &column.part)),
            room: String::new(),
            clock: time::Writer::new('T'),
            rejected: Vec::new(),
        }
    }
}

/// Rows in the making.
struct Making<'m, I> {
    maker: &'m Maker<'m>,
    /// Records are read as their rows are made, so that the first row need not wait for the last record.
    left: I,
    parts: Parts,
    room: String,
    clock: time::Writer,
    rejected: Vec<Rejection>,
}

impl<'r, I: Iterator<Item = (usize, Record<'r>)>> Making<'_, I> {
    /// Makes as many rows as a statement takes, or as are left; says whether there are any.
    fn fill(&mut self, rows: &mut Rows) -> bool {
        rows.clear();
        while rows.count < self.maker.most {
            let Some((place, record)) = self.left.next() else {
                break;
            };
            match self.row(&record, rows) {
                Ok(()) => rows.count += 1,
                Err(why) => self.rejected.push(rejection(place as u32, why)),
            }
        }
        rows.count > 0
    }

    fn row(&mut self, record: &Record<'_>, rows: &mut Rows) -> Result<(), Trouble> {
        let Maker { wanted, kinds, .. } = *self.maker;
        let (values, bytes) = (rows.values.len(), rows.bytes.len());
        for (column, kind) in wanted.columns.iter().zip(kinds) {
            let cell = self.parts.cell(&column.part, record);
            let cell = match kind.fit(cell, wanted.too_long, &mut self.room) {
                Ok(cell) => cell,
                Err(_) if wanted.unfit == Unfit::Null => Cell::Null,
                Err(what) => {
                    rows.values.truncate(values);
                    rows.bytes.truncate(bytes);
                    let message = format!("column `{}` cannot hold {what}", column.name);
                    return Err(Trouble::new(Cause::Row, Class::Invalid, message));
                }
            };
            rows.push(cell, &mut self.clock);
        }
        Ok(())
    }
}
