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

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Digit by digit: the formatter's own padding takes several times as long.
        let digit =
            |number: u128, place: usize| b"0123456789abcdef"[(number >> (4 * place)) as usize & 15];
        let text: [u8; 49] = std::array::from_fn(|at| match at {
            ..32 => digit(self.epoch, 31 - at),
            32 => b'-',
            _ => digit(self.sequence.into(), 48 - at),
        });
        f.write_str(std::str::from_utf8(&text).expect("digits and a dash are ASCII"))
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
