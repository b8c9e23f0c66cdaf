//! What the targets of the two kinds of servers have in common: their connections, and the way of a
//! batch through one of them.
//!
//! As many connections as batches are in flight, kept between batches and looked at before they are
//! used again. A batch is one transaction. From the moment when its `COMMIT` is on its way, and not
//! before, a batch that got no answer may have been written; an answer says what became of it.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rolog_core::frame::Record;
use rolog_plugin::prelude::*;
use tokio::time::timeout;

use crate::config::Config;
use crate::server::{Progress, Server, Session as _, write_good_ones};
use crate::table::Wanted;
use crate::target;
use crate::trouble::{Cause, End, Trouble, stopped};

/// A connection that was idle for longer is asked whether it still is one.
const CHECK_AFTER: Duration = Duration::from_secs(15);
/// How long a cancelled attempt waits for the server to say that it has ended.
const SETTLE: Duration = Duration::from_secs(3);

/// A server that is written to.
pub(crate) struct Pool<S: Server> {
    server: S,
    wanted: Wanted,
    create_table: bool,
    index_time: bool,
    statement_timeout: Option<Duration>,
    idle: Mutex<Vec<Idle<S::Session>>>,
}

struct Idle<S> {
    session: S,
    since: Instant,
}

impl<S: Server> Pool<S> {
    /// Connects, and checks the table where there is one.
    pub(crate) async fn create(
        config: &Config,
        server: S,
        wanted: Wanted,
    ) -> Result<Self, Failure> {
        let pool = Pool {
            server,
            create_table: config.create_table,
            index_time: config.keep.is_some(),
            statement_timeout: config.statement_timeout.map(|span| span.0),
            idle: Mutex::new(Vec::new()),
            wanted,
        };
        let mut session = pool.server.connect().await?;
        match session.prepare(&pool.wanted).await {
            Ok(()) => {}
            Err(None) if pool.create_table => {}
            Err(trouble) => return Err(trouble.unwrap_or_else(|| pool.wanted.missing()).into()),
        }
        pool.keep(session);
        Ok(pool)
    }

    pub(crate) async fn activate(&self) -> Result<(), Failure> {
        let (session, _) = self.session().await?;
        self.keep(session);
        Ok(())
    }

    pub(crate) async fn deliver(&self, batch: &Batch, attempt: &Attempt) -> Outcome {
        let view = batch.view();
        let records: Vec<_> = view.records().collect();
        let mut stop = pin!(target::stop(attempt, self.statement_timeout));
        // A second round where the first met a connection, or a table, that is not what it was.
        let mut is_first = true;
        loop {
            let (mut session, is_used) = tokio::select! {
                session = self.session() => match session {
                    Ok(session) => session,
                    Err(trouble) => return trouble.outcome(),
                },
                why = &mut stop => return stopped(why, false),
            };
            let progress = Progress::default();
            let handle = session.handle();
            let (written, why) = {
                let mut work = Box::pin(self.write(&mut session, &records, &progress));
                tokio::select! {
                    written = &mut work => (Some(written), None),
                    why = &mut stop => {
                        progress.end();
                        let asking = self.server.interrupt(handle);
                        let both = async { tokio::join!(asking, work).1 };
                        (timeout(SETTLE, both).await.ok(), Some(why))
                    }
                }
            };
            let lost = progress.is_committing();
            let end = match written {
                Some(Ok(rejected)) => {
                    self.keep(session);
                    return Outcome::rejected(rejected);
                }
                Some(Err(end)) => end,
                None => return stopped(why.unwrap_or_default(), lost),
            };
            let is_broken = end.trouble.cause == Cause::Connection;
            if let Some(why) = why {
                if !is_broken {
                    self.undo(session).await;
                }
                return stopped(why, lost && (is_broken || !S::ANSWERS_DECIDE));
            }
            if is_broken && lost {
                return Outcome::retry(Failure::from(end.trouble).maybe_written());
            }
            let is_stale = is_used && is_broken;
            if !is_first || !(is_stale || end.is_changed) {
                if !is_broken {
                    self.undo(session).await;
                }
                return end.trouble.outcome();
            }
            // Others that were kept are as old.
            self.idle().clear();
            is_first = false;
        }
    }

    /// Writes a batch; what is refused because the table has changed says so.
    async fn write(
        &self,
        session: &mut S::Session,
        records: &[Record<'_>],
        progress: &Progress,
    ) -> Result<Vec<Rejection>, End> {
        let trouble = match session.write(&self.wanted, records, progress).await {
            Ok(rejected) => return Ok(rejected),
            Err(trouble) => trouble,
        };
        if !matches!(trouble.cause, Cause::Row | Cause::Someone) {
            return Err(trouble.into());
        }
        progress.is_refused();
        if !self.server.is_unchanged(session, &self.wanted).await? {
            return Err(End {
                trouble,
                is_changed: true,
            });
        }
        if trouble.cause == Cause::Someone {
            return Err(trouble.into());
        }
        let good = write_good_ones(session, &self.wanted, records, trouble, progress);
        Ok(good.await?)
    }

    async fn undo(&self, session: S::Session) {
        if let Ok(Some(session)) = timeout(SETTLE, self.server.undo(session)).await {
            self.keep(session);
        }
    }

    /// Deletes some of the rows that are older than this; says whether there are more.
    pub(crate) async fn prune(&self, column: &str, keep: Duration) -> Result<bool, Failure> {
        let (mut session, _) = self.session().await?;
        let before = target::before(keep);
        let deleted = session.delete(&self.wanted, column, before).await?;
        self.keep(session);
        Ok(deleted == target::PRUNE_ROWS as u64)
    }

    pub(crate) async fn shutdown(&self, deadline: Duration) {
        let idle = std::mem::take(&mut *self.idle());
        for one in idle {
            // What does not say goodbye in time is closed without.
            let _ = timeout(deadline / 2, one.session.close()).await;
        }
    }

    /// A connection that is ready to write, and whether it was used before.
    async fn session(&self) -> Result<(S::Session, bool), Trouble> {
        loop {
            let Some(Idle { mut session, since }) = self.idle().pop() else {
                break;
            };
            if session.is_closed() {
                continue;
            }
            if since.elapsed() > CHECK_AFTER {
                let is_alive = timeout(SETTLE, session.is_alive()).await;
                if is_alive != Ok(true) {
                    continue;
                }
            }
            if !session.is_prepared() {
                self.prepare(&mut session).await?;
            }
            return Ok((session, true));
        }
        let mut session = self.server.connect().await?;
        self.prepare(&mut session).await?;
        Ok((session, false))
    }

    async fn prepare(&self, session: &mut S::Session) -> Result<(), Trouble> {
        match session.prepare(&self.wanted).await {
            Err(None) if self.create_table => {}
            done => {
                return done.map_err(|trouble| trouble.unwrap_or_else(|| self.wanted.missing()));
            }
        }
        let make = S::definition(&self.wanted, self.index_time);
        let made = session.run(&make).await;
        // Somebody else may have made it in the same moment.
        match session.prepare(&self.wanted).await {
            Ok(()) => Ok(()),
            Err(trouble) => {
                made?;
                Err(trouble.unwrap_or_else(|| self.wanted.missing()))
            }
        }
    }

    fn keep(&self, session: S::Session) {
        let since = Instant::now();
        self.idle().push(Idle { session, since });
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle<S::Session>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
