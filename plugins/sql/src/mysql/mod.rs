//! `MySQL` and MariaDB: inserts of many rows as literals, in statements of about 1 MiB, one transaction
//! a batch; `ON DUPLICATE KEY` where records have a key.
//!
//! Tables whose engine has no transactions, as `InnoDB`, the default, has them, are refused.

mod layout;
mod literal;
mod session;
mod trouble;

use std::time::Duration;

use mysql_async::{ClientIdentity, Opts, OptsBuilder, SslOpts};
use rolog_plugin::prelude::*;

use crate::config::{Config, TlsMode};
use crate::pool::Pool;
use crate::server::{Server, Session as _, within};
use crate::table::Wanted;
use crate::tls;
use crate::trouble::Trouble;
use session::Session;

/// A server that is written to.
pub(crate) struct MySql {
    opts: Opts,
    /// What is tried where the server has no TLS, or none in common with us.
    plain: Option<Opts>,
    connect_timeout: Duration,
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
    ) -> Result<Pool<Self>, Failure> {
        let (mode, ssl) = ssl(config, &opts, setup)?;
        let plain = OptsBuilder::from_opts(opts).ssl_opts(None::<SslOpts>);
        let mysql = MySql {
            opts: plain.clone().ssl_opts(ssl).into(),
            plain: (mode == TlsMode::Prefer).then(|| plain.into()),
            connect_timeout: config.connect_timeout.0,
        };
        Pool::create(config, mysql, wanted).await
    }
}

impl Server for MySql {
    type Session = Session;

    /// A `COMMIT` that is killed may have come to its end before.
    const ANSWERS_DECIDE: bool = false;

    async fn connect(&self) -> Result<Session, Trouble> {
        within(self.connect_timeout, async {
            let connected = match (Session::connect(self.opts.clone()).await, &self.plain) {
                (Err(error), Some(plain)) if trouble::is_tls(&error) => {
                    Session::connect(plain.clone()).await
                }
                (connected, _) => connected,
            };
            connected.map_err(|error| trouble::told("connect to the MySQL server", &error))
        })
        .await
    }

    fn definition(wanted: &Wanted, index_time: bool) -> String {
        layout::create(wanted, index_time)
    }

    /// Through another connection.
    async fn interrupt(&self, id: u32) {
        if let Ok(mut other) = self.connect().await {
            let _ = other.run(&format!("KILL QUERY {id}")).await;
        }
    }

    async fn is_unchanged(&self, session: &mut Session, wanted: &Wanted) -> Result<bool, Trouble> {
        session.run("ROLLBACK").await?;
        session.looks_the_same(wanted).await
    }

    async fn undo(&self, mut session: Session) -> Option<Session> {
        let done = session.run("ROLLBACK").await;
        done.is_ok().then_some(session)
    }
}
