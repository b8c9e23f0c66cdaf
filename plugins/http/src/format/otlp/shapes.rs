//! What the records of a call site have in common, encoded once and kept across batches.
//!
//! A shape writes exactly what [`Proto`](super::proto::Proto) writes without one, and only records
//! that are like the one that it was made of: of the same call site, with the same keys in the same
//! order, and without anything that few records have. All others go the long way.

use rolog_core::frame::{Record, flags};
use rolog_core::template::{self, pieces};
use rolog_core::value::Value;

use super::attributes::{self, Attribute, Trace, is_id};
use super::proto::{integer, key_value};
use super::wire;

/// How many call sites are kept; a power of two.
const SLOTS: usize = 4096;
/// The most keys that a record may have for its shape to be kept.
const KEYS: usize = 16;
/// The most bytes of a template that are kept.
const TEMPLATE: usize = 4096;
/// What few records have.
const RARE: u16 = flags::MESSAGE | flags::ARGS | flags::ERROR | flags::TRUNCATED | flags::ORIGIN;

/// The shapes of the call sites seen last.
#[derive(Default)]
pub(super) struct Shapes {
    slots: Vec<Option<Box<Shape>>>,
}

/// What the records of a call site have in common.
pub(super) struct Shape {
    site: (u128, u32),
    keys: Vec<Key>,
    message: Vec<Piece>,
    /// The attributes behind the record's own data that do not change.
    behind: Vec<u8>,
    /// Whether records can be written by it.
    fits: bool,
}

struct Key {
    name: Box<str>,
    /// The key's field of a `KeyValue`, whole.
    field: Vec<u8>,
    role: Role,
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Attribute,
    /// There was one of this name before.
    Second,
    Trace,
    Span,
}

enum Piece {
    Text(Box<str>),
    /// The value of the key at this place.
    Value(usize),
}

/// A record's data, by the places of its keys.
pub(super) type Values<'a> = [Value<'a>; KEYS];

impl Shapes {
    /// The shape of a record, and its data by that.
    pub(super) fn of<'a>(
        &mut self,
        record: &Record<'a>,
        source: bool,
    ) -> Option<(&Shape, Values<'a>)> {
        let site = record.call_site_key()?;
        if record.flags() & RARE != 0 {
            return None;
        }
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, || None);
        }
        let slot = &mut self.slots[(site.1 as usize ^ site.0 as usize) & (SLOTS - 1)];
        let known = slot.as_ref().is_some_and(|shape| shape.site == site);
        let values = match slot {
            Some(shape) if known => shape.values(record),
            _ => None,
        };
        let values = match values {
            Some(values) => values,
            // Of what comes with single records there may be more than one kind.
            None if known => return None,
            None => {
                let shape = slot.insert(Box::new(Shape::new(record, site, source)));
                shape.values(record)?
            }
        };
        slot.as_deref().map(|shape| (shape, values))
    }
}

impl Shape {
    fn new(record: &Record<'_>, site: (u128, u32), source: bool) -> Self {
        let mut shape = Shape {
            site,
            keys: Vec::new(),
            message: Vec::new(),
            behind: Vec::new(),
            fits: false,
        };
        let template = record.template().unwrap_or_default();
        let keys: Vec<&str> = record.fields().map(|(key, _)| key).collect();
        if keys.len() > KEYS || template.len() > TEMPLATE || record.args().next().is_some() {
            return shape;
        }
        let mut taken = false;
        attributes::fixed(record, source, |key, value| {
            taken |= keys.contains(&key);
            key_value(6, key, &Attribute::Value(value), None, &mut shape.behind);
        });
        if taken || keys.iter().any(|key| attributes::OWN.contains(key)) {
            return shape;
        }
        for (place, key) in keys.iter().enumerate() {
            let mut field = Vec::new();
            wire::bytes(1, key.as_bytes(), &mut field);
            let role = match *key {
                "trace_id" => Role::Trace,
                "span_id" => Role::Span,
                key if keys[..place].contains(&key) => Role::Second,
                _ => Role::Attribute,
            };
            // Which of several is the trace's depends on their values.
            let name = (*key).into();
            if matches!(role, Role::Trace | Role::Span) && keys[..place].contains(key) {
                return shape;
            }
            shape.keys.push(Key { name, field, role });
        }
        for piece in pieces(template) {
            shape.message.push(match piece {
                template::Piece::Text(text) => Piece::Text(text.into()),
                template::Piece::Hole(name) => {
                    match keys.iter().position(|key| *key == name && !name.is_empty()) {
                        Some(place) => Piece::Value(place),
                        None => Piece::Text(format!("{{{name}}}").into()),
                    }
                }
            });
        }
        shape.fits = true;
        shape
    }

    /// The data of a record of this shape; `None` for one of another.
    fn values<'a>(&self, record: &Record<'a>) -> Option<Values<'a>> {
        if !self.fits {
            return None;
        }
        let (mut values, mut fields) = ([Value::Null; KEYS], record.fields());
        for (key, place) in self.keys.iter().zip(&mut values) {
            let (name, value) = fields.next()?;
            if *key.name != *name {
                return None;
            }
            *place = value;
        }
        fields.next().is_none().then_some(values)
    }

    /// Appends the message.
    pub(super) fn message(&self, values: &Values<'_>, out: &mut Vec<u8>) {
        for piece in &self.message {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Value(place) => super::proto::text(&values[*place], out),
            }
        }
    }

    /// Appends the attributes up to those that each record has of its own.
    pub(super) fn attributes<'v>(
        &self,
        record: &Record<'_>,
        values: &Values<'v>,
        out: &mut Vec<u8>,
    ) -> Trace<'v> {
        let mut trace = Trace {
            trace: None,
            span: None,
        };
        for (key, value) in self.keys.iter().zip(values) {
            match (key.role, *value) {
                (Role::Second, _) => {}
                (Role::Trace, Value::Str(text)) if is_id(text, 32) => trace.trace = Some(text),
                (Role::Span, Value::Str(text)) if is_id(text, 16) => trace.span = Some(text),
                _ => attribute(key, value, record, out),
            }
        }
        out.extend_from_slice(&self.behind);
        trace
    }
}

fn attribute(key: &Key, value: &Value<'_>, record: &Record<'_>, out: &mut Vec<u8>) {
    // Field 2 of the `KeyValue` is the `AnyValue`, of so many bytes.
    let mut head = |any: usize| {
        wire::head(6, key.field.len() + wire::field_len(any), out);
        out.extend_from_slice(&key.field);
        wire::head(2, any, out);
    };
    match value {
        Value::Str(text) => {
            head(wire::field_len(text.len()));
            wire::bytes(1, text.as_bytes(), out);
        }
        Value::F64(number) => {
            head(9);
            wire::fixed64(4, number.to_bits(), out);
        }
        Value::Bool(truth) => {
            head(2);
            wire::number(2, (*truth).into(), out);
        }
        value => match integer(value) {
            Some(number) => {
                head(1 + wire::varint_len(number as u64));
                wire::number(3, number as u64, out);
            }
            None => key_value(6, &key.name, &Attribute::Value(*value), Some(record), out),
        },
    }
}
