//! One record of a batch, borrowed from its bytes.

use super::read::Site;
use super::{Message, Origin, RecordId, flags};
use crate::level::Level;
use crate::value::{self, ErrorValue, List, Timestamp, Value};

/// A record, borrowed from its batch.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub(super) bits: u16,
    pub(super) level: Level,
    pub(super) origin: Origin<'a>,
    pub(super) site: Option<&'a Site<'a>>,
    pub(super) logger: &'a str,
    pub(super) thread: Option<(u64, &'a str)>,
    pub(super) generation: u32,
    pub(super) time: Timestamp,
    pub(super) id: RecordId,
    pub(super) observed: Option<Timestamp>,
    pub(super) literal: Option<&'a str>,
    pub(super) args: Option<List<'a>>,
    pub(super) error: Option<ErrorValue<'a>>,
    pub(super) payload: &'a [u8],
    pub(super) values: &'a [u8],
}

impl<'a> Record<'a> {
    /// Its identity.
    pub fn id(&self) -> RecordId {
        self.id
    }

    /// When it was logged.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// When it was read, for a record that comes from elsewhere.
    pub fn observed(&self) -> Option<Timestamp> {
        self.observed
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
        match self.literal {
            Some(_) => None,
            None => self.site.map(|site| site.template),
        }
    }

    /// The message, for a record whose text is not a template.
    pub fn literal(&self) -> Option<&'a str> {
        match (self.literal, self.site) {
            (None, None) => Some(""),
            (literal, _) => literal,
        }
    }

    /// The positional arguments.
    pub fn args(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let listed = self.args.map(|list| list.iter());
        let count = match (self.args, self.site) {
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
        self.error
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
        self.thread.map(|(_, name)| name)
    }

    /// The thread's id, unique in its process.
    pub fn thread_id(&self) -> Option<u64> {
        self.thread.map(|(id, _)| id)
    }

    /// The generation of the configuration that routed it.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Who made it, and which target gave it up.
    pub fn origin(&self) -> Origin<'a> {
        self.origin
    }

    /// Whether it was cut to the bound on a record's size.
    pub fn is_truncated(&self) -> bool {
        self.bits & flags::TRUNCATED != 0
    }

    /// Its [`flags`].
    pub fn flags(&self) -> u16 {
        self.bits
    }

    /// A name for its call site that holds across batches and processes, for what renderers keep.
    /// The template, keys, module, file and line of one key never change.
    pub fn call_site_key(&self) -> Option<(u128, u32)> {
        self.site.map(Site::key)
    }

    /// The bytes that the logging thread wrote.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
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
    pub(crate) fn raw_fields(&self) -> &'a [u8] {
        let mut values = self.values;
        for _ in 0..self.site.map_or(0, |site| site.arguments) {
            value::take(&mut values);
        }
        values
    }

    /// The positional argument at this place, from 0.
    pub(crate) fn argument(&self, place: usize) -> Option<Value<'a>> {
        match (self.args, self.site) {
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
        self.thread
    }
}
