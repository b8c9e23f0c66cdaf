//! One connection, and batches through it.

use std::pin::pin;

use bytes::Bytes;
use futures_util::SinkExt;
use futures_util::future::join;
use rolog_core::frame::Record;
use rolog_core::value::Timestamp;
use rolog_plugin::Task;
use rolog_plugin::prelude::*;
use tokio_postgres::types::ToSql;
use tokio_postgres::{CancelToken, Client, Error, SimpleQueryMessage, Statement};

use super::binary::{Array, HEADER, Rows, TRAILER};
use super::layout::{self, Column};
use super::trouble::told;
use crate::bisect::rejection;
use crate::parts::Part;
use crate::server::{self, Progress};
use crate::table::{Kind, Wanted, quoted};
use crate::target::PRUNE_ROWS;
use crate::trouble::Trouble;

/// Rows are sent in pieces of this size, so that the server takes one while the next is encoded.
const PIECE: usize = 64 << 10;
/// So that few tokens of an attempt are left when it is cancelled.
const WRITE: &str = "write the batch";

/// A connection.
pub(crate) struct Session {
    client: Client,
    table: Option<(Vec<Column>, Statement)>,
    driver: Task<()>,
}

impl Session {
    pub(super) fn new(client: Client, driver: Task<()>) -> Self {
        Session {
            client,
            table: None,
            driver,
        }
    }

    /// Whether the table, seen through this connection, looks as it did to another.
    pub(super) async fn sees(&self, other: &Session, wanted: &Wanted) -> Result<bool, Trouble> {
        let now = layout::read(&self.client, wanted)
            .await
            .map_err(|trouble| trouble.unwrap_or_else(|| wanted.missing()))?;
        Ok(other.table.as_ref().is_some_and(|(then, _)| *then == now))
    }

    /// Inserts the records, and ends the transaction with them where that is asked for.
    async fn put(
        &self,
        wanted: &Wanted,
        records: &[Record<'_>],
        first: usize,
        end: End<'_>,
        rejected: &mut Vec<Rejection>,
    ) -> Result<(), Trouble> {
        let (columns, statement) = self.table.as_ref().ok_or_else(|| wanted.missing())?;
        let rows = Rows::new(wanted, columns);
        let mut note = |place: usize, why| rejected.push(rejection((first + place) as u32, why));
        if wanted.idempotent {
            self.insert_arrays(rows, columns, statement, records, end, &mut note)
                .await
        } else {
            self.copy(rows, statement, records, end, &mut note).await
        }
    }

    async fn copy(
        &self,
        mut rows: Rows<'_>,
        statement: &Statement,
        records: &[Record<'_>],
        end: End<'_>,
        unfit: &mut (impl FnMut(usize, Trouble) + Send),
    ) -> Result<(), Trouble> {
        let failed = |error| told(WRITE, &error);
        let mut left = records.iter().enumerate();
        // A piece of rows, and at last the trailer.
        let mut piece = |start: &[u8]| {
            let mut piece = Vec::with_capacity(PIECE + (PIECE >> 2));
            piece.extend_from_slice(start);
            let is_last = loop {
                let Some((place, record)) = left.next() else {
                    break true;
                };
                if let Err(why) = rows.row(record, &mut piece) {
                    unfit(place, why);
                }
                if piece.len() >= PIECE {
                    break false;
                }
            };
            if is_last {
                piece.extend_from_slice(TRAILER);
            }
            (Bytes::from(piece), is_last)
        };
        let starting = self.client.copy_in(statement);
        // What stands before the rows is on its way to the server while the first are encoded.
        let encoding = async {
            tokio::task::yield_now().await;
            piece(HEADER)
        };
        let (sink, (mut full, mut is_last)) = join(starting, encoding).await;
        let mut sink = pin!(sink.map_err(failed)?);
        loop {
            sink.feed(full).await.map_err(failed)?;
            if is_last {
                break;
            }
            (full, is_last) = piece(&[]);
        }
        self.finish(sink.finish(), end).await
    }

    async fn insert_arrays(
        &self,
        mut rows: Rows<'_>,
        columns: &[Column],
        statement: &Statement,
        records: &[Record<'_>],
        end: End<'_>,
        unfit: &mut (impl FnMut(usize, Trouble) + Send),
    ) -> Result<(), Trouble> {
        // The server begins while the rows are encoded.
        tokio::task::yield_now().await;
        let mut arrays: Vec<_> = columns.iter().map(Array::of).collect();
        for (place, record) in records.iter().enumerate() {
            if let Err(why) = rows.elements(record, &mut arrays) {
                unfit(place, why);
            }
        }
        arrays.iter_mut().for_each(Array::finish);
        let values: Vec<_> = arrays.iter().map(|a| a as &(dyn ToSql + Sync)).collect();
        self.finish(self.client.execute(statement, &values), end)
            .await
    }

    /// Waits for the server's answer to the rows; where they end the transaction, `COMMIT` goes right
    /// behind them, and the server makes a rollback of that where it has refused the rows.
    async fn finish(
        &self,
        rows: impl Future<Output = Result<u64, Error>>,
        end: End<'_>,
    ) -> Result<(), Trouble> {
        let failed = |error| told(WRITE, &error);
        let End::Commit(progress) = end else {
            return rows.await.map(drop).map_err(failed);
        };
        progress.commit()?;
        let (inserted, committed) = join(rows, self.send("COMMIT")).await;
        if let Err(error) = inserted {
            if error.as_db_error().is_some() {
                progress.is_refused();
            }
            return Err(failed(error));
        }
        committed
    }

    async fn send(&self, sql: &str) -> Result<(), Trouble> {
        let done = self.client.batch_execute(sql).await;
        done.map_err(|error| told(WRITE, &error))
    }

    /// A time as the column of the record's time is compared with it.
    fn time(&self, wanted: &Wanted, at: Timestamp) -> String {
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
}

/// What follows the rows.
#[derive(Clone, Copy)]
enum End<'p> {
    /// More of the same transaction.
    Open,
    /// Its end, which is noted here.
    Commit(&'p Progress),
}

impl server::Session for Session {
    type Handle = CancelToken;

    fn handle(&self) -> CancelToken {
        self.client.cancel_token()
    }

    fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    async fn is_alive(&mut self) -> bool {
        self.client.check_connection().await.is_ok()
    }

    async fn prepare(&mut self, wanted: &Wanted) -> Result<(), Option<Trouble>> {
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

    fn is_prepared(&self) -> bool {
        self.table.is_some()
    }

    async fn run(&mut self, sql: &str) -> Result<(), Trouble> {
        self.send(sql).await
    }

    async fn write(
        &mut self,
        wanted: &Wanted,
        records: &[Record<'_>],
        progress: &Progress,
    ) -> Result<Vec<Rejection>, Trouble> {
        let mut rejected = Vec::new();
        let end = End::Commit(progress);
        // All of it is on its way before the first answer is there.
        let (begun, inserted) = join(
            self.send("BEGIN"),
            self.put(wanted, records, 0, end, &mut rejected),
        )
        .await;
        begun?;
        inserted?;
        Ok(rejected)
    }

    async fn insert(
        &mut self,
        wanted: &Wanted,
        records: &[Record<'_>],
        first: usize,
        progress: &Progress,
        rejected: &mut Vec<Rejection>,
    ) -> Result<(), Trouble> {
        progress.go_on()?;
        self.put(wanted, records, first, End::Open, rejected).await
    }

    async fn delete(
        &mut self,
        wanted: &Wanted,
        column: &str,
        before: Timestamp,
    ) -> Result<u64, Trouble> {
        let table = wanted.quoted('"');
        let (column, end) = (quoted(column, '"'), self.time(wanted, before));
        let delete = format!(
            "DELETE FROM {table} WHERE ctid = ANY (ARRAY \
             (SELECT ctid FROM {table} WHERE {column} < {end} LIMIT {PRUNE_ROWS}))"
        );
        let done = self.client.simple_query(&delete).await;
        let done = done.map_err(|error| told("delete old rows", &error))?;
        let deleted = done.iter().find_map(|message| match message {
            SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
            _ => None,
        });
        Ok(deleted.unwrap_or(0))
    }

    async fn close(self) {}
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
