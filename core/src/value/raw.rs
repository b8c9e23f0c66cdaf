//! Values as the bytes that they are, for whoever steps over many and reads few.
//!
//! Nothing is decoded and nothing is trusted: a text is bytes here, and bytes that do not suffice are
//! the end. What is rewritten value by value from these parts is well-formed if it was before.

pub use super::tag;

/// One value: its tag, its payload, and both as they are encoded.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// One of [`tag`], or one that a newer writer knows.
    pub tag: u8,
    /// What the tag is about.
    pub payload: &'a [u8],
    /// From the tag to the end of the payload.
    pub whole: &'a [u8],
}

/// The next value; `None` at the end and where the bytes do not suffice.
#[inline]
pub fn take<'a>(input: &mut &'a [u8]) -> Option<Raw<'a>> {
    let all = *input;
    let (&tag, rest) = all.split_first()?;
    let (head, len) = match tag >> 5 {
        0 => (1, 0),
        1 => (1, 1),
        2 => (1, 4),
        3 => (1, 8),
        4 => (1, 12),
        5 => (1, 16),
        6 => (5, u32::from_le_bytes(*rest.first_chunk()?) as usize),
        _ => (2, usize::from(*rest.first()?)),
    };
    let (whole, rest) = all.split_at_checked(len.checked_add(head)?)?;
    *input = rest;
    Some(Raw {
        tag,
        payload: &whole[head..],
        whole,
    })
}

/// The next text with its length before it, such as a key; `None` as with [`take`].
#[inline]
pub fn take_text<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, rest) = input.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    *input = rest;
    Some(text)
}

/// Appends a text with its length before it.
pub fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    super::plain::text(out, text);
}

/// Appends a value of variable length that `fill` writes the payload of.
pub fn put_with(out: &mut Vec<u8>, tag: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[tag, 0, 0, 0, 0]);
    fill(out);
    let len = u32::try_from(out.len() - start - 5).unwrap_or(u32::MAX);
    out[start + 1..start + 5].copy_from_slice(&len.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Encoder, OwnedValue};

    #[test]
    fn every_value_is_stepped_over_whole_and_no_cut_of_it_is() {
        let mut bytes = Vec::new();
        let mut out = Encoder::new(&mut bytes);
        out.null();
        out.u64(7);
        out.i128(-1);
        out.duration(std::time::Duration::from_millis(1500));
        out.str("text");
        out.map(|map| map.key("a").list(|list| list.bool(true)));
        out.error("E", "text", ["source"], None);
        let mut rest = &bytes[..];
        let mut decoded = &bytes[..];
        let mut count = 0;
        while let Some(raw) = take(&mut rest) {
            let value = super::super::take(&mut decoded).unwrap();
            let mut again = Vec::new();
            Encoder::new(&mut again).owned(&OwnedValue::from(value));
            assert_eq!(raw.whole, again);
            assert_eq!(rest.len(), decoded.len());
            for cut in 0..raw.whole.len() {
                assert!(take(&mut &raw.whole[..cut]).is_none());
            }
            count += 1;
        }
        assert_eq!((count, rest.len()), (7, 0));
    }
}
