//! A call site's line as it mostly is: from the message to its last field a few values, each behind
//! a fragment that never changes.

use super::cursor::Cursor;
use super::escape::{escape_into, quote_into};
use super::message::filled;
use super::number::{FEW_DECIMALS, few_decimals};
use super::put::Fragment;
use super::site::Dialect;
use crate::frame::{Record, flags};
use crate::value::{skip, tag, take, take_str};

/// The fragments, and what stands behind each.
#[derive(Debug)]
pub(super) struct Flow {
    steps: Vec<Step>,
    /// What stands behind the last value.
    last: Fragment,
}

#[derive(Debug)]
struct Step {
    fragment: Fragment,
    then: Then,
}

#[derive(Debug, Clone, Copy)]
enum Then {
    /// The value of the call site's key at this place fills a hole of the message.
    Hole(usize),
    /// The value of the next of the call site's keys.
    Field,
}

/// Makes a [`Flow`].
#[derive(Debug, Default)]
pub(super) struct FlowBuilder {
    bytes: Vec<u8>,
    steps: Vec<Step>,
}

impl FlowBuilder {
    /// Appends to the fragment that is being made.
    pub(super) fn text(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Ends a fragment with a hole that the key at this place fills.
    pub(super) fn hole(&mut self, place: usize) {
        self.step(Then::Hole(place));
    }

    /// Ends a fragment with the value of the next key.
    pub(super) fn field(&mut self) {
        self.step(Then::Field);
    }

    fn step(&mut self, then: Then) {
        let fragment = Fragment::new(&std::mem::take(&mut self.bytes));
        self.steps.push(Step { fragment, then });
    }

    pub(super) fn finish(self) -> Flow {
        Flow {
            steps: self.steps,
            last: Fragment::new(&self.bytes),
        }
    }
}

impl Flow {
    /// Appends the record from its message to the last of its call site's fields. Returns what its
    /// payload has behind those; `None` if the record is not of this form: what was appended then is
    /// nothing to keep.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the cursor is to stay in registers")]
    pub(super) fn write<'a, D: Dialect>(
        &self,
        record: &Record<'a>,
        to: &mut Cursor<'_>,
    ) -> Option<&'a [u8]> {
        if record.flags() & (flags::MESSAGE | flags::ARGS) != 0 {
            return None;
        }
        let values = record.raw_fields();
        let mut rest = values;
        for step in &self.steps {
            step.fragment.put(NUMBER, to);
            match step.then {
                // SAFETY: the fragment has made room for a number.
                Then::Field => rest = unsafe { value::<D>(rest, false, to)? },
                Then::Hole(place) => {
                    let values = nth(values, place)?;
                    // SAFETY: as above.
                    unsafe { value::<D>(values, true, to)? };
                }
            }
        }
        if !self.last.is_empty() {
            self.last.put(0, to);
        }
        Some(rest)
    }
}

/// The room for any number that is not rare.
const NUMBER: usize = FEW_DECIMALS;

/// The values from this place on.
#[inline]
pub(super) fn nth(mut values: &[u8], place: usize) -> Option<&[u8]> {
    for _ in 0..place {
        skip(&mut values)?;
    }
    Some(values)
}

/// Appends the first of `values`, as a hole of the message is filled with it or as a field, and
/// returns the others: what most values are at once, all else as the dialect has it.
///
/// # Safety
/// As for [`Cursor::first_within`], with room for [`NUMBER`].
#[inline(always)]
#[allow(clippy::inline_always, reason = "the cursor is to stay in registers")]
unsafe fn value<'a, D: Dialect>(
    values: &'a [u8],
    hole: bool,
    to: &mut Cursor<'_>,
) -> Option<&'a [u8]> {
    // A number is as long as this; of all others there is a tag and a length, or it is short.
    if let Some(([tag, word @ ..], behind)) = values.split_first_chunk::<9>() {
        let long = u64::from_le_bytes(*word);
        match *tag {
            tag::STR if D::QUOTED || hole => {
                let mut rest = values;
                let text = take_str(&mut rest)?;
                if D::QUOTED && !hole {
                    quote_into(text, to);
                } else {
                    escape_into(D::QUOTED, text, to);
                }
                return Some(rest);
            }
            tag::STR => {
                let mut rest = values;
                let text = take_str(&mut rest)?;
                if D::put_word(text, to) {
                    return Some(rest);
                }
            }
            tag::U64 | tag::I64 if *tag == tag::U64 || long >> 63 == 0 => {
                // SAFETY: that is the caller's promise.
                unsafe { to.integer_within(long) };
                return Some(behind);
            }
            // SAFETY: as above.
            tag::F64 if unsafe { few_decimals(f64::from_bits(long), D::QUOTED && !hole, to) } => {
                return Some(behind);
            }
            _ => {}
        }
    }
    to.with(|out| rare::<D>(values, hole, out))
}

#[inline(never)]
fn rare<'a, D: Dialect>(mut values: &'a [u8], hole: bool, out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let content = take(&mut values)?;
    if hole {
        filled(D::QUOTED, &content, out);
    } else {
        D::value(&content, out);
    }
    Some(values)
}
