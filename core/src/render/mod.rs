//! Records as lines: JSON and logfmt for programs, text for people.
//!
//! A renderer appends one record to a buffer as exactly one line, its line feed included, whatever
//! the record contains: nothing in it can break the line, end a JSON string, or reach a terminal as
//! a control character. It never fails and never panics, and once it has seen a call site it
//! allocates nothing but the buffer's growth. What does not change between the records of a call
//! site (its keys, its template, its place in the source) is rendered once and kept, for the 4,096
//! call sites seen last.
//!
//! # The JSON line
//!
//! One object. Its parts, in this order; those marked with ? stand there only when the record has
//! them:
//!
//! | name | value |
//! |---|---|
//! | `time` | when it was logged: RFC 3339, UTC, nanoseconds: `"2026-11-22T11:15:00.123456789Z"` |
//! | `level` | `"trace"`, `"debug"`, `"info"`, `"warning"`, `"error"` or `"critical"` |
//! | `logger` | the logger's name |
//! | `message` | the message, its holes filled |
//! | `template` ? | the message's template, where that has holes |
//! | `args` ? | the positional arguments, as an array |
//! | *each key* ? | the record's data, under its own keys |
//! | `fields` ? | an object of those data whose keys are names of this table |
//! | `error` ? | `{"type": …, "text": …, "sources": […], "backtrace": …}`, the last only if captured |
//! | `observed` ? | when it was read, for a record that comes from elsewhere |
//! | `origin` ? | `{"kind": "service", "instance" or "pipeline", "target": …, "class": …, "attempts": …}` for a record that the service did not make, or that a target gave up |
//! | `truncated` ? | `true` for a record that was cut to the bound on its size |
//! | `module`, `file`, `line`, `thread` ? | where it was logged, for a renderer that is [asked](JsonLine::with_source) for it |
//! | `record_id` | the record's id, `epoch-sequence` |
//!
//! A key that is a name of this table stands under `fields` always, whether or not this record has
//! that part, so that each name means one thing in every line. Of a key that comes twice, in the
//! record or in a map within it, the first value is written: a call's own data come before those of
//! its context.
//!
//! Values:
//!
//! | value | JSON |
//! |---|---|
//! | null, true, false, text, lists, maps | themselves |
//! | `i64`, `u64` | a number |
//! | `i128`, `u128` | a number if an `i64` or `u64` could hold it, else a string of digits |
//! | `f64` | a number, the shortest that reads back the same; `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | bytes | a string, Base64 with padding |
//! | timestamp | a string, RFC 3339, UTC, nanoseconds |
//! | duration | a number, seconds, exact to the nanosecond |
//! | error | an object, as `error` above |
//! | a kind that this version does not know | a string, `unknown:` tag `:` payload, in hexadecimal and Base64 |
//!
//! [`ShapedJson`] writes JSON lines that others expect: with names of one's own, of the Elastic Common
//! Schema, or as OpenTelemetry's `LogsData`, whose records [`otlp`] writes for those who send them, too.
//! [`LogfmtLine`] writes the parts of this table as pairs.
//!
//! # The text line
//!
//! `time level logger  message  key=value …`, with levels as five letters. Values are bare where
//! that is unambiguous, else between quotes with JSON's escapes; lists and maps are JSON.
//!
//! ```text
//! 2026-11-22T11:15:00.123456789Z  INFO shop.db  order 42 accepted  id=42 total=19.99 by="Ada L."
//! ```

mod cursor;
mod escape;
mod flow;
mod json;
mod kept;
mod keys;
mod logfmt;
mod message;
mod number;
pub mod otlp;
mod pattern;
mod put;
mod shape;
mod site;
#[cfg(test)]
mod tests;
mod text;
mod time;

pub use json::JsonLine;
pub use logfmt::LogfmtLine;
pub use otlp::{OtlpJson, OtlpProto};
pub use pattern::PatternLine;
pub use shape::{Names, Shape, ShapedJson};
pub use text::TextLine;
pub use time::{TimeFormat, Zone};

use serde::Deserialize;

use crate::frame::Record;
use crate::value::Value;

/// The lines that a target can be asked for, by the name that its configuration uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A JSON object on a line.
    #[default]
    Json,
    /// A line of text for people.
    Text,
}

/// Appends a value as JSON, by the [table](crate::render#the-json-line) of values.
pub fn json_value(value: &Value<'_>, out: &mut Vec<u8>) {
    json::value(value, out);
}

/// Appends a record's data as one JSON object: each key once, but for those that are left out.
pub fn json_fields(record: &Record<'_>, left_out: impl Fn(&str) -> bool, out: &mut Vec<u8>) {
    json::object(record.fields(), left_out, out);
}

/// Renders records as lines of a format that is chosen at run time.
///
/// ```
/// use rolog_core::frame::Batch;
/// use rolog_core::render::{Format, Renderer};
///
/// fn lines(batch: &Batch<'_>) -> Vec<u8> {
///     let mut renderer = Renderer::new(Format::Json);
///     let mut out = Vec::new();
///     for record in batch.records() {
///         renderer.line(&record, &mut out);
///     }
///     out
/// }
/// ```
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "one per target, and its size is that of either renderer"
)]
pub enum Renderer {
    /// Writes JSON lines.
    Json(JsonLine),
    /// Writes text lines.
    Text(TextLine),
    /// Writes logfmt.
    Logfmt(LogfmtLine),
    /// Writes text lines by a pattern.
    Pattern(PatternLine),
    /// Writes JSON lines of a chosen shape.
    Shaped(ShapedJson),
}

impl Renderer {
    /// A renderer of this format, without the place in the source and without colours.
    pub fn new(format: Format) -> Self {
        match format {
            Format::Json => Renderer::Json(JsonLine::new()),
            Format::Text => Renderer::Text(TextLine::new()),
        }
    }

    /// Appends `record` as one line.
    #[inline]
    pub fn line(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        match self {
            Renderer::Json(json) => json.line(record, out),
            Renderer::Text(text) => text.line(record, out),
            Renderer::Logfmt(logfmt) => logfmt.line(record, out),
            Renderer::Pattern(pattern) => pattern.line(record, out),
            Renderer::Shaped(shaped) => shaped.line(record, out),
        }
    }
}
