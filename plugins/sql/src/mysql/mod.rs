//! `MySQL` and MariaDB: inserts of many rows as literals, in statements of about 1 MiB, one transaction
//! a batch; `ON DUPLICATE KEY` where records have a key.
//!
//! As many connections as batches are in flight, kept between batches. `COMMIT` is the only point
//! from which on a batch that got no answer may have been written. Tables whose engine has no
//! transactions, as `InnoDB`, the default, has them, are refused.

mod layout;
mod literal;
mod session;
mod trouble;

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{ClientIdentity, DriverError, Error, Opts, OptsBuilder, SslOpts};
use rolog_core::frame::Record;
use rolog_plugin::prelude::*;
use tokio::time::timeout;

use crate::config::{Config, TlsMode};
use crate::table::{Kind, Wanted, quoted};
use crate::target::{self, PRUNE_ROWS};
use crate::time;
use crate::tls;
use crate::trouble::{Cause, End, Trouble, stopped};
use session::{Progress, Session};

/// A connection that was idle for longer is asked whether it still is one.
const CHECK_AFTER: Duration = Duration::from_secs(15);
/// How long a cancelled attempt waits for the server to say that it has ended.
const SETTLE: Duration = Duration::from_secs(3);

/// A server that is written to.
pub(crate) struct MySql {
    opts: Opts,
    /// What is tried where the server has no TLS.
    plain: Option<Opts>,
    wanted: Wanted,
    create_table: bool,
    index_time: bool,
    connect_timeout: Duration,
    statement_timeout: Option<Duration>,
    idle: Mutex<Vec<Session>>,
}

/// Reads the URL.
pub(crate) fn parse(url: &str, config: &Config) -> Result<Opts, ConfigError> {
    let url = url.replacen("mariadb:", "mysql:", 1);
    let opts = Opts::from_url(&url).map_err(|error| {
        ConfigError::at("url", format!("the URL cannot be read: {error}"))
            .expected("mysql://USER@HOST:PORT/DATABASE")
    })?;
    if opts.db_name().is_none_or(str::is_empty) {
        return Err(ConfigError::at("url", "the URL names no database")
            .expected("mysql://USER@HOST:PORT/DATABASE"));
    }
    let builder = OptsBuilder::from_opts(opts)
        // Only what the URL says is connected to.
        .prefer_socket(false)
        .tcp_keepalive(Some(Duration::from_mins(1)));
    Ok(match &config.password {
        Some(password) => builder.pass(Some(password)).into(),
        None => builder.into(),
    })
}

/// Whether connections are encrypted, and what the driver needs for that.
fn ssl(config: &Config, opts: &Opts, setup: &Setup) -> Result<(TlsMode, Option<SslOpts>), Trouble> {
    let is_local = opts.addr_is_loopback() || opts.ip_or_hostname() == "localhost";
    let mode = match opts.ssl_opts() {
        // The URL asks for it.
        Some(_) if config.tls.mode.is_none() => TlsMode::Verify,
        // On a Unix socket there is none.
        _ if opts.socket().is_some() => TlsMode::Off,
        _ => tls::mode(&config.tls, is_local),
    };
    if mode == TlsMode::Off {
        return Ok((mode, None));
    }
    // Tells what is wrong with the files, in our words; the driver reads them again when it connects.
    tls::client(&config.tls, mode, setup)?;
    tls::provide();
    let verify = mode == TlsMode::Verify;
    let roots = match &config.tls.ca {
        Some(ca) => vec![setup.resolve(ca).into()],
        None if verify => tls::system_roots()
            .map(|cert| cert.to_vec().into())
            .collect(),
        None => Vec::new(),
    };
    let identity = match (&config.tls.cert, &config.tls.key) {
        (Some(cert), Some(key)) => Some(ClientIdentity::new(
            setup.resolve(cert).into(),
            setup.resolve(key).into(),
        )),
        _ => None,
    };
    let ssl = SslOpts::default()
        .with_root_certs(roots)
        // It wants some even where it asks nobody for a proof.
        .with_disable_built_in_roots(verify)
        .with_client_identity(identity)
        .with_danger_accept_invalid_certs(!verify)
        .with_danger_skip_domain_validation(!verify);
    Ok((mode, Some(ssl)))
}

impl MySql {
    /// Connects, and checks the table where there is one.
    pub(crate) async fn create(
        config: &Config,
        opts: Opts,
        wanted: Wanted,
        setup: &Setup,
    ) -> Result<Self, Failure> {
        let (mode, ssl) = ssl(config, &opts, setup)?;
        let plain = OptsBuilder::from_opts(opts).ssl_opts(None::<SslOpts>);
        let mysql = MySql {
            opts: plain.clone().ssl_opts(ssl).into(),
            plain: (mode == TlsMode::Prefer).then(|| plain.into()),
            create_table: config.create_table,
            index_time: config.keep.is_some(),
            connect_timeout: config.connect_timeout.0,
            statement_timeout: config.statement_timeout.map(|span| span.0),
            idle: Mutex::new(Vec::new()),
            wanted,
        };
        let mut session = mysql.connect().await?;
        match session.prepare(&mysql.wanted).await {
            Ok(()) => {}
            Err(None) if mysql.create_table => {}
            Err(trouble) => {
                return Err(trouble.unwrap_or_else(|| mysql.wanted.missing()).into());
            }
        }
        mysql.keep(session);
        Ok(mysql)
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
            let (mut session, is_used) = tokio::select! {
                session = self.session() => match session {
                    Ok(session) => session,
                    Err(trouble) => return trouble.outcome(),
                },
                why = &mut stop => return stopped(why, false),
            };
            let progress = Progress::default();
            let id = session.conn.id();
            let (written, why) = {
                let mut work = pin!(self.write(&mut session, &records, &progress));
                tokio::select! {
                    written = &mut work => (Some(written), None),
                    why = &mut stop => {
                        progress.end();
                        let both = async { tokio::join!(self.kill(id), &mut work).1 };
                        (timeout(SETTLE, both).await.ok(), Some(why))
                    }
                }
            };
            let lost = progress.is_committing();
            let written = match (written, why) {
                (Some(Ok(rejected)), _) => Ok(rejected),
                (Some(written), None) => written,
                (written, why) => {
                    if written.is_some() {
                        self.undo(session).await;
                    }
                    return stopped(why.unwrap_or_default(), lost);
                }
            };
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
                        if end.trouble.cause != Cause::Connection {
                            self.undo(session).await;
                        }
                        return end.trouble.outcome();
                    }
                    // Others that were kept are as old.
                    self.idle().clear();
                    rounds += 1;
                }
            }
        }
    }

    /// Ends what is left of a transaction, so that nothing waits for it, and keeps the connection.
    async fn undo(&self, mut session: Session) {
        if matches!(timeout(SETTLE, session.run("ROLLBACK")).await, Ok(Ok(()))) {
            self.keep(session);
        }
    }

    /// Writes a batch; what is refused because the table has changed says so.
    async fn write(
        &self,
        session: &mut Session,
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
        progress.begin_again();
        session.run("ROLLBACK").await?;
        if !session.looks_the_same(&self.wanted).await? {
            return Err(End {
                trouble,
                is_changed: true,
            });
        }
        if trouble.cause == Cause::Someone {
            return Err(trouble.into());
        }
        let good = session.write_good_ones(&self.wanted, records, trouble, progress);
        Ok(good.await?)
    }

    /// Ends what a connection does, through another.
    async fn kill(&self, id: u32) {
        if let Ok(mut other) = self.connect().await {
            // It may have ended by itself.
            let _ = other.run(&format!("KILL QUERY {id}")).await;
        }
    }

    /// Deletes some of the rows that are older than this; says whether there are more.
    pub(crate) async fn prune(&self, column: &str, keep: Duration) -> Result<bool, Failure> {
        let (mut session, _) = self.session().await?;
        let place = self.wanted.columns.iter().position(|c| c.name == column);
        let kind = place.zip(session.kinds()).map(|(at, kinds)| kinds[at]);
        let before = target::before(keep);
        let mut end = String::new();
        match kind {
            Some(Kind::Integer(..)) => end = before.nanos().to_string(),
            Some(Kind::Time) => time::put(before, ' ', 6, false, &mut end),
            _ => time::put(before, 'T', 9, true, &mut end),
        }
        let delete = format!(
            "DELETE FROM {} WHERE {} < '{end}' LIMIT {PRUNE_ROWS}",
            self.wanted.quoted('`'),
            quoted(column, '`')
        );
        let done = session.conn.query_drop(&delete).await;
        done.map_err(|error| trouble::told("delete old rows", &error))?;
        let more = session.conn.affected_rows() == PRUNE_ROWS as u64;
        self.keep(session);
        Ok(more)
    }

    pub(crate) async fn shutdown(&self, deadline: Duration) {
        let idle = std::mem::take(&mut *self.idle());
        for session in idle {
            // What does not say goodbye in time is closed without.
            let _ = timeout(deadline / 2, session.conn.disconnect()).await;
        }
    }

    /// A connection that is ready to write, and whether it was used before.
    async fn session(&self) -> Result<(Session, bool), Trouble> {
        loop {
            let Some(mut session) = self.idle().pop() else {
                break;
            };
            if session.idle_since.elapsed() > CHECK_AFTER {
                let check = timeout(SETTLE, session.conn.ping()).await;
                if !matches!(check, Ok(Ok(()))) {
                    continue;
                }
            }
            if session.kinds().is_none() {
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
        let make = layout::create(&self.wanted, self.index_time);
        session.run(&make).await?;
        let prepared = session.prepare(&self.wanted).await;
        prepared.map_err(|trouble| trouble.unwrap_or_else(|| self.wanted.missing()))
    }

    async fn connect(&self) -> Result<Session, Trouble> {
        let told = |error| trouble::told("connect to the MySQL server", &error);
        let connecting = async {
            match (Session::connect(self.opts.clone()).await, &self.plain) {
                (Err(Error::Driver(DriverError::NoClientSslFlagFromServer)), Some(plain)) => {
                    Session::connect(plain.clone()).await
                }
                (connected, _) => connected,
            }
        };
        if let Ok(connected) = timeout(self.connect_timeout, connecting).await {
            return connected.map_err(told);
        }
        let what = format!("no connection within {:?}", self.connect_timeout);
        Err(Trouble::new(Cause::Connection, Class::Timeout, what))
    }

    fn keep(&self, mut session: Session) {
        session.idle_since = Instant::now();
        self.idle().push(session);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
