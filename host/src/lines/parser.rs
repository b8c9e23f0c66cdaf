//! One line to the parts of a record.

use std::sync::Arc;

use rolog_core::Level;
use rolog_core::frame::flags;
use rolog_core::value::{Encoder, Timestamp};

use super::counts::{LineCounts, Oddity, Tally};
use super::found::Found;
use super::head::Head;
use super::json::{self, Refusal};
use super::options::{Format, Options};
use super::splitter::RawLine;
use super::syslog::{self, Care};
use super::{logfmt, text};

/// What a line was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An object of JSON.
    Json,
    /// Pairs of logfmt.
    Logfmt,
    /// A message of syslog.
    Syslog,
    /// Anything else; the message is the line.
    Text,
}

/// The parts of a record that a line held.
#[derive(Clone, Copy, Debug)]
pub struct ParsedLine<'a> {
    /// When it happened, where the line says so with certainty.
    pub time: Option<Timestamp>,
    /// How severe it is, where the line says so in a way that is known.
    pub level: Option<Level>,
    /// The logger's name, never empty.
    pub logger: Option<&'a str>,
    /// The message; empty where an object has none.
    pub message: &'a str,
    /// All other keys with their values, encoded as a frame's dynamic fields are.
    pub fields: &'a [u8],
    /// How the line was read.
    pub kind: Kind,
    /// Whether the line was longer than the limit, so that its end is missing.
    pub truncated: bool,
}

impl ParsedLine<'_> {
    /// Appends the payload of a frame, with `logger` where the line names none; returns its flags.
    pub fn encode(&self, logger: &str, payload: &mut Vec<u8>) -> u16 {
        let mut sections = Encoder::new(payload);
        // A text section is written as a key is: its length and its bytes.
        sections
            .key(self.logger.unwrap_or(logger))
            .key(self.message);
        payload.extend_from_slice(self.fields);
        let truncated = if self.truncated { flags::TRUNCATED } else { 0 };
        flags::LOGGER | flags::MESSAGE | truncated
    }
}

/// Reads lines, one after the other, and counts what they were.
///
/// ```
/// use rolog_core::Level;
/// use rolog_host::lines::{Parser, RawLine};
///
/// let mut parser = Parser::new(256 * 1024);
/// let line = RawLine {
///     bytes: br#"{"level":"warn","logger":"shop.db","msg":"slow","ms":812}"#,
///     truncated: false,
///     number: 1,
/// };
/// let record = parser.parse(line).unwrap();
/// assert_eq!(record.level, Some(Level::Warning));
/// assert_eq!(record.logger, Some("shop.db"));
/// assert_eq!(record.message, "slow");
/// ```
#[derive(Debug)]
pub struct Parser {
    limit: usize,
    options: Arc<Options>,
    tally: Tally,
    repaired: String,
    fields: Vec<u8>,
    logger: String,
    message: String,
}

impl Parser {
    /// A line's message and fields take `limit` bytes together at most, like the lines of a
    /// [`Splitter`](super::Splitter) with the same limit. Everything is found out from the lines.
    pub fn new(limit: usize) -> Self {
        Parser::with(limit, Arc::default())
    }

    /// The same, for lines that are read as these options say.
    pub fn with(limit: usize, options: Arc<Options>) -> Self {
        Parser {
            limit,
            options,
            tally: Tally::default(),
            repaired: String::new(),
            fields: Vec::new(),
            logger: String::new(),
            message: String::new(),
        }
    }

    /// What the lines were so far.
    pub fn counts(&self) -> LineCounts {
        self.tally.counts
    }

    /// The number of the first line that had this about it.
    pub fn first(&self, oddity: Oddity) -> Option<u64> {
        self.tally.first(oddity)
    }

    pub(super) fn tally_mut(&mut self) -> &mut Tally {
        &mut self.tally
    }

    /// The parts of a record; `None` for a line of nothing but blanks. Lines are not joined here,
    /// but in a [`LineReader`](super::LineReader).
    pub fn parse<'a>(&'a mut self, line: RawLine<'a>) -> Option<ParsedLine<'a>> {
        let Parser {
            limit,
            options,
            tally,
            repaired,
            fields,
            logger,
            message,
        } = self;
        let bytes = if line.truncated {
            text::whole_characters(line.bytes)
        } else {
            line.bytes
        };
        let valid = text::valid(bytes, repaired, *limit);
        let truncated = line.truncated || valid.cut;
        if truncated {
            tally.note(Oddity::Truncated, line.number);
        }
        if valid.replaced {
            tally.note(Oddity::NotUtf8, line.number);
        }
        let text = valid
            .content
            .strip_prefix('\u{feff}')
            .unwrap_or(valid.content);
        let Some(first) = text.bytes().find(|byte| !byte.is_ascii_whitespace()) else {
            tally.counts.empty += 1;
            return None;
        };
        fields.clear();
        let reading = Reading {
            line: text,
            number: line.number,
            truncated,
            limit: *limit,
            options,
            tally,
            fields,
        };
        let plain = reading.plain();
        Some(match (options.format, first) {
            (Format::Json | Format::Auto, b'{') => reading.json(plain, logger, message),
            (Format::Text, _) => reading.text(plain),
            (Format::Logfmt, _) => reading.logfmt(plain, logger, message),
            (Format::Syslog, _) => reading.syslog(plain, Care::Told),
            (Format::Auto, _) if logfmt::looks_like(text, options) => {
                reading.logfmt(plain, logger, message)
            }
            (Format::Auto, _) => reading.syslog(plain, Care::Guessed),
            (Format::Json, _) => reading.unlike(plain),
        })
    }
}

/// One line on its way to a record.
struct Reading<'a, 'p> {
    line: &'a str,
    number: u64,
    truncated: bool,
    limit: usize,
    options: &'p Options,
    tally: &'p mut Tally,
    fields: &'a mut Vec<u8>,
}

impl<'a> Reading<'a, '_> {
    /// The line as a record that says nothing of itself.
    fn plain(&self) -> ParsedLine<'a> {
        ParsedLine {
            time: None,
            level: None,
            logger: None,
            message: self.line,
            fields: &[],
            kind: Kind::Text,
            truncated: self.truncated,
        }
    }

    fn note(&mut self, oddity: Oddity) {
        self.tally.note(oddity, self.number);
    }

    fn json(
        mut self,
        mut record: ParsedLine<'a>,
        logger: &'a mut String,
        message: &'a mut String,
    ) -> ParsedLine<'a> {
        let mut found = Found::default();
        let read = json::read(self.line, self.options, self.fields, &mut found);
        if read.is_ok() || self.truncated {
            record.time = found.nanos().map(Timestamp::from_nanos);
            record.level = found.level();
            record.logger = found.logger(self.fields, logger);
        }
        match read {
            Ok(()) => self.found(record, &found, message, Kind::Json),
            Err(refusal) => {
                self.tally.counts.text += 1;
                match refusal {
                    Refusal::TooDeep => self.note(Oddity::TooDeep),
                    Refusal::NotAnObject if !self.truncated => self.note(Oddity::BrokenJson),
                    Refusal::NotAnObject => {}
                }
                record
            }
        }
    }

    fn logfmt(
        self,
        mut record: ParsedLine<'a>,
        logger: &'a mut String,
        message: &'a mut String,
    ) -> ParsedLine<'a> {
        let mut found = Found::default();
        let line = self.line;
        if logfmt::read(line, self.options, self.fields, &mut found).is_none() {
            return self.unlike(record);
        }
        record.time = found.nanos().map(Timestamp::from_nanos);
        record.level = found.level();
        record.logger = found.logger(self.fields, logger);
        self.found(record, &found, message, Kind::Logfmt)
    }

    /// A line of pairs whose time, level and logger are in the record already.
    fn found(
        mut self,
        mut record: ParsedLine<'a>,
        found: &Found<'a>,
        message: &'a mut String,
        kind: Kind,
    ) -> ParsedLine<'a> {
        if found.is_time_unread() {
            self.note(Oddity::TimeUnread);
        }
        if found.is_level_unread() {
            self.note(Oddity::LevelUnread);
        }
        if found.is_not_utf8() {
            self.note(Oddity::NotUtf8);
        }
        let text = found.message(self.fields, message);
        found.cut_from(self.fields);
        self.fitting(record_with(&mut record, text), kind)
    }

    fn syslog(mut self, mut record: ParsedLine<'a>, care: Care) -> ParsedLine<'a> {
        let Some(message) = syslog::read(self.line, care, self.options, self.fields) else {
            if is_priority(self.line) {
                self.note(Oddity::BrokenSyslog);
                self.tally.counts.text += 1;
                return record;
            }
            return match care {
                Care::Told => self.unlike(record),
                Care::Guessed => self.text(record),
            };
        };
        if message.time_refused {
            self.note(Oddity::TimeUnread);
        }
        record.time = message.time.map(Timestamp::from_nanos);
        record.level = message.level;
        record.logger = message.logger;
        self.fitting(record_with(&mut record, message.text), Kind::Syslog)
    }

    /// The record with its fields, unless they take too much; then the line as it is.
    fn fitting(mut self, mut record: ParsedLine<'a>, kind: Kind) -> ParsedLine<'a> {
        if self.fields.len() + record.message.len() > self.limit {
            self.note(Oddity::TooLarge);
            self.tally.counts.text += 1;
            record.message = self.line;
            return record;
        }
        let counts = &mut self.tally.counts;
        match kind {
            Kind::Json => counts.json += 1,
            Kind::Logfmt => counts.logfmt += 1,
            Kind::Syslog => counts.syslog += 1,
            Kind::Text => counts.text += 1,
        }
        record.kind = kind;
        record.fields = self.fields;
        record
    }

    /// Not what was asked for.
    fn unlike(mut self, record: ParsedLine<'a>) -> ParsedLine<'a> {
        self.note(Oddity::OtherFormat);
        self.text(record)
    }

    fn text(mut self, mut record: ParsedLine<'a>) -> ParsedLine<'a> {
        let head = Head::of(self.line, self.options);
        if head.time_refused {
            self.note(Oddity::TimeUnread);
        }
        record.time = head.time.map(Timestamp::from_nanos);
        record.level = head.level;
        self.tally.counts.text += 1;
        record
    }
}

fn record_with<'a>(record: &mut ParsedLine<'a>, message: &'a str) -> ParsedLine<'a> {
    record.message = message;
    *record
}

/// Whether a line begins as syslog is sent: `<34>`.
fn is_priority(line: &str) -> bool {
    let digits = line.strip_prefix('<').and_then(|rest| rest.split_once('>'));
    digits.is_some_and(|(digits, _)| {
        (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}
