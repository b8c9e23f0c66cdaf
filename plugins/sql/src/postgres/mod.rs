//! PostgreSQL: `COPY` in the binary form, or `INSERT … ON CONFLICT DO NOTHING` of arrays where
//! records have a key.
//!
//! As many connections as batches are in flight, kept between batches and looked at before they are
//! used again. A batch is one explicit transaction, because the driver takes the end of a `COPY` for
//! its answer before an implicit one is committed; `COMMIT` is the only point from which on a batch
//! that got no answer may have been written.

mod binary;
mod connector;
mod layout;
mod session;
mod trouble;

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rolog_core::frame::Record;
use rolog_plugin::prelude::*;
use tokio::time::timeout;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::config::{Host, SslMode};

use crate::config::{Config, TlsMode};
use crate::table::{Wanted, quoted};
use crate::target::{self, PRUNE_ROWS};
use crate::tls;
use crate::trouble::{Cause, End, Trouble, stopped};
use connector::Connector;
use session::Session;

/// A connection that was idle for longer is asked whether it still is one.
const CHECK_AFTER: Duration = Duration::from_secs(15);
/// How long a cancelled attempt waits for the server to say that it has ended.
const SETTLE: Duration = Duration::from_secs(3);

/// A server that is written to.
pub(crate) struct Postgres {
    context: Context,
    server: tokio_postgres::Config,
    tls: Connector,
    wanted: Wanted,
    create_table: bool,
    index_time: bool,
    connect_timeout: Duration,
    statement_timeout: Option<Duration>,
    idle: Mutex<Vec<Session>>,
}

/// Reads the URL.
pub(crate) fn parse(url: &str, config: &Config) -> Result<tokio_postgres::Config, ConfigError> {
    let mut server: tokio_postgres::Config = url.parse().map_err(|error| {
        ConfigError::at(
            "url",
            format!(
                "the URL cannot be read: {}",
                rolog_core::delivery::chain(&error)
            ),
        )
        .expected("postgres://USER@HOST:PORT/DATABASE")
    })?;
    if let Some(password) = &config.password {
        server.password(password);
    }
    if server.get_hosts().is_empty() {
        return Err(ConfigError::at("url", "the URL names no host")
            .expected("a host, or the folder of a Unix socket as `?host=/run/postgresql`"));
    }
    if server.get_application_name().is_none() {
        server.application_name("rolog");
    }
    Ok(server)
}

impl Postgres {
    /// Connects, and checks the table where there is one.
    pub(crate) async fn create(
        config: &Config,
        mut server: tokio_postgres::Config,
        wanted: Wanted,
        context: Context,
    ) -> Result<Self, Failure> {
        let is_local = server.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) => matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1"),
            Host::Unix(_) => true,
        });
        let asked = match server.get_ssl_mode() {
            SslMode::Disable => Some(TlsMode::Off),
            SslMode::Require => Some(TlsMode::Require),
            _ => None,
        };
        let mode = match (config.tls.mode, asked) {
            (None, Some(asked)) => asked,
            _ => tls::mode(&config.tls, is_local),
        };
        let has_socket = server
            .get_hosts()
            .iter()
            .any(|h| matches!(h, Host::Unix(_)));
        server.ssl_mode(match mode {
            _ if has_socket => SslMode::Disable,
            TlsMode::Off => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::Verify => SslMode::Require,
        });
        server.connect_timeout(config.connect_timeout.0);
        let client = tls::client(&config.tls, mode, context.setup())?;
        let postgres = Postgres {
            tls: Connector(Arc::new(client)),
            create_table: config.create_table,
            index_time: config.keep.is_some(),
            connect_timeout: config.connect_timeout.0,
            statement_timeout: config.statement_timeout.map(|span| span.0),
            idle: Mutex::new(Vec::new()),
            context,
            server,
            wanted,
        };
        let mut session = postgres.connect().await?;
        match session.prepare(&postgres.wanted).await {
            Ok(()) => {}
            Err(None) if postgres.create_table => {}
            Err(trouble) => {
                return Err(trouble.unwrap_or_else(|| postgres.wanted.missing()).into());
            }
        }
        postgres.keep(session);
        Ok(postgres)
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
        let mut rounds = 1;
        loop {
            let (session, is_used) = tokio::select! {
                session = self.session() => match session {
                    Ok(session) => session,
                    Err(trouble) => return trouble.outcome(),
                },
                why = &mut stop => return stopped(why, false),
            };
            let committing = AtomicBool::new(false);
            let written = {
                let mut work = pin!(self.write(&session, &records, &committing));
                tokio::select! {
                    written = &mut work => written,
                    why = &mut stop => match self.cancel(&session, work.as_mut()).await {
                        Some(Ok(rejected)) => Ok(rejected),
                        // It has ended with an answer that is no commit, so nothing is there.
                        Some(Err(end)) if end.trouble.cause != Cause::Connection => {
                            return stopped(why, false);
                        }
                        _ => return stopped(why, committing.load(Ordering::Acquire)),
                    },
                }
            };
            let lost = committing.load(Ordering::Acquire);
            match written {
                Ok(rejected) => {
                    self.keep(session);
                    return Outcome::rejected(rejected);
                }
                Err(end) if end.trouble.cause == Cause::Connection && lost => {
                    return Outcome::retry(Failure::from(end.trouble).maybe_written());
                }
                Err(end) => {
                    let stale = is_used && end.trouble.cause == Cause::Connection;
                    if rounds == 2 || !(stale || end.is_changed) {
                        return end.trouble.outcome();
                    }
                    // Others that were kept are as old.
                    self.idle().clear();
                    rounds += 1;
                }
            }
        }
    }

    /// Writes a batch; what is refused because the table has changed says so.
    async fn write(
        &self,
        session: &Session,
        records: &[Record<'_>],
        committing: &AtomicBool,
    ) -> Result<Vec<Rejection>, End> {
        let trouble = match session.write(&self.wanted, records, committing).await {
            Ok(rejected) => return Ok(rejected),
            Err(trouble) => trouble,
        };
        if !matches!(trouble.cause, Cause::Row | Cause::Someone) {
            return Err(trouble.into());
        }
        committing.store(false, Ordering::Release);
        // A `COPY` that was refused before it began leaves the driver out of step: not the old one.
        let looking = self.connect().await?;
        if !looking.sees(session, &self.wanted).await? {
            return Err(End {
                trouble,
                is_changed: true,
            });
        }
        if trouble.cause == Cause::Someone {
            return Err(trouble.into());
        }
        let good = session.write_good_ones(&self.wanted, records, trouble, committing);
        Ok(good.await?)
    }

    /// Asks the server to end what a connection does, and waits until it has; not for ever.
    async fn cancel<R>(&self, session: &Session, work: impl Future<Output = R>) -> Option<R> {
        let token = session.client.cancel_token();
        let asking = token.cancel_query(self.tls.clone());
        let both = async { tokio::join!(asking, work).1 };
        timeout(SETTLE, both).await.ok()
    }

    /// Deletes some of the rows that are older than this; says whether there are more.
    pub(crate) async fn prune(&self, column: &str, keep: Duration) -> Result<bool, Failure> {
        let (session, _) = self.session().await?;
        let table = self.wanted.quoted('"');
        let (column, end) = (
            quoted(column, '"'),
            session.time(&self.wanted, target::before(keep)),
        );
        let delete = format!(
            "DELETE FROM {table} WHERE ctid = ANY (ARRAY \
             (SELECT ctid FROM {table} WHERE {column} < {end} LIMIT {PRUNE_ROWS}))"
        );
        let done = session.client.simple_query(&delete).await;
        let done = done.map_err(|error| trouble::told("delete old rows", &error))?;
        self.keep(session);
        Ok(done.iter().any(|message| {
            matches!(message, SimpleQueryMessage::CommandComplete(n) if *n == PRUNE_ROWS as u64)
        }))
    }

    pub(crate) fn shutdown(&self) {
        self.idle().clear();
    }

    /// A connection that is ready to write, and whether it was used before.
    async fn session(&self) -> Result<(Session, bool), Trouble> {
        loop {
            let Some(mut session) = self.idle().pop() else {
                break;
            };
            if session.client.is_closed() {
                continue;
            }
            if session.idle_since.elapsed() > CHECK_AFTER {
                let check = timeout(SETTLE, session.client.check_connection()).await;
                if !matches!(check, Ok(Ok(()))) {
                    continue;
                }
            }
            if !session.is_prepared() {
                self.prepare(&mut session).await?;
            }
            return Ok((session, true));
        }
        let mut session = self.connect().await?;
        self.prepare(&mut session).await?;
        Ok((session, false))
    }

    async fn prepare(&self, session: &mut Session) -> Result<(), Trouble> {
        match session.prepare(&self.wanted).await {
            Err(None) if self.create_table => {}
            done => {
                return done.map_err(|trouble| trouble.unwrap_or_else(|| self.wanted.missing()));
            }
        }
        let made = session
            .run(&layout::create(&self.wanted, self.index_time))
            .await;
        // Somebody else may have made it in the same moment.
        match session.prepare(&self.wanted).await {
            Ok(()) => Ok(()),
            Err(trouble) => {
                made?;
                Err(trouble.unwrap_or_else(|| self.wanted.missing()))
            }
        }
    }

    async fn connect(&self) -> Result<Session, Trouble> {
        let connecting = self.server.connect(self.tls.clone());
        let Ok(connected) = timeout(self.connect_timeout, connecting).await else {
            let what = format!("no connection within {:?}", self.connect_timeout);
            return Err(Trouble::new(Cause::Connection, Class::Timeout, what));
        };
        let (client, connection) =
            connected.map_err(|error| trouble::told("connect to PostgreSQL", &error))?;
        let driver = self.context.spawn(async {
            // What ends a connection is told to those that wait for its answers.
            let _ = connection.await;
        });
        let session = Session::new(client, driver);
        session
            .run("SET client_encoding = 'UTF8'; SET timezone = 'UTC'")
            .await?;
        Ok(session)
    }

    fn keep(&self, mut session: Session) {
        session.idle_since = Instant::now();
        self.idle().push(session);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
