//! Text lines by a pattern, with the conversions that are usual.

use super::Zone;
use super::escape::escape;
use super::json;
use super::message::{filled, message};
use super::number;
use super::time::{TimeFormat, Times};
use crate::frame::Record;
use crate::value::Value;

/// Renders records by a pattern, as one line each.
///
/// | conversion | stands for |
/// |---|---|
/// | `%d`, `%date`, `%d{…}`, `%d{…}{zone}` | the time: RFC 3339, or the form in braces (`strftime`'s, or `epoch_ms` and its like); `{UTC}` for a zone that is not the pattern's own |
/// | `%p`, `%level` | the level: `INFO`; `%le` in small letters |
/// | `%c`, `%logger`, `%c{n}` | the logger; with a number its last so many parts |
/// | `%m`, `%msg`, `%message` | the message |
/// | `%t`, `%thread` | the thread |
/// | `%F`, `%file`; `%L`, `%line`; `%M`, `%module` | where in the code it was logged |
/// | `%X{key}`, `%mdc{key}` | the value of that key; `%X` all data as `key=value` |
/// | `%ex`, `%exception` | the error with its sources |
/// | `%id` | the record's id |
/// | `%n` | the end of the line, at the pattern's end, where it may as well be left out |
/// | `%%` | a per cent sign |
///
/// Between `%` and the name can stand the least width, `-` before it to fill up behind rather than in
/// front, and `.` with the most, beyond which the beginning goes: `%-5level`, `%20.30c`.
///
/// ```
/// use rolog_core::render::{PatternLine, Zone};
///
/// assert!(PatternLine::new("%d{%H:%M:%S%.3f} %-5p [%t] %c{1}: %m %X%n", Zone::UTC).is_ok());
/// assert!(PatternLine::new("%q", Zone::UTC).is_err());
/// ```
#[derive(Debug)]
pub struct PatternLine {
    pieces: Vec<Piece>,
    scratch: Vec<u8>,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Conversion(What, Width),
}

#[derive(Debug)]
enum What {
    Time(Times),
    Level { small: bool },
    Logger { parts: usize },
    Message,
    Thread,
    File,
    Line,
    Module,
    Field(String),
    Fields,
    Error,
    Id,
}

#[derive(Clone, Copy, Debug, Default)]
struct Width {
    least: usize,
    most: Option<usize>,
    behind: bool,
}

impl PatternLine {
    /// Reads a pattern. Times are by this zone's clock.
    ///
    /// # Errors
    /// A conversion that there is not, or something that could break the line; the error says which.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "its likes are taken by value everywhere"
    )]
    pub fn new(pattern: &str, zone: Zone) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = pattern;
        while let Some(at) = rest.find('%') {
            text.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(behind) = rest.strip_prefix('%') {
                text.push('%');
                rest = behind;
                continue;
            }
            let width = width(&mut rest)?;
            let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (name, braces) = known(&rest[..letters], pattern)?;
            rest = &rest[name.len()..];
            if name == "n" {
                if !rest.is_empty() {
                    return Err(format!(
                        "`%n` can only stand at the end of `{pattern}`: a record is a line"
                    ));
                }
                break;
            }
            let mut options = Vec::new();
            while options.len() < braces && rest.starts_with('{') {
                let (option, behind) = rest[1..]
                    .split_once('}')
                    .ok_or_else(|| format!("a `{{` in `{pattern}` has no `}}`"))?;
                options.push(option);
                rest = behind;
            }
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(Piece::Conversion(what(name, &options, &zone)?, width));
        }
        text.push_str(rest);
        if let Some(c) = text
            .chars()
            .chain(pieces.iter().flat_map(Piece::chars))
            .find(|c| c.is_control() && *c != '\t')
        {
            return Err(format!(
                "`{pattern}` holds the character {c:?}, which could break a line"
            ));
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(PatternLine {
            pieces,
            scratch: Vec::new(),
        })
    }

    /// Appends `record` as one line.
    pub fn line(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        for piece in &mut self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Conversion(what, width) if width.least == 0 && width.most.is_none() => {
                    what.write(record, out);
                }
                Piece::Conversion(what, width) => {
                    self.scratch.clear();
                    what.write(record, &mut self.scratch);
                    width.fit(&String::from_utf8_lossy(&self.scratch), out);
                }
            }
        }
        out.push(b'\n');
    }
}

impl Piece {
    fn chars(&self) -> impl Iterator<Item = char> {
        let text = match self {
            Piece::Text(text) => text.as_str(),
            Piece::Conversion(..) => "",
        };
        text.chars()
    }
}

/// `-20.30`
fn width(rest: &mut &str) -> Result<Width, String> {
    let mut number = |mark: &str| -> Result<Option<usize>, String> {
        let Some(behind) = rest.strip_prefix(mark) else {
            return Ok(None);
        };
        let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = behind.split_at(digits);
        *rest = after;
        match number.parse() {
            Ok(number @ 0..=1000) => Ok(Some(number)),
            _ if number.is_empty() && mark.is_empty() => Ok(Some(0)),
            _ => Err(format!("`{mark}{number}` is no width, expected 0 to 1000")),
        }
    };
    if let Some(least) = number("-")? {
        return Ok(Width {
            least,
            most: number(".")?,
            behind: true,
        });
    }
    Ok(Width {
        least: number("")?.unwrap_or(0),
        most: number(".")?,
        behind: false,
    })
}

/// The longest name that the letters begin with, and how many options it may have.
fn known(letters: &str, pattern: &str) -> Result<(&'static str, usize), String> {
    const NAMES: [(&str, usize); 25] = [
        ("d", 2),
        ("date", 2),
        ("p", 0),
        ("le", 0),
        ("level", 0),
        ("c", 1),
        ("logger", 1),
        ("m", 0),
        ("msg", 0),
        ("message", 0),
        ("t", 0),
        ("thread", 0),
        ("F", 0),
        ("file", 0),
        ("L", 0),
        ("line", 0),
        ("M", 0),
        ("module", 0),
        ("X", 1),
        ("mdc", 1),
        ("ex", 0),
        ("exception", 0),
        ("id", 0),
        ("n", 0),
        ("throwable", 0),
    ];
    NAMES
        .into_iter()
        .filter(|(name, _)| letters.starts_with(name))
        .max_by_key(|(name, _)| name.len())
        .ok_or_else(|| {
            format!("`%{letters}` in `{pattern}` is no conversion; there are %d %p %c %m %t %F %L %M %X %ex %id %n")
        })
}

fn what(name: &str, options: &[&str], zone: &Zone) -> Result<What, String> {
    Ok(match name {
        "d" | "date" => {
            let format = match options.first() {
                Some(format) => TimeFormat::read(format)?,
                None => TimeFormat::default(),
            };
            let zone = match options.get(1) {
                None => zone.clone(),
                Some(&"UTC") => Zone::UTC,
                Some(other) => {
                    return Err(format!("`{other}` cannot be a zone here, expected `UTC`"));
                }
            };
            What::Time(Times::new(format, zone))
        }
        "p" | "level" => What::Level { small: false },
        "le" => What::Level { small: true },
        "c" | "logger" => What::Logger {
            parts: match options.first() {
                None => 0,
                Some(number) => number
                    .parse()
                    .map_err(|_| format!("`{number}` is no number of parts of a logger"))?,
            },
        },
        "t" | "thread" => What::Thread,
        "F" | "file" => What::File,
        "L" | "line" => What::Line,
        "M" | "module" => What::Module,
        "X" | "mdc" => match options.first() {
            Some(key) => What::Field((*key).to_owned()),
            None => What::Fields,
        },
        "ex" | "exception" | "throwable" => What::Error,
        "id" => What::Id,
        _ => What::Message,
    })
}

impl What {
    fn write(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        match self {
            What::Time(times) => times.bare(false, record.time(), out),
            What::Level { small: true } => out.extend_from_slice(record.level().name().as_bytes()),
            What::Level { small: false } => {
                out.extend(
                    record
                        .level()
                        .name()
                        .bytes()
                        .map(|byte| byte.to_ascii_uppercase()),
                );
            }
            What::Logger { parts } => escape(false, last_parts(record.logger(), *parts), out),
            What::Message => match record.literal() {
                Some(text) => escape(false, text, out),
                None => message(false, record, out),
            },
            What::Thread => escape(false, record.thread().unwrap_or_default(), out),
            What::File => escape(false, record.source().map_or("", |(file, _)| file), out),
            What::Line => {
                if let Some((_, line)) = record.source() {
                    number::integer(line, out);
                }
            }
            What::Module => escape(false, record.module().unwrap_or_default(), out),
            What::Field(key) => {
                if let Some((_, value)) = record.fields().find(|(name, _)| name == key) {
                    bare(&value, out);
                }
            }
            What::Fields => fields(record, out),
            What::Error => {
                if let Some(told) = record.error() {
                    escape(false, told.type_name(), out);
                    out.extend_from_slice(b": ");
                    escape(false, told.text(), out);
                    for source in told.sources() {
                        out.extend_from_slice(b"; caused by: ");
                        escape(false, source, out);
                    }
                }
            }
            What::Id => out.extend_from_slice(record.id().to_string().as_bytes()),
        }
    }
}

/// The last so many parts of a logger's name; all of them for none.
fn last_parts(logger: &str, parts: usize) -> &str {
    if parts == 0 {
        return logger;
    }
    let dots = logger.rmatch_indices(['.', ':']).filter(|(at, mark)| {
        // Of `::` the second counts.
        *mark == "." || logger[..*at].ends_with(':')
    });
    dots.skip(parts - 1)
        .map(|(at, _)| &logger[at + 1..])
        .next()
        .unwrap_or(logger)
}

fn fields(record: &Record<'_>, out: &mut Vec<u8>) {
    for (n, (key, value)) in super::shape::data(record).enumerate() {
        if n > 0 {
            out.push(b' ');
        }
        escape(false, key, out);
        out.push(b'=');
        match value {
            Value::Str(text) if text.contains([' ', '"', '=']) || text.is_empty() => {
                super::shape::string(text, out);
            }
            value => bare(&value, out),
        }
    }
}

fn bare(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::List(_) | Value::Map(_) => json::value(value, out),
        value => filled(false, value, out),
    }
}

impl Width {
    fn fit(self, text: &str, out: &mut Vec<u8>) {
        let count = text.chars().count();
        let skipped = self.most.map_or(0, |most| count.saturating_sub(most));
        let start = text
            .char_indices()
            .nth(skipped)
            .map_or(text.len(), |(at, _)| at);
        let fill = self.least.saturating_sub(count - skipped);
        if !self.behind {
            out.resize(out.len() + fill, b' ');
        }
        out.extend_from_slice(&text.as_bytes()[start..]);
        if self.behind {
            out.resize(out.len() + fill, b' ');
        }
    }
}
