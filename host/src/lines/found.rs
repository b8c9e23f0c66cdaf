//! The record's own parts, found among the keys of a JSON line.

use std::ops::Range;

use rolog_core::Level;
use rolog_core::value::{Map, Value};

use super::keys::Role;
use super::options::Options;
use super::time;

/// No logger's name is longer, in bytes.
pub const MAX_LOGGER: usize = 1024;

/// The tag and the length that stand before an encoded text, or the entries of a map.
const TEXT_HEAD: usize = 5;
/// The length that stands before an encoded key.
const KEY_HEAD: usize = 4;

/// What a line said about the record's own parts. Its values still stand among the fields, too,
/// until [`Found::cut_from`] takes them out.
#[derive(Default)]
pub(super) struct Found<'de> {
    time: Option<Pick<i64>>,
    level: Option<Pick<Level>>,
    logger: Option<Pick<Text<'de>>>,
    message: Option<Pick<Text<'de>>>,
    time_refused: bool,
    level_refused: bool,
    not_utf8: bool,
    nest: Option<Nest>,
}

/// A usable value, and where its key and value stand in the fields.
pub(super) struct Pick<T> {
    pub(super) value: T,
    rank: u8,
    pair: Range<usize>,
    /// The pair stands in the [`Nest`].
    nested: bool,
}

/// Text that stands in the line as it is, or unescaped in this place of the fields.
pub(super) enum Text<'de> {
    Line(&'de str),
    Fields(Range<usize>),
    /// It was spelt as a list of bytes.
    Bytes(String),
}

/// An object among the fields in which parts were looked for: where its key begins, and its value.
#[derive(Clone, Copy)]
struct Nest {
    start: usize,
    value_at: usize,
}

impl Nest {
    /// Where its entries begin.
    fn entries(self) -> usize {
        self.value_at + TEXT_HEAD
    }

    /// Where its length is written.
    fn length(self) -> Range<usize> {
        self.value_at + 1..self.entries()
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
            Text::Bytes(text) => {
                copy.clone_from(text);
                copy
            }
        }
    }
}

/// A key that can stand for a part of the record.
pub(super) struct Key {
    pub(super) role: Role,
    pub(super) rank: u8,
    /// Where the value begins in the fields.
    pub(super) value_at: usize,
    /// It stands in an object of the line.
    pub(super) nested: bool,
}

/// What kind of value was appended, as far as the record's own parts may be made of it.
pub(super) enum Seen<'de> {
    Null,
    /// Borrowed from the line unless it was escaped there.
    Text(Option<&'de str>),
    /// Text that was spelt as a list of bytes, and stands among the fields as that.
    Bytes(String),
    Unsigned(u64),
    Float(f64),
    Other,
}

impl<'de> Found<'de> {
    /// Nanoseconds since 1970.
    pub(super) fn nanos(&self) -> Option<i64> {
        self.time.as_ref().map(|pick| pick.value)
    }

    pub(super) fn level(&self) -> Option<Level> {
        self.level.as_ref().map(|pick| pick.value)
    }

    /// The logger's name; one that was unescaped among the fields is copied.
    pub(super) fn logger(&self, fields: &[u8], copy: &'de mut String) -> Option<&'de str> {
        let pick = self.logger.as_ref()?;
        Some(pick.value.copy_unless_in_line(fields, copy))
    }

    /// The message, empty where there is none; one that was unescaped among the fields is copied.
    pub(super) fn message(&self, fields: &[u8], copy: &'de mut String) -> &'de str {
        let pick = self.message.as_ref();
        pick.map_or("", |pick| pick.value.copy_unless_in_line(fields, copy))
    }

    /// Whether the line had keys for a time, and none was usable.
    pub(super) fn is_time_unread(&self) -> bool {
        self.time.is_none() && self.time_refused
    }

    /// Whether the line had keys for a level, and none was usable.
    pub(super) fn is_level_unread(&self) -> bool {
        self.level.is_none() && self.level_refused
    }

    /// Whether the message was spelt as bytes that are not UTF-8.
    pub(super) fn is_not_utf8(&self) -> bool {
        self.not_utf8 && self.message.is_some()
    }

    /// Takes the parts' keys and values out of the fields.
    pub(super) fn cut_from(&self, fields: &mut Vec<u8>) {
        fn pair<T>(pick: Option<&Pick<T>>, end: usize) -> (Range<usize>, bool) {
            pick.map_or((end..end, false), |pick| (pick.pair.clone(), pick.nested))
        }
        let end = fields.len();
        let mut pairs = [
            pair(self.time.as_ref(), end),
            pair(self.level.as_ref(), end),
            pair(self.logger.as_ref(), end),
            pair(self.message.as_ref(), end),
        ];
        if let Some(nest) = self.nest {
            shorten(nest, &mut pairs, fields);
        }
        let mut pairs = pairs.map(|(pair, _)| pair);
        pairs.sort_unstable_by_key(|pair| pair.start);
        let mut kept = pairs[0].start;
        for (index, pair) in pairs.iter().enumerate() {
            let next = pairs.get(index + 1).map_or(end, |next| next.start);
            fields.copy_within(pair.end..next, kept);
            kept += next - pair.end;
        }
        fields.truncate(kept);
    }

    /// Looks for parts in the object whose pair has just been appended: `log`, in which the Elastic
    /// Common Schema keeps the level and the logger where it is not written with dots. Only the first
    /// such object counts.
    pub(super) fn offer_nested(
        &mut self,
        start: usize,
        value_at: usize,
        fields: &[u8],
        options: &Options,
    ) {
        let Some(value) = fields.get(value_at + TEXT_HEAD..) else {
            return;
        };
        let pair = Map::parse(&fields[start..]).ok();
        let entry = pair.and_then(|pair| pair.iter().next());
        let (Some((_, Value::Map(object))), None) = (entry, self.nest) else {
            return;
        };
        let first = value_at + TEXT_HEAD;
        self.nest = Some(Nest { start, value_at });
        // Where each key's text stands tells where its entry begins: behind its length.
        let at = |key: &str| first + (key.as_ptr() as usize - value.as_ptr() as usize) - KEY_HEAD;
        let mut entries = object.iter().peekable();
        while let Some((name, value)) = entries.next() {
            let dotted = match name {
                "level" => "log.level",
                "logger" => "log.logger",
                _ => continue,
            };
            let Some((role, rank)) = options.keys.role(dotted) else {
                continue;
            };
            let start = at(name);
            let end = entries.peek().map_or(fields.len(), |(next, _)| at(next));
            let key = Key {
                role,
                rank,
                value_at: start + KEY_HEAD + name.len(),
                nested: true,
            };
            let seen = match value {
                Value::Null => Seen::Null,
                Value::Str(_) => Seen::Text(None),
                Value::I64(number) if number >= 0 => Seen::Unsigned(number.cast_unsigned()),
                _ => Seen::Other,
            };
            self.offer(&key, seen, start..end, fields, options);
        }
    }

    /// Makes of a value what its key says it may be; if that is not usable, it just stays a field.
    pub(super) fn offer(
        &mut self,
        key: &Key,
        seen: Seen<'de>,
        pair: Range<usize>,
        fields: &[u8],
        options: &Options,
    ) {
        let content = key.value_at + TEXT_HEAD..pair.end;
        let text = |unescaped: Option<&'de str>| match unescaped {
            Some(text) => text,
            None => std::str::from_utf8(&fields[content.clone()]).unwrap_or_default(),
        };
        match (key.role, seen) {
            (_, Seen::Null) => {}
            (Role::Time, seen) => {
                let time = match seen {
                    Seen::Text(unescaped) => time::text(text(unescaped), options.zone.as_ref()),
                    Seen::Unsigned(number) => time::integer(number),
                    Seen::Float(number) => time::float(number),
                    _ => None,
                };
                self.time_refused |= time.is_none();
                prefer(&mut self.time, time, key, pair);
            }
            (Role::Level, seen) => {
                let level = match seen {
                    Seen::Text(unescaped) => options.levels.word(text(unescaped)),
                    Seen::Unsigned(number) => options.levels.number(number),
                    _ => None,
                };
                self.level_refused |= level.is_none();
                prefer(&mut self.level, level, key, pair);
            }
            (Role::Logger, Seen::Text(unescaped)) if (1..=MAX_LOGGER).contains(&content.len()) => {
                let name = unescaped.map_or(Text::Fields(content), Text::Line);
                prefer(&mut self.logger, Some(name), key, pair);
            }
            (Role::Message, Seen::Text(unescaped)) => {
                let message = unescaped.map_or(Text::Fields(content), Text::Line);
                prefer(&mut self.message, Some(message), key, pair);
            }
            (Role::Message, Seen::Bytes(text)) => {
                self.not_utf8 |= text.contains(char::REPLACEMENT_CHARACTER);
                prefer(&mut self.message, Some(Text::Bytes(text)), key, pair);
            }
            (Role::Logger | Role::Message, _) => {}
        }
    }
}

fn prefer<T>(best: &mut Option<Pick<T>>, value: Option<T>, key: &Key, pair: Range<usize>) {
    let Some(value) = value else { return };
    if best.as_ref().is_none_or(|best| key.rank < best.rank) {
        *best = Some(Pick {
            value,
            rank: key.rank,
            pair,
            nested: key.nested,
        });
    }
}

/// Makes room for the cutting of pairs that stand in an object: it becomes shorter by them, or goes
/// with them when nothing else is in it.
fn shorten(nest: Nest, pairs: &mut [(Range<usize>, bool)], fields: &mut [u8]) {
    let nested = || pairs.iter().filter(|(_, nested)| *nested);
    let less: usize = nested().map(|(pair, _)| pair.len()).sum();
    let bytes = &mut fields[nest.length()];
    let length = bytes
        .iter()
        .rev()
        .fold(0, |length, byte| length << 8 | *byte as usize);
    if less < length {
        bytes.copy_from_slice(&((length - less) as u32).to_le_bytes());
        return;
    }
    let end = fields.len();
    let mut whole = Some(nest.start..nest.entries() + length);
    for (pair, _) in pairs.iter_mut().filter(|(_, nested)| *nested) {
        *pair = whole.take().unwrap_or(end..end);
    }
}
