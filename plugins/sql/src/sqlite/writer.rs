//! A batch on its way into the file.

use std::ops::Range;
use std::time::{Duration, Instant};

use rolog_core::frame;
use rolog_plugin::prelude::*;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Error, ErrorCode};

use super::rows::{Maker, Rows};
use super::{Open, Shared, trouble};
use crate::bisect::{Bisect, rejection};
use crate::trouble::{Cause, Trouble};

/// Where more rows in one statement gained nothing any more.
const ROWS: usize = 50;
/// SQLite's own bound.
const MOST_PARAMETERS: usize = 32_766;
/// How often another writer is looked after.
const LOOK: Duration = Duration::from_millis(2);

pub(super) struct Batch<'b> {
    pub(super) shared: &'b Shared,
    pub(super) open: &'b mut Open,
    pub(super) records: &'b frame::Batch<'b>,
    pub(super) attempt: &'b Attempt,
}

impl Batch<'_> {
    /// Writes it, in one transaction; gives the records that were not taken.
    pub(super) fn write(&mut self) -> Result<Vec<Rejection>, Trouble> {
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

    fn insert_all(&mut self) -> Result<Vec<Rejection>, Trouble> {
        let mut rejected = match self.insert(0..self.records.len()) {
            Ok(rejected) => return Ok(rejected),
            Err(trouble) if trouble.cause != Cause::Row => return Err(trouble),
            Err(trouble) => {
                // A savepoint to go back to would cost every batch a copy of each page that it changes.
                self.run("ROLLBACK")?;
                self.begin()?;
                self.insert_good_ones(trouble)?
            }
        };
        rejected.sort_by_key(|one| one.index);
        Ok(rejected)
    }

    /// The same, when some of the rows are known to be refused: leaves out those.
    fn insert_good_ones(&mut self, why: Trouble) -> Result<Vec<Rejection>, Trouble> {
        let mut rejected = Vec::new();
        let mut bisect = Bisect::refused(self.records.len(), why);
        while let Some(part) = bisect.next() {
            self.run("SAVEPOINT half")?;
            match self.insert(part.clone()) {
                Ok(unfitting) => {
                    rejected.extend(unfitting);
                    self.run("RELEASE half")?;
                }
                Err(trouble) if trouble.cause == Cause::Row => {
                    self.run("ROLLBACK TO half; RELEASE half")?;
                    bisect.failed(part, trouble);
                }
                Err(trouble) => return Err(trouble),
            }
        }
        let refused = bisect.rejected().into_iter();
        rejected.extend(refused.map(|(row, why)| rejection(row as u32, why)));
        Ok(rejected)
    }

    fn run(&self, sql: &str) -> Result<(), Trouble> {
        let done = self.open.connection.execute_batch(sql);
        done.map_err(|error| self.told(&error))
    }

    /// Inserts the records of these places, and gives back those that do not fit their columns.
    fn insert(&mut self, places: Range<usize>) -> Result<Vec<Rejection>, Trouble> {
        let layout = &self.open.layout;
        let most = ROWS.min(MOST_PARAMETERS / layout.kinds.len()).max(1);
        let maker = Maker {
            wanted: &self.shared.wanted,
            kinds: &layout.kinds,
            records: self.records,
            most,
        };
        let mut spare = std::mem::take(&mut self.open.spare);
        let mut insert: Option<Insert<'_>> = None;
        let made = maker.make(places, &mut spare, |rows| {
            self.go_on()?;
            let count = rows.count;
            let mut statement = match insert.take() {
                Some(same) if same.rows == count => same,
                _ => self.prepare(count)?,
            };
            let done = statement.run(rows).map_err(|error| self.told(&error));
            insert = Some(statement);
            done
        });
        drop(insert);
        self.open.spare = spare;
        made
    }

    /// The statement that inserts so many rows.
    fn prepare(&self, rows: usize) -> Result<Insert<'_>, Trouble> {
        let sql = self.open.layout.insert(rows);
        let cached = self.open.connection.prepare_cached(&sql);
        let statement = cached.map_err(|error| self.told(&error))?;
        Ok(Insert {
            rows,
            filled: vec![false; statement.parameter_count()],
            statement,
        })
    }

    fn told(&self, error: &Error) -> Trouble {
        trouble::told("write to", &self.shared.path, error)
    }
}

fn is_busy(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// A statement that inserts some rows.
struct Insert<'c> {
    rows: usize,
    /// Which parameters are not null.
    filled: Vec<bool>,
    statement: CachedStatement<'c>,
}

impl Insert<'_> {
    fn run(&mut self, rows: &Rows) -> rusqlite::Result<()> {
        for (place, value) in rows.values().enumerate() {
            let is_filled = value != ValueRef::Null;
            // What is null stays so.
            if is_filled || self.filled[place] {
                self.filled[place] = is_filled;
                self.statement
                    .raw_bind_parameter(place + 1, ToSqlOutput::Borrowed(value))?;
            }
        }
        self.statement.raw_execute().map(drop)
    }
}
