//! Batches of records as targets get them: one contiguous, self-contained, versioned buffer.
//!
//! # Format, version 1
//!
//! Little endian.
//!
//! | part | bytes |
//! |---|---|
//! | header | magic `RLGB`, version u16, flags u16 (0), count u32, dictionary offset u32 |
//! | frames | `count` times: length u32, then as many bytes |
//! | dictionary | counts of call sites, loggers and threads (u32 each), then their entries, each a length u32 and as many bytes |
//!
//! The dictionary lies behind the frames because it grows while they are appended, and a batch is
//! sealed without moving them. References into it count from 1; 0 means that there is none.
//!
//! A call site's entry: process epoch (u128), id (u32), number of positional arguments (u16), line
//! (u32), then as texts (u32 length, UTF-8) template, module, file and each key. A logger's entry is
//! its name; a thread's its id (u64) and its name.
//!
//! A frame: flags u16, level u8, origin kind u8, call site u32, logger u32, thread u32, generation
//! u32, time i64 (ns since 1970, UTC), record id (u128, u64); then the sections that its flags
//! announce, in this order:
//!
//! | flag | section |
//! |---|---|
//! | `40` observed | i64: when a record from elsewhere was read |
//! | `80` origin | target (text), error class u8 (255: none), attempts u32 |
//! | `01` logger | text: the name, in place of a reference |
//! | `02` message | text: a literal message, in place of the call site's template |
//! | `04` args | a list: positional arguments, in place of the call site's |
//! | `08` error | an error |
//!
//! then the values of the call site's arguments and keys, in their order, then pairs of key (text)
//! and value to the end. `10` marks a record that was cut to the bound on its size, `20` one for
//! which room was reserved. Values are encoded as [`crate::value`] says; what stands from `01` on is
//! byte for byte what the logging thread wrote.

mod form;
mod id;
mod ids;
mod message;
mod origin;
mod read;
mod record;
mod select;
mod write;

pub use form::{Form, Moment};
pub use id::RecordId;
#[doc(hidden)]
pub use ids::{FIRST_FRAME, id_at};
pub use message::{Message, Part};
pub use origin::{Origin, OriginKind};
pub use read::Batch;
pub use record::Record;
pub use select::select;
pub use write::{BatchBuilder, FrameMeta, LoggerRef, ThreadRef};

/// The version of the format that this crate writes, and the highest that it reads.
pub const FRAME_VERSION: u16 = 1;

const MAGIC: [u8; 4] = *b"RLGB";
const HEADER_LEN: usize = 16;
const FIXED_LEN: usize = 52;

/// Flags of a frame; the first four announce sections that the logging thread writes.
pub mod flags {
    /// The logger's name stands in the frame.
    pub const LOGGER: u16 = 0x01;
    /// The message is a literal text that stands in the frame.
    pub const MESSAGE: u16 = 0x02;
    /// The positional arguments stand in the frame as a list.
    pub const ARGS: u16 = 0x04;
    /// The record tells of an error.
    pub const ERROR: u16 = 0x08;
    /// The record was cut to the bound on its size.
    pub const TRUNCATED: u16 = 0x10;
    /// Room in its targets' queues was reserved for the record.
    pub const RESERVED: u16 = 0x20;
    /// The frame says when the record was read.
    pub const OBSERVED: u16 = 0x40;
    /// The frame says more of its origin than the kind.
    pub const ORIGIN: u16 = 0x80;
    /// All that announce a section.
    pub(super) const SECTIONS: u16 = LOGGER | MESSAGE | ARGS | ERROR | OBSERVED | ORIGIN;
    /// The error has addresses where its backtrace will be: in a ring only, never in a frame.
    #[doc(hidden)]
    pub const BACKTRACE: u16 = 256;
}
