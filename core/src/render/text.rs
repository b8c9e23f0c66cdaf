//! The text line.

use super::cursor::Cursor;
use super::escape::{escape, put_word};
use super::json;
use super::keys::Keys;
use super::message::filled;
use super::number::{self, TimeWriter};
use super::put::put;
use super::site::{Dialect, Place, Site, Sites};
use crate::frame::{Origin, OriginKind, Record};
use crate::level::Level;
use crate::value::{ErrorValue, Value, take, take_pair};

/// Renders records as lines of text for people; see [the form](crate::render#the-text-line).
#[derive(Debug)]
pub struct TextLine {
    dialect: Text,
    sites: Sites,
    time: TimeWriter,
}

/// What most lines have room in, so that it is mostly made at once.
const ROOM: usize = 256;

impl TextLine {
    /// A renderer without colours.
    pub fn new() -> Self {
        TextLine {
            dialect: Text { style: &PLAIN },
            sites: Sites::default(),
            time: TimeWriter::new(),
        }
    }

    /// Whether the line has colours, as ANSI escape sequences. What a record contains is escaped
    /// either way.
    #[must_use]
    pub fn with_colors(self, colors: bool) -> Self {
        let style = if colors { &COLORED } else { &PLAIN };
        TextLine {
            dialect: Text { style },
            // What is kept may have been rendered otherwise.
            sites: Sites::default(),
            ..self
        }
    }

    /// Appends `record` as one line.
    pub fn line(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let style = self.dialect.style;
        let mut to = Cursor::new(out, ROOM);
        to.put(style.dim);
        self.time.write(record.time(), &mut to);
        let mut site = self.sites.of(record, &self.dialect);
        let (whole, out) = if let Some(site) = &mut site {
            site.head(record, &self.dialect, &mut to);
            let start = to.len();
            let whole = site.whole::<Text>(record, &mut to);
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
        let any = whole.is_some() && site.is_some_and(|site| site.keys().next().is_some());
        let mut pairs = Pairs { style, any, out };
        match whole {
            Some([]) => {}
            Some(added) => added_fields(added, record, site, &mut pairs),
            None => {
                match (record.literal(), site) {
                    (None, Some(site)) => site.message(false, record, pairs.out),
                    (literal, _) => escape(false, literal.unwrap_or_default(), pairs.out),
                }
                if record.argument(0).is_some() {
                    json::list(record.args(), pairs.next("args"));
                }
                fields(record, site, &mut pairs);
            }
        }
        if !record.is_plain() {
            beside(record, &mut pairs);
        }
        out.push(b'\n');
    }
}

impl Default for TextLine {
    fn default() -> Self {
        TextLine::new()
    }
}

fn level(level: Level) -> &'static [u8] {
    match level {
        Level::Trace => b"TRACE",
        Level::Debug => b"DEBUG",
        Level::Information => b" INFO",
        Level::Warning => b" WARN",
        Level::Error => b"ERROR",
        Level::Critical => b" CRIT",
    }
}

/// The escape sequences of a line; none where it is plain.
#[derive(Debug)]
struct Style {
    dim: &'static [u8],
    logger: &'static [u8],
    plain: &'static [u8],
    /// By [`Level::index`].
    levels: [&'static [u8]; 6],
}

static PLAIN: Style = Style {
    dim: b"",
    logger: b"",
    plain: b"",
    levels: [b""; 6],
};

static COLORED: Style = Style {
    dim: b"\x1b[2m",
    logger: b"\x1b[36m",
    plain: b"\x1b[0m",
    levels: [
        b"\x1b[35m",
        b"\x1b[34m",
        b"\x1b[32m",
        b"\x1b[33m",
        b"\x1b[31m",
        b"\x1b[1;37;41m",
    ],
};

/// The part of the line behind the message.
struct Pairs<'o> {
    style: &'static Style,
    any: bool,
    out: &'o mut Vec<u8>,
}

impl Pairs<'_> {
    /// Begins the next pair with a key that needs no escaping; its value goes into what it returns.
    fn next(&mut self, key: &str) -> &mut Vec<u8> {
        self.separate();
        Text { style: self.style }.key(key, self.out);
        self.out
    }

    fn separate(&mut self) {
        put(Text::separator(!self.any), self.out);
        self.any = true;
    }
}

fn fields(record: &Record<'_>, site: Option<&Site>, pairs: &mut Pairs<'_>) {
    let mut rest = record.raw_fields();
    for (fragment, place) in site.into_iter().flat_map(Site::keys) {
        let Some(content) = take(&mut rest) else {
            return;
        };
        if place != Place::Nowhere {
            pairs.separate();
            put(fragment, pairs.out);
            value(&content, pairs.out);
        }
    }
    added_fields(rest, record, site, pairs);
}

/// [`fields`], of those behind the call site's own.
fn added_fields(mut rest: &[u8], record: &Record<'_>, site: Option<&Site>, pairs: &mut Pairs<'_>) {
    let mut seen = site.map_or_else(Keys::new, Site::seen);
    while let Some((key, content)) = take_pair(&mut rest) {
        if seen.is_new(key, || record.fields().map(|(key, _)| key)) {
            value(&content, pairs.next(key));
        }
    }
}

/// Appends what a line has beside message and data, and most lines have not.
fn beside(record: &Record<'_>, pairs: &mut Pairs<'_>) {
    if let Some(told) = record.error() {
        error(&told, pairs);
    }
    if record.origin() != Origin::SERVICE {
        origin(record.origin(), pairs);
    }
    if record.is_truncated() {
        pairs.next("truncated").extend_from_slice(b"true");
    }
}

#[inline]
fn value(content: &Value<'_>, out: &mut Vec<u8>) {
    match content {
        Value::Str(text) => word(text, out),
        Value::List(_) | Value::Map(_) => json::value(content, out),
        Value::Error(told) => word_of(out, |out| filled(true, &Value::Error(*told), out)),
        scalar => filled(false, scalar, out),
    }
}

/// Appends a text that can be told from what stands around it.
fn word(text: &str, out: &mut Vec<u8>) {
    let clear = |byte: u8| !matches!(byte, b' ' | b'"' | b'=' | b'\\' | ..0x20);
    if !text.is_empty() && text.bytes().all(clear) {
        escape(false, text, out);
    } else {
        word_of(out, |out| escape(true, text, out));
    }
}

fn word_of(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    fill(out);
    out.push(b'"');
}

fn error(told: &ErrorValue<'_>, pairs: &mut Pairs<'_>) {
    word(told.text(), pairs.next("error"));
    word(told.type_name(), pairs.next("error.type"));
    for source in told.sources() {
        word(source, pairs.next("error.source"));
    }
    if let Some(backtrace) = told.backtrace() {
        word(backtrace, pairs.next("error.backtrace"));
    }
}

fn origin(origin: Origin<'_>, pairs: &mut Pairs<'_>) {
    if origin.kind != OriginKind::Service {
        let kind = json::kind(origin.kind);
        pairs.next("origin").extend_from_slice(kind.as_bytes());
    }
    if let Some(target) = origin.target {
        word(target, pairs.next("origin.target"));
    }
    if let Some(class) = origin.class {
        word(class.name(), pairs.next("origin.class"));
    }
    if origin.attempts != 0 {
        number::integer(origin.attempts, pairs.next("origin.attempts"));
    }
}

/// The parts of the line that a call site decides.
#[derive(Debug, Clone, Copy)]
struct Text {
    style: &'static Style,
}

impl Dialect for Text {
    const QUOTED: bool = false;
    const MESSAGE_END: &'static [u8] = b"";

    fn is_taken(_: &str) -> bool {
        false
    }

    fn head(&self, record_level: Level, logger: &str, out: &mut Vec<u8>) {
        let style = self.style;
        out.push(b'Z');
        out.extend_from_slice(style.plain);
        out.push(b' ');
        out.extend_from_slice(style.levels[record_level.index()]);
        out.extend_from_slice(level(record_level));
        out.extend_from_slice(style.plain);
        out.push(b' ');
        out.extend_from_slice(style.logger);
        escape(false, logger, out);
        out.extend_from_slice(style.plain);
        out.extend_from_slice(b"  ");
    }

    fn separator(first: bool) -> &'static [u8] {
        if first { b"  " } else { b" " }
    }

    fn key(&self, key: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(self.style.dim);
        word(key, out);
        out.extend_from_slice(b"=");
        out.extend_from_slice(self.style.plain);
    }

    #[inline]
    fn value(content: &Value<'_>, out: &mut Vec<u8>) {
        value(content, out);
    }

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the cursor is to stay in registers")]
    fn put_word(text: &str, to: &mut Cursor<'_>) -> bool {
        !text.is_empty() && put_word(text, to)
    }

    fn behind_message(&self, _: &str, _: &mut Vec<u8>) {}

    fn source(&self, _: &Record<'_>, _: &mut Vec<u8>) {}
}
