//! A call site's line as it mostly is: from the message to its last field a few values, each behind
//! a fragment that never changes.

use super::cursor::Cursor;
use super::escape::{escape_into, quote_into};
use super::message::filled;
use super::number::few_decimals;
use super::put::Fragment;
use super::site::Dialect;
use crate::frame::{Record, flags};
use crate::value::{Value, skip, tag, take, take_str};

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
            step.fragment.put(to);
            let Then::Hole(place) = step.then else {
                value::<D>(&mut rest, false, to)?;
                continue;
            };
            let mut values = values;
            for _ in 0..place {
                skip(&mut values)?;
            }
            value::<D>(&mut values, true, to)?;
        }
        self.last.put(to);
        Some(rest)
    }
}

/// Appends the next value of `input`, as a hole of the message is filled with it or as a field: what
/// most values are at once, all others as the dialect has them.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the cursor is to stay in registers")]
fn value<D: Dialect>(input: &mut &[u8], hole: bool, to: &mut Cursor<'_>) -> Option<()> {
    // A number is as long as this; of all others there is a tag and a length, or it is short.
    if let Some(([tag, word @ ..], behind)) = input.split_first_chunk::<9>() {
        let long = u64::from_le_bytes(*word);
        let plain = match *tag {
            tag::U64 => {
                to.integer(long);
                true
            }
            tag::I64 if long >> 63 == 0 => {
                to.integer(long);
                true
            }
            tag::F64 => few_decimals(f64::from_bits(long), D::QUOTED && !hole, to),
            tag::STR if D::QUOTED || hole => {
                let text = take_str(input)?;
                match D::QUOTED && !hole {
                    true => quote_into(text, to),
                    false => escape_into(D::QUOTED, text, to),
                }
                return Some(());
            }
            _ => false,
        };
        if plain {
            *input = behind;
            return Some(());
        }
    }
    let content = take(input)?;
    to.with(|out| rare::<D>(&content, hole, out));
    Some(())
}

#[inline(never)]
fn rare<D: Dialect>(content: &Value<'_>, hole: bool, out: &mut Vec<u8>) {
    if hole {
        filled(D::QUOTED, content, out);
    } else {
        D::value(content, out);
    }
}
