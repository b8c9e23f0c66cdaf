//! The settings, as a pipeline has them under `config:`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rolog_plugin::settings::{Secret, Size, Span};
use serde::Deserialize;

use crate::format::{elasticsearch, envelope, loki, otlp};

/// The settings of an HTTP target.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where requests go. Its path and query may have holes such as `{logger}` that each record
    /// fills; a preset's own path is added where there is none.
    pub url: Secret,
    /// What the bodies look like.
    #[serde(default)]
    pub format: Format,
    /// The method of the requests.
    #[serde(default)]
    pub method: Method,
    /// Headers to send; holes are filled as in the URL.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// Parameters to add to the URL; holes are filled as there.
    #[serde(default)]
    pub query: BTreeMap<String, Secret>,
    /// How to say who sends.
    pub auth: Option<Auth>,
    /// How bodies are compressed.
    #[serde(default)]
    pub compression: Compression,
    /// How hard they are: 1 to 9 for gzip (3 unless set), 1 to 19 for zstd (1 unless set).
    pub compression_level: Option<u8>,
    /// Whether JSON lines say where in the code they were logged.
    #[serde(default)]
    pub source: bool,
    /// The settings of `format: envelope`.
    pub envelope: Option<envelope::Settings>,
    /// The settings of `format: otlp`.
    pub otlp: Option<otlp::Settings>,
    /// The settings of `format: loki`.
    pub loki: Option<loki::Settings>,
    /// The settings of `format: elasticsearch`.
    pub elasticsearch: Option<elasticsearch::Settings>,
    /// How connections are made safe.
    #[serde(default)]
    pub tls: Tls,
    /// The proxy: `environment` (as the usual variables say), `none`, or the proxy's URL.
    pub proxy: Option<Secret>,
    /// The version of HTTP.
    #[serde(default)]
    pub http: Version,
    /// The most records in a request; no bound unless set.
    pub max_records: Option<usize>,
    /// The most bytes in a request's body before compression; 4 MiB unless set.
    #[serde(default = "max_bytes")]
    pub max_bytes: Size,
    /// How long to wait for a connection; 5 s unless set.
    #[serde(default = "connect_timeout")]
    pub connect_timeout: Span,
    /// How long a request may take, answer included; as long as the attempt unless set.
    pub timeout: Option<Span>,
    /// How long a connection is kept without use; 4 s unless set, which is below what servers keep.
    #[serde(default = "pool_idle")]
    pub pool_idle: Span,
    /// What the status of an answer means, where it is not what it usually does.
    #[serde(default)]
    pub statuses: Statuses,
    /// The header with the key that stays the same when records are sent again; empty for none.
    #[serde(default = "idempotency_header")]
    pub idempotency_header: String,
    /// What is asked for when the target is made, to see that the service is there; a path of the
    /// service, or a URL.
    pub probe: Option<Secret>,
}

/// What bodies look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A JSON object on each line.
    #[default]
    Ndjson,
    /// An array of JSON objects.
    Json,
    /// Records within a text of the settings.
    Envelope,
    /// `OpenTelemetry` logs.
    Otlp,
    /// Grafana Loki's push interface.
    Loki,
    /// Elasticsearch's and `OpenSearch`'s `_bulk`.
    Elasticsearch,
}

/// The method of the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// POST.
    #[default]
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
}

/// How to say who sends.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// A user's name and password.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token.
    Bearer(Secret),
    /// A file with a token in it, read again when it changes.
    BearerFile(PathBuf),
}

/// How bodies are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, which nearly every service reads.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// How connections are made safe.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// A PEM file of the authorities to trust, instead of those of the machine.
    pub ca: Option<PathBuf>,
    /// A PEM file with the client's certificate and what leads from it to its authority.
    pub cert: Option<PathBuf>,
    /// A PEM file with the key to that certificate.
    pub key: Option<PathBuf>,
    /// The least version.
    #[serde(default)]
    pub min_version: TlsVersion,
}

/// The least version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Deserialize)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    Tls13,
}

/// The version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Deserialize)]
pub enum Version {
    /// HTTP/2 where a TLS server offers it, else HTTP/1.1.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// HTTP/1.1.
    #[serde(rename = "1.1")]
    Http1,
    /// HTTP/2, without TLS too.
    #[serde(rename = "2")]
    Http2,
}

/// What the status of an answer means, where it is not what it usually does.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Statuses {
    /// Everything is there.
    pub delivered: Vec<u16>,
    /// A later attempt may do better.
    pub retry: Vec<u16>,
    /// The records are refused.
    pub reject: Vec<u16>,
    /// Nothing will be accepted until someone acts.
    pub hold: Vec<u16>,
    /// The request is too large.
    pub split: Vec<u16>,
}

fn max_bytes() -> Size {
    Size(4 << 20)
}

fn connect_timeout() -> Span {
    Span(Duration::from_secs(5))
}

fn pool_idle() -> Span {
    Span(Duration::from_secs(4))
}

fn idempotency_header() -> String {
    "Idempotency-Key".into()
}
