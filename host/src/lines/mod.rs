//! The lines that `rolog run` reads: bytes in chunks to lines, lines to the parts of a record.
//!
//! A [`LineReader`] takes an input's bytes and gives out records: its [`Splitter`] cuts lines, its
//! [`Parser`] reads one line, and lines of text that belong together are joined. All of it works in
//! memory that the limit of a line bounds, whatever arrives, and no input makes it panic. No line is
//! lost: what cannot be read as what it seems to be is a text record with the line as its message,
//! and [`LineCounts`] says how many of each there were and what was unusual about them.
//!
//! What a line is, is found out from it, or told by [`Options::format`]: an object of JSON begins
//! with `{`; logfmt is pairs and nothing else, two or more, of which one means a part of the record;
//! syslog has a priority, the name of a month, or an RFC 3339 time before `host tag[pid]:`;
//! everything else is text.
//!
//! # JSON lines and logfmt
//!
//! The first usable key of each row becomes a part of the record, and every other key stays a field,
//! in the line's order, with its type and nesting:
//!
//! | part | keys, the preferred first | usable is |
//! |---|---|---|
//! | time | `ts`, `time`, `timestamp`, `@timestamp` | RFC 3339 and its variants, an access log's or a mail's form; epoch seconds, ms, µs or ns, told apart by magnitude, with or without a fraction, as a number or in text |
//! | level | `level`, `severity`, `lvl`, `error_severity`, `log.level` | the words of syslog, PostgreSQL, Python, Java and Rust in any case; syslog's numbers 0 to 7; pino's and bunyan's 10 to 60 |
//! | logger | `logger`, `name`, `target`, `channel`, `log.logger` | text of 1 to [`MAX_LOGGER`] bytes |
//! | message | `msg`, `message`, `event` | text |
//!
//! - [`Options`] can name further keys, which come first, and further words for levels. The last in
//!   each row are the names of journald's export (`__REALTIME_TIMESTAMP`, `PRIORITY`,
//!   `SYSLOG_IDENTIFIER` and `_SYSTEMD_UNIT`, `MESSAGE`, which may be a list of bytes).
//! - `log.level` and `log.logger` may also be `level` and `logger` in the object `log`, as the Elastic
//!   Common Schema has it where it is not written with dots; what else is in that object stays in it.
//! - A key of that table whose value is not usable (a time without an offset when no zone is given, a
//!   level that nobody knows, a message that is a number or an object) stays a field as it is; for
//!   times and levels such lines are counted. Without a usable one, the record has no such part.
//! - Of two keys with the same name, or of two that mean the same part, none is lost: the preferred
//!   one (of equal names the first) is the part, the other stays a field. Other keys that occur twice
//!   are two fields; what a target makes of those is its own rule.
//! - Integers are kept exactly: 64 bits, then 128 bits. Beyond that, and with a fraction or an
//!   exponent, a number is the nearest 64-bit float. In logfmt a value without quotes is a number
//!   where that is written just so: `7` and `0.5` are, `007` and `1e3` are text.
//! - An object whose values nest deeper than [`MAX_NESTING`], that holds a number which no float can
//!   hold, or whose encoded form would exceed the limit, is kept as text, and so is one that was cut;
//!   that one keeps the time, level and logger that stood before the cut.
//!
//! # Syslog
//!
//! The tag (RFC 5424: APP-NAME) is the logger, the priority's severity the level, the rest of the line
//! the message. Fields are `host`, `pid`, `facility` and `severity` (as words), `msgid`, and `sd` for
//! structured data, each where the line has it. The times of RFC 3164 say neither zone nor year: they
//! are taken when a zone is given, and are of the last twelve months.
//!
//! # Text
//!
//! The line is the message, whole. Its head may tell the time (first in the line, in brackets, or
//! where access logs have it) and the level (in capitals or in brackets among the words after the
//! time, or as the first word). Lines that are indented, or go on with a stack trace of Java, Python,
//! Go, Rust, .NET or Node, belong to the line before; [`Join`] has the other ways. A record of several
//! lines is bounded by the limit; what does not fit begins another one.
//!
//! Bytes that are not UTF-8 are replaced by U+FFFD, and such lines counted. A byte order mark before
//! a line is dropped, and so are NUL bytes; NUL bytes within a line stay. Lines of nothing but blanks
//! are counted and make no record.

mod counts;
mod found;
mod fuzz;
mod head;
mod join;
mod json;
mod keys;
mod level;
mod logfmt;
mod options;
mod parser;
mod reader;
mod splitter;
mod stamp;
mod syslog;
mod text;
mod time;

pub use counts::{LineCounts, Oddity};
pub use found::MAX_LOGGER;
#[doc(hidden)]
pub use fuzz::fuzz;
pub use json::MAX_NESTING;
pub use keys::{Keys, Role};
pub use level::Words;
pub use options::{Format, Join, LevelWord, Options, Zone};
pub use parser::{Kind, ParsedLine, Parser};
pub use reader::LineReader;
pub use splitter::{RawLine, Splitter};

#[cfg(test)]
mod check;
#[cfg(test)]
mod tests;
