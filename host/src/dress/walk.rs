//! Through a record's payload: first to see whether anything is to be done, then to do it.

use rolog_core::frame::flags;
use rolog_core::value::raw::{self, Raw, tag};

use super::fields::{Fields, Set};
use super::site::Site;
use crate::redact::{CUT, Redactor, Tally};

/// What a look at a record found.
#[derive(Debug, Default)]
pub(crate) struct Found<'p> {
    /// Whether something is to be hidden.
    pub(crate) hidden: bool,
    /// Which of the fields it has itself, beside those of its call site.
    pub(crate) own: Set,
    /// Arguments that are hidden because of what fills the template's holes in this record.
    arguments: Vec<usize>,
    /// Fields that are hidden because of that.
    named: Vec<&'p [u8]>,
}

/// A record as the logging thread wrote it.
#[derive(Clone, Copy)]
pub(crate) struct Payload<'p> {
    pub(crate) bytes: &'p [u8],
    pub(crate) bits: u16,
    pub(crate) site: &'p Site,
}

impl<'p> Payload<'p> {
    fn is_cut(&self) -> bool {
        self.bits & flags::TRUNCATED != 0
    }

    fn has(&self, section: u16) -> bool {
        self.bits & section != 0
    }

    /// Looks at everything that may have to be hidden, and for fields of the record's own.
    pub(crate) fn look(&self, fields: &Fields, rules: Option<&Redactor>) -> Found<'p> {
        let mut found = Found::default();
        let mut rest = self.bytes;
        let look = rules.map(|rules| Look {
            rules,
            cut: self.is_cut(),
        });
        if self.has(flags::LOGGER) {
            raw::take_text(&mut rest);
        }
        if self.has(flags::MESSAGE)
            && let Some(text) = raw::take_text(&mut rest)
            && let Some(look) = &look
        {
            found.hidden |= look.text(text);
        }
        for section in [flags::ARGS, flags::ERROR] {
            if self.has(section)
                && let Some(value) = raw::take(&mut rest)
                && let Some(look) = &look
            {
                found.hidden |= look.value(&value);
            }
        }
        found.hidden |= self.site.any_hidden;
        for _ in 0..self.site.hidden.len() {
            if let Some(value) = raw::take(&mut rest)
                && let Some(look) = &look
            {
                found.hidden |= look.value(&value);
            }
        }
        if !rest.is_empty() {
            self.look_at_pairs(rest, fields, look.as_ref(), &mut found);
        }
        found
    }

    fn look_at_pairs(
        &self,
        pairs: &'p [u8],
        fields: &Fields,
        look: Option<&Look<'_>>,
        found: &mut Found<'p>,
    ) {
        let mut rest = pairs;
        while let Some((key, value)) = take_pair(&mut rest) {
            found.own |= fields.named(key);
            if let Some(look) = look {
                found.hidden |= look.pair(key, &value);
            }
        }
        if self.site.holes.is_some() {
            let mut rest = pairs;
            let keys: Vec<&[u8]> =
                std::iter::from_fn(|| take_pair(&mut rest).map(|(key, _)| key)).collect();
            (found.arguments, found.named) = self.site.with_fields(&keys);
            found.hidden |= !found.arguments.is_empty() || !found.named.is_empty();
        }
    }

    /// Appends the record without what the rules hide.
    pub(crate) fn rewrite(
        &self,
        found: &Found<'_>,
        rules: &Redactor,
        out: &mut Vec<u8>,
        tally: &mut Tally,
    ) {
        let mut rest = self.bytes;
        let mut pen = Pen {
            look: Look {
                rules,
                cut: self.is_cut(),
            },
            out,
            tally,
        };
        if self.has(flags::LOGGER)
            && let Some(name) = raw::take_text(&mut rest)
        {
            raw::put_text(pen.out, name);
        }
        if self.has(flags::MESSAGE)
            && let Some(text) = raw::take_text(&mut rest)
        {
            pen.message(text);
        }
        let hides_argument =
            |index: usize| self.site.hidden[index] || found.arguments.contains(&index);
        if self.has(flags::ARGS)
            && let Some(list) = raw::take(&mut rest)
        {
            raw::put_with(pen.out, list.tag, |out| {
                let mut pen = pen_on(pen.look, out, pen.tally);
                let (mut items, mut index) = (list.payload, 0);
                while let Some(item) = raw::take(&mut items) {
                    let hidden = index < self.site.arguments && hides_argument(index);
                    pen.value_or_cover(&item, hidden);
                    index += 1;
                }
            });
        }
        if self.has(flags::ERROR)
            && let Some(error) = raw::take(&mut rest)
        {
            pen.value(&error);
        }
        for index in 0..self.site.hidden.len() {
            if let Some(value) = raw::take(&mut rest) {
                let hidden = if index < self.site.arguments {
                    hides_argument(index)
                } else {
                    self.site.hidden[index]
                };
                pen.value_or_cover(&value, hidden);
            }
        }
        while let Some((key, value)) = take_pair(&mut rest) {
            let hidden = found.named.contains(&key);
            pen.pair(key, &value, hidden);
        }
    }
}

fn take_pair<'p>(rest: &mut &'p [u8]) -> Option<(&'p [u8], Raw<'p>)> {
    Some((raw::take_text(rest)?, raw::take(rest)?))
}

/// Whether something is to be hidden.
#[derive(Clone, Copy)]
struct Look<'r> {
    rules: &'r Redactor,
    cut: bool,
}

impl Look<'_> {
    fn text(&self, text: &[u8]) -> bool {
        self.rules.touches(text, self.cut)
    }

    /// A key that was cut itself cannot be judged any more, and hides its value.
    fn hides(&self, key: &[u8]) -> bool {
        self.rules.hides(key) || self.cut && key.ends_with(CUT)
    }

    fn pair(&self, key: &[u8], value: &Raw<'_>) -> bool {
        self.hides(key) && value.tag != tag::NULL
            || self.rules.touches_key(key)
            || self.value(value)
    }

    fn value(&self, value: &Raw<'_>) -> bool {
        let mut rest = value.payload;
        match value.tag {
            tag::STR => self.text(value.payload),
            tag::BYTES => self.rules.touches_bytes(value.payload),
            tag::LIST | tag::ERROR => {
                std::iter::from_fn(|| raw::take(&mut rest)).any(|item| self.value(&item))
            }
            tag::MAP => {
                std::iter::from_fn(|| take_pair(&mut rest)).any(|(key, item)| self.pair(key, &item))
            }
            _ => false,
        }
    }
}

/// Writes what stays, and what stands for the rest.
struct Pen<'r, 'o> {
    look: Look<'r>,
    out: &'o mut Vec<u8>,
    tally: &'o mut Tally,
}

fn pen_on<'r, 'o>(look: Look<'r>, out: &'o mut Vec<u8>, tally: &'o mut Tally) -> Pen<'r, 'o> {
    Pen { look, out, tally }
}

impl Pen<'_, '_> {
    fn message(&mut self, text: &[u8]) {
        let start = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        let Look { rules, cut } = self.look;
        rules.put_text(text, cut, self.out, self.tally);
        self.close(start);
    }

    fn key(&mut self, key: &[u8]) {
        let start = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        self.look.rules.put_key(key, self.out, self.tally);
        self.close(start);
    }

    fn close(&mut self, start: usize) {
        let len = u32::try_from(self.out.len() - start - 4).unwrap_or(u32::MAX);
        self.out[start..start + 4].copy_from_slice(&len.to_le_bytes());
    }

    fn pair(&mut self, key: &[u8], value: &Raw<'_>, hidden: bool) {
        self.key(key);
        let hidden = hidden || self.look.hides(key);
        self.value_or_cover(value, hidden);
    }

    fn value_or_cover(&mut self, value: &Raw<'_>, hidden: bool) {
        if hidden {
            self.tally.names += u64::from(value.tag != tag::NULL);
            self.look.rules.cover().put_value(value, self.out);
        } else {
            self.value(value);
        }
    }

    fn value(&mut self, value: &Raw<'_>) {
        if !self.look.value(value) {
            return self.out.extend_from_slice(value.whole);
        }
        let (look, tally) = (self.look, &mut *self.tally);
        let mut rest = value.payload;
        match value.tag {
            tag::STR => raw::put_with(self.out, tag::STR, |out| {
                look.rules.put_text(value.payload, look.cut, out, tally);
            }),
            tag::LIST | tag::ERROR => raw::put_with(self.out, value.tag, |out| {
                let mut pen = pen_on(look, out, tally);
                while let Some(item) = raw::take(&mut rest) {
                    pen.value(&item);
                }
            }),
            tag::MAP => raw::put_with(self.out, tag::MAP, |out| {
                let mut pen = pen_on(look, out, tally);
                while let Some((key, item)) = take_pair(&mut rest) {
                    pen.pair(key, &item, false);
                }
            }),
            // Bytes are not text that something could be cut out of.
            _ => {
                tally.patterns += 1;
                look.rules.cover().put_value(value, self.out);
            }
        }
    }
}
