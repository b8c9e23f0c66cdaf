//! The client: connections, their versions, their proxies and how long they are kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Proxy, Url};
use rolog_plugin::prelude::*;
use rolog_plugin::settings::Secret;

use crate::config::{Config, Version};
use crate::tls;

/// What is asked of a server on an HTTP/2 connection that is in use, so that one that went away is
/// noticed before an attempt's deadline.
const PING: Duration = Duration::from_secs(10);

/// A client for these settings. Reads the files that they name.
///
/// # Errors
/// What is wrong with them, by path.
pub(crate) fn client(
    config: &Config,
    resolve: &dyn Fn(&Path) -> PathBuf,
) -> Result<Client, ConfigError> {
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls::client(&config.tls, config.http, resolve)?)
        .user_agent(concat!("rolog/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        // The flush stage repeats, and counts what it repeats.
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(config.connect_timeout.0)
        .pool_idle_timeout(config.pool_idle.0)
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PING);
    builder = match config.http {
        Version::Auto => builder,
        Version::Http1 => builder.http1_only(),
        Version::Http2 => builder.http2_prior_knowledge(),
    };
    builder = match config.proxy.as_ref().map(Secret::reveal) {
        None | Some("environment") => builder,
        Some("none") => builder.no_proxy(),
        Some(url) => builder.proxy(proxy(url)?),
    };
    builder
        .build()
        .map_err(|error| ConfigError::at("", crate::send::told(&error)))
}

fn proxy(url: &str) -> Result<Proxy, ConfigError> {
    let wrong = |what| {
        ConfigError::at("proxy", what)
            .expected("`environment`, `none` or a URL such as http://proxy.example.com:3128")
    };
    match Url::parse(url) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && parsed.has_host() => {
            Proxy::all(parsed).map_err(|_| wrong("the proxy's URL cannot be used"))
        }
        _ => Err(wrong("this is no URL of a proxy")),
    }
}
