//! The fields that every record gets.

use rolog_core::value::{Encoder, raw};

use crate::config::{FieldValue, FieldsSpec};
use crate::redact::{Redactor, Tally};

/// A set of the fields, one bit for each in their order.
pub(crate) type Set = u64;

/// The fields, encoded as they stand at the end of a record.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    /// Each with where its pair ends in `pairs`.
    keys: Vec<(Box<[u8]>, usize)>,
    pairs: Vec<u8>,
}

impl Fields {
    /// What the rules hide is hidden here already, once.
    pub(crate) fn new(spec: &FieldsSpec, redactor: Option<&Redactor>) -> Self {
        let mut fields = Fields::default();
        for (key, value) in spec.iter() {
            let mut encoded = Vec::new();
            encode(value, &mut Encoder::new(&mut encoded));
            raw::put_text(&mut fields.pairs, key.as_bytes());
            let value = raw::take(&mut &encoded[..]);
            match (redactor, value) {
                (Some(rules), Some(value)) if rules.hides(key.as_bytes()) => {
                    rules.cover().put_value(&value, &mut fields.pairs);
                }
                (Some(rules), Some(value)) if value.tag == raw::tag::STR => {
                    raw::put_with(&mut fields.pairs, raw::tag::STR, |out| {
                        rules.put_text(value.payload, false, out, &mut Tally::default());
                    });
                }
                _ => fields.pairs.extend_from_slice(&encoded),
            }
            let end = fields.pairs.len();
            fields.keys.push((key.as_bytes().into(), end));
        }
        fields
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The field of this name, as a set.
    pub(crate) fn named(&self, key: &[u8]) -> Set {
        let place = self.keys.iter().position(|(known, _)| **known == *key);
        place.map_or(0, |place| 1 << place)
    }

    /// Appends those that are not in `own`.
    pub(crate) fn put(&self, own: Set, out: &mut Vec<u8>) {
        if own == 0 {
            return out.extend_from_slice(&self.pairs);
        }
        let mut start = 0;
        for (index, (_, end)) in self.keys.iter().enumerate() {
            if own & (1 << index) == 0 {
                out.extend_from_slice(&self.pairs[start..*end]);
            }
            start = *end;
        }
    }

    /// How many bytes all of them take.
    pub(crate) fn len(&self) -> usize {
        self.pairs.len()
    }
}

fn encode(value: &FieldValue, out: &mut Encoder<'_>) {
    match value {
        FieldValue::Bool(value) => out.bool(*value),
        FieldValue::Text(text) => out.str(text),
        FieldValue::Number(number) => {
            if let Some(value) = number.as_u64() {
                out.u64(value);
            } else if let Some(value) = number.as_i64() {
                out.i64(value);
            } else {
                out.f64(number.as_f64().unwrap_or(f64::NAN));
            }
        }
    }
}
