//! PostgreSQL: `COPY` in the binary form, or `INSERT … ON CONFLICT DO NOTHING` of arrays where
//! records have a key.
//!
//! A batch is one explicit transaction, because the driver takes the end of a `COPY` for its answer
//! before an implicit one is committed. Its beginning, its rows and its end are sent without waiting
//! for an answer in between, but for the one that lets a `COPY` begin, while the first rows are
//! encoded.

mod binary;
mod connector;
mod layout;
mod session;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use rolog_plugin::prelude::*;
use tokio_postgres::CancelToken;
use tokio_postgres::config::{Host, SslMode};

use crate::config::{Config, TlsMode};
use crate::pool::Pool;
use crate::server::{Server, Session as _, within};
use crate::table::Wanted;
use crate::tls;
use crate::trouble::Trouble;
use connector::Connector;
use session::Session;

/// A server that is written to.
pub(crate) struct Postgres {
    context: Context,
    server: tokio_postgres::Config,
    tls: Connector,
    connect_timeout: Duration,
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
    ) -> Result<Pool<Self>, Failure> {
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
            connect_timeout: config.connect_timeout.0,
            context,
            server,
        };
        Pool::create(config, postgres, wanted).await
    }
}

impl Server for Postgres {
    type Session = Session;

    const ANSWERS_DECIDE: bool = true;

    async fn connect(&self) -> Result<Session, Trouble> {
        within(self.connect_timeout, async {
            let connecting = self.server.connect(self.tls.clone()).await;
            let (client, connection) =
                connecting.map_err(|error| trouble::told("connect to PostgreSQL", &error))?;
            let driver = self.context.spawn(async {
                // What ends a connection is told to those that wait for its answers.
                let _ = connection.await;
            });
            let mut session = Session::new(client, driver);
            session
                .run("SET client_encoding = 'UTF8'; SET timezone = 'UTC'")
                .await?;
            Ok(session)
        })
        .await
    }

    fn definition(wanted: &Wanted, index_time: bool) -> String {
        layout::create(wanted, index_time)
    }

    async fn interrupt(&self, token: CancelToken) {
        let _ = token.cancel_query(self.tls.clone()).await;
    }

    async fn is_unchanged(&self, session: &mut Session, wanted: &Wanted) -> Result<bool, Trouble> {
        // A `COPY` that was refused before it began leaves the driver out of step: not the old one.
        let looking = self.connect().await?;
        looking.sees(session, wanted).await
    }

    /// The server ends it with the connection.
    async fn undo(&self, _: Session) -> Option<Session> {
        None
    }
}
