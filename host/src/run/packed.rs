//! Compressed input: found out by its first bytes, unpacked as it is read.
//!
//! Several members of gzip, or frames of zstd, one after the other are one input, as `cat a.gz b.gz`
//! makes it. Unpacking needs memory of its own: 32 KiB for gzip, for zstd the window that its writer
//! chose, of which one beyond 128 MiB is refused.

use std::fmt;
use std::io::{self, BufReader, Cursor, Read};

use flate2::read::MultiGzDecoder;

use super::input::Taken;
use super::raw::Raw;
use super::stop::{Stop, Waited};

/// The largest window of zstd that is unpacked, as a power of two.
const WINDOW: u32 = 27;

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Gzip,
    Zstd,
}

const MAGIC: [(Kind, [&[u8]; 4]); 3] = [
    (Kind::Gzip, [b"\x1f", b"\x8b", b"\x08", b""]),
    (Kind::Zstd, [b"\x28", b"\xb5", b"\x2f", b"\xfd"]),
    // Frames that a reader skips, and which may come first.
    (
        Kind::Zstd,
        [
            b"\x50\x51\x52\x53\x54\x55\x56\x57\x58\x59\x5a\x5b\x5c\x5d\x5e\x5f",
            b"\x2a",
            b"\x4d",
            b"\x18",
        ],
    ),
];

/// What these bytes begin.
pub(super) fn kind(head: &[u8]) -> Option<Kind> {
    let whole = |magic: &[&[u8]; 4]| matches(magic, head) && head.len() >= length(magic);
    MAGIC
        .iter()
        .find_map(|(kind, magic)| whole(magic).then_some(*kind))
}

/// Whether more bytes are needed to know.
pub(super) fn may_begin(head: &[u8]) -> bool {
    let partly = |magic: &[&[u8]; 4]| matches(magic, head) && head.len() < length(magic);
    MAGIC.iter().any(|(_, magic)| partly(magic))
}

fn matches(magic: &[&[u8]; 4], head: &[u8]) -> bool {
    let mut pairs = magic.iter().zip(head);
    pairs.all(|(any_of, byte)| any_of.is_empty() || any_of.contains(byte))
}

fn length(magic: &[&[u8]; 4]) -> usize {
    magic.iter().filter(|any_of| !any_of.is_empty()).count()
}

/// An input that is unpacked.
pub(super) struct Packed {
    unpacked: Box<dyn Read + Send>,
    is_file: bool,
}

impl Packed {
    /// `head` was read before.
    pub(super) fn new(kind: Kind, head: Vec<u8>, raw: Raw, stop: Stop) -> io::Result<Self> {
        let is_file = raw.is_file();
        let packed = BufReader::new(Cursor::new(head).chain(Waiting { raw, stop }));
        let unpacked: Box<dyn Read + Send> = match kind {
            Kind::Gzip => Box::new(MultiGzDecoder::new(packed)),
            Kind::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
                decoder.window_log_max(WINDOW)?;
                Box::new(decoder)
            }
        };
        Ok(Packed { unpacked, is_file })
    }

    /// Whether reading never waits.
    pub(super) fn is_file(&self) -> bool {
        self.is_file
    }

    pub(super) fn read(&mut self, room: &mut [u8]) -> io::Result<Taken> {
        match self.unpacked.read(room) {
            Ok(read) => Ok(Taken::Bytes(read)),
            Err(error) => match error.get_ref() {
                Some(inner) if inner.is::<Stopped>() => Ok(Taken::Stopped),
                _ => Err(error),
            },
        }
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packed").finish_non_exhaustive()
    }
}

/// Waits for bytes, unless the stop is asked for.
struct Waiting {
    raw: Raw,
    stop: Stop,
}

impl Read for Waiting {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self.raw.wait(&self.stop, None)? {
            Waited::Stopped => Err(io::Error::other(Stopped)),
            Waited::Ready | Waited::Idle => self.raw.read(room),
        }
    }
}

/// The stop, on its way through a decoder.
#[derive(Debug)]
struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reading was stopped")
    }
}

impl std::error::Error for Stopped {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_the_kind_as_soon_as_they_can() {
        for (head, kind_, more) in [
            (&b""[..], None, true),
            (b"{", None, false),
            (b"\x1f", None, true),
            (b"\x1f\x8b", None, true),
            (b"\x1f\x8b\x08", Some(Kind::Gzip), false),
            (b"\x1f\x8b\x09", None, false),
            (b"\x28\xb5\x2f", None, true),
            (b"\x28\xb5\x2f\xfdx", Some(Kind::Zstd), false),
            (b"\x5c\x2a\x4d\x18", Some(Kind::Zstd), false),
            (b"PQ", None, false),
        ] {
            assert_eq!((kind(head), may_begin(head)), (kind_, more), "{head:?}");
        }
    }
}
