//! The logfmt line: `time=… level=info logger=shop message="…" key=value`.

use std::borrow::Cow;

use super::Zone;
use super::escape::escape;
use super::json;
use super::keys::{Keys, Taken};
use super::message::{filled, message};
use super::number;
use super::time::{TimeFormat, Times};
use crate::frame::{Origin, OriginKind, Record};
use crate::value::{ErrorValue, Value};

/// Renders records as logfmt: pairs of key and value, with a space between them.
///
/// The parts of a record have the names that they have in [the JSON line](crate::render#the-json-line),
/// and come in the same order. A value stands between quotes, with JSON's escapes, where it would not
/// be clear otherwise. Maps become keys with dots in them, lists are JSON between quotes. What a key
/// cannot hold (spaces, `=`, quotes, control characters) becomes `_`.
///
/// No key stands there twice. One that comes out as the name of a part, or as one of `fields.`, has
/// another `fields.` before it, and so has what comes out as a name that the line has already, that of
/// the record's own error and origin included; where that is taken too, the first one stays.
#[derive(Debug)]
pub struct LogfmtLine {
    times: Times,
    /// The key of a value within maps.
    key: String,
    taken: Taken,
    scratch: Vec<u8>,
}

/// How deep maps become keys; what lies deeper is JSON.
const DEPTH: usize = 8;

/// What stands before a name that is the line's own.
const MOVED: &str = "fields.";

/// The names with a dot of a record's error, and of its origin.
const ERROR: &[&str] = &["error.type", "error.sources", "error.backtrace"];
const ORIGIN: &[&str] = &[
    "origin.kind",
    "origin.target",
    "origin.class",
    "origin.attempts",
];

impl LogfmtLine {
    /// A renderer with times in RFC 3339 and UTC.
    pub fn new() -> Self {
        Self::with_times(TimeFormat::default(), Zone::UTC)
    }

    /// A renderer with times in this form, by this zone's clock.
    pub fn with_times(format: TimeFormat, zone: Zone) -> Self {
        LogfmtLine {
            times: Times::new(format, zone),
            key: String::new(),
            taken: Taken::default(),
            scratch: Vec::new(),
        }
    }

    /// Appends `record` as one line.
    pub fn line(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"time=");
        self.scratch.clear();
        self.times.bare(false, record.time(), &mut self.scratch);
        word(&String::from_utf8_lossy(&self.scratch), out);
        out.extend_from_slice(b" level=");
        out.extend_from_slice(record.level().name().as_bytes());
        pair("logger", record.logger(), out);
        out.extend_from_slice(b" message=");
        self.scratch.clear();
        if let Some(text) = record.literal() {
            word(text, out);
        } else {
            message(true, record, &mut self.scratch);
            enclosed(&self.scratch, out);
        }
        if let Some(template) = super::shape::open_template(record) {
            pair("template", template, out);
        }
        if record.argument(0).is_some() {
            out.extend_from_slice(b" args=");
            self.scratch.clear();
            json::list(record.args(), &mut self.scratch);
            quoted(&self.scratch, out);
        }
        self.fields(record, out);
        if let Some(told) = record.error() {
            pair("error", told.text(), out);
            details("error", &told, out, |name| Some(name.into()));
        }
        self.rest(record, out);
        out.extend_from_slice(b" record_id=");
        out.extend_from_slice(record.id().to_string().as_bytes());
        out.push(b'\n');
    }

    fn fields(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        self.taken.clear();
        if record.error().is_some() {
            self.taken.take_all(ERROR);
        }
        if record.origin() != Origin::SERVICE {
            self.taken.take_all(ORIGIN);
        }
        let mut seen = Keys::new();
        for (key, value) in record.fields() {
            if seen.is_new(key, || record.fields().map(|(key, _)| key)) {
                self.key.clear();
                plain_key(key, &mut self.key);
                if super::shape::is_part(&self.key) || self.key.starts_with(MOVED) {
                    self.key.insert_str(0, MOVED);
                }
                self.value(&value, 0, out);
            }
        }
    }

    fn rest(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        if let Some(observed) = record.observed() {
            out.extend_from_slice(b" observed=");
            self.scratch.clear();
            self.times.bare(false, observed, &mut self.scratch);
            word(&String::from_utf8_lossy(&self.scratch), out);
        }
        let origin = record.origin();
        if origin != Origin::SERVICE {
            if origin.kind != OriginKind::Service {
                pair("origin.kind", json::kind(origin.kind), out);
            }
            if let Some(target) = origin.target {
                pair("origin.target", target, out);
            }
            if let Some(class) = origin.class {
                pair("origin.class", class.name(), out);
            }
            if origin.attempts != 0 {
                out.extend_from_slice(b" origin.attempts=");
                number::integer(origin.attempts, out);
            }
        }
        if record.is_truncated() {
            out.extend_from_slice(b" truncated=true");
        }
    }

    /// Appends the pairs of a value whose key is known.
    fn value(&mut self, value: &Value<'_>, depth: usize, out: &mut Vec<u8>) {
        match value {
            Value::Map(entries) if depth < DEPTH && entries.iter().next().is_some() => {
                let length = self.key.len();
                let mut seen = Keys::new();
                for (key, value) in entries.iter() {
                    if seen.is_new(key, || entries.iter().map(|(key, _)| key)) {
                        self.key.push('.');
                        plain_key(key, &mut self.key);
                        self.value(&value, depth + 1, out);
                        self.key.truncate(length);
                    }
                }
            }
            Value::Error(told) => {
                if let Some(name) = free(&mut self.taken, &self.key) {
                    pair(&name, told.text(), out);
                    details(&name, told, out, |part| free(&mut self.taken, part));
                }
            }
            value => {
                let Some(name) = free(&mut self.taken, &self.key) else {
                    return;
                };
                begin(&name, out);
                self.scratch.clear();
                match value {
                    Value::Str(text) => word(text, out),
                    Value::List(_) | Value::Map(_) => {
                        json::value(value, &mut self.scratch);
                        quoted(&self.scratch, out);
                    }
                    scalar => {
                        filled(false, scalar, &mut self.scratch);
                        word(&String::from_utf8_lossy(&self.scratch), out);
                    }
                }
            }
        }
    }
}

impl Default for LogfmtLine {
    fn default() -> Self {
        LogfmtLine::new()
    }
}

fn begin(key: &str, out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(key.as_bytes());
    out.push(b'=');
}

fn pair(key: &str, value: &str, out: &mut Vec<u8>) {
    begin(key, out);
    word(value, out);
}

/// The name for a value of the data that comes by this one; `None` where there is none left.
#[inline]
fn free<'k>(taken: &mut Taken, name: &'k str) -> Option<Cow<'k, str>> {
    if taken.take(name) {
        return Some(name.into());
    }
    let moved = format!("{MOVED}{name}");
    taken.take(&moved).then(|| moved.into())
}

/// Appends what there is of an error beside its text, under names that `free` gives.
fn details(
    key: &str,
    told: &ErrorValue<'_>,
    out: &mut Vec<u8>,
    mut free: impl for<'k> FnMut(&'k str) -> Option<Cow<'k, str>>,
) {
    if let Some(name) = free(&format!("{key}.type")) {
        pair(&name, told.type_name(), out);
    }
    if told.sources().next().is_some()
        && let Some(name) = free(&format!("{key}.sources"))
    {
        let mut sources = Vec::new();
        json::list(told.sources().map(Value::Str), &mut sources);
        begin(&name, out);
        quoted(&sources, out);
    }
    if let Some(backtrace) = told.backtrace()
        && let Some(name) = free(&format!("{key}.backtrace"))
    {
        pair(&name, backtrace, out);
    }
}

/// Appends a text that can be told from what stands around it.
fn word(text: &str, out: &mut Vec<u8>) {
    let clear = |byte: u8| !matches!(byte, b' ' | b'"' | b'=' | b'\\' | 0x7f | ..0x20);
    let start = out.len();
    if !text.is_empty() && text.bytes().all(clear) {
        escape(false, text, out);
        // What was escaped has a backslash, which only quotes tell from one that is meant.
        if out[start..].contains(&b'\\') {
            out.truncate(start);
        } else {
            return;
        }
    }
    out.push(b'"');
    escape(true, text, out);
    out.push(b'"');
}

/// Appends JSON between quotes.
fn quoted(json: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    escape(true, &String::from_utf8_lossy(json), out);
    out.push(b'"');
}

/// Appends a text whose escapes stand already as they do between quotes.
fn enclosed(escaped: &[u8], out: &mut Vec<u8>) {
    let clear = |byte: &u8| !matches!(byte, b' ' | b'"' | b'=' | b'\\' | ..0x20);
    if !escaped.is_empty() && escaped.iter().all(clear) {
        out.extend_from_slice(escaped);
    } else {
        out.push(b'"');
        out.extend_from_slice(escaped);
        out.push(b'"');
    }
}

fn plain_key(key: &str, out: &mut String) {
    let clear = |c: char| {
        !(c.is_control()
            || c.is_whitespace()
            || matches!(c, '"' | '=' | '\\' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
    };
    if key.is_empty() {
        out.push('_');
    }
    out.extend(key.chars().map(|c| if clear(c) { c } else { '_' }));
}
