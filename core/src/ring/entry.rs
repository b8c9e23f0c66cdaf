//! The bytes of one entry: a header of fixed size, then the payload, padded to eight bytes.

/// What every record carries, beside its values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryHeader {
    /// The number of the call site; 0 where there is none.
    pub call_site: u32,
    /// The number of the logger.
    pub logger: u32,
    /// Which optional sections the payload has, and marks of the record.
    pub flags: u16,
    /// The code of the level.
    pub level: u8,
    /// When the call was made, in [ticks](crate::clock::ticks).
    pub ticks: u64,
    /// The slot of a receipt or a reservation; 0 for none.
    pub slot: u64,
}

/// Bytes of a header.
pub(crate) const HEADER_BYTES: usize = 32;

/// In the place of a length: nothing more until the end of the segment, go on at its start.
pub(crate) const SKIP: u32 = u32::MAX;

/// Bytes of the ring that an entry with a payload of `len` bytes takes.
#[inline]
pub(crate) const fn footprint(len: usize) -> usize {
    (HEADER_BYTES + len + 7) & !7
}

impl EntryHeader {
    #[inline]
    pub(crate) fn encode(&self, len: u32) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&len.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.call_site.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.logger.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.flags.to_le_bytes());
        bytes[14] = self.level;
        bytes[16..24].copy_from_slice(&self.ticks.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.slot.to_le_bytes());
        bytes
    }

    /// The header, and the length of the payload or [`SKIP`].
    #[inline]
    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES]) -> (EntryHeader, u32) {
        let u32_at = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        let header = EntryHeader {
            call_site: u32_at(4),
            logger: u32_at(8),
            flags: u16::from_le_bytes([bytes[12], bytes[13]]),
            level: bytes[14],
            ticks: u64_at(16),
            slot: u64_at(24),
        };
        (header, u32_at(0))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_as_it_went_in() {
        let header = EntryHeader {
            call_site: 0x0102_0304,
            logger: 0xFFFF_FFFE,
            flags: 0xA55A,
            level: 50,
            ticks: u64::MAX - 1,
            slot: 0x1122_3344_5566_7788,
        };
        assert_eq!(EntryHeader::decode(&header.encode(77)), (header, 77));
    }

    #[test]
    fn entries_start_at_multiples_of_eight() {
        assert_eq!(footprint(0), 32);
        assert_eq!(footprint(1), 40);
        assert_eq!(footprint(8), 40);
    }
}
