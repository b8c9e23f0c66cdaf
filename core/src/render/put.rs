//! Appending in few instructions.
//!
//! What a line is made of is short: to copy it with a few moves costs less than to call somebody who
//! copies anything.

use super::cursor::Cursor;

/// Appends bytes, of which there are mostly few.
#[inline]
pub(super) fn put(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.len() > SHORT {
        return out.extend_from_slice(bytes);
    }
    out.reserve(SHORT);
    // SAFETY: there is room for all of them behind what is there, and none of the room overlaps
    // with `bytes`, which are borrowed while `out` is borrowed alone. All of them are written before
    // the length says so.
    unsafe {
        copy(bytes, out.as_mut_ptr().add(out.len()));
        out.set_len(out.len() + bytes.len());
    }
}

/// Appends bytes and a quotation mark on either side of them.
#[inline]
pub(super) fn put_quoted(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.len() > SHORT {
        out.push(b'"');
        out.extend_from_slice(bytes);
        return out.push(b'"');
    }
    out.reserve(SHORT + 2);
    // SAFETY: as in `put`, with a byte of room on either side.
    unsafe {
        let to = out.as_mut_ptr().add(out.len());
        to.write(b'"');
        copy(bytes, to.add(1));
        to.add(1 + bytes.len()).write(b'"');
        out.set_len(out.len() + bytes.len() + 2);
    }
}

/// Up to so many bytes are copied in place.
const SHORT: usize = 32;

/// Copies in two parts of one size, which may overlap.
///
/// # Safety
/// There must be no more than [`SHORT`] bytes, and room for them at `to` that is not theirs.
#[inline]
unsafe fn copy(bytes: &[u8], to: *mut u8) {
    let (from, len) = (bytes.as_ptr(), bytes.len());
    // SAFETY: each part begins at least its own length before the end of the bytes, and of what
    // may be written.
    unsafe {
        if len >= 16 {
            part::<16>(from, to, 0);
            part::<16>(from, to, len - 16);
        } else if len >= 8 {
            part::<8>(from, to, 0);
            part::<8>(from, to, len - 8);
        } else if len >= 4 {
            part::<4>(from, to, 0);
            part::<4>(from, to, len - 4);
        } else if len > 0 {
            part::<1>(from, to, 0);
            part::<1>(from, to, len / 2);
            part::<1>(from, to, len - 1);
        }
    }
}

/// # Safety
/// From `at` on, there must be `N` bytes at `from`, and room for them at `to`.
#[inline]
unsafe fn part<const N: usize>(from: *const u8, to: *mut u8, at: usize) {
    // SAFETY: that is the caller's promise.
    unsafe {
        let bytes = from.add(at).cast::<[u8; N]>().read_unaligned();
        to.add(at).cast::<[u8; N]>().write_unaligned(bytes);
    }
}

/// Bytes that are put into many lines: the first of them in an array, so that a few are copied with
/// what stands behind them, as one of a fixed size.
#[derive(Debug)]
pub(super) struct Fragment {
    first: [u8; FEW],
    second: [u8; MANY],
    len: usize,
    /// All of them, where they are more.
    all: Box<[u8]>,
}

const FEW: usize = 16;
const MANY: usize = 48;

impl Fragment {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mut padded = [bytes, &[0; FEW + MANY]].concat();
        let all = if bytes.len() > FEW + MANY {
            bytes.into()
        } else {
            Box::default()
        };
        padded.truncate(FEW + MANY);
        let (first, second) = padded.split_at(FEW);
        let proof = "there are as many bytes as both have";
        Fragment {
            first: first.try_into().expect(proof),
            second: second.try_into().expect(proof),
            len: bytes.len(),
            all,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends them, and makes room for `more` bytes behind them.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "a call costs as much as the copy")]
    pub(super) fn put(&self, more: usize, to: &mut Cursor<'_>) {
        to.ensure(FEW + MANY + more);
        // SAFETY: there is room for both parts.
        unsafe {
            if self.len <= FEW {
                to.first_within(&self.first, self.len);
            } else if self.len <= FEW + MANY {
                to.first_within(&self.first, FEW);
                to.first_within(&self.second, self.len - FEW);
            } else {
                to.put(&self.all);
                to.ensure(more);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_copied_whole() {
        let bytes: Vec<u8> = (0..200).collect();
        for len in 0..bytes.len() {
            // Not more room than is asked for, so that valgrind and sanitizers see what is beyond.
            let mut out = Vec::with_capacity(1);
            out.push(255);
            put(&bytes[..len], &mut out);
            assert_eq!(out[1..], bytes[..len]);
            put_quoted(&bytes[..len], &mut out);
            let quoted = [b"\"", &bytes[..len], b"\""].concat();
            assert_eq!(out[1 + len..], quoted);
            out.clear();
            let mut cursor = Cursor::new(&mut out, 0);
            Fragment::new(&bytes[..len]).put(0, &mut cursor);
            Fragment::new(&bytes[len..]).put(0, &mut cursor);
            assert_eq!(*cursor.finish(), bytes);
        }
    }
}
