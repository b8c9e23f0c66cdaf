//! One connection, and batches through it.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;
use futures_util::SinkExt;
use rolog_core::frame::Record;
use rolog_core::value::Timestamp;
use rolog_plugin::Task;
use rolog_plugin::prelude::*;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use super::binary::{Array, HEADER, Rows, TRAILER};
use super::layout::{self, Column};
use super::trouble::told;
use crate::bisect::{Bisect, rejection};
use crate::parts::Part;
use crate::table::{Kind, Wanted};
use crate::trouble::{Cause, Trouble};

/// Rows are sent in pieces of this size, so that the server takes one while the next is encoded.
const PIECE: usize = 64 << 10;
/// So that few tokens of an attempt are left when it is cancelled.
const WRITE: &str = "write the batch";

/// A connection.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) idle_since: Instant,
    table: Option<(Vec<Column>, Statement)>,
    driver: Task<()>,
}

impl Session {
    pub(super) fn new(client: Client, driver: Task<()>) -> Self {
        Session {
            client,
            idle_since: Instant::now(),
            table: None,
            driver,
        }
    }

    /// Looks at the table, and prepares what is needed to write to it; `None` where there is none.
    pub(super) async fn prepare(&mut self, wanted: &Wanted) -> Result<(), Option<Trouble>> {
        let columns = layout::read(&self.client, wanted).await?;
        let sql = if wanted.idempotent {
            layout::insert(wanted, &columns)
        } else {
            layout::copy(wanted)
        };
        let statement = self.client.prepare(&sql).await;
        let statement = statement.map_err(|error| Some(told(WRITE, &error)))?;
        self.table = Some((columns, statement));
        Ok(())
    }

    pub(super) fn is_prepared(&self) -> bool {
        self.table.is_some()
    }

    /// Whether the table, seen through this connection, looks as it did to another.
    pub(super) async fn sees(&self, other: &Session, wanted: &Wanted) -> Result<bool, Trouble> {
        let now = layout::read(&self.client, wanted)
            .await
            .map_err(|trouble| trouble.unwrap_or_else(|| wanted.missing()))?;
        Ok(other.table.as_ref().is_some_and(|(then, _)| *then == now))
    }

    /// Writes the records in one transaction, of which `committing` says whether its end was asked
    /// for. The records that do not fit their columns are given back.
    pub(super) async fn write(
        &self,
        wanted: &Wanted,
        records: &[Record<'_>],
        committing: &AtomicBool,
    ) -> Result<Vec<Rejection>, Trouble> {
        let mut rejected = Vec::new();
        // The server answers both at once.
        let (begun, inserted) = tokio::join!(
            self.run("BEGIN"),
            self.insert(wanted, records, 0, &mut rejected)
        );
        begun?;
        inserted?;
        committing.store(true, Ordering::Release);
        self.run("COMMIT").await?;
        Ok(rejected)
    }

    /// The same, when some of the rows are known to be refused: leaves out those.
    pub(super) async fn write_good_ones(
        &self,
        wanted: &Wanted,
        records: &[Record<'_>],
        why: Trouble,
        committing: &AtomicBool,
    ) -> Result<Vec<Rejection>, Trouble> {
        let mut rejected = Vec::new();
        let mut bisect = Bisect::refused(records.len(), why);
        self.run("ROLLBACK; BEGIN").await?;
        while let Some(part) = bisect.next() {
            let noted = rejected.len();
            self.run("SAVEPOINT part").await?;
            let rows = &records[part.clone()];
            let inserted = self.insert(wanted, rows, part.start, &mut rejected).await;
            match inserted {
                Ok(()) => self.run("RELEASE SAVEPOINT part").await?,
                Err(trouble) if trouble.cause == Cause::Row => {
                    rejected.truncate(noted);
                    self.run("ROLLBACK TO SAVEPOINT part").await?;
                    bisect.failed(part, trouble);
                }
                Err(trouble) => return Err(trouble),
            }
        }
        committing.store(true, Ordering::Release);
        self.run("COMMIT").await?;
        let refused = bisect.rejected().into_iter();
        rejected.extend(refused.map(|(row, why)| rejection(row as u32, why)));
        rejected.sort_by_key(|one| one.index);
        Ok(rejected)
    }

    async fn insert(
        &self,
        wanted: &Wanted,
        records: &[Record<'_>],
        first: usize,
        rejected: &mut Vec<Rejection>,
    ) -> Result<(), Trouble> {
        let (columns, statement) = self.table.as_ref().ok_or_else(|| wanted.missing())?;
        let rows = Rows::new(wanted, columns);
        let mut note = |place: usize, why| rejected.push(rejection((first + place) as u32, why));
        if wanted.idempotent {
            self.insert_arrays(rows, columns, statement, records, &mut note)
                .await
        } else {
            self.copy(rows, statement, records, &mut note).await
        }
    }

    async fn copy(
        &self,
        mut rows: Rows<'_>,
        statement: &Statement,
        records: &[Record<'_>],
        unfit: &mut (impl FnMut(usize, Trouble) + Send),
    ) -> Result<(), Trouble> {
        let failed = |error| told(WRITE, &error);
        let sink = self.client.copy_in(statement).await.map_err(failed)?;
        let mut sink = pin!(sink);
        let mut piece = Vec::with_capacity(PIECE + (PIECE >> 2));
        piece.extend_from_slice(HEADER);
        for (place, record) in records.iter().enumerate() {
            if let Err(why) = rows.row(record, &mut piece) {
                unfit(place, why);
            }
            if piece.len() >= PIECE {
                let full = Bytes::from(std::mem::replace(
                    &mut piece,
                    Vec::with_capacity(PIECE + (PIECE >> 2)),
                ));
                sink.feed(full).await.map_err(failed)?;
            }
        }
        piece.extend_from_slice(TRAILER);
        sink.feed(Bytes::from(piece)).await.map_err(failed)?;
        sink.finish().await.map(drop).map_err(failed)
    }

    async fn insert_arrays(
        &self,
        mut rows: Rows<'_>,
        columns: &[Column],
        statement: &Statement,
        records: &[Record<'_>],
        unfit: &mut (impl FnMut(usize, Trouble) + Send),
    ) -> Result<(), Trouble> {
        let mut arrays: Vec<_> = columns.iter().map(Array::of).collect();
        for (place, record) in records.iter().enumerate() {
            if let Err(why) = rows.elements(record, &mut arrays) {
                unfit(place, why);
            }
        }
        arrays.iter_mut().for_each(Array::finish);
        let values: Vec<_> = arrays.iter().map(|a| a as &(dyn ToSql + Sync)).collect();
        let done = self.client.execute(statement, &values).await;
        done.map(drop).map_err(|error| told(WRITE, &error))
    }

    /// A time as the column of the record's time is compared with it.
    pub(super) fn time(&self, wanted: &Wanted, at: Timestamp) -> String {
        let place = wanted.columns.iter().position(|c| c.part == Part::Time);
        let columns = self.table.as_ref().map(|(columns, _)| columns);
        match place
            .zip(columns)
            .map(|(place, columns)| columns[place].kind)
        {
            Some(Kind::Integer(..)) => at.nanos().to_string(),
            _ => format!("'{at}'"),
        }
    }

    pub(super) async fn run(&self, sql: &str) -> Result<(), Trouble> {
        let done = self.client.batch_execute(sql).await;
        done.map_err(|error| told(WRITE, &error))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
