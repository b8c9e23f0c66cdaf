//! Records within a text of the settings, for services that want something around them.

use rolog_core::frame::Record;
use rolog_core::render::{JsonLine, TextLine};
use rolog_plugin::settings::Template;
use serde::Deserialize;

use super::lines::Frame;
use super::{Format, Stream, Written};
use crate::config::Config;

/// The settings of `format: envelope`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The body, with `{records}` once where the records go. Other braces stand for themselves.
    pub body: String,
    /// One record: a text with holes, among them `{json}`, the record as a JSON object. What fills
    /// the others is escaped as within a JSON string.
    #[serde(default = "record")]
    pub record: String,
    /// What stands between two records.
    #[serde(default = "separator")]
    pub separator: String,
    /// What the body is said to be.
    #[serde(default = "content_type")]
    pub content_type: String,
}

fn record() -> String {
    "{json}".into()
}

fn separator() -> String {
    ",".into()
}

fn content_type() -> String {
    "application/json".into()
}

/// Where the records go in the body.
pub(crate) const RECORDS: &str = "{records}";

/// Writes records within a text.
pub(super) struct Envelope {
    content_type: String,
    frame: Frame,
    pieces: Vec<Piece>,
    json: JsonLine,
    text: TextLine,
}

enum Piece {
    Json,
    Text,
    /// Everything else.
    Template(Template),
}

impl Envelope {
    pub(super) fn new(config: &Config) -> Self {
        let settings = config
            .envelope
            .as_ref()
            .expect("the settings are checked to have it");
        let (open, close) = settings
            .body
            .split_once(RECORDS)
            .expect("the settings are checked to say where the records go");
        Envelope {
            content_type: settings.content_type.clone(),
            frame: Frame {
                open: open.into(),
                between: settings.separator.as_bytes().to_vec(),
                close: close.into(),
            },
            pieces: pieces(&settings.record),
            json: JsonLine::new().with_source(config.source),
            text: TextLine::new(),
        }
    }
}

fn pieces(record: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (name, part) in Template::lenient(record).parts() {
        match (name, pieces.last_mut()) {
            (Some("json"), _) => pieces.push(Piece::Json),
            (Some("text"), _) => pieces.push(Piece::Text),
            (_, Some(Piece::Template(last))) => last.append(part),
            _ => pieces.push(Piece::Template(part)),
        }
    }
    pieces
}

impl Format for Envelope {
    fn content_type(&self) -> &str {
        &self.content_type
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.frame.open);
    }

    fn record(&mut self, record: &Record<'_>, out: &mut Vec<u8>) -> Result<Stream, String> {
        for piece in &self.pieces {
            match piece {
                Piece::Json => {
                    self.json.line(record, out);
                    out.pop();
                }
                Piece::Text => {
                    let mut line = Vec::new();
                    self.text.line(record, &mut line);
                    line.pop();
                    out.extend_from_slice(escaped(&String::from_utf8_lossy(&line)).as_bytes());
                }
                Piece::Template(template) => {
                    let mut text = String::new();
                    template
                        .fill_by(record, &mut text, |value, out| {
                            out.push_str(&escaped(value));
                            true
                        })
                        .map_err(|name| format!("the record has no `{name}`"))?;
                    out.extend_from_slice(text.as_bytes());
                }
            }
        }
        out.extend_from_slice(&self.frame.between);
        Ok(0)
    }

    fn body(&self, written: &Written, which: &[u32], out: &mut Vec<u8>) {
        self.frame.body(written, which, out);
    }

    fn complete(&self, written: &mut Vec<u8>) -> Option<usize> {
        self.frame.end(written);
        Some(0)
    }
}

/// A text as it stands within a JSON string.
pub(super) fn escaped(text: &str) -> String {
    let quoted = serde_json::to_string(text).expect("any text is a JSON string");
    quoted[1..quoted.len() - 1].to_owned()
}
