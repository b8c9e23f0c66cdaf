//! The record's own parts, found among the keys of a JSON line.

use std::ops::Range;

use rolog_core::Level;

use super::keys::Role;
use super::options::Options;
use super::time;

/// No logger's name is longer, in bytes.
pub const MAX_LOGGER: usize = 1024;

/// The tag and the length that stand before an encoded text.
const TEXT_HEAD: usize = 5;

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
}

/// A usable value, and where its key and value stand in the fields.
pub(super) struct Pick<T> {
    pub(super) value: T,
    rank: u8,
    pair: Range<usize>,
}

/// Text that stands in the line as it is, or unescaped in this place of the fields.
pub(super) enum Text<'de> {
    Line(&'de str),
    Fields(Range<usize>),
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

/// A key that can stand for a part of the record.
pub(super) struct Key {
    pub(super) role: Role,
    pub(super) rank: u8,
    /// Where the value begins in the fields.
    pub(super) value_at: usize,
}

/// What kind of value was appended, as far as the record's own parts may be made of it.
pub(super) enum Seen<'de> {
    Null,
    /// Borrowed from the line unless it was escaped there.
    Text(Option<&'de str>),
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

    /// Takes the parts' keys and values out of the fields.
    pub(super) fn cut_from(&self, fields: &mut Vec<u8>) {
        fn pair<T>(pick: Option<&Pick<T>>, end: usize) -> Range<usize> {
            pick.map_or(end..end, |pick| pick.pair.clone())
        }
        let end = fields.len();
        let mut pairs = [
            pair(self.time.as_ref(), end),
            pair(self.level.as_ref(), end),
            pair(self.logger.as_ref(), end),
            pair(self.message.as_ref(), end),
        ];
        pairs.sort_unstable_by_key(|pair| pair.start);
        let mut kept = pairs[0].start;
        for (index, pair) in pairs.iter().enumerate() {
            let next = pairs.get(index + 1).map_or(end, |next| next.start);
            fields.copy_within(pair.end..next, kept);
            kept += next - pair.end;
        }
        fields.truncate(kept);
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
                prefer(&mut self.time, time, key.rank, pair);
            }
            (Role::Level, seen) => {
                let level = match seen {
                    Seen::Text(unescaped) => options.levels.word(text(unescaped)),
                    Seen::Unsigned(number) => options.levels.number(number),
                    _ => None,
                };
                self.level_refused |= level.is_none();
                prefer(&mut self.level, level, key.rank, pair);
            }
            (Role::Logger, Seen::Text(unescaped)) if (1..=MAX_LOGGER).contains(&content.len()) => {
                let name = unescaped.map_or(Text::Fields(content), Text::Line);
                prefer(&mut self.logger, Some(name), key.rank, pair);
            }
            (Role::Message, Seen::Text(unescaped)) => {
                let message = unescaped.map_or(Text::Fields(content), Text::Line);
                prefer(&mut self.message, Some(message), key.rank, pair);
            }
            (Role::Logger | Role::Message, _) => {}
        }
    }
}

fn prefer<T>(best: &mut Option<Pick<T>>, value: Option<T>, rank: u8, pair: Range<usize>) {
    let Some(value) = value else { return };
    if best.as_ref().is_none_or(|best| rank < best.rank) {
        *best = Some(Pick { value, rank, pair });
    }
}
