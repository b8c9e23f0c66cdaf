use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rolog_plugin::settings::{Span, Template};
use serde::de::{Deserializer, Error};
use serde::{Deserialize, de};

/// The settings of a Kafka target.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Brokers to begin with, as `host:port`; the others are found through them.
    pub brokers: Brokers,
    /// The topic, with holes that each record fills.
    pub topic: Template,
    /// The message's key, with holes that each record fills. Without it, and for a record that
    /// cannot fill it, messages have none.
    #[serde(default)]
    pub key: Option<Template>,
    /// What a message contains.
    #[serde(default)]
    pub format: Format,
    /// Whether JSON and OTLP say where in the code a record was logged.
    #[serde(default)]
    pub source: bool,
    /// What OTLP says of the resource that all records come from, such as `service.name`.
    #[serde(default)]
    pub resource: BTreeMap<String, String>,
    /// Whether messages have the headers `record_id`, `level`, `logger`, `trace_id` and `span_id`.
    #[serde(default = "yes")]
    pub record_headers: bool,
    /// Further headers by name, with holes that each record fills.
    #[serde(default)]
    pub headers: BTreeMap<String, Template>,
    /// How librdkafka compresses what it sends.
    #[serde(default)]
    pub compression: Compression,
    /// Which of librdkafka's partitioners chooses the partition.
    #[serde(default)]
    pub partitioner: Option<String>,
    /// How long librdkafka goes on with a message before it is the pipeline's turn; from 10 ms to
    /// 15 minutes.
    #[serde(default = "delivery_timeout")]
    pub delivery_timeout: Span,
    /// How long a new instance looks for a broker that answers; from 100 ms to 5 minutes.
    #[serde(default = "connect_timeout")]
    pub connect_timeout: Span,
    /// How often librdkafka's figures become metrics; `0s` for never, else from 100 ms to a day.
    #[serde(default = "statistics")]
    pub statistics: Span,
    /// For SASL's OAUTHBEARER: a file with the token, kept fresh by somebody else; it is read again
    /// before the token expires and when it was refused.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Anything else that librdkafka can be told, by its own names.
    #[serde(default)]
    pub properties: BTreeMap<String, Property>,
}

/// Brokers, as one text with commas or as a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Brokers {
    /// `a:9092,b:9092`
    Text(String),
    /// `[a:9092, b:9092]`
    List(Vec<String>),
}

impl Brokers {
    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        let (text, list) = match self {
            Brokers::Text(text) => (Some(text.split(',')), None),
            Brokers::List(list) => (None, Some(list.iter().map(String::as_str))),
        };
        let all = text.into_iter().flatten().chain(list.into_iter().flatten());
        all.map(str::trim)
    }
}

/// What a message contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A JSON object, as the file target writes it on a line.
    #[default]
    Json,
    /// OTLP logs data in protobuf, one record in each.
    Otlp,
    /// The pipeline's own format, a batch of one record, which keeps ids and the types of values.
    Frame,
}

/// How librdkafka compresses what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    None,
    /// LZ4: little work for much less to send.
    #[default]
    Lz4,
    /// Zstandard: smaller, more work.
    Zstd,
    /// Snappy.
    Snappy,
    /// Gzip.
    Gzip,
}

impl Compression {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
            Compression::Snappy => "snappy",
            Compression::Gzip => "gzip",
        }
    }
}

/// A value for librdkafka, which takes texts. It may be a secret, so its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Property(pub String);

impl fmt::Debug for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl<'de> Deserialize<'de> for Property {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Scalar;
        impl de::Visitor<'_> for Scalar {
            type Value = Property;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, true or false")
            }
            fn visit_str<E: Error>(self, value: &str) -> Result<Property, E> {
                Ok(Property(value.to_owned()))
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<Property, E> {
                Ok(Property(value.to_string()))
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Property, E> {
                Ok(Property(value.to_string()))
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Property, E> {
                Ok(Property(value.to_string()))
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<Property, E> {
                Ok(Property(value.to_string()))
            }
        }
        from.deserialize_any(Scalar)
    }
}

fn yes() -> bool {
    true
}

/// Below the 30 s that the pipeline gives an attempt, so that librdkafka says what became of a
/// message before the attempt is cancelled.
fn delivery_timeout() -> Span {
    Span(Duration::from_secs(25))
}

fn connect_timeout() -> Span {
    Span(Duration::from_secs(10))
}

fn statistics() -> Span {
    Span(Duration::from_secs(15))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_not_shown() {
        let config: Config = serde_json::from_str(
            r#"{"brokers": "a:1, b:2", "topic": "t", "properties": {"sasl.password": "hush", "linger.ms": 3}}"#,
        )
        .unwrap();
        assert!(!format!("{config:?}").contains("hush"));
        assert_eq!(config.properties["linger.ms"].0, "3");
        assert_eq!(config.brokers.all().collect::<Vec<_>>(), ["a:1", "b:2"]);
    }
}
