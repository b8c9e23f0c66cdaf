//! A kind of server as the pool sees it, and where the kinds differ.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rolog_core::frame::Record;
use rolog_core::value::Timestamp;
use rolog_plugin::prelude::*;
use tokio::time::timeout;

use crate::bisect::{Bisect, rejection};
use crate::table::Wanted;
use crate::trouble::{Cause, Trouble};

/// A kind of server, and where one is.
pub(crate) trait Server: Send + Sync {
    type Session: Session;

    /// An error that answers a cancelled `COMMIT` says that nothing is there.
    const ANSWERS_DECIDE: bool;

    /// Not for longer than [`within`] a bound.
    fn connect(&self) -> impl Future<Output = Result<Self::Session, Trouble>> + Send;

    /// The statements that make the table.
    fn definition(wanted: &Wanted, index_time: bool) -> String;

    /// Ends what a connection does, from outside; it may have ended by itself.
    fn interrupt(
        &self,
        handle: <Self::Session as Session>::Handle,
    ) -> impl Future<Output = ()> + Send;

    /// Whether the table still looks as the connection, whose transaction was refused, has seen it.
    fn is_unchanged(
        &self,
        session: &mut Self::Session,
        wanted: &Wanted,
    ) -> impl Future<Output = Result<bool, Trouble>> + Send;

    /// Ends what is left of a transaction, so that nothing waits for it; gives the connection back
    /// where it can still be used.
    fn undo(&self, session: Self::Session) -> impl Future<Output = Option<Self::Session>> + Send;
}

/// One connection.
pub(crate) trait Session: Send {
    /// By what it is interrupted.
    type Handle: Send;

    fn handle(&self) -> Self::Handle;

    /// Whether it is known to be closed, without asking anybody.
    fn is_closed(&self) -> bool;

    /// Whether the server answers.
    fn is_alive(&mut self) -> impl Future<Output = bool> + Send;

    /// Looks at the table, and prepares what is needed to write to it; `None` where there is none.
    fn prepare(
        &mut self,
        wanted: &Wanted,
    ) -> impl Future<Output = Result<(), Option<Trouble>>> + Send;

    fn is_prepared(&self) -> bool;

    /// Statements without an answer that matters.
    fn run(&mut self, sql: &str) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Writes the records in one transaction, and gives back those that do not fit their columns.
    fn write(
        &mut self,
        wanted: &Wanted,
        records: &[Record<'_>],
        progress: &Progress,
    ) -> impl Future<Output = Result<Vec<Rejection>, Trouble>> + Send;

    /// Inserts the records, of which the first is the batch's `first`, in the transaction that there
    /// is, and notes those that do not fit their columns.
    fn insert(
        &mut self,
        wanted: &Wanted,
        records: &[Record<'_>],
        first: usize,
        progress: &Progress,
        rejected: &mut Vec<Rejection>,
    ) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Deletes some rows whose time is before this, and says how many.
    fn delete(
        &mut self,
        wanted: &Wanted,
        column: &str,
        before: Timestamp,
    ) -> impl Future<Output = Result<u64, Trouble>> + Send;

    /// Says goodbye.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// How far a batch is, and whether it shall go on; looked at from outside.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    committing: AtomicBool,
    ending: AtomicBool,
}

impl Progress {
    /// `COMMIT` is about to be sent.
    ///
    /// # Errors
    /// No further statement is to be sent.
    pub(crate) fn commit(&self) -> Result<(), Trouble> {
        self.go_on()?;
        self.committing.store(true, Ordering::Release);
        Ok(())
    }

    /// The server has answered that it cannot commit what there is.
    pub(crate) fn is_refused(&self) {
        self.committing.store(false, Ordering::Release);
    }

    /// Before each statement.
    ///
    /// # Errors
    /// No further one is to be sent.
    pub(crate) fn go_on(&self) -> Result<(), Trouble> {
        if self.ending.load(Ordering::Acquire) {
            let what = "the attempt was cancelled, and rolled back";
            return Err(Trouble::new(Cause::Later, Class::Cancelled, what));
        }
        Ok(())
    }

    /// The attempt has to end.
    pub(crate) fn end(&self) {
        self.ending.store(true, Ordering::Release);
    }

    /// Whether `COMMIT` may have been sent, and was not refused.
    pub(crate) fn is_committing(&self) -> bool {
        self.committing.load(Ordering::Acquire)
    }
}

/// A connection that is made in time.
pub(crate) async fn within<T>(
    limit: Duration,
    connecting: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    if let Ok(connected) = timeout(limit, connecting).await {
        return connected;
    }
    let what = format!("no connection within {limit:?}");
    Err(Trouble::new(Cause::Connection, Class::Timeout, what))
}

/// Writes the records in one transaction, when some of them are known to be refused: leaves out those.
pub(crate) async fn write_good_ones(
    session: &mut impl Session,
    wanted: &Wanted,
    records: &[Record<'_>],
    why: Trouble,
    progress: &Progress,
) -> Result<Vec<Rejection>, Trouble> {
    let mut rejected = Vec::new();
    let mut bisect = Bisect::refused(records.len(), why);
    // The one that was refused, where it has not ended yet.
    session.run("ROLLBACK").await?;
    session.run("BEGIN").await?;
    while let Some(part) = bisect.next() {
        let noted = rejected.len();
        session.run("SAVEPOINT part").await?;
        let rows = &records[part.clone()];
        let inserted = session.insert(wanted, rows, part.start, progress, &mut rejected);
        match inserted.await {
            Ok(()) => session.run("RELEASE SAVEPOINT part").await?,
            Err(trouble) if trouble.cause == Cause::Row => {
                rejected.truncate(noted);
                session.run("ROLLBACK TO SAVEPOINT part").await?;
                bisect.failed(part, trouble);
            }
            Err(trouble) => return Err(trouble),
        }
    }
    progress.commit()?;
    session.run("COMMIT").await?;
    let refused = bisect.rejected().into_iter();
    rejected.extend(refused.map(|(row, why)| rejection(row as u32, why)));
    rejected.sort_by_key(|one| one.index);
    Ok(rejected)
}
