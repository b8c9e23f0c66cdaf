//! Any `Serialize` type as a value: structs and maps become maps, sequences lists, a unit variant its
//! name, other variants a map from their name to their content.
//!
//! A `Serialize` may go on where one of its parts has failed, ask for a value without a key, or leave a
//! key without its value. What is written is well-formed all the same: the part is taken back.

use std::fmt::Display;

use serde::ser::{self, Serialize};

use crate::value::{Encoder, MAX_DEPTH, Mark, Position};

/// Writes `value`. One that fails to serialize is replaced by a text that says why.
pub(super) fn serialize<T: Serialize + ?Sized>(value: &T, out: &mut Encoder<'_>) {
    let start = out.position();
    if let Err(Refused(why)) = value.serialize(Ser(out)) {
        out.rewind(start);
        out.str(&format!("[not serializable: {why}]"));
    }
}

#[derive(Debug)]
struct Refused(String);

impl Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: Display>(message: T) -> Self {
        Refused(message.to_string())
    }
}

struct Ser<'s, 'b>(&'s mut Encoder<'b>);

/// A list or map under way. At the greatest depth its content is not even looked at: a value that
/// contains itself must end.
struct Open<'s, 'b> {
    out: &'s mut Encoder<'b>,
    marks: Vec<Mark>,
    skip: bool,
    /// Where a key begins whose value has not come yet.
    key: Option<Position>,
    /// Where an item or entry begins whose value is under way, or failed.
    begun: Option<Position>,
}

impl<'s, 'b> Ser<'s, 'b> {
    fn open_list(self) -> Open<'s, 'b> {
        Open::new(self.0).list()
    }

    fn open_map(self) -> Open<'s, 'b> {
        Open::new(self.0).map()
    }
}

impl<'s, 'b> Open<'s, 'b> {
    fn new(out: &'s mut Encoder<'b>) -> Self {
        Open {
            out,
            marks: Vec::with_capacity(2),
            skip: false,
            key: None,
            begun: None,
        }
    }

    fn list(mut self) -> Self {
        self.skip |= self.out.depth() + 1 >= MAX_DEPTH;
        self.marks.push(self.out.begin_list());
        self
    }

    fn map(mut self) -> Self {
        self.skip |= self.out.depth() + 1 >= MAX_DEPTH;
        self.marks.push(self.out.begin_map());
        self
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        if self.skip {
            return Ok(());
        }
        self.take_back();
        let start = self.out.position();
        self.value(start, value)
    }

    fn entry<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), Refused> {
        if self.skip {
            return Ok(());
        }
        self.take_back();
        let start = self.out.position();
        self.out.key(key);
        self.value(start, value)
    }

    /// Writes the value of what begins at `start`. Where it fails or panics, that is noted, and
    /// whatever comes next takes it back.
    fn value<T: Serialize + ?Sized>(&mut self, start: Position, value: &T) -> Result<(), Refused> {
        self.begun = Some(start);
        value.serialize(Ser(self.out))?;
        self.begun = None;
        Ok(())
    }

    /// Takes back what has not become whole.
    fn take_back(&mut self) {
        let key = self.key.take();
        if let Some(start) = self.begun.take().or(key) {
            self.out.rewind(start);
        }
    }

    fn close(mut self) {
        self.take_back();
        while let Some(mark) = self.marks.pop() {
            self.out.end(mark);
        }
    }
}

impl<'s, 'b> ser::Serializer for Ser<'s, 'b> {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Open<'s, 'b>;
    type SerializeTuple = Open<'s, 'b>;
    type SerializeTupleStruct = Open<'s, 'b>;
    type SerializeTupleVariant = Open<'s, 'b>;
    type SerializeMap = Open<'s, 'b>;
    type SerializeStruct = Open<'s, 'b>;
    type SerializeStructVariant = Open<'s, 'b>;

    fn serialize_bool(self, v: bool) -> Result<(), Refused> {
        self.0.bool(v);
        Ok(())
    }

    fn serialize_i8(self, v: i8) -> Result<(), Refused> {
        self.serialize_i64(i64::from(v))
    }

    fn serialize_i16(self, v: i16) -> Result<(), Refused> {
        self.serialize_i64(i64::from(v))
    }

    fn serialize_i32(self, v: i32) -> Result<(), Refused> {
        self.serialize_i64(i64::from(v))
    }

    fn serialize_i64(self, v: i64) -> Result<(), Refused> {
        self.0.i64(v);
        Ok(())
    }

    fn serialize_i128(self, v: i128) -> Result<(), Refused> {
        self.0.i128(v);
        Ok(())
    }

    fn serialize_u8(self, v: u8) -> Result<(), Refused> {
        self.serialize_u64(u64::from(v))
    }

    fn serialize_u16(self, v: u16) -> Result<(), Refused> {
        self.serialize_u64(u64::from(v))
    }

    fn serialize_u32(self, v: u32) -> Result<(), Refused> {
        self.serialize_u64(u64::from(v))
    }

    fn serialize_u64(self, v: u64) -> Result<(), Refused> {
        self.0.u64(v);
        Ok(())
    }

    fn serialize_u128(self, v: u128) -> Result<(), Refused> {
        self.0.u128(v);
        Ok(())
    }

    fn serialize_f32(self, v: f32) -> Result<(), Refused> {
        self.serialize_f64(f64::from(v))
    }

    fn serialize_f64(self, v: f64) -> Result<(), Refused> {
        self.0.f64(v);
        Ok(())
    }

    fn serialize_char(self, v: char) -> Result<(), Refused> {
        self.0.str(v.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, v: &str) -> Result<(), Refused> {
        self.0.str(v);
        Ok(())
    }

    fn serialize_bytes(self, v: &[u8]) -> Result<(), Refused> {
        self.0.bytes(v);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Refused> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Refused> {
        self.0.null();
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Refused> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Refused> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        let mut map = self.open_map();
        map.entry(variant, value)?;
        map.close();
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Open<'s, 'b>, Refused> {
        Ok(self.open_list())
    }

    fn serialize_tuple(self, _: usize) -> Result<Open<'s, 'b>, Refused> {
        Ok(self.open_list())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Open<'s, 'b>, Refused> {
        Ok(self.open_list())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Open<'s, 'b>, Refused> {
        let map = self.open_map();
        map.out.key(variant);
        Ok(map.list())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Open<'s, 'b>, Refused> {
        Ok(self.open_map())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Open<'s, 'b>, Refused> {
        Ok(self.open_map())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Open<'s, 'b>, Refused> {
        let map = self.open_map();
        map.out.key(variant);
        Ok(map.map())
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Refused> {
        super::dynamic::format(self.0, format_args!("{value}"));
        Ok(())
    }
}

macro_rules! items {
    ($($trait:ident $method:ident;)*) => {$(
        impl ser::$trait for Open<'_, '_> {
            type Ok = ();
            type Error = Refused;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
                self.item(value)
            }

            fn end(self) -> Result<(), Refused> {
                self.close();
                Ok(())
            }
        }
    )*};
}

items! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

macro_rules! fields {
    ($($trait:ident)*) => {$(
        impl ser::$trait for Open<'_, '_> {
            type Ok = ();
            type Error = Refused;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), Refused> {
                self.entry(key, value)
            }

            fn end(self) -> Result<(), Refused> {
                self.close();
                Ok(())
            }
        }
    )*};
}

fields! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Open<'_, '_> {
    type Ok = ();
    type Error = Refused;

    /// A key that is not text is written as text: what its value would show in a message.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        if self.skip {
            return Ok(());
        }
        self.take_back();
        let mut bytes = Vec::new();
        key.serialize(Ser(&mut Encoder::new(&mut bytes)))?;
        let text = match crate::value::take(&mut bytes.as_slice()) {
            Some(value) => value.to_string(),
            None => String::new(),
        };
        self.key = Some(self.out.position());
        self.out.key(&text);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        if self.skip {
            return Ok(());
        }
        let Some(start) = self.key.take() else {
            return Err(ser::Error::custom("a value without a key"));
        };
        self.value(start, value)
    }

    fn end(self) -> Result<(), Refused> {
        self.close();
        Ok(())
    }
}
