//! What can be said of settings without sending anything.

use std::path::{Path, PathBuf};

use reqwest::Url;
use reqwest::header::HeaderName;
use rolog_plugin::prelude::*;

use crate::auth::Auth;
use crate::client;
use crate::compress::Compressor;
use crate::config::{self, Config, Format};
use crate::format::envelope::RECORDS;
use crate::format::{elasticsearch, loki};
use crate::route::Routes;

/// Headers that are the client's own business.
const RESERVED: [&str; 6] = [
    "content-length",
    "transfer-encoding",
    "connection",
    "content-encoding",
    "expect",
    "upgrade",
];

/// Checks settings, files that they name included.
///
/// # Errors
/// Everything that is wrong, by path.
pub(crate) fn check(
    config: &Config,
    resolve: &dyn Fn(&Path) -> PathBuf,
) -> Result<Plan, ConfigError> {
    let mut problems: Option<ConfigError> = None;
    let mut wrong = |problem: ConfigError| {
        problems = Some(match problems.take() {
            None => problem,
            Some(earlier) => earlier.and(problem),
        });
    };
    let routes = Routes::new(config).map_err(&mut wrong).ok();
    let _ = Auth::new(config.auth.as_ref(), resolve).map_err(&mut wrong);
    let _ = client::client(config, resolve).map_err(&mut wrong);
    let _ = probe(config).map_err(&mut wrong);
    for problem in numbers(config)
        .into_iter()
        .chain(statuses(config))
        .chain(headers(config))
        .chain(sections(config))
    {
        wrong(problem);
    }
    match (problems, routes) {
        (None, Some(routes)) => Ok(warned(config, &routes, resolve)),
        (Some(problems), _) => Err(problems),
        (None, None) => unreachable!("a URL that is refused is a problem"),
    }
}

fn warned(config: &Config, routes: &Routes, resolve: &dyn Fn(&Path) -> PathBuf) -> Plan {
    let mut plan = Plan::new();
    let shown = routes.shown();
    let local = ["http://127.", "http://localhost", "http://[::1]"];
    if config.auth.is_some()
        && shown.starts_with("http:")
        && !local.iter().any(|start| shown.starts_with(start))
    {
        plan = plan.warning("without TLS the credentials under `auth` can be read on their way");
    }
    if let Some(config::Auth::BearerFile(path)) = &config.auth
        && !resolve(path).is_file()
    {
        let path = resolve(path);
        plan = plan.warning(format!("there is no token in {} yet", path.display()));
    }
    plan
}

fn numbers(config: &Config) -> Vec<ConfigError> {
    let mut problems = Vec::new();
    if let Some(level) = config.compression_level {
        let levels = Compressor::levels(config.compression);
        if !levels.clone().is_some_and(|levels| levels.contains(&level)) {
            let problem = ConfigError::at(
                "compression_level",
                format!("there is no level {level} of this compression"),
            );
            problems.push(match levels {
                Some(levels) => problem.expected(format!("{} to {}", levels.start(), levels.end())),
                None => problem.expected("`compression: gzip` or `zstd` with it"),
            });
        }
    }
    let spans = [
        ("connect_timeout", Some(config.connect_timeout)),
        ("timeout", config.timeout),
    ];
    for (path, span) in spans {
        if span.is_some_and(|span| span.0.is_zero()) {
            problems.push(ConfigError::at(path, "nothing happens in no time"));
        }
    }
    let counts = [
        ("max_records", config.max_records),
        ("max_bytes", Some(config.max_bytes.0)),
    ];
    for (path, count) in counts {
        if count == Some(0) {
            problems.push(ConfigError::at(path, "a request of nothing sends nothing"));
        }
    }
    problems
}

fn statuses(config: &Config) -> Vec<ConfigError> {
    let said = &config.statuses;
    let lists = [
        ("delivered", &said.delivered),
        ("retry", &said.retry),
        ("reject", &said.reject),
        ("hold", &said.hold),
        ("split", &said.split),
    ];
    let mut problems = Vec::new();
    for (place, (name, list)) in lists.iter().enumerate() {
        for (index, status) in list.iter().enumerate() {
            let path = format!("statuses.{name}[{index}]");
            if !(200..600).contains(status) {
                problems.push(
                    ConfigError::at(path, format!("{status} is no status of an answer"))
                        .expected("200 to 599"),
                );
            } else if let Some((other, _)) = lists[..place]
                .iter()
                .find(|(_, list)| list.contains(status))
            {
                let what = format!("{status} is among `{other}` too");
                problems.push(ConfigError::at(path, what));
            }
        }
    }
    problems
}

fn headers(config: &Config) -> Vec<ConfigError> {
    let mut problems = Vec::new();
    for name in config.headers.keys() {
        let path = || format!("headers.{name}");
        if RESERVED.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            problems.push(ConfigError::at(
                path(),
                "this header follows from the request",
            ));
        }
        if name.eq_ignore_ascii_case("authorization") && config.auth.is_some() {
            problems.push(ConfigError::at(path(), "`auth` sets this header"));
        }
    }
    let name = &config.idempotency_header;
    if !name.is_empty() && HeaderName::try_from(name).is_err() {
        problems.push(ConfigError::at(
            "idempotency_header",
            format!("`{name}` is no name of a header"),
        ));
    }
    problems
}

/// The settings of one format mean nothing to another, and what means nothing is a mistake.
fn sections(config: &Config) -> Vec<ConfigError> {
    let mut problems = Vec::new();
    let sections = [
        ("envelope", Format::Envelope, config.envelope.is_some()),
        ("otlp", Format::Otlp, config.otlp.is_some()),
        ("loki", Format::Loki, config.loki.is_some()),
        (
            "elasticsearch",
            Format::Elasticsearch,
            config.elasticsearch.is_some(),
        ),
    ];
    for (path, format, there) in sections {
        if there && config.format != format {
            problems.push(
                ConfigError::at(path, "these are the settings of another format")
                    .expected(format!("`format: {path}` with them")),
            );
        }
    }
    match (&config.envelope, config.format) {
        (None, Format::Envelope) => problems.push(
            ConfigError::at("format", "an envelope has to be described")
                .expected("its settings under `envelope`"),
        ),
        (Some(envelope), _) if envelope.body.matches(RECORDS).count() != 1 => problems.push(
            ConfigError::at("envelope.body", "it has to say once where the records go")
                .expected("a text with `{records}` in it"),
        ),
        _ => {}
    }
    match &config.loki {
        Some(settings) => problems.extend(loki::problems(settings)),
        None if config.format == Format::Loki => problems.push(
            ConfigError::at("format", "Loki takes no stream without a label")
                .expected("`loki: { labels: { job: shop } }` with it"),
        ),
        None => {}
    }
    if let Some(settings) = &config.elasticsearch {
        problems.extend(elasticsearch::problems(settings));
    }
    problems
}

/// The URL that is asked for when an instance is made.
///
/// # Errors
/// One that cannot be read.
pub(crate) fn probe(config: &Config) -> Result<Option<Url>, ConfigError> {
    let Some(probe) = &config.probe else {
        return Ok(None);
    };
    let text = config.url.reveal();
    let after = text.find("://").map_or(0, |at| at + 3);
    let end = text[after..]
        .find(['/', '?'])
        .map_or(text.len(), |at| after + at);
    let read = Url::parse(&text[..end]).and_then(|base| base.join(probe.reveal()));
    match read {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Some(url)),
        _ => Err(ConfigError::at("probe", "this is neither a path nor a URL")
            .expected("a path of the service, such as /health")),
    }
}

/// Texts of the settings that no error may repeat.
pub(crate) fn secrets(config: &Config) -> Vec<String> {
    let harmless = ["accept", "content-type", "user-agent"];
    let headers = config
        .headers
        .iter()
        .filter(|(name, _)| {
            !harmless
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known))
        })
        .map(|(_, value)| value);
    let mut secrets: Vec<String> = headers
        .chain(config.query.values())
        .map(|value| value.reveal().to_owned())
        .collect();
    let query = config.url.reveal().split_once('?').map(|(_, query)| query);
    for pair in query.into_iter().flat_map(|query| query.split('&')) {
        secrets.extend(pair.split_once('=').map(|(_, value)| value.to_owned()));
    }
    secrets
}
