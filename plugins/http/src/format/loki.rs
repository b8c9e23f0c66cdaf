//! Grafana Loki's push interface, as JSON: `POST /loki/api/v1/push`.
//!
//! A stream is a set of labels, which templates make of each record; a label for which a record has
//! nothing is left out. An entry is a time in nanoseconds, a line, and what Loki calls structured
//! metadata. A push is answered 204; 400 where entries are refused, of which Loki keeps the good
//! ones. What is sent again in the same words is stored once.

use std::collections::{BTreeMap, HashMap};

use rolog_core::frame::Record;
use rolog_core::render::{JsonLine, TextLine};
use rolog_plugin::ConfigError;
use rolog_plugin::settings::Template;
use serde::Deserialize;

use super::{Format, Stream, Written, quoted};
use crate::config::Config;

/// Where it takes records.
pub(crate) const PATH: &str = "/loki/api/v1/push";

/// The settings of `format: loki`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The labels of a record's stream, as texts with holes. Each set of values is a stream that
    /// Loki keeps apart, so few values each, such as `{level}`.
    pub labels: BTreeMap<String, String>,
    /// What a line looks like.
    #[serde(default)]
    pub line: Line,
    /// What goes with an entry without making a stream of its own, as texts with holes.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// What a line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// A JSON object.
    #[default]
    Json,
    /// A line of text for people.
    Text,
    /// The message alone.
    Message,
}

/// Writes pushes.
pub(super) struct Loki {
    labels: Vec<(String, Template)>,
    metadata: Vec<(String, Template)>,
    line: Line,
    json: JsonLine,
    text: TextLine,
    /// The streams of the batch, as JSON.
    streams: Vec<String>,
    places: HashMap<String, Stream>,
}

/// What is wrong with the settings.
pub(crate) fn problems(settings: &Settings) -> Vec<ConfigError> {
    let mut problems = Vec::new();
    if settings.labels.is_empty() {
        problems.push(
            ConfigError::at("loki.labels", "Loki takes no stream without a label")
                .expected("at least one, such as `job: shop`"),
        );
    }
    let all = [
        ("labels", &settings.labels),
        ("metadata", &settings.metadata),
    ];
    for (section, pairs) in all {
        for (name, text) in pairs {
            let path = format!("loki.{section}.{name}");
            let mut letters = name.chars();
            let first = letters
                .next()
                .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
            if !first || letters.any(|c| !(c.is_ascii_alphanumeric() || c == '_')) {
                problems.push(
                    ConfigError::at(path.clone(), format!("`{name}` is no name of a label"))
                        .expected("letters, digits and `_`, no digit first"),
                );
            }
            if let Err(what) = text.parse::<Template>() {
                problems.push(ConfigError::at(path, what.to_string()));
            }
        }
    }
    problems
}

impl Loki {
    pub(super) fn new(config: &Config) -> Self {
        let settings = config
            .loki
            .as_ref()
            .expect("the settings are checked to have it");
        let templates = |pairs: &BTreeMap<String, String>| {
            let read = |(name, text): (&String, &String)| {
                let template = text.parse().expect("the settings are checked");
                (name.clone(), template)
            };
            pairs.iter().map(read).collect()
        };
        Loki {
            labels: templates(&settings.labels),
            metadata: templates(&settings.metadata),
            line: settings.line,
            json: JsonLine::new().with_source(config.source),
            text: TextLine::new(),
            streams: Vec::new(),
            places: HashMap::new(),
        }
    }

    fn stream(&mut self, record: &Record<'_>) -> Result<Stream, String> {
        let mut labels = Vec::new();
        pairs(&self.labels, record, &mut labels);
        if labels == b"{}" {
            return Err("the record has nothing for any of the labels".into());
        }
        let labels = String::from_utf8(labels).expect("JSON is written as UTF-8");
        if let Some(place) = self.places.get(&labels) {
            return Ok(*place);
        }
        let place = self.streams.len() as Stream;
        self.streams.push(labels.clone());
        self.places.insert(labels, place);
        Ok(place)
    }
}

impl Format for Loki {
    fn content_type(&self) -> &'static str {
        "application/json"
    }

    fn begin(&mut self, _: &mut Vec<u8>) {
        self.streams.clear();
        self.places.clear();
    }

    fn record(&mut self, record: &Record<'_>, out: &mut Vec<u8>) -> Result<Stream, String> {
        let stream = self.stream(record)?;
        out.extend_from_slice(b"[\"");
        out.extend_from_slice(record.time().nanos().max(0).to_string().as_bytes());
        out.extend_from_slice(b"\",");
        let mut line = Vec::new();
        match self.line {
            Line::Json => self.json.line(record, &mut line),
            Line::Text => self.text.line(record, &mut line),
            Line::Message => line = format!("{}\n", record.message()).into_bytes(),
        }
        line.pop();
        quoted(&String::from_utf8_lossy(&line), out);
        if !self.metadata.is_empty() {
            out.push(b',');
            pairs(&self.metadata, record, out);
        }
        out.push(b']');
        Ok(stream)
    }

    fn stream_cost(&self, stream: Stream) -> usize {
        // `{"stream":…,"values":[]},`
        self.streams[stream as usize].len() + 25
    }

    fn body(&self, written: &Written, which: &[u32], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"streams\":[");
        for (at, (stream, records)) in written.by_stream(which).into_iter().enumerate() {
            let open: &[u8] = if at == 0 {
                b"{\"stream\":"
            } else {
                b",{\"stream\":"
            };
            out.extend_from_slice(open);
            out.extend_from_slice(self.streams[stream as usize].as_bytes());
            out.extend_from_slice(b",\"values\":[");
            written.join(&records, b",", out);
            out.extend_from_slice(b"]}");
        }
        out.extend_from_slice(b"]}");
    }
}

/// Appends an object of those texts that the record fills.
fn pairs(templates: &[(String, Template)], record: &Record<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut first = true;
    for (name, template) in templates {
        let mut value = String::new();
        if template.fill(record, &mut value).is_err() {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        quoted(name, out);
        out.push(b':');
        quoted(&value, out);
    }
    out.push(b'}');
}
