//! One record of a batch, borrowed from its bytes.

use std::fmt;

use super::read::Site;
use super::{FIXED_LEN, Message, Origin, OriginKind, RecordId, flags};
use crate::delivery::Class;
use crate::level::Level;
use crate::value::{self, ErrorValue, List, Timestamp, Value};

/// A record, borrowed from its batch.
///
/// It is read as far as most readers need it; what few records have is looked for when it is asked
/// for.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    pub(super) fixed: &'a [u8; FIXED_LEN],
    pub(super) level: Level,
    pub(super) site: Option<&'a Site<'a>>,
    pub(super) logger: &'a str,
    pub(super) thread: Option<&'a (u64, &'a str)>,
    /// All that stands behind the fixed part.
    pub(super) sections: &'a [u8],
    /// What stands behind the sections that the flags announce.
    pub(super) values: &'a [u8],
}

/// The flags that announce sections, in the order of those.
const SECTIONS: [u16; 6] = [
    flags::OBSERVED,
    flags::ORIGIN,
    flags::LOGGER,
    flags::MESSAGE,
    flags::ARGS,
    flags::ERROR,
];

impl<'a> Record<'a> {
    /// The bytes from the section of this flag on, if the record has it.
    fn section(&self, flag: u16) -> Option<&'a [u8]> {
        (self.flags() & flag != 0).then(|| self.from(flag))
    }

    /// The bytes from where the section of this flag stands, or would.
    fn from(&self, flag: u16) -> &'a [u8] {
        let mut rest = self.sections;
        for before in SECTIONS.into_iter().take_while(|before| *before != flag) {
            if self.flags() & before != 0 && step_over(before, &mut rest).is_none() {
                return &[];
            }
        }
        rest
    }

    /// Its identity.
    #[inline]
    pub fn id(&self) -> RecordId {
        RecordId {
            epoch: u128::from(self.long(28)) | u128::from(self.long(36)) << 64,
            sequence: self.long(44),
        }
    }

    /// When it was logged.
    #[inline]
    pub fn time(&self) -> Timestamp {
        Timestamp::from_nanos(self.long(20) as i64)
    }

    /// When it was read, for a record that comes from elsewhere.
    pub fn observed(&self) -> Option<Timestamp> {
        let nanos = self.section(flags::OBSERVED)?.first_chunk()?;
        Some(Timestamp::from_nanos(i64::from_le_bytes(*nanos)))
    }

    /// Its severity.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The name of its logger.
    pub fn logger(&self) -> &'a str {
        self.logger
    }

    /// Its message; the `Display` of that fills the template's holes.
    pub fn message(&self) -> Message<'_, 'a> {
        Message { record: self }
    }

    /// The message's template, for a record of a macro with a literal one.
    pub fn template(&self) -> Option<&'a str> {
        match self.literal() {
            Some(_) => None,
            None => self.site.map(|site| site.template),
        }
    }

    /// The message, for a record whose text is not a template.
    pub fn literal(&self) -> Option<&'a str> {
        match self.section(flags::MESSAGE) {
            Some(mut section) => value::take_text(&mut section),
            None if self.site.is_none() => Some(""),
            None => None,
        }
    }

    /// The positional arguments.
    pub fn args(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let list = self.list();
        let listed = list.map(|list| list.iter());
        let count = match (list, self.site) {
            (None, Some(site)) => usize::from(site.arguments),
            _ => 0,
        };
        let mut values = self.values;
        let fixed = (0..count).map_while(move |_| value::take(&mut values));
        listed.into_iter().flatten().chain(fixed)
    }

    /// The data by key: the call site's own keys first, then what else came with the record.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + Clone + use<'a> {
        let mut values = self.values;
        let mut keys = match self.site {
            Some(site) => {
                for _ in 0..site.arguments {
                    value::take(&mut values);
                }
                site.keys
            }
            None => &[],
        };
        std::iter::from_fn(move || {
            let key = match keys {
                [] => value::take_text(&mut values)?,
                _ => value::take_text(&mut keys)?,
            };
            Some((key, value::take(&mut values)?))
        })
    }

    /// The error that the record tells of.
    pub fn error(&self) -> Option<ErrorValue<'a>> {
        match value::take(&mut self.section(flags::ERROR)?)? {
            Value::Error(error) => Some(error),
            _ => None,
        }
    }

    /// The Rust module that logged.
    pub fn module(&self) -> Option<&'a str> {
        self.site.map(|site| site.module)
    }

    /// The source file and line.
    pub fn source(&self) -> Option<(&'a str, u32)> {
        self.site.map(|site| (site.file, site.line))
    }

    /// The name of the thread that logged; empty for one without a name.
    pub fn thread(&self) -> Option<&'a str> {
        self.thread.map(|(_, name)| *name)
    }

    /// The thread's id, unique in its process.
    pub fn thread_id(&self) -> Option<u64> {
        self.thread.map(|(id, _)| *id)
    }

    /// The generation of the configuration that routed it.
    pub fn generation(&self) -> u32 {
        word(self.fixed, 16)
    }

    /// Who made it, and which target gave it up.
    pub fn origin(&self) -> Origin<'a> {
        let kind = self.origin_kind();
        self.section(flags::ORIGIN)
            .and_then(|section| read_origin(kind, section))
            .unwrap_or(Origin {
                kind,
                ..Origin::SERVICE
            })
    }

    fn origin_kind(&self) -> OriginKind {
        OriginKind::from_code(self.fixed[3])
    }

    /// Whether it was cut to the bound on a record's size.
    pub fn is_truncated(&self) -> bool {
        self.flags() & flags::TRUNCATED != 0
    }

    /// Its [`flags`].
    #[inline]
    pub fn flags(&self) -> u16 {
        u16::from_le_bytes([self.fixed[0], self.fixed[1]])
    }

    /// Eight bytes of the fixed part.
    #[inline]
    fn long(&self, at: usize) -> u64 {
        u64::from(word(self.fixed, at)) | u64::from(word(self.fixed, at + 4)) << 32
    }

    /// A name for its call site that holds across batches and processes, for what renderers keep.
    /// The template, keys, module, file and line of one key never change.
    pub fn call_site_key(&self) -> Option<(u128, u32)> {
        self.site.map(Site::key)
    }

    /// The bytes that the logging thread wrote.
    pub fn payload(&self) -> &'a [u8] {
        self.from(flags::LOGGER)
    }

    /// Whether it has nothing beside message, arguments and data to tell: it was made here and now,
    /// is whole, and tells of no error.
    pub(crate) fn is_plain(&self) -> bool {
        let more = flags::ERROR | flags::TRUNCATED | flags::OBSERVED | flags::ORIGIN;
        self.flags() & more == 0 && self.origin_kind() == OriginKind::Service
    }

    /// How many positional arguments its call site has.
    pub(crate) fn site_arguments(&self) -> u16 {
        self.site.map_or(0, |site| site.arguments)
    }

    /// The template of its call site, whether or not this record's message is made of it.
    pub(crate) fn site_template(&self) -> &'a str {
        self.site.map_or("", |site| site.template)
    }

    /// The keys of its call site, which [`Record::fields`] gives first.
    pub(crate) fn site_keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut keys = self.site.map_or(&[][..], |site| site.keys);
        std::iter::from_fn(move || value::take_text(&mut keys))
    }

    /// The bytes behind the arguments: the values of the call site's keys, then pairs of key and
    /// value to the end.
    #[inline]
    pub(crate) fn raw_fields(&self) -> &'a [u8] {
        match self.site {
            Some(site) if site.arguments > 0 => behind_values(self.values, site.arguments),
            _ => self.values,
        }
    }

    /// The positional arguments that stand in place of the call site's.
    fn list(&self) -> Option<List<'a>> {
        match value::take(&mut self.section(flags::ARGS)?)? {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// The positional argument at this place, from 0.
    pub(crate) fn argument(&self, place: usize) -> Option<Value<'a>> {
        match (self.list(), self.site) {
            (Some(list), _) => list.iter().nth(place),
            (None, Some(site)) if place < usize::from(site.arguments) => {
                let mut values = self.values;
                for _ in 0..place {
                    value::take(&mut values)?;
                }
                value::take(&mut values)
            }
            _ => None,
        }
    }

    pub(super) fn site(&self) -> Option<&'a Site<'a>> {
        self.site
    }

    pub(super) fn thread_parts(&self) -> Option<(u64, &'a str)> {
        self.thread.copied()
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id())
            .field("time", &self.time())
            .field("level", &self.level)
            .field("logger", &self.logger)
            .field("message", &self.message().to_string())
            .finish_non_exhaustive()
    }
}

/// Finds what stands behind the sections that the flags announce, and the logger's name if that is in
/// one of them; `None` if what the flags announce is not there.
#[inline(never)]
pub(super) fn behind_sections(bits: u16, sections: &[u8]) -> Option<(&[u8], Option<&str>)> {
    let mut rest = sections;
    let mut logger = None;
    for flag in SECTIONS {
        if bits & flag == 0 {
            continue;
        }
        match flag {
            flags::LOGGER => logger = Some(value::take_text(&mut rest)?),
            flags::ARGS => match value::take(&mut rest)? {
                Value::List(_) => {}
                _ => return None,
            },
            flags::ERROR => match value::take(&mut rest)? {
                Value::Error(_) => {}
                _ => return None,
            },
            other => step_over(other, &mut rest)?,
        }
    }
    Some((rest, logger))
}

/// Steps over the section of this flag.
fn step_over(flag: u16, rest: &mut &[u8]) -> Option<()> {
    match flag {
        flags::OBSERVED => *rest = rest.get(8..)?,
        flags::ORIGIN => {
            value::take_text(rest)?;
            *rest = rest.get(5..)?;
        }
        flags::ARGS | flags::ERROR => value::skip(rest)?,
        _ => drop(value::take_text(rest)?),
    }
    Some(())
}

/// The bytes behind so many values; as far as there are some.
#[inline(never)]
fn behind_values(mut values: &[u8], count: u16) -> &[u8] {
    for _ in 0..count {
        value::take(&mut values);
    }
    values
}

fn read_origin(kind: OriginKind, mut section: &[u8]) -> Option<Origin<'_>> {
    let target = value::take_text(&mut section)?;
    let [class, attempts @ ..] = section.first_chunk::<5>()?;
    Some(Origin {
        kind,
        target: (!target.is_empty()).then_some(target),
        class: (*class != u8::MAX).then(|| Class::from_code(*class)),
        attempts: u32::from_le_bytes(*attempts),
    })
}

/// Four bytes of a frame's fixed part.
#[inline]
pub(super) fn word(fixed: &[u8; FIXED_LEN], at: usize) -> u32 {
    u32::from_le_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]])
}
