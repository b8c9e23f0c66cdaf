//! What the records of a call site have in common in protobuf, encoded once and kept across batches.
//!
//! What a site writes is exactly what is written without one. It writes only records whose data are
//! all that they tell: of those, every length but the message's is known before anything is written.

use super::super::cursor::Cursor;
use super::super::flow::nth;
use super::super::kept::Kept;
use super::super::keys::Keys;
use super::super::number::{FEW_DECIMALS, few_decimals};
use super::super::put::Fragment;
use super::attributes::{self, Attributes, Trace};
use super::proto::{Fields, text};
use super::wire;
use crate::frame::Record;
use crate::template::{Piece, pieces};
use crate::value::{tag, take, take_pair, take_str};

/// Of a call site that has more than so many bytes to keep, nothing is.
const MAX_KEPT: usize = 4096;

/// The call sites seen last.
#[derive(Debug, Default)]
pub(super) struct Sites(Kept<Site>);

impl Sites {
    /// That of a record; `None` for a record of none, and where nothing is kept.
    #[inline]
    pub(super) fn of(&mut self, record: &Record<'_>, source: bool) -> Option<&Site> {
        let key = record.call_site_key()?;
        let site = self.0.of(key, || Some(Site::new(record, source)))?;
        site.fits.then_some(&*site)
    }
}

/// What the records of a call site have in common.
#[derive(Debug)]
pub(super) struct Site {
    /// Whether records can be written by it.
    fits: bool,
    /// Whether a key that comes with a single record could fill a hole.
    open_holes: bool,
    /// The texts of the message, each with the place of the key that fills the hole behind it.
    message: Vec<(Fragment, usize)>,
    /// What stands behind the last hole.
    end: Fragment,
    fields: Vec<Field>,
    key_bits: u64,
    /// The attributes behind the fields that do not change.
    behind: Fragment,
}

/// A key of the call site.
#[derive(Debug)]
struct Field {
    name: Box<str>,
    /// From behind the length of its `KeyValue` up to the length of its value.
    head: Fragment,
    /// How many bytes the `KeyValue` has beside the value, whose length takes one.
    around: usize,
}

/// A length below this takes one byte.
const ONE_BYTE: usize = 0x80;

impl Site {
    fn new(record: &Record<'_>, source: bool) -> Self {
        let mut site = Site {
            fits: false,
            open_holes: false,
            message: Vec::new(),
            end: Fragment::new(&[]),
            fields: Vec::new(),
            key_bits: 0,
            behind: Fragment::new(&[]),
        };
        let mut behind = Vec::new();
        let mut to = Fields {
            field: 6,
            out: &mut behind,
        };
        attributes::of_site(source, record, &mut to);
        let keys = record.site_keys().map(str::len).sum::<usize>();
        let kept = behind.len() + record.site_template().len() + keys;
        if kept > MAX_KEPT || record.site_arguments() > 0 {
            return site;
        }
        site.behind = Fragment::new(&behind);
        let mut seen = Keys::new();
        for name in record.site_keys() {
            let renamed = !attributes::Key::of_field(name).before.is_empty();
            if !seen.is_new(name, || record.site_keys()) || renamed || attributes::is_of_trace(name)
            {
                return site;
            }
            site.fields.push(Field::new(name));
        }
        site.key_bits = seen.bits();
        site.read_template(record);
        site.fits = true;
        site
    }

    fn read_template(&mut self, record: &Record<'_>) {
        let mut text = Vec::new();
        for piece in pieces(record.site_template()) {
            match piece {
                Piece::Text(part) => text.extend_from_slice(part.as_bytes()),
                Piece::Hole(name) => {
                    let place = record.site_keys().position(|key| key == name);
                    if let Some(place) = place.filter(|_| !name.is_empty()) {
                        self.message.push((Fragment::new(&text), place));
                        text.clear();
                    } else {
                        // There is no argument that could fill it.
                        self.open_holes |= !name.is_empty();
                        text.push(b'{');
                        text.extend_from_slice(name.as_bytes());
                        text.push(b'}');
                    }
                }
            }
        }
        self.end = Fragment::new(&text);
    }

    /// Whether a record that has more than the call site's data may have another message.
    #[inline]
    pub(super) fn open_holes(&self) -> bool {
        self.open_holes
    }

    /// Appends the message of a record with these values; `None` if it lacks one.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the cursor is to stay in registers")]
    pub(super) fn message(&self, values: &[u8], to: &mut Cursor<'_>) -> Option<()> {
        for (text, place) in &self.message {
            text.put(0, to);
            hole(nth(values, *place)?, to)?;
        }
        self.end.put(0, to);
        Some(())
    }

    /// Appends the data under the call site's keys. Returns what the record has behind those; `None`
    /// if it lacks one.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the cursor is to stay in registers")]
    pub(super) fn fields<'a>(&self, mut values: &'a [u8], to: &mut Cursor<'_>) -> Option<&'a [u8]> {
        for field in &self.fields {
            values = field.put(values, to)?;
        }
        Some(values)
    }

    /// Writes the data that came with a single record: what is behind the call site's own.
    pub(super) fn added<'a>(
        &self,
        mut rest: &'a [u8],
        record: &Record<'a>,
        trace: &mut Trace<'a>,
        to: &mut Fields<'_>,
    ) {
        let mut seen = Keys::behind(self.fields.len(), self.key_bits);
        while let Some((name, value)) = take_pair(&mut rest) {
            if seen.is_new(name, || record.fields().map(|(key, _)| key)) {
                attributes::field(name, &value, trace, to);
            }
        }
    }

    /// Appends what stands behind the data.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the cursor is to stay in registers")]
    pub(super) fn behind(&self, to: &mut Cursor<'_>) {
        if !self.behind.is_empty() {
            self.behind.put(0, to);
        }
    }
}

impl Field {
    fn new(name: &str) -> Self {
        let mut head = Vec::new();
        wire::bytes(1, name.as_bytes(), &mut head);
        head.push(2 << 3 | 2);
        Field {
            name: name.into(),
            around: head.len() + 1,
            head: Fragment::new(&head),
        }
    }

    /// Appends the attribute with the first of `values`, and returns the others.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the cursor is to stay in registers")]
    fn put<'a>(&self, values: &'a [u8], to: &mut Cursor<'_>) -> Option<&'a [u8]> {
        // A number is as long as this; of all others there is a tag and a length, or it is short.
        if let Some(([tag, word @ ..], behind)) = values.split_first_chunk::<9>() {
            let long = u64::from_le_bytes(*word);
            match *tag {
                tag::STR => {
                    let mut rest = values;
                    let text = take_str(&mut rest)?.as_bytes();
                    if self.begin(text.len() + 2, to) {
                        to.first(&[1 << 3 | 2, text.len() as u8], 2);
                        to.put_few(text);
                        return Some(rest);
                    }
                }
                tag::U64 | tag::I64 if long < 1 << 56 => {
                    let (bytes, len) = varint(long);
                    if self.begin(len + 1, to) {
                        to.first(&[3 << 3], 1);
                        to.first(&bytes, len);
                        return Some(behind);
                    }
                }
                tag::F64 if self.begin(9, to) => {
                    to.first(&[4 << 3 | 1], 1);
                    to.first(word, 8);
                    return Some(behind);
                }
                _ => {}
            }
        }
        to.with(|out| self.rare(values, out))
    }

    /// Appends what stands before a value of so many bytes, if there is one byte for each length; if
    /// not, nothing.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the cursor is to stay in registers")]
    fn begin(&self, value: usize, to: &mut Cursor<'_>) -> bool {
        let len = self.around + value;
        if len >= ONE_BYTE {
            return false;
        }
        to.first(&[6 << 3 | 2, len as u8], 2);
        self.head.put(0, to);
        to.first(&[value as u8], 1);
        true
    }

    #[inline(never)]
    fn rare<'a>(&self, mut values: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
        let value = take(&mut values)?;
        let mut to = Fields { field: 6, out };
        to.value((&*self.name).into(), &value);
        Some(values)
    }
}

/// Appends the first of `values` as text.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the cursor is to stay in registers")]
fn hole(values: &[u8], to: &mut Cursor<'_>) -> Option<()> {
    if let Some(([tag, word @ ..], _)) = values.split_first_chunk::<9>() {
        let long = u64::from_le_bytes(*word);
        to.ensure(FEW_DECIMALS);
        match *tag {
            tag::STR => {
                let mut rest = values;
                to.put_few(take_str(&mut rest)?.as_bytes());
                return Some(());
            }
            tag::U64 | tag::I64 if *tag == tag::U64 || long >> 63 == 0 => {
                // SAFETY: there is room for a number with decimals, so for one without.
                unsafe { to.integer_within(long) };
                return Some(());
            }
            // SAFETY: there is room for it.
            tag::F64 if unsafe { few_decimals(f64::from_bits(long), false, to) } => {
                return Some(());
            }
            _ => {}
        }
    }
    to.with(|out| rare_hole(values, out))
}

#[inline(never)]
fn rare_hole(mut values: &[u8], out: &mut Vec<u8>) -> Option<()> {
    text(&take(&mut values)?, out);
    Some(())
}

/// The bytes of a number below 2 to the 56th in protobuf, and how many there are.
#[inline]
fn varint(value: u64) -> ([u8; 8], usize) {
    debug_assert!(value < 1 << 56);
    // Seven bits in each byte: halves of the number, halves of those and halves of those, side by side.
    let halves = value & 0x0fff_ffff | (value & 0x00ff_ffff_f000_0000) << 4;
    let quarters = halves & 0x0000_3fff_0000_3fff | (halves & 0x0fff_c000_0fff_c000) << 2;
    let bytes = quarters & 0x007f_007f_007f_007f | (quarters & 0x3f80_3f80_3f80_3f80) << 1;
    let len = wire::varint_len(value);
    // All but the last say that there are more.
    let more = 0x8080_8080_8080_8080 & ((1 << ((len - 1) * 8)) - 1);
    ((bytes | more).to_le_bytes(), len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_at_the_ends_of_each_length() {
        for bits in 0..56 {
            for value in [(1 << bits) - 1, 1 << bits, (1_u64 << bits) + 1] {
                let mut expected = Vec::new();
                wire::varint(value, &mut expected);
                let (bytes, len) = varint(value);
                assert_eq!(bytes[..len], expected);
            }
        }
    }
}
