//! What a call site contributes to every line, rendered once and kept across batches.

use super::cursor::Cursor;
use super::escape::escape;
use super::flow::{Flow, FlowBuilder, nth};
use super::kept::Kept;
use super::keys::Keys;
use super::message::{filled, message, unfilled};
use super::put::Fragment;
use crate::frame::Record;
use crate::level::Level;
use crate::template::{Piece, pieces};
use crate::value::{Value, take};

/// Fragments larger than this are rendered anew each time, so that what is kept stays bounded.
const MAX_KEPT: usize = 4096;
/// Logger names longer than this are rendered anew each time.
const MAX_NAME: usize = 256;

/// How a renderer writes the parts that do not change.
pub(super) trait Dialect {
    /// Whether a message stands between quotes.
    const QUOTED: bool;
    /// What ends a message.
    const MESSAGE_END: &'static [u8];
    /// Whether a key is written elsewhere, because the record itself has a part of that name.
    fn is_taken(key: &str) -> bool;
    /// Appends what stands between the time and the message.
    fn head(&self, level: Level, logger: &str, out: &mut Vec<u8>);
    /// What stands before a field.
    fn separator(first: bool) -> &'static [u8];
    /// Appends everything of a field, from there on, up to its value.
    fn key(&self, key: &str, out: &mut Vec<u8>);
    /// Appends a field's value.
    fn value(value: &Value<'_>, out: &mut Vec<u8>);
    /// Appends a field's value that is a text, where it is one that needs neither quotes nor escapes;
    /// says whether it was. Texts of a dialect that quotes all of them are never asked for.
    fn put_word(text: &str, to: &mut Cursor<'_>) -> bool;
    /// Appends what follows the message: the template, where the line has it.
    fn behind_message(&self, template: &str, out: &mut Vec<u8>);
    /// Appends the place in the source, where the line has it.
    fn source(&self, record: &Record<'_>, out: &mut Vec<u8>);
}

/// A call site's fragments, one behind the other in `bytes`; each is known by where it ends.
#[derive(Debug, Default)]
pub(super) struct Site {
    bytes: Vec<u8>,
    message: Vec<Segment>,
    /// Whether a key that comes with a single record could fill a hole.
    open_holes: bool,
    message_end: usize,
    keys: Vec<(usize, Place)>,
    key_bits: u64,
    behind_message_end: usize,
    /// Unless a field of it stands elsewhere, or the message depends on more than its fields.
    flow: Option<Flow>,
    /// What stood before the message of the record before: the next one's is mostly the same.
    head: Option<Head>,
}

#[derive(Debug)]
struct Head {
    level: Level,
    logger: Box<str>,
    bytes: Fragment,
}

/// A piece of the message.
#[derive(Debug, Clone, Copy)]
struct Segment {
    end: usize,
    hole: Option<Hole>,
}

/// What fills a hole, whose own text is the segment's.
#[derive(Debug, Clone, Copy)]
enum Hole {
    /// The value of the call site's key at this place.
    Key(usize),
    /// The positional argument at this place.
    Argument(usize),
}

/// Where a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// With the record's own parts.
    Line,
    /// Apart from them, because one of them has its name.
    Apart,
    /// Nowhere: its key was there before.
    Nowhere,
}

impl Site {
    fn new<D: Dialect>(record: &Record<'_>, dialect: &D) -> Self {
        let mut site = Site::default();
        site.read_template::<D>(record);
        site.message_end = site.bytes.len();
        let mut seen = Keys::new();
        for key in record.site_keys() {
            let place = match seen.is_new(key, || record.site_keys()) {
                false => Place::Nowhere,
                true if D::is_taken(key) => Place::Apart,
                true => Place::Line,
            };
            dialect.key(key, &mut site.bytes);
            site.keys.push((site.bytes.len(), place));
        }
        site.key_bits = seen.bits();
        dialect.behind_message(record.site_template(), &mut site.bytes);
        site.behind_message_end = site.bytes.len();
        dialect.source(record, &mut site.bytes);
        let is_whole = site.keys.iter().all(|(_, place)| *place == Place::Line);
        if is_whole && !site.open_holes && record.site_arguments() == 0 {
            site.flow = Some(site.flow::<D>());
        }
        site
    }

    fn flow<D: Dialect>(&self) -> Flow {
        let mut flow = FlowBuilder::default();
        let mut start = 0;
        for segment in &self.message {
            match segment.hole {
                Some(Hole::Key(place)) => flow.hole(place),
                // There is no argument that could fill another.
                _ => flow.text(&self.bytes[start..segment.end]),
            }
            start = segment.end;
        }
        flow.text(D::MESSAGE_END);
        flow.text(self.behind_message());
        for (n, (fragment, _)) in self.keys().enumerate() {
            flow.text(D::separator(n == 0));
            flow.text(fragment);
            flow.field();
        }
        flow.finish()
    }

    /// Appends what stands between the time and the message.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the cursor is to stay in registers")]
    pub(super) fn head<D: Dialect>(
        &mut self,
        record: &Record<'_>,
        dialect: &D,
        to: &mut Cursor<'_>,
    ) {
        match &self.head {
            Some(head) if head.level == record.level() && same(&head.logger, record.logger()) => {
                head.bytes.put(0, to);
            }
            _ => to.with(|out| self.new_head(record, dialect, out)),
        }
    }

    #[inline(never)]
    fn new_head<D: Dialect>(&mut self, record: &Record<'_>, dialect: &D, out: &mut Vec<u8>) {
        let (level, logger) = (record.level(), record.logger());
        let start = out.len();
        dialect.head(level, logger, out);
        if logger.len() <= MAX_NAME {
            self.head = Some(Head {
                level,
                logger: logger.into(),
                bytes: Fragment::new(&out[start..]),
            });
        }
    }

    /// Appends the record from its message to the last of its call site's fields, if it is one that
    /// needs no closer look; returns what its payload has behind those. If it is not, what was
    /// appended is nothing to keep.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the cursor is to stay in registers")]
    pub(super) fn whole<'a, D: Dialect>(
        &self,
        record: &Record<'a>,
        to: &mut Cursor<'_>,
    ) -> Option<&'a [u8]> {
        self.flow.as_ref()?.write::<D>(record, to)
    }

    fn read_template<D: Dialect>(&mut self, record: &Record<'_>) {
        let mut next = 0;
        for piece in pieces(record.site_template()) {
            let hole = match piece {
                Piece::Text(text) => {
                    escape(D::QUOTED, text, &mut self.bytes);
                    let end = self.bytes.len();
                    match self.message.last_mut() {
                        Some(Segment {
                            end: last,
                            hole: None,
                        }) => *last = end,
                        _ => self.message.push(Segment { end, hole: None }),
                    }
                    continue;
                }
                Piece::Hole(name) => {
                    unfilled(D::QUOTED, name, &mut self.bytes);
                    if let Some(place) = record.site_keys().position(|key| key == name)
                        && !name.is_empty()
                    {
                        Hole::Key(place)
                    } else {
                        self.open_holes |= !name.is_empty();
                        Hole::Argument(name.parse().unwrap_or_else(|_| {
                            next += 1;
                            next - 1
                        }))
                    }
                }
            };
            let end = self.bytes.len();
            self.message.push(Segment {
                end,
                hole: Some(hole),
            });
        }
    }

    /// Appends the message of `record`, which is one of this call site's and not a literal text.
    #[inline]
    pub(super) fn message(&self, quoted: bool, record: &Record<'_>, out: &mut Vec<u8>) {
        if self.open_holes && record.fields().nth(self.keys.len()).is_some() {
            return message(quoted, record, out);
        }
        let mut start = 0;
        for segment in &self.message {
            let value = match segment.hole {
                None => None,
                Some(Hole::Key(place)) => value_at(record.raw_fields(), place),
                Some(Hole::Argument(place)) => record.argument(place),
            };
            match value {
                Some(value) => filled(quoted, &value, out),
                None => out.extend_from_slice(&self.bytes[start..segment.end]),
            }
            start = segment.end;
        }
    }

    /// What stands behind the message.
    #[inline]
    pub(super) fn behind_message(&self) -> &[u8] {
        let start = self.keys.last().map_or(self.message_end, |(end, _)| *end);
        &self.bytes[start..self.behind_message_end]
    }

    /// The place in the source.
    #[inline]
    pub(super) fn source(&self) -> &[u8] {
        &self.bytes[self.behind_message_end..]
    }

    /// The keys in their order, each up to its value.
    #[inline]
    pub(super) fn keys(&self) -> impl Iterator<Item = (&[u8], Place)> {
        let mut start = self.message_end;
        self.keys.iter().map(move |(end, place)| {
            let fragment = &self.bytes[start..*end];
            start = *end;
            (fragment, *place)
        })
    }

    /// To find the keys that come with a single record and repeat one of these.
    pub(super) fn seen<'a>(&self) -> Keys<'a> {
        Keys::behind(self.keys.len(), self.key_bits)
    }
}

/// Whether two names are the same one: those of most loggers are so short that a call to find out
/// costs more than the look.
#[inline]
fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    if let Some((a_head, b_head)) = a.first_chunk::<8>().zip(b.first_chunk::<8>())
        && a.len() <= 16
    {
        let [a_last, b_last] = [a, b].map(|name| *name.last_chunk::<8>().unwrap_or(&[0; 8]));
        return *a_head == *b_head && a_last == b_last;
    }
    a == b
}

/// The value at this place, from 0.
fn value_at(values: &[u8], place: usize) -> Option<Value<'_>> {
    take(&mut nth(values, place)?)
}

/// The fragments of the call sites seen last.
#[derive(Debug, Default)]
pub(super) struct Sites {
    kept: Kept<Site>,
    large: Box<Site>,
}

impl Sites {
    /// The fragments of the record's call site; `None` for a record without one.
    #[inline]
    pub(super) fn of(&mut self, record: &Record<'_>, dialect: &impl Dialect) -> Option<&mut Site> {
        let key = record.call_site_key()?;
        let (kept, large) = (&mut self.kept, &mut self.large);
        let site = kept.of(key, || {
            let site = Site::new(record, dialect);
            if site.bytes.len() <= MAX_KEPT {
                return Some(site);
            }
            **large = site;
            None
        });
        Some(site.unwrap_or(&mut **large))
    }
}
