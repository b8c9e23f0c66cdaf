//! The identity of a record.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// Names one record for ever: fallbacks, dead letters, replay and relays keep it, so that a
/// destination can tell a second delivery from a second record.
///
/// Written as `epoch-sequence` in hexadecimal, 32 and 16 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// Random, drawn once by each pipeline that gives out ids.
    pub epoch: u128,
    /// Counts that pipeline's records.
    pub sequence: u64,
}

impl RecordId {
    /// What `Display` writes, in ASCII, for those who write many of them.
    pub fn digits(self) -> [u8; 49] {
        // Without a table and without a branch, so that many digits are made at once.
        let digit = |half: u8| half + b'0' + u8::from(half > 9) * (b'a' - b'9' - 1);
        let mut text = [b'-'; 49];
        let (epoch, sequence) = text.split_at_mut(33);
        let write = |digits: &mut [u8], bytes: &[u8]| {
            for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
                pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
            }
        };
        write(epoch, &self.epoch.to_be_bytes());
        write(sequence, &self.sequence.to_be_bytes());
        text
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The formatter's own padding takes several times as long.
        f.write_str(std::str::from_utf8(&self.digits()).expect("digits and a dash are ASCII"))
    }
}

impl FromStr for RecordId {
    type Err = Error;

    /// # Errors
    /// Text of any other form.
    fn from_str(text: &str) -> Result<Self, Error> {
        let parse = || {
            let (epoch, sequence) = text.split_once('-')?;
            let whole = epoch.len() == 32 && sequence.len() == 16;
            let digits = |part: &str| part.bytes().all(|b| b.is_ascii_hexdigit());
            (whole && digits(epoch) && digits(sequence)).then_some(())?;
            Some(RecordId {
                epoch: u128::from_str_radix(epoch, 16).ok()?,
                sequence: u64::from_str_radix(sequence, 16).ok()?,
            })
        };
        parse().ok_or_else(|| {
            Error::frame(format!(
                "`{text}` is not a record id: 32 hexadecimal digits, `-`, 16 digits"
            ))
        })
    }
}
