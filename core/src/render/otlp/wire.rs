//! Protobuf's wire format: what of it the messages of OTLP's logs need.
//!
//! Writing appends and never fails. Reading takes any bytes.

/// Appends a number, seven bits a byte, the lowest first.
pub(super) fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How many bytes [`varint`] appends.
pub(super) fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Appends a number under a field.
pub(super) fn number(field: u8, value: u64, out: &mut Vec<u8>) {
    out.push(field << 3);
    varint(value, out);
}

/// Appends eight bytes under a field.
pub(super) fn fixed64(field: u8, value: u64, out: &mut Vec<u8>) {
    out.push(field << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends bytes under a field.
pub fn bytes(field: u8, value: &[u8], out: &mut Vec<u8>) {
    head(field, value.len(), out);
    out.extend_from_slice(value);
}

/// Appends what stands before so many bytes under a field.
pub fn head(field: u8, len: usize, out: &mut Vec<u8>) {
    out.push(field << 3 | 2);
    varint(len as u64, out);
}

/// How many bytes a field of this length is with its head.
pub fn field_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

/// Appends a message under a field. Most are shorter than 128 bytes, so room for such a length is
/// left, and more is made for the others.
pub fn message(field: u8, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    sized::<1>(field, out, write);
}

/// As [`message`], for one of which most have 128 bytes and more, and fewer than 16,384.
pub(super) fn long_message(field: u8, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    sized::<2>(field, out, write);
}

/// Leaves `ROOM` bytes for the length.
#[inline]
fn sized<const ROOM: usize>(field: u8, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(field << 3 | 2);
    let at = out.len();
    out.extend_from_slice(&[0; ROOM]);
    write(out);
    close(at, ROOM, out);
}

/// Puts the length of what follows a room of so many bytes in place of it.
pub(super) fn close(at: usize, room: usize, out: &mut Vec<u8>) {
    let len = out.len() - at - room;
    let wanted = varint_len(len as u64);
    if wanted != room {
        out.resize(at + len + wanted.max(room), 0);
        out.copy_within(at + room..at + room + len, at + wanted);
        out.truncate(at + wanted + len);
    }
    let (last, more) = out[at..at + wanted].split_last_mut().expect("at least one");
    let mut rest = len;
    for place in more {
        *place = rest as u8 | 0x80;
        rest >>= 7;
    }
    *last = rest as u8;
}

/// What a field holds.
#[derive(Debug, PartialEq)]
pub enum Held<'a> {
    /// A number of variable length.
    Number(u64),
    /// A text, bytes, or another message.
    Bytes(&'a [u8]),
    /// Eight bytes, or four.
    Fixed(u64),
}

/// The fields of a message, in order; `None` for bytes that are no message.
pub fn fields(mut rest: &[u8]) -> Option<Vec<(u64, Held<'_>)>> {
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let key = take_varint(&mut rest)?;
        let held = match key & 7 {
            0 => Held::Number(take_varint(&mut rest)?),
            1 => {
                let (eight, after) = rest.split_first_chunk::<8>()?;
                rest = after;
                Held::Fixed(u64::from_le_bytes(*eight))
            }
            2 => {
                let len = usize::try_from(take_varint(&mut rest)?).ok()?;
                let (held, after) = rest.split_at_checked(len)?;
                rest = after;
                Held::Bytes(held)
            }
            5 => {
                let (four, after) = rest.split_first_chunk::<4>()?;
                rest = after;
                Held::Fixed(u32::from_le_bytes(*four).into())
            }
            _ => return None,
        };
        fields.push((key >> 3, held));
    }
    Some(fields)
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for place in 0..10 {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_whatever_its_length() {
        for len in [0, 1, 127, 128, 16_383, 16_384, 3_000_000] {
            let inner = vec![b'x'; len];
            let mut out = Vec::new();
            message(3, &mut out, |out| bytes(1, &inner, out));
            let outer = fields(&out).unwrap();
            let [(3, Held::Bytes(held))] = outer[..] else {
                panic!("{len}: {} fields", outer.len())
            };
            assert_eq!(fields(held).unwrap(), [(1, Held::Bytes(&inner[..]))]);
            assert_eq!(out.len(), field_len(field_len(len)));
        }
        for value in [0, 1, 127, 128, u64::MAX] {
            let mut out = Vec::new();
            number(2, value, &mut out);
            assert_eq!(out.len(), 1 + varint_len(value));
            assert_eq!(fields(&out).unwrap(), [(2, Held::Number(value))]);
        }
        assert_eq!(fields(b"\x0a\x05abc"), None);
        assert_eq!(fields(&[0x80; 20]), None);
    }
}
