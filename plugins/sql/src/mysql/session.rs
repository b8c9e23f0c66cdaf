//! One connection, and batches through it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use rolog_core::frame::Record;
use rolog_plugin::prelude::*;

use super::literal::Rows;
use super::{layout, trouble::told};
use crate::bisect::{Bisect, rejection};
use crate::parts::Part;
use crate::table::{Kind, Wanted, quoted};
use crate::trouble::{Cause, Trouble};

/// Rows go in statements of about this size.
const PIECE: usize = 1 << 20;
const WRITE: &str = "write the batch";

/// How far a batch is, and whether it shall go on; looked at from outside.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// `COMMIT` was sent.
    committing: AtomicBool,
    /// No further statement is to be sent.
    ending: AtomicBool,
}

impl Progress {
    pub(super) fn is_committing(&self) -> bool {
        self.committing.load(Ordering::Acquire)
    }

    pub(super) fn end(&self) {
        self.ending.store(true, Ordering::Release);
    }

    /// The end of the transaction was answered, and it was no commit.
    pub(super) fn begin_again(&self) {
        self.committing.store(false, Ordering::Release);
    }

    fn go_on(&self) -> Result<(), Trouble> {
        if self.ending.load(Ordering::Acquire) {
            let what = "the attempt was cancelled, and rolled back";
            return Err(Trouble::new(Cause::Later, Class::Cancelled, what));
        }
        Ok(())
    }
}

/// A connection.
pub(super) struct Session {
    pub(super) conn: Conn,
    pub(super) idle_since: Instant,
    /// The largest statement that the server takes.
    packet: usize,
    is_mariadb: bool,
    kinds: Option<Vec<Kind>>,
}

impl Session {
    pub(super) async fn connect(opts: Opts) -> Result<Session, mysql_async::Error> {
        let mut conn = Conn::new(opts).await?;
        // What literals mean does not depend on how the server is set.
        let set = "SET NAMES utf8mb4, SESSION time_zone = '+00:00', \
                   SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'";
        conn.query_drop(set).await?;
        let about = "SELECT @@max_allowed_packet, VERSION()";
        let about: Option<(u64, String)> = conn.query_first(about).await?;
        let (packet, version) = about.unwrap_or((PIECE as u64, String::new()));
        Ok(Session {
            conn,
            idle_since: Instant::now(),
            packet: packet as usize,
            is_mariadb: version.contains("MariaDB"),
            kinds: None,
        })
    }

    /// Looks at the table; `None` where there is none.
    pub(super) async fn prepare(&mut self, wanted: &Wanted) -> Result<(), Option<Trouble>> {
        self.kinds = Some(layout::read(&mut self.conn, wanted, self.is_mariadb).await?);
        Ok(())
    }

    /// What its columns can hold, once that was looked at.
    pub(super) fn kinds(&self) -> Option<&[Kind]> {
        self.kinds.as_deref()
    }

    /// Whether the table still looks as it did.
    pub(super) async fn looks_the_same(&mut self, wanted: &Wanted) -> Result<bool, Trouble> {
        let now = layout::read(&mut self.conn, wanted, self.is_mariadb).await;
        let now = now.map_err(|trouble| trouble.unwrap_or_else(|| wanted.missing()))?;
        Ok(self.kinds.as_ref() == Some(&now))
    }

    /// Writes the records in one transaction. Those that do not fit their columns are given back.
    pub(super) async fn write(
        &mut self,
        wanted: &Wanted,
        records: &[Record<'_>],
        progress: &Progress,
    ) -> Result<Vec<Rejection>, Trouble> {
        let mut rejected = Vec::new();
        self.run("START TRANSACTION").await?;
        self.insert(wanted, records, 0, progress, &mut rejected)
            .await?;
        self.commit(progress).await?;
        Ok(rejected)
    }

    /// The same, when some of the rows are known to be refused: leaves out those.
    pub(super) async fn write_good_ones(
        &mut self,
        wanted: &Wanted,
        records: &[Record<'_>],
        why: Trouble,
        progress: &Progress,
    ) -> Result<Vec<Rejection>, Trouble> {
        let mut rejected = Vec::new();
        let mut bisect = Bisect::refused(records.len(), why);
        self.run("START TRANSACTION").await?;
        while let Some(part) = bisect.next() {
            let noted = rejected.len();
            self.run("SAVEPOINT part").await?;
            let rows = &records[part.clone()];
            let inserted = self.insert(wanted, rows, part.start, progress, &mut rejected);
            match inserted.await {
                Ok(()) => {}
                Err(trouble) if trouble.cause == Cause::Row => {
                    rejected.truncate(noted);
                    self.run("ROLLBACK TO SAVEPOINT part").await?;
                    bisect.failed(part, trouble);
                }
                Err(trouble) => return Err(trouble),
            }
        }
        self.commit(progress).await?;
        let refused = bisect.rejected().into_iter();
        rejected.extend(refused.map(|(row, why)| rejection(row as u32, why)));
        rejected.sort_by_key(|one| one.index);
        Ok(rejected)
    }

    async fn commit(&mut self, progress: &Progress) -> Result<(), Trouble> {
        progress.go_on()?;
        progress.committing.store(true, Ordering::Release);
        self.run("COMMIT").await
    }

    async fn insert(
        &mut self,
        wanted: &Wanted,
        records: &[Record<'_>],
        first: usize,
        progress: &Progress,
        rejected: &mut Vec<Rejection>,
    ) -> Result<(), Trouble> {
        let kinds = self.kinds.clone().ok_or_else(|| wanted.missing())?;
        let start = format!(
            "INSERT INTO {} ({}) VALUES ",
            wanted.quoted('`'),
            wanted.quoted_columns('`')
        );
        let key = wanted.column_of(&Part::RecordId).unwrap_or_default();
        let end = match (wanted.idempotent, quoted(key, '`')) {
            (true, key) => format!(" ON DUPLICATE KEY UPDATE {key} = {key}"),
            (false, _) => String::new(),
        };
        // The command's own byte counts too.
        let most = self.packet.saturating_sub(end.len() + 1);
        let piece = PIECE.min(most);
        let mut rows = Rows::new(wanted, &kinds);
        let mut sql = String::with_capacity(piece.min(records.len() * 512) + (64 << 10));
        sql.push_str(&start);
        for (place, record) in records.iter().enumerate() {
            let before = sql.len();
            if before > start.len() {
                sql.push(',');
            }
            let mut put = rows.row(record, &mut sql);
            let row = sql.len() - before;
            if put.is_ok() && start.len() + row > most {
                let what = format!("a row of {row} bytes is larger than `max_allowed_packet`");
                put = Err(Trouble::new(Cause::Row, Class::TooLarge, what));
            }
            if let Err(why) = put {
                sql.truncate(before);
                rejected.push(rejection((first + place) as u32, why));
                continue;
            }
            if sql.len() > most {
                let last = sql.split_off(before + 1);
                sql.truncate(before);
                self.send(&mut sql, &start, &end, progress).await?;
                sql.push_str(&last);
            }
            if sql.len() >= piece {
                self.send(&mut sql, &start, &end, progress).await?;
            }
        }
        self.send(&mut sql, &start, &end, progress).await
    }

    /// Sends the rows that there are, and leaves the room for others.
    async fn send(
        &mut self,
        sql: &mut String,
        start: &str,
        end: &str,
        progress: &Progress,
    ) -> Result<(), Trouble> {
        if sql.len() > start.len() {
            progress.go_on()?;
            sql.push_str(end);
            self.run(sql).await?;
            sql.truncate(start.len());
        }
        Ok(())
    }

    pub(super) async fn run(&mut self, sql: &str) -> Result<(), Trouble> {
        let done = self.conn.query_drop(sql).await;
        done.map_err(|error| told(WRITE, &error))
    }
}
