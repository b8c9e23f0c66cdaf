//! The values that a record carries, and the bytes they travel as.
//!
//! A value is encoded once, on the thread that logs, and those bytes are then copied unchanged from
//! the ring into the frame and across the plugin boundary. Reading borrows from them.
//!
//! # Encoding
//!
//! Little endian. One tag byte, `class << 5 | kind`, then a payload whose length the class alone
//! decides, so that a reader steps over kinds that it does not know, inside lists too:
//!
//! | class | payload | kinds |
//! |---|---|---|
//! | 0 | none | `00` null, `01` false, `02` true |
//! | 1 | 1 byte | |
//! | 2 | 4 bytes | |
//! | 3 | 8 bytes | `60` i64, `61` u64, `62` f64, `63` timestamp (i64, ns since 1970, UTC) |
//! | 4 | 12 bytes | `80` duration (u64 s, u32 ns) |
//! | 5 | 16 bytes | `a0` i128, `a1` u128 |
//! | 6 | u32 length, then as many bytes | `c0` string (UTF-8), `c1` bytes, `c2` list, `c3` map, `c4` error |
//! | 7 | u8 length, then as many bytes | |
//!
//! A list is its values, one after the other. A map is its entries, each a key (u32 length, UTF-8)
//! and a value. An error is four values: type, text, a list of the texts of its sources, and a
//! backtrace (a string or null). Nesting ends at [`MAX_DEPTH`].

mod display;
mod encode;
mod owned;
#[doc(hidden)]
pub mod raw;
mod read;

pub(crate) use display::float;
pub use encode::{Encoder, Sink};
pub(crate) use encode::{Mark, Position, plain};
pub use owned::{OwnedError, OwnedValue};
pub use read::{ErrorValue, List, Map};
pub(crate) use read::{check, check_text, skip, take, take_pair, take_str, take_text};

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How deep lists and maps may nest. A capture replaces what lies deeper by a mark; a frame that
/// nests deeper is refused.
pub const MAX_DEPTH: usize = 64;

#[doc(hidden)]
pub mod tag {
    //! The first byte of a value.

    /// Nothing.
    pub const NULL: u8 = 0x00;
    /// A truth value.
    pub const FALSE: u8 = 0x01;
    /// A truth value.
    pub const TRUE: u8 = 0x02;
    /// A signed integer.
    pub const I64: u8 = 0x60;
    /// An unsigned integer.
    pub const U64: u8 = 0x61;
    /// A floating-point number.
    pub const F64: u8 = 0x62;
    /// A point in time.
    pub const TIMESTAMP: u8 = 0x63;
    /// A span of time.
    pub const DURATION: u8 = 0x80;
    /// A large signed integer.
    pub const I128: u8 = 0xa0;
    /// A large unsigned integer.
    pub const U128: u8 = 0xa1;
    /// Text.
    pub const STR: u8 = 0xc0;
    /// Bytes.
    pub const BYTES: u8 = 0xc1;
    /// Values in order.
    pub const LIST: u8 = 0xc2;
    /// Values by key.
    pub const MAP: u8 = 0xc3;
    /// An error.
    pub const ERROR: u8 = 0xc4;

    /// Whether this version knows what a tag is about.
    pub(crate) const fn is_known(tag: u8) -> bool {
        matches!(
            tag,
            NULL | FALSE
                | TRUE
                | I64
                | U64
                | F64
                | TIMESTAMP
                | DURATION
                | I128
                | U128
                | STR
                | BYTES
                | LIST
                | MAP
                | ERROR
        )
    }
}

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z, from the year 1677 to 2262.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The point in time this many nanoseconds after (or, negative, before) 1970 began in UTC.
    pub const fn from_nanos(nanos: i64) -> Self {
        Timestamp(nanos)
    }

    /// Nanoseconds since 1970 began in UTC.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The system's clock, now.
    pub fn now() -> Self {
        SystemTime::now().into()
    }
}

impl From<SystemTime> for Timestamp {
    /// A time outside the years 1677 to 2262 becomes the nearest end of that range.
    fn from(time: SystemTime) -> Self {
        let nanos = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |n| -n),
        };
        Timestamp(nanos)
    }
}

/// A value, borrowed from the bytes it was read from.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A signed integer.
    I64(i64),
    /// An unsigned integer.
    U64(u64),
    /// A large signed integer.
    I128(i128),
    /// A large unsigned integer.
    U128(u128),
    /// A floating-point number, NaN and the infinities included.
    F64(f64),
    /// Text.
    Str(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A point in time.
    Timestamp(Timestamp),
    /// A span of time.
    Duration(Duration),
    /// Values in order.
    List(List<'a>),
    /// Values by key, in order.
    Map(Map<'a>),
    /// An error with its sources.
    Error(ErrorValue<'a>),
    /// A kind that a newer writer knows: its tag and payload. One that is made by hand is written as
    /// [`Bytes`](Value::Bytes) where the tag is that of a kind above, or tells of another length.
    Unknown(u8, &'a [u8]),
}

impl Value<'_> {
    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// A copy that owns its parts.
    pub fn to_owned(&self) -> OwnedValue {
        OwnedValue::from(*self)
    }
}
