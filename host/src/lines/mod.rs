//! The lines that `rolog run` reads: bytes in chunks to lines, lines to the parts of a record.
//!
//! [`Splitter`] cuts an input into lines, [`Parser`] reads one line. Both work in memory that the
//! limit of a line bounds, whatever arrives, and no input makes them panic. No line is lost: what is
//! not an object of JSON is a text record with the line as its message, and [`LineCounts`] says how
//! many of each there were and what was unusual about them.
//!
//! # JSON lines
//!
//! The first usable key of each row becomes a part of the record, and every other key stays a field,
//! in the line's order, with its type and nesting:
//!
//! | part | keys, the preferred first | usable is |
//! |---|---|---|
//! | time | `ts`, `time`, `timestamp`, `@timestamp` | RFC 3339; epoch seconds, ms, µs or ns, told apart by magnitude, with or without a fraction, as a number or in text |
//! | level | `level`, `severity`, `lvl`, `error_severity`, `log.level` | the words of syslog, PostgreSQL, Python, Java and Rust in any case; syslog's numbers 0 to 7; pino's and bunyan's 10 to 60 |
//! | logger | `logger`, `name`, `target`, `channel`, `log.logger` | text of 1 to [`MAX_LOGGER`] bytes |
//! | message | `msg`, `message`, `event` | text |
//!
//! - A key of that table whose value is not usable (a time without an offset, a level that nobody
//!   knows, a message that is a number or an object) stays a field as it is; for times and levels
//!   such lines are counted. Without a usable one, the record has no such part.
//! - Of two keys with the same name, or of two that mean the same part, none is lost: the preferred
//!   one (of equal names the first) is the part, the other stays a field. Other keys that occur twice
//!   are two fields; what a target makes of those is its own rule.
//! - Integers are kept exactly: 64 bits, then 128 bits. Beyond that, and with a fraction or an
//!   exponent, a number is the nearest 64-bit float.
//! - An object whose values nest deeper than [`MAX_NESTING`], that holds a number which no float can
//!   hold, or whose encoded form would exceed the limit, is kept as text, and so is one that was cut;
//!   that one keeps the time, level and logger that stood before the cut.
//!
//! # Text
//!
//! Bytes that are not UTF-8 are replaced by U+FFFD, and such lines counted. A byte order mark before
//! a line is dropped, and so are NUL bytes; NUL bytes within a line stay. Lines of nothing but blanks
//! are counted and make no record.

mod found;
mod fuzz;
mod json;
mod keys;
mod level;
mod parser;
mod splitter;
mod text;
mod time;

pub use found::MAX_LOGGER;
#[doc(hidden)]
pub use fuzz::fuzz;
pub use json::MAX_NESTING;
pub use parser::{Kind, LineCounts, ParsedLine, Parser};
pub use splitter::{RawLine, Splitter};

#[cfg(test)]
mod check;
#[cfg(test)]
mod tests;
