//! Elasticsearch's and `OpenSearch`'s `_bulk`: a line that says what to do, and a line with the
//! document.
//!
//! The record's id is the document's, so that a record which is sent again is not stored again: a
//! conflict says that it is there already. The answer says it of each document. `filter_path` keeps
//! the answer to what is read of it.

use std::borrow::Cow;
use std::fmt;

use rolog_core::frame::Record;
use rolog_core::render::JsonLine;
use rolog_plugin::ConfigError;
use rolog_plugin::settings::Template;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Format, Reading, Stream, Trouble, Written, quoted};
use crate::config::Config;

/// Where it takes records.
pub(crate) const PATH: &str = "/_bulk";
/// What is wanted of the answer.
pub(crate) const QUERY: (&str, &str) = (
    "filter_path",
    "errors,items.*.status,items.*.error.type,items.*.error.reason",
);

/// How a line begins.
const TIME: &[u8] = b"{\"time\":";

/// The settings of `format: elasticsearch`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The index or data stream, as a text with holes; none where the URL has it.
    pub index: Option<String>,
    /// What to do with documents.
    pub action: Action,
    /// Whether the service gives out ids of its own, and stores twice what is sent twice.
    pub own_ids: bool,
}

/// What to do with documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Add them; the only action that data streams take.
    #[default]
    Create,
    /// Add or replace them.
    Index,
}

/// Writes bulks.
pub(super) struct Bulk {
    settings: Settings,
    index: Option<Template>,
    renderer: JsonLine,
}

/// What is wrong with the settings.
pub(crate) fn problems(settings: &Settings) -> Vec<ConfigError> {
    let index = settings.index.as_deref().map(str::parse::<Template>);
    match index {
        Some(Err(what)) => vec![ConfigError::at("elasticsearch.index", what.to_string())],
        _ => Vec::new(),
    }
}

impl Bulk {
    pub(super) fn new(config: &Config) -> Self {
        let settings = config.elasticsearch.clone().unwrap_or_default();
        let index = settings.index.as_deref();
        Bulk {
            index: index.map(|text| text.parse().expect("the settings are checked")),
            settings,
            renderer: JsonLine::new().with_source(config.source),
        }
    }
}

impl Format for Bulk {
    fn content_type(&self) -> &'static str {
        "application/x-ndjson"
    }

    fn record(&mut self, record: &Record<'_>, out: &mut Vec<u8>) -> Result<Stream, String> {
        out.extend_from_slice(match self.settings.action {
            Action::Create => b"{\"create\":{",
            Action::Index => b"{\"index\":{",
        });
        if let Some(index) = &self.index {
            let mut name = String::new();
            let filled = index.fill(record, &mut name);
            filled
                .map_err(|name| format!("the record has no `{name}` that the index is named by"))?;
            // Elasticsearch takes no capitals in the name of an index.
            name.make_ascii_lowercase();
            out.extend_from_slice(b"\"_index\":");
            quoted(&name, out);
        }
        if !self.settings.own_ids {
            let comma = if self.index.is_some() { "," } else { "" };
            out.extend_from_slice(comma.as_bytes());
            out.extend_from_slice(b"\"_id\":\"");
            out.extend_from_slice(&record.id().digits());
            out.push(b'"');
        }
        out.extend_from_slice(b"}}\n");
        let start = out.len();
        self.renderer.line(record, out);
        // Data streams go by `@timestamp`, unless the record has one of its own.
        if out[start..].starts_with(TIME) && record.fields().all(|(key, _)| key != "@timestamp") {
            out.splice(start..start + TIME.len(), *b"{\"@timestamp\":");
        }
        Ok(0)
    }

    fn body(&self, written: &Written, which: &[u32], out: &mut Vec<u8>) {
        written.join(which, b"", out);
    }

    fn complete(&self, _: &mut Vec<u8>) -> Option<usize> {
        Some(0)
    }
}

/// What it says of the documents of a request.
struct Answer {
    errors: bool,
    items: Vec<Option<Item>>,
}

/// Reads an [`Answer`] on so many documents. One that speaks of more is not read to its end: it need not
/// fit into memory.
struct AnswerOn(usize);

impl<'de> Visitor<'de> for AnswerOn {
    type Value = Answer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer of `_bulk`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Answer, A::Error> {
        let (mut errors, mut items) = (None, Vec::new());
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            match &*key {
                "errors" => errors = Some(map.next_value()?),
                "items" => items = map.next_value_seed(Items(self.0))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let errors = errors.ok_or_else(|| A::Error::missing_field("errors"))?;
        Ok(Answer { errors, items })
    }
}

struct Items(usize);

impl<'de> DeserializeSeed<'de> for Items {
    type Value = Vec<Option<Item>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items {
    type Value = Vec<Option<Item>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} items", self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Done(item)) = all.next_element()? {
            if items.len() == self.0 {
                return Err(A::Error::invalid_length(self.0 + 1, &self));
            }
            items.push(item);
        }
        Ok(items)
    }
}

/// What became of one document; what was done with it (`index`, `create`) is not kept.
struct Done(Option<Item>);

impl<'de> Deserialize<'de> for Done {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DoneVisitor)
    }
}

struct DoneVisitor;

impl<'de> Visitor<'de> for DoneVisitor {
    type Value = Done;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what became of a document")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Done, A::Error> {
        let first = map.next_entry::<IgnoredAny, Item>()?;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Done(first.map(|(_, item)| item)))
    }
}

#[derive(Deserialize)]
struct Item {
    status: u16,
    error: Option<Error>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Error {
    Told {
        #[serde(rename = "type", default)]
        kind: String,
        reason: Option<String>,
    },
    Text(String),
}

/// Reads what it says of each document.
pub(crate) fn read(answer: &[u8], _json: bool, records: usize) -> Reading {
    let unreadable = Reading {
        unreadable: true,
        ..Reading::default()
    };
    let mut parser = serde_json::Deserializer::from_slice(answer);
    let Ok(answer) = parser.deserialize_map(AnswerOn(records)) else {
        return unreadable;
    };
    if parser.end().is_err() {
        return unreadable;
    }
    if !answer.errors {
        return Reading::default();
    }
    if answer.items.len() != records {
        return unreadable;
    }
    let items = answer.items.into_iter().flatten();
    let troubles = (0u32..).zip(items).filter_map(|(index, item)| {
        // A conflict: a document of this id is there, and it can only be this one.
        let there = (200..300).contains(&item.status) || item.status == 409;
        (!there).then(|| {
            let text = match item.error {
                Some(Error::Told { kind, reason }) => {
                    reason.map_or(kind.clone(), |reason| format!("{kind}: {reason}"))
                }
                Some(Error::Text(text)) => text,
                None => String::new(),
            };
            let status = item.status;
            (index, Trouble { status, text })
        })
    });
    Reading {
        troubles: troubles.collect(),
        ..Reading::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_answer_with_a_failure_is_read_by_position() {
        let answer = br#"{"errors": true, "items": [
            {"create": {"status": 201}},
            {"create": {"status": 400, "error": {"type": "document_parsing_exception",
                "reason": "failed to parse field [age]"}}},
            {"create": {"status": 409, "error": {"type": "version_conflict_engine_exception"}}},
            {"create": {"status": 429, "error": {"type": "es_rejected_execution_exception"}}}
        ]}"#;
        let reading = read(answer, true, 4);
        let told: Vec<_> = reading
            .troubles
            .iter()
            .map(|(index, trouble)| (*index, trouble.status, trouble.text.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (
                    1,
                    400,
                    "document_parsing_exception: failed to parse field [age]"
                ),
                (3, 429, "es_rejected_execution_exception"),
            ]
        );
        assert!(read(answer, true, 3).unreadable);
        assert!(read(b"{", true, 3).unreadable);
        assert!(read(br#"{"errors":false} and more"#, true, 3).unreadable);
        assert_eq!(read(br#"{"errors":false}"#, true, 9), Reading::default());
    }

    #[test]
    fn an_answer_on_more_documents_than_there_were_is_not_read_to_its_end() {
        let many = br#"{"errors": true, "items": [{"":{"status":1}}, {"":{"status":1}}, and so on"#;
        let error = |records| {
            let mut parser = serde_json::Deserializer::from_slice(many);
            let read = parser.deserialize_map(AnswerOn(records));
            read.err()
                .map(|error| error.to_string())
                .unwrap_or_default()
        };
        assert!(error(1).starts_with("invalid length 2, expected 1 items"));
        assert!(error(2).starts_with("expected value"), "{}", error(2));
    }
}
