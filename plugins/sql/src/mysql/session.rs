//! One connection, and batches through it.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use rolog_core::frame::Record;
use rolog_core::value::Timestamp;
use rolog_plugin::prelude::*;

use super::literal::Rows;
use super::{layout, trouble::told};
use crate::bisect::rejection;
use crate::parts::Part;
use crate::server::{self, Progress, Session as _};
use crate::table::{Kind, Wanted, quoted};
use crate::target::PRUNE_ROWS;
use crate::time;
use crate::trouble::{Cause, Trouble};

/// Rows go in statements of about this size.
const PIECE: usize = 1 << 20;
const WRITE: &str = "write the batch";

/// A connection.
pub(crate) struct Session {
    conn: Conn,
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
            packet: packet as usize,
            is_mariadb: version.contains("MariaDB"),
            kinds: None,
        })
    }

    /// Whether the table still looks as it did.
    pub(super) async fn looks_the_same(&mut self, wanted: &Wanted) -> Result<bool, Trouble> {
        let now = layout::read(&mut self.conn, wanted, self.is_mariadb).await;
        let now = now.map_err(|trouble| trouble.unwrap_or_else(|| wanted.missing()))?;
        Ok(self.kinds.as_ref() == Some(&now))
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
}

impl server::Session for Session {
    type Handle = u32;

    fn handle(&self) -> u32 {
        self.conn.id()
    }

    fn is_closed(&self) -> bool {
        false
    }

    async fn is_alive(&mut self) -> bool {
        self.conn.ping().await.is_ok()
    }

    async fn prepare(&mut self, wanted: &Wanted) -> Result<(), Option<Trouble>> {
        self.kinds = Some(layout::read(&mut self.conn, wanted, self.is_mariadb).await?);
        Ok(())
    }

    fn is_prepared(&self) -> bool {
        self.kinds.is_some()
    }

    async fn run(&mut self, sql: &str) -> Result<(), Trouble> {
        let done = self.conn.query_drop(sql).await;
        done.map_err(|error| told(WRITE, &error))
    }

    async fn write(
        &mut self,
        wanted: &Wanted,
        records: &[Record<'_>],
        progress: &Progress,
    ) -> Result<Vec<Rejection>, Trouble> {
        let mut rejected = Vec::new();
        self.run("BEGIN").await?;
        self.insert(wanted, records, 0, progress, &mut rejected)
            .await?;
        progress.commit()?;
        self.run("COMMIT").await?;
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

    async fn delete(
        &mut self,
        wanted: &Wanted,
        column: &str,
        before: Timestamp,
    ) -> Result<u64, Trouble> {
        let place = wanted.columns.iter().position(|c| c.name == column);
        let kinds = self.kinds.as_ref();
        let end = match place.zip(kinds).map(|(at, kinds)| kinds[at]) {
            Some(Kind::Integer(..)) => before.nanos().to_string(),
            Some(Kind::Time) => time::Writer::new(' ').text(before, 6, false).to_owned(),
            _ => time::Writer::new('T').text(before, 9, true).to_owned(),
        };
        let delete = format!(
            "DELETE FROM {} WHERE {} < '{end}' LIMIT {PRUNE_ROWS}",
            wanted.quoted('`'),
            quoted(column, '`')
        );
        let done = self.conn.query_drop(&delete).await;
        done.map_err(|error| told("delete old rows", &error))?;
        Ok(self.conn.affected_rows())
    }

    async fn close(self) {
        let _ = self.conn.disconnect().await;
    }
}
