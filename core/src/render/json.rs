//! The JSON line.

use super::cursor::Cursor;
use super::escape::{escape, quote as string};
use super::keys::Keys;
use super::number::{self, IdWriter, TimeWriter};
use super::put::put;
use super::site::{Dialect, Place, Site, Sites};
use crate::frame::{Origin, OriginKind, Record};
use crate::level::Level;
use crate::template::{Piece, pieces};
use crate::value::{ErrorValue, Timestamp, Value, take, take_pair};

/// Renders records as JSON lines; see [the table](crate::render#the-json-line).
#[derive(Debug)]
pub struct JsonLine {
    dialect: Json,
    sites: Sites,
    time: TimeWriter,
    id: IdWriter,
}

/// What most lines have room in, so that it is mostly made at once.
const ROOM: usize = 512;

impl JsonLine {
    /// A renderer that leaves out where in the source records were logged.
    pub fn new() -> Self {
        JsonLine {
            dialect: Json { source: false },
            sites: Sites::default(),
            time: TimeWriter::new(),
            id: IdWriter::new(),
        }
    }

    /// Whether each line says where it was logged: `module`, `file`, `line` and `thread`.
    #[must_use]
    pub fn with_source(self, source: bool) -> Self {
        JsonLine {
            dialect: Json { source },
            // What is kept may have been rendered otherwise.
            sites: Sites::default(),
            ..self
        }
    }

    /// Appends `record` as one line.
    pub fn line(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let mut to = Cursor::new(out, ROOM);
        to.first(b"{\"time\":\"", 9);
        self.time.write(record.time(), &mut to);
        let mut site = self.sites.of(record, &self.dialect);
        let (whole, out) = if let Some(site) = &mut site {
            site.head(record, &self.dialect, &mut to);
            let start = to.len();
            let whole = site.whole::<Json>(record, &mut to);
            if let Some([]) = whole
                && !self.dialect.source
                && record.is_plain()
            {
                self.id.end(record.id(), &mut to);
                to.finish();
                return;
            }
            let out = to.finish();
            if whole.is_none() {
                out.truncate(start);
            }
            (whole, out)
        } else {
            let out = to.finish();
            self.dialect.head(record.level(), record.logger(), out);
            (None, out)
        };
        let site = site.as_deref();
        let apart = match whole {
            Some([]) => false,
            Some(added) => added_fields(added, record, site, Place::Line, out),
            None => {
                message(record, site, out);
                fields(record, site, Place::Line, out)
            }
        };
        if apart {
            out.extend_from_slice(b",\"fields\":");
            let start = out.len();
            fields(record, site, Place::Apart, out);
            // Each field begins with a comma, and there is at least one.
            out[start] = b'{';
            out.push(b'}');
        }
        if self.dialect.source || !record.is_plain() {
            self.dialect.beside(record, site, out);
        }
        let mut to = Cursor::new(out, ROOM);
        self.id.end(record.id(), &mut to);
        to.finish();
    }
}

impl Default for JsonLine {
    fn default() -> Self {
        JsonLine::new()
    }
}

/// Appends the message and what belongs to it, from behind the quote that begins it.
fn message(record: &Record<'_>, site: Option<&Site>, out: &mut Vec<u8>) {
    match (record.literal(), site) {
        (None, Some(site)) => {
            site.message(true, record, out);
            out.push(b'"');
            out.extend_from_slice(site.behind_message());
        }
        (literal, _) => {
            escape(true, literal.unwrap_or_default(), out);
            out.push(b'"');
        }
    }
    if record.argument(0).is_some() {
        out.extend_from_slice(b",\"args\":");
        list(record.args(), out);
    }
}

/// Appends the fields that belong at this place, each with a comma before it. Says whether there are
/// any that belong apart.
fn fields(record: &Record<'_>, site: Option<&Site>, here: Place, out: &mut Vec<u8>) -> bool {
    let mut rest = record.raw_fields();
    let mut apart = false;
    for (fragment, place) in site.into_iter().flat_map(Site::keys) {
        let Some(content) = take(&mut rest) else {
            return apart;
        };
        if place == here {
            out.push(b',');
            put(fragment, out);
            value(&content, out);
        }
        apart |= place == Place::Apart;
    }
    added_fields(rest, record, site, here, out) || apart
}

/// [`fields`], of those behind the call site's own.
fn added_fields(
    mut rest: &[u8],
    record: &Record<'_>,
    site: Option<&Site>,
    here: Place,
    out: &mut Vec<u8>,
) -> bool {
    let mut apart = false;
    let mut seen = site.map_or_else(Keys::new, Site::seen);
    while let Some((key, content)) = take_pair(&mut rest) {
        if !seen.is_new(key, || record.fields().map(|(key, _)| key)) {
            continue;
        }
        let taken = Json::is_taken(key);
        if taken == (here == Place::Apart) {
            out.push(b',');
            string(key, out);
            out.push(b':');
            value(&content, out);
        }
        apart |= taken;
    }
    apart
}

/// Appends a value.
#[inline(always)]
#[allow(
    clippy::inline_always,
    reason = "where the kind is known, one arm is left"
)]
pub(super) fn value(content: &Value<'_>, out: &mut Vec<u8>) {
    match *content {
        Value::I64(number) => number::integer(number, out),
        Value::U64(number) => number::integer(number, out),
        Value::F64(number) if number.is_finite() => number::float(number, out),
        Value::Str(text) => string(text, out),
        ref content => rarer(content, out),
    }
}

#[inline(never)]
fn rarer(content: &Value<'_>, out: &mut Vec<u8>) {
    match *content {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::I64(_) | Value::U64(_) | Value::Str(_) => value(content, out),
        Value::F64(number) if number.is_nan() => out.extend_from_slice(b"\"NaN\""),
        Value::F64(number) if number > 0.0 => out.extend_from_slice(b"\"Infinity\""),
        Value::F64(_) => out.extend_from_slice(b"\"-Infinity\""),
        Value::I128(number) => {
            let fits = i64::try_from(number).is_ok() || u64::try_from(number).is_ok();
            wide(number, fits, out);
        }
        Value::U128(number) => wide(number, u64::try_from(number).is_ok(), out),
        Value::Bytes(bytes) => {
            out.push(b'"');
            number::base64(bytes, out);
            out.push(b'"');
        }
        Value::Timestamp(time) => timestamp(time, out),
        Value::Duration(span) => number::seconds(span, out),
        Value::List(items) => list(items.iter(), out),
        Value::Map(entries) => object(entries.iter(), |_| false, out),
        Value::Error(ref told) => error(told, out),
        Value::Unknown(tag, payload) => {
            out.extend_from_slice(b"\"unknown:");
            out.extend_from_slice(&number::hex::<1, 2>([tag]));
            out.push(b':');
            number::base64(payload, out);
            out.push(b'"');
        }
    }
}

/// Appends pairs as an object, the first of each key.
pub(super) fn object<'a>(
    entries: impl Iterator<Item = (&'a str, Value<'a>)> + Clone,
    left_out: impl Fn(&str) -> bool,
    out: &mut Vec<u8>,
) {
    let mut seen = Keys::new();
    let start = out.len();
    let all = entries.clone();
    for (key, content) in entries {
        if seen.is_new(key, || all.clone().map(|(key, _)| key)) && !left_out(key) {
            out.push(b',');
            string(key, out);
            out.push(b':');
            value(&content, out);
        }
    }
    enclose(start, [b'{', b'}'], out);
}

/// Appends values as an array.
pub(super) fn list<'a>(items: impl Iterator<Item = Value<'a>>, out: &mut Vec<u8>) {
    let start = out.len();
    for item in items {
        out.push(b',');
        value(&item, out);
    }
    enclose(start, [b'[', b']'], out);
}

/// Encloses what was appended since `start`, whose parts each have a comma before them.
fn enclose(start: usize, [open, close]: [u8; 2], out: &mut Vec<u8>) {
    match out.get_mut(start) {
        Some(comma) => *comma = open,
        None => out.push(open),
    }
    out.push(close);
}

fn wide(number: impl itoa::Integer, fits: bool, out: &mut Vec<u8>) {
    let quote: &[u8] = if fits { b"" } else { b"\"" };
    out.extend_from_slice(quote);
    number::integer(number, out);
    out.extend_from_slice(quote);
}

fn timestamp(time: Timestamp, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(&TimeWriter::new().local_part(time));
    out.extend_from_slice(b"Z\"");
}

fn error(told: &ErrorValue<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":");
    string(told.type_name(), out);
    out.extend_from_slice(b",\"text\":");
    string(told.text(), out);
    out.extend_from_slice(b",\"sources\":");
    list(told.sources().map(Value::Str), out);
    if let Some(backtrace) = told.backtrace() {
        out.extend_from_slice(b",\"backtrace\":");
        string(backtrace, out);
    }
    out.push(b'}');
}

fn origin(origin: Origin<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"origin\":{\"kind\":\"");
    out.extend_from_slice(kind(origin.kind).as_bytes());
    out.push(b'"');
    if let Some(target) = origin.target {
        out.extend_from_slice(b",\"target\":");
        string(target, out);
    }
    if let Some(class) = origin.class {
        out.extend_from_slice(b",\"class\":");
        string(class.name(), out);
    }
    if origin.attempts != 0 {
        out.extend_from_slice(b",\"attempts\":");
        number::integer(origin.attempts, out);
    }
    out.push(b'}');
}

/// The word for who made a record.
pub(super) fn kind(kind: OriginKind) -> &'static str {
    match kind {
        OriginKind::Service => "service",
        OriginKind::Instance => "instance",
        OriginKind::Pipeline => "pipeline",
    }
}

/// The parts of the line that a call site decides.
#[derive(Debug, Clone, Copy)]
struct Json {
    source: bool,
}

impl Json {
    /// Appends what a line has beside message and data, and most lines have not.
    fn beside(self, record: &Record<'_>, site: Option<&Site>, out: &mut Vec<u8>) {
        if let Some(told) = record.error() {
            out.extend_from_slice(b",\"error\":");
            error(&told, out);
        }
        if let Some(observed) = record.observed() {
            out.extend_from_slice(b",\"observed\":");
            timestamp(observed, out);
        }
        if record.origin() != Origin::SERVICE {
            origin(record.origin(), out);
        }
        if record.is_truncated() {
            out.extend_from_slice(b",\"truncated\":true");
        }
        if self.source {
            out.extend_from_slice(site.map_or(b"", Site::source));
            if let Some(thread) = record.thread() {
                out.extend_from_slice(b",\"thread\":");
                string(thread, out);
            }
        }
    }
}

impl Dialect for Json {
    const QUOTED: bool = true;
    const MESSAGE_END: &'static [u8] = b"\"";

    fn is_taken(key: &str) -> bool {
        matches!(
            key,
            "time"
                | "level"
                | "logger"
                | "message"
                | "template"
                | "args"
                | "fields"
                | "error"
                | "observed"
                | "origin"
                | "truncated"
                | "module"
                | "file"
                | "line"
                | "thread"
                | "record_id"
        )
    }

    fn head(&self, level: Level, logger: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Z\",\"level\":\"");
        out.extend_from_slice(level.name().as_bytes());
        out.extend_from_slice(b"\",\"logger\":");
        string(logger, out);
        out.extend_from_slice(b",\"message\":\"");
    }

    fn separator(_: bool) -> &'static [u8] {
        b","
    }

    fn key(&self, key: &str, out: &mut Vec<u8>) {
        string(key, out);
        out.push(b':');
    }

    #[inline]
    fn value(content: &Value<'_>, out: &mut Vec<u8>) {
        value(content, out);
    }

    fn put_word(_: &str, _: &mut Cursor<'_>) -> bool {
        false
    }

    fn behind_message(&self, template: &str, out: &mut Vec<u8>) {
        if pieces(template).any(|piece| matches!(piece, Piece::Hole(_))) {
            out.extend_from_slice(b",\"template\":");
            string(template, out);
        }
    }

    fn source(&self, record: &Record<'_>, out: &mut Vec<u8>) {
        if !self.source {
            return;
        }
        if let (Some(module), Some((file, line))) = (record.module(), record.source()) {
            out.extend_from_slice(b",\"module\":");
            string(module, out);
            out.extend_from_slice(b",\"file\":");
            string(file, out);
            out.extend_from_slice(b",\"line\":");
            number::integer(line, out);
        }
    }
}
