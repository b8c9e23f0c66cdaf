//! A record as the rules look at it, and the keys that they find in it.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use rolog_core::call_site::CallSite;
use rolog_core::frame::{Batch, BatchBuilder, FrameMeta, flags};

use crate::config::{CountedBy, RecordedBy, Sameness};

/// The longest text of a record that is remembered, to say what was held back.
const LONGEST: usize = 200;

/// A record on its way, with its payload as it will go out.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) meta: &'a FrameMeta<'a>,
    pub(crate) call_site: Option<&'static CallSite>,
    pub(crate) payload: &'a [u8],
    /// When it was logged.
    pub(crate) ticks: u64,
}

impl<'a> Seen<'a> {
    /// The key that a rule counts it under. Keyed by random numbers, so that nobody can choose texts
    /// that count as one.
    pub(super) fn counted(&self, by: &CountedBy, random: &RandomState) -> u64 {
        let mut key = random.build_hasher();
        match by {
            CountedBy::CallSite => self.template_key(&mut key),
            CountedBy::Logger => self.meta.logger.name.hash(&mut key),
            CountedBy::Field(name) => self.field(name).hash(&mut key),
        }
        key.finish()
    }

    /// The key that it shares with records that are the same.
    pub(super) fn same(&self, same: Sameness, random: &RandomState) -> u64 {
        let mut key = random.build_hasher();
        self.meta.level.hash(&mut key);
        self.meta.logger.name.hash(&mut key);
        self.template_key(&mut key);
        if same == Sameness::Values {
            self.meta.flags.hash(&mut key);
            self.payload.hash(&mut key);
        }
        key.finish()
    }

    /// The key of the thread or trace that it belongs to.
    pub(super) fn recorded(&self, by: &RecordedBy, random: &RandomState) -> u64 {
        let mut key = random.build_hasher();
        let value = match by {
            RecordedBy::Thread => None,
            RecordedBy::Field(name) => self.field(name),
        };
        match value {
            Some(value) => value.hash(&mut key),
            None => self.meta.thread.id.hash(&mut key),
        }
        key.finish()
    }

    fn template_key(&self, key: &mut impl Hasher) {
        match self.call_site {
            Some(site) => site.id().hash(key),
            None => (self.meta.logger.name, self.message()).hash(key),
        }
    }

    /// What the record says, without its values where it has a template; cut.
    pub(super) fn like(&self) -> Box<str> {
        let text = match (self.message(), self.call_site) {
            (Some(text), _) => String::from_utf8_lossy(&text[..text.len().min(4 * LONGEST)]),
            (None, Some(site)) => site.template().into(),
            (None, None) => "".into(),
        };
        cut(&text)
    }

    /// What the record says, its values included; cut.
    pub(super) fn rendered(&self) -> Box<str> {
        let mut batch = BatchBuilder::new(self.meta.id.epoch);
        batch.push(self.meta, self.payload);
        let bytes = batch.finish();
        let text = Batch::parse(&bytes).ok().and_then(|batch| {
            let record = batch.records().next()?;
            Some(record.message().to_string())
        });
        text.map_or_else(|| self.like(), |text| cut(&text))
    }

    /// The literal text of its message, if it has one.
    fn message(&self) -> Option<&'a [u8]> {
        let mut at = self.payload;
        if self.meta.flags & flags::LOGGER != 0 {
            text(&mut at)?;
        }
        if self.meta.flags & flags::MESSAGE == 0 {
            return None;
        }
        text(&mut at)
    }

    /// A field with its value as it is encoded, unless that is too long to be remembered.
    pub(super) fn short_field(&self, name: &str) -> Option<(Box<str>, Box<[u8]>)> {
        let value = self.field(name).filter(|value| value.len() <= LONGEST)?;
        Some((name.into(), value.into()))
    }

    /// The value of a field as it is encoded: the first of that name.
    fn field(&self, name: &str) -> Option<&'a [u8]> {
        let mut at = self.payload;
        let flags = self.meta.flags;
        for (flag, section) in [
            (flags::LOGGER, text as fn(&mut &'a [u8]) -> Option<&'a [u8]>),
            (flags::MESSAGE, text),
            (flags::ARGS, value),
            (flags::ERROR, value),
        ] {
            if flags & flag != 0 {
                section(&mut at)?;
            }
        }
        if let Some(site) = self.call_site {
            for _ in 0..site.arguments() {
                value(&mut at)?;
            }
            for key in site.keys() {
                let found = value(&mut at)?;
                if *key == name {
                    return Some(found);
                }
            }
        }
        while let Some(key) = text(&mut at) {
            let found = value(&mut at)?;
            if key == name.as_bytes() {
                return Some(found);
            }
        }
        None
    }
}

/// At most so much of a text, up to the boundary of a character.
pub(super) fn cut(text: &str) -> Box<str> {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

fn text<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, rest) = input.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    *input = rest;
    Some(text)
}

/// Steps over a value, whatever it is: its tag tells its length.
fn value<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let all = *input;
    let (tag, rest) = all.split_first()?;
    let len = match tag >> 5 {
        0 => 1,
        1 => 2,
        2 => 5,
        3 => 9,
        4 => 13,
        5 => 17,
        6 => (u32::from_le_bytes(*rest.first_chunk()?) as usize).checked_add(5)?,
        _ => usize::from(*rest.first()?) + 2,
    };
    let (found, rest) = all.split_at_checked(len)?;
    *input = rest;
    Some(found)
}
