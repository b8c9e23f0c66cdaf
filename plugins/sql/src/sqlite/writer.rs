//! A batch on its way into the file.

use std::time::{Duration, Instant};

use rolog_core::frame::Record;
use rolog_plugin::prelude::*;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Error, ErrorCode, Statement};

use super::{Open, Shared, trouble};
use crate::bisect::{Bisect, rejection};
use crate::config::Unfit;
use crate::parts::{Cell, Parts};
use crate::table::put_text;
use crate::time;
use crate::trouble::{Cause, Trouble};

/// Where more rows in one statement gained nothing any more.
const ROWS: usize = 50;
/// SQLite's own bound.
const MOST_PARAMETERS: usize = 32_766;
/// How often another writer is looked after.
const LOOK: Duration = Duration::from_millis(2);

pub(super) struct Batch<'b, 'r> {
    pub(super) shared: &'b Shared,
    pub(super) open: &'b Open,
    pub(super) records: &'b [Record<'r>],
    pub(super) attempt: &'b Attempt,
}

impl Batch<'_, '_> {
    /// Writes it, in one transaction; gives the records that were not taken.
    pub(super) fn write(&self) -> Result<Vec<Rejection>, Trouble> {
        self.begin()?;
        match self.insert_all() {
            Ok(rejected) => match self.commit() {
                Ok(()) => Ok(rejected),
                Err(trouble) => Err(self.back(trouble)),
            },
            Err(trouble) => Err(self.back(trouble)),
        }
    }

    fn commit(&self) -> Result<(), Trouble> {
        let end = Instant::now() + self.shared.busy;
        loop {
            match self.open.connection.execute_batch("COMMIT") {
                Err(error) if is_busy(&error) && Instant::now() < end => self.pause()?,
                done => return done.map_err(|error| self.told(&error)),
            }
        }
    }

    fn back(&self, trouble: Trouble) -> Trouble {
        // Some errors have ended the transaction already; the connection is given up in any case.
        let _ = self.open.connection.execute_batch("ROLLBACK");
        trouble
    }

    fn begin(&self) -> Result<(), Trouble> {
        let end = Instant::now() + self.shared.busy;
        loop {
            match self.open.connection.execute_batch("BEGIN IMMEDIATE") {
                Err(error) if is_busy(&error) && Instant::now() < end => self.pause()?,
                done => return done.map_err(|error| self.told(&error)),
            }
        }
    }

    fn pause(&self) -> Result<(), Trouble> {
        self.go_on()?;
        std::thread::sleep(LOOK);
        Ok(())
    }

    fn go_on(&self) -> Result<(), Trouble> {
        if self.attempt.is_cancelled() {
            let what = "the attempt was cancelled, and rolled back";
            return Err(Trouble::new(Cause::Later, Class::Cancelled, what));
        }
        Ok(())
    }

    fn insert_all(&self) -> Result<Vec<Rejection>, Trouble> {
        let columns = self.shared.wanted.columns.iter();
        let mut parts = Parts::of(columns.map(|column| &column.part));
        let mut rejected = Vec::new();
        let mut rows: Vec<u32> = Vec::with_capacity(self.records.len());
        rows.extend(0..self.records.len() as u32);
        self.savepoint("SAVEPOINT part")?;
        match self.insert(&mut rows, &mut parts, &mut rejected) {
            Ok(()) => return Ok(rejected),
            Err(trouble) if trouble.cause != Cause::Row => return Err(trouble),
            Err(trouble) => {
                self.savepoint("ROLLBACK TO part")?;
                let mut bisect = Bisect::refused(rows.len(), trouble);
                while let Some(part) = bisect.next() {
                    self.savepoint("SAVEPOINT half")?;
                    let mut some = rows[part.clone()].to_vec();
                    match self.insert(&mut some, &mut parts, &mut rejected) {
                        Ok(()) => self.savepoint("RELEASE half")?,
                        Err(trouble) if trouble.cause == Cause::Row => {
                            self.savepoint("ROLLBACK TO half; RELEASE half")?;
                            bisect.failed(part, trouble);
                        }
                        Err(trouble) => return Err(trouble),
                    }
                }
                let refused = bisect.rejected().into_iter();
                rejected.extend(refused.map(|(row, why)| rejection(rows[row], why)));
            }
        }
        rejected.sort_by_key(|one| one.index);
        Ok(rejected)
    }

    fn savepoint(&self, sql: &str) -> Result<(), Trouble> {
        let done = self.open.connection.execute_batch(sql);
        done.map_err(|error| self.told(&error))
    }

    /// Inserts these rows. Those with a value that does not fit its column are taken out, and noted.
    fn insert(
        &self,
        rows: &mut Vec<u32>,
        parts: &mut Parts,
        rejected: &mut Vec<Rejection>,
    ) -> Result<(), Trouble> {
        let columns = self.open.layout.kinds.len();
        let most = ROWS.min(MOST_PARAMETERS / columns).max(1);
        let (mut taken, mut kept) = (0, Vec::with_capacity(rows.len()));
        while taken < rows.len() {
            self.go_on()?;
            let count = most.min(rows.len() - taken);
            let sql = self.open.layout.insert(count);
            let cached = self.open.connection.prepare_cached(&sql);
            let mut statement = cached.map_err(|error| self.told(&error))?;
            let mut filled = 0;
            while filled < count && taken < rows.len() {
                let index = rows[taken];
                taken += 1;
                match self.bind(&mut statement, filled * columns, index, parts)? {
                    Ok(()) => {
                        kept.push(index);
                        filled += 1;
                    }
                    Err(why) => rejected.push(rejection(index, why)),
                }
            }
            if filled == count {
                statement.raw_execute().map_err(|error| self.told(&error))?;
            } else if filled > 0 {
                // Fewer are left than the statement takes.
                drop(statement);
                let again = kept.split_off(kept.len() - filled);
                self.insert_exactly(&again, parts)?;
                kept.extend(again);
            }
        }
        *rows = kept;
        Ok(())
    }

    /// Inserts rows of which each is known to fit.
    fn insert_exactly(&self, rows: &[u32], parts: &mut Parts) -> Result<(), Trouble> {
        let columns = self.open.layout.kinds.len();
        let sql = self.open.layout.insert(rows.len());
        let prepared = self.open.connection.prepare(&sql);
        let mut statement = prepared.map_err(|error| self.told(&error))?;
        for (place, index) in rows.iter().enumerate() {
            self.bind(&mut statement, place * columns, *index, parts)??;
        }
        let done = statement.raw_execute();
        done.map_err(|error| self.told(&error)).map(drop)
    }

    /// Binds a record to the parameters behind `start`. The inner error is the record's own.
    fn bind(
        &self,
        statement: &mut Statement<'_>,
        start: usize,
        index: u32,
        parts: &mut Parts,
    ) -> Result<Result<(), Trouble>, Trouble> {
        let wanted = &self.shared.wanted;
        let record = &self.records[index as usize];
        let mut room = String::new();
        for (place, column) in wanted.columns.iter().enumerate() {
            let cell = parts.cell(&column.part, record);
            let cell = match self.open.layout.kinds[place].fit(cell, wanted.too_long, &mut room) {
                Ok(cell) => cell,
                Err(_) if wanted.unfit == Unfit::Null => Cell::Null,
                Err(what) => {
                    let message = format!("column `{}` cannot hold {what}", column.name);
                    return Ok(Err(Trouble::new(Cause::Row, Class::Invalid, message)));
                }
            };
            let bound = statement.raw_bind_parameter(start + place + 1, sql(cell));
            bound.map_err(|error| self.told(&error))?;
        }
        Ok(Ok(()))
    }

    fn told(&self, error: &Error) -> Trouble {
        trouble::told("write to", &self.shared.path, error)
    }
}

fn is_busy(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

fn sql(cell: Cell<'_>) -> ToSqlOutput<'_> {
    let value = match cell {
        Cell::Null => ValueRef::Null,
        Cell::Text(text) | Cell::Json(text) | Cell::Id(text) => ValueRef::Text(text.as_bytes()),
        Cell::Bool(value) => ValueRef::Integer(i64::from(value)),
        Cell::Integer(number) => match i64::try_from(number) {
            Ok(number) => ValueRef::Integer(number),
            Err(_) => return ToSqlOutput::Owned(Value::Text(number.to_string())),
        },
        Cell::Float(number) if number.is_nan() => {
            let mut text = String::new();
            put_text(cell, &mut text);
            return ToSqlOutput::Owned(Value::Text(text));
        }
        Cell::Float(number) => ValueRef::Real(number),
        Cell::Bytes(bytes) => ValueRef::Blob(bytes),
        Cell::Time(at) => {
            let mut text = String::with_capacity(30);
            time::put(at, 'T', 9, true, &mut text);
            return ToSqlOutput::Owned(Value::Text(text));
        }
    };
    ToSqlOutput::Borrowed(value)
}
