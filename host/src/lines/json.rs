//! A line of JSON, read in one pass straight into the encoding of a record's fields.

use std::cell::Cell;
use std::fmt;

use rolog_core::value::{Encoder, MAX_DEPTH, Map, Value};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::found::{Found, Key, Seen};
use super::keys::{Keys, Role};
use super::options::Options;

/// How deep the lists and maps in a line's fields may nest; the frames' own bound is one more.
pub const MAX_NESTING: usize = MAX_DEPTH - 1;

/// Why a line is not a record of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NotAnObject,
    TooDeep,
}

/// Reads an object and appends all its pairs to `fields`. After a refusal, `found` holds what stood
/// before the place of the trouble.
pub(super) fn read<'de>(
    line: &'de str,
    options: &Options,
    fields: &mut Vec<u8>,
    found: &mut Found<'de>,
) -> Result<(), Refusal> {
    let notes = Notes::default();
    read_noting(line, options, fields, found, &notes)?;
    if notes.beyond_64_bits.get() {
        // Rare, so the common case need not pay for it: read once more, numbers from their text.
        fields.clear();
        *found = Found::default();
        notes.exact.set(true);
        read_noting(line, options, fields, found, &notes)?;
    }
    Ok(())
}

fn read_noting<'de>(
    line: &'de str,
    options: &Options,
    fields: &mut Vec<u8>,
    found: &mut Found<'de>,
    notes: &Notes,
) -> Result<(), Refusal> {
    let mut reader = serde_json::Deserializer::from_str(line);
    let object = Object {
        options,
        fields,
        found,
        notes,
    };
    reader
        .deserialize_map(object)
        .and_then(|()| reader.end())
        .map_err(|_| {
            if notes.too_deep.get() {
                Refusal::TooDeep
            } else {
                Refusal::NotAnObject
            }
        })
}

/// What the readers of nested values tell the whole.
#[derive(Default)]
struct Notes {
    /// Numbers are read from their text.
    exact: Cell<bool>,
    /// A float was so large that it may have been an integer.
    beyond_64_bits: Cell<bool>,
    too_deep: Cell<bool>,
}

/// The line's outermost object.
struct Object<'r, 'de> {
    options: &'r Options,
    fields: &'r mut Vec<u8>,
    found: &'r mut Found<'de>,
    notes: &'r Notes,
}

impl<'de> Visitor<'de> for Object<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Object {
            options,
            fields,
            found,
            notes,
        } = self;
        loop {
            let start = fields.len();
            let key = RoleOf(KeyTo(&mut Encoder::new(fields)), &options.keys);
            let Some(role) = map.next_key_seed(key)? else {
                return Ok(());
            };
            let value_at = fields.len();
            let seen = map.next_value_seed(ValueTo {
                out: &mut Encoder::new(fields),
                notes,
                depth: 0,
            })?;
            if let Some((role, rank)) = role {
                let key = Key {
                    role,
                    rank,
                    value_at,
                    nested: false,
                };
                let pair = start..fields.len();
                let seen = match seen {
                    Seen::Other if role == Role::Message => bytes_of(&fields[start..]),
                    seen => seen,
                };
                found.offer(&key, seen, pair, fields, options);
            } else if fields[..value_at].ends_with(b"\x03\0\0\0log") {
                found.offer_nested(start, value_at, fields, options);
            }
        }
    }
}

/// The text of an encoded pair whose value is a list of bytes: so journald exports a `MESSAGE` that is
/// not UTF-8, or has control characters.
fn bytes_of<'de>(pair: &[u8]) -> Seen<'de> {
    let entry = Map::parse(pair).ok().and_then(|pair| pair.iter().next());
    let Some(("MESSAGE", Value::List(items))) = entry else {
        return Seen::Other;
    };
    let byte = |item| match item {
        Value::I64(number) => u8::try_from(number).ok(),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = items.iter().map(byte).collect();
    bytes.map_or(Seen::Other, |bytes| {
        Seen::Bytes(String::from_utf8_lossy(&bytes).into_owned())
    })
}

/// Appends a key of the outermost object, and says what it means.
struct RoleOf<'e, 'b, 'k>(KeyTo<'e, 'b>, &'k Keys);

impl<'de> DeserializeSeed<'de> for RoleOf<'_, '_, '_> {
    type Value = Option<(Role, u8)>;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Self::Value, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for RoleOf<'_, '_, '_> {
    type Value = Option<(Role, u8)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        self.0.0.key(key);
        Ok(self.1.role(key))
    }
}

/// Appends a key.
struct KeyTo<'e, 'b>(&'e mut Encoder<'b>);

impl<'de> DeserializeSeed<'de> for KeyTo<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<(), D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyTo<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<(), E> {
        self.0.key(key);
        Ok(())
    }
}

/// Appends a value with all that is in it.
struct ValueTo<'e, 'b, 'n> {
    out: &'e mut Encoder<'b>,
    notes: &'n Notes,
    /// How many lists and maps this value lies in.
    depth: usize,
}

impl ValueTo<'_, '_, '_> {
    fn deeper<E: serde::de::Error>(&self) -> Result<usize, E> {
        if self.depth == MAX_NESTING {
            self.notes.too_deep.set(true);
            return Err(E::custom("nested too deep"));
        }
        Ok(self.depth + 1)
    }

    /// A number from its text, so that none loses digits which 128 bits can hold.
    fn number<'de>(self, text: &str) -> Seen<'de> {
        if let Ok(number) = text.parse::<u64>() {
            return self.unsigned(number);
        }
        if let Ok(number) = text.parse::<i64>() {
            self.out.i64(number);
        } else if let Ok(number) = text.parse::<i128>() {
            self.out.i128(number);
        } else if let Ok(number) = text.parse::<u128>() {
            self.out.u128(number);
        } else {
            // The first reading has shown that this is a number and that a float can hold it.
            let number = text.parse::<f64>().unwrap_or(f64::NAN);
            self.out.f64(number);
            return Seen::Float(number);
        }
        Seen::Other
    }

    fn unsigned<'de>(self, number: u64) -> Seen<'de> {
        match i64::try_from(number) {
            Ok(number) => self.out.i64(number),
            Err(_) => self.out.u64(number),
        }
        Seen::Unsigned(number)
    }
}

impl<'de> DeserializeSeed<'de> for ValueTo<'_, '_, '_> {
    type Value = Seen<'de>;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Seen<'de>, D::Error> {
        if !self.notes.exact.get() {
            return value.deserialize_any(self);
        }
        let raw: &'de RawValue = serde::Deserialize::deserialize(value)?;
        let text = raw.get();
        if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return Ok(self.number(text));
        }
        serde_json::Deserializer::from_str(text)
            .deserialize_any(self)
            .map_err(D::Error::custom)
    }
}

impl<'de> Visitor<'de> for ValueTo<'_, '_, '_> {
    type Value = Seen<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Seen<'de>, E> {
        self.out.null();
        Ok(Seen::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Seen<'de>, E> {
        self.out.bool(value);
        Ok(Seen::Other)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Seen<'de>, E> {
        self.out.i64(number);
        Ok(Seen::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Seen<'de>, E> {
        Ok(self.unsigned(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Seen<'de>, E> {
        if number.abs() >= i64::MAX as f64 {
            self.notes.beyond_64_bits.set(true);
        }
        self.out.f64(number);
        Ok(Seen::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Seen<'de>, E> {
        self.out.str(text);
        Ok(Seen::Text(None))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Seen<'de>, E> {
        self.out.str(text);
        Ok(Seen::Text(Some(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Seen<'de>, A::Error> {
        let depth = self.deeper()?;
        let notes = self.notes;
        self.out.list(|out| {
            while items
                .next_element_seed(ValueTo { out, notes, depth })?
                .is_some()
            {}
            Ok(Seen::Other)
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Seen<'de>, A::Error> {
        let depth = self.deeper()?;
        let notes = self.notes;
        self.out.map(|out| {
            while entries.next_key_seed(KeyTo(out))?.is_some() {
                entries.next_value_seed(ValueTo { out, notes, depth })?;
            }
            Ok(Seen::Other)
        })
    }
}
