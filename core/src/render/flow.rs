//! A call site's line as it mostly is: from the message to its last field a few values, each behind
//! a fragment that never changes.

use super::message::filled;
use super::put::Fragments;
use super::site::Dialect;
use crate::frame::{Record, flags};
use crate::value::{skip, take_with};

/// The fragments, and what stands behind each.
#[derive(Debug)]
pub(super) struct Flow {
    fragments: Fragments,
    steps: Vec<Step>,
    /// Where the last fragment ends, behind which is nothing.
    end: usize,
}

#[derive(Debug)]
struct Step {
    /// Where the fragment ends.
    end: usize,
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
        let end = self.bytes.len();
        self.steps.push(Step { end, then });
    }

    pub(super) fn finish(self) -> Flow {
        Flow {
            fragments: Fragments::new(&self.bytes),
            steps: self.steps,
            end: self.bytes.len(),
        }
    }
}

impl Flow {
    /// Appends the record from its message to the last of its call site's fields. Returns what its
    /// payload has behind those; `None`, and nothing appended, if the record is not of this form.
    #[inline]
    pub(super) fn write<'a, D: Dialect>(
        &self,
        record: &Record<'a>,
        out: &mut Vec<u8>,
    ) -> Option<&'a [u8]> {
        if record.flags() & (flags::MESSAGE | flags::ARGS) != 0 {
            return None;
        }
        let start = out.len();
        let rest = self.run::<D>(record.raw_fields(), out);
        if rest.is_none() {
            out.truncate(start);
        }
        rest
    }

    #[inline]
    fn run<'a, D: Dialect>(&self, values: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
        let mut rest = values;
        let mut start = 0;
        for step in &self.steps {
            self.fragments.put(start, step.end, out);
            start = step.end;
            match step.then {
                Then::Field => take_with(&mut rest, |value| D::value(value, out))?,
                Then::Hole(place) => {
                    let mut values = values;
                    for _ in 0..place {
                        skip(&mut values)?;
                    }
                    take_with(&mut values, |value| filled(D::QUOTED, value, out))?;
                }
            }
        }
        self.fragments.put(start, self.end, out);
        Some(rest)
    }
}
