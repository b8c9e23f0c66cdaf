//! One line to the parts of a record.

use std::ops::AddAssign;

use rolog_core::Level;
use rolog_core::frame::flags;
use rolog_core::value::{Encoder, Timestamp};

use super::found::{Found, Text};
use super::json::{self, Refusal};
use super::splitter::RawLine;
use super::text;

/// What a line was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An object of JSON.
    Json,
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

/// How many lines there were, and what was unusual about them. A line can count in several of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCounts {
    /// Lines that were an object of JSON.
    pub json: u64,
    /// Lines kept as text.
    pub text: u64,
    /// Lines of nothing but blanks, which make no record.
    pub empty: u64,
    /// Lines longer than the limit, of which only the first bytes were kept.
    pub truncated: u64,
    /// Lines with bytes that are not UTF-8, which were replaced.
    pub not_utf8: u64,
    /// Objects with a key for the time whose value is not certainly one; it stayed a field.
    pub time_unread: u64,
    /// Objects with a key for the level whose value is not known; it stayed a field.
    pub level_unread: u64,
    /// Lines that begin like an object and are none, or hold a number that no float can hold; kept
    /// as text.
    pub broken_json: u64,
    /// Objects kept as text because they nest too deep.
    pub too_deep: u64,
    /// Objects kept as text because their encoded form would exceed the limit.
    pub too_large: u64,
}

impl LineCounts {
    /// The lines that made a record.
    pub fn records(&self) -> u64 {
        self.json + self.text
    }
}

impl AddAssign for LineCounts {
    fn add_assign(&mut self, other: LineCounts) {
        self.json += other.json;
        self.text += other.text;
        self.empty += other.empty;
        self.truncated += other.truncated;
        self.not_utf8 += other.not_utf8;
        self.time_unread += other.time_unread;
        self.level_unread += other.level_unread;
        self.broken_json += other.broken_json;
        self.too_deep += other.too_deep;
        self.too_large += other.too_large;
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
    counts: LineCounts,
    repaired: String,
    fields: Vec<u8>,
    logger: String,
    message: String,
}

impl Parser {
    /// A line's message and fields take `limit` bytes together at most, like the lines of a
    /// [`Splitter`](super::Splitter) with the same limit.
    pub fn new(limit: usize) -> Self {
        Parser {
            limit,
            counts: LineCounts::default(),
            repaired: String::new(),
            fields: Vec::new(),
            logger: String::new(),
            message: String::new(),
        }
    }

    /// What the lines were so far.
    pub fn counts(&self) -> LineCounts {
        self.counts
    }

    /// The parts of a record; `None` for a line of nothing but blanks.
    pub fn parse<'a>(&'a mut self, line: RawLine<'a>) -> Option<ParsedLine<'a>> {
        let bytes = if line.truncated {
            text::whole_characters(line.bytes)
        } else {
            line.bytes
        };
        let valid = text::valid(bytes, &mut self.repaired, self.limit);
        let counts = &mut self.counts;
        let truncated = line.truncated || valid.cut;
        counts.truncated += u64::from(truncated);
        counts.not_utf8 += u64::from(valid.replaced);
        let text = valid
            .content
            .strip_prefix('\u{feff}')
            .unwrap_or(valid.content);
        let Some(first) = text.bytes().find(|byte| !byte.is_ascii_whitespace()) else {
            counts.empty += 1;
            return None;
        };
        let mut record = ParsedLine {
            time: None,
            level: None,
            logger: None,
            message: text,
            fields: &[],
            kind: Kind::Text,
            truncated,
        };
        if first != b'{' {
            counts.text += 1;
            return Some(record);
        }

        self.fields.clear();
        let mut found = Found::default();
        let read = json::read(text, &mut self.fields, &mut found);
        if read.is_ok() || truncated {
            record.time = found
                .time
                .as_ref()
                .map(|pick| Timestamp::from_nanos(pick.value));
            record.level = found.level.as_ref().map(|pick| pick.value);
            let logger = found.logger.as_ref().map(|pick| &pick.value);
            record.logger =
                logger.map(|text| text.copy_unless_in_line(&self.fields, &mut self.logger));
        }
        if let Err(refusal) = read {
            counts.text += 1;
            match refusal {
                Refusal::TooDeep => counts.too_deep += 1,
                Refusal::NotAnObject => counts.broken_json += u64::from(!truncated),
            }
            return Some(record);
        }
        counts.time_unread += u64::from(found.is_time_unread());
        counts.level_unread += u64::from(found.is_level_unread());
        let message = match &found.message {
            Some(pick) => pick
                .value
                .copy_unless_in_line(&self.fields, &mut self.message),
            None => "",
        };
        found.cut_from(&mut self.fields);
        if self.fields.len() + message.len() > self.limit {
            counts.text += 1;
            counts.too_large += 1;
            return Some(record);
        }
        counts.json += 1;
        record.message = message;
        record.fields = &self.fields;
        record.kind = Kind::Json;
        Some(record)
    }
}

impl<'de> Text<'de> {
    /// The text; one that was unescaped among the fields is copied, since it is cut from there.
    fn copy_unless_in_line(&self, fields: &[u8], copy: &'de mut String) -> &'de str {
        match self {
            Text::Line(text) => text,
            Text::Fields(range) => {
                copy.clear();
                // What stands there was written as text.
                copy.push_str(std::str::from_utf8(&fields[range.clone()]).unwrap_or_default());
                copy
            }
        }
    }
}
