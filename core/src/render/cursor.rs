//! Writing a line in few instructions.
//!
//! A vector that is appended to keeps its length and its room in memory, and looks at both for every
//! part. A [`Cursor`] holds where the next byte goes and where the room ends, so that both stay in
//! registers for the length of a line. Its face is safe: each part is held against the room before
//! any of it is written, and the vector's length never says more than has been.

use super::number::{Three, many_digits};

/// Where the next byte of a line goes. What was written counts once [`Cursor::finish`] says so; of a
/// cursor that is dropped, nothing does.
#[derive(Debug)]
pub(super) struct Cursor<'o> {
    out: &'o mut Vec<u8>,
    /// Within the vector's memory; everything before it is initialised.
    at: *mut u8,
    /// The end of the vector's memory.
    end: *mut u8,
}

impl<'o> Cursor<'o> {
    /// Behind what `out` holds, with this much room at least.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the place is to stay in its register")]
    pub(super) fn new(out: &'o mut Vec<u8>, room: usize) -> Self {
        out.reserve(room);
        let [at, end] = place(out);
        Cursor { out, at, end }
    }

    /// How many bytes there are, those of the vector included.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the place is to stay in its register")]
    pub(super) fn len(&self) -> usize {
        self.at as usize - self.out.as_ptr() as usize
    }

    /// Makes what was written count.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the place is to stay in its register")]
    pub(super) fn finish(self) -> &'o mut Vec<u8> {
        // SAFETY: see `settle`, on the cursor's own vector and place.
        unsafe { settle(self.out, self.at) };
        self.out
    }

    /// Appends in another way, such as what is rarely written.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the place is to stay in its register")]
    pub(super) fn with<R>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        // SAFETY: see `settle`, on the cursor's own vector and place.
        unsafe { settle(self.out, self.at) };
        let result = write(self.out);
        [self.at, self.end] = place(self.out);
        result
    }

    /// Makes sure of this much room.
    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "a call would take the place out of its register"
    )]
    pub(super) fn ensure(&mut self, room: usize) {
        if self.room() < room {
            // SAFETY: see `settle`, on the cursor's own vector and place.
            [self.at, self.end] = unsafe { grow(self.out, self.at, room) };
        }
        debug_assert!(self.room() >= room);
    }

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the place is to stay in its register")]
    fn room(&self) -> usize {
        self.end as usize - self.at as usize
    }

    /// Appends the first `len` bytes of `bytes`: all are copied, which is quicker than to tell them
    /// apart.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "a call costs as much as the copy")]
    pub(super) fn first<const N: usize>(&mut self, bytes: &[u8; N], len: usize) {
        self.ensure(N);
        // SAFETY: there is room for all of them.
        unsafe { self.first_within(bytes, len) };
    }

    /// [`Cursor::first`], where room was made before.
    ///
    /// # Safety
    /// [`Cursor::ensure`] must have been asked for room for all of `bytes`, beside what was appended
    /// since then.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "a call costs as much as the copy")]
    pub(super) unsafe fn first_within<const N: usize>(&mut self, bytes: &[u8; N], len: usize) {
        debug_assert!(len <= N && self.room() >= N);
        // SAFETY: there is room for all of them, and so many are initialised then.
        unsafe {
            self.at.cast::<[u8; N]>().write_unaligned(*bytes);
            self.at = self.at.add(len.min(N));
        }
    }

    /// Appends bytes of any number.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the place is to stay in its register")]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.ensure(bytes.len());
        // SAFETY: there is room for all of them, which is not theirs, since they are borrowed while
        // the vector is borrowed alone.
        unsafe {
            self.at
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            self.at = self.at.add(bytes.len());
        }
    }

    /// Writes over bytes that are there, such as a length that was not known before.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the place is to stay in its register")]
    pub(super) fn set<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        assert!(at <= self.len() && N <= self.len() - at, "they are there");
        // SAFETY: so many bytes from there on have been written.
        unsafe {
            let to = self.out.as_mut_ptr().add(at);
            to.cast::<[u8; N]>().write_unaligned(bytes);
        }
    }

    /// Appends a text, or other bytes of which there are mostly few.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the place is to stay in its register")]
    pub(super) fn put_few(&mut self, bytes: &[u8]) {
        self.put_unless(bytes, false, |_| 0);
    }

    /// Appends bytes between two others, and a look at each sixteen of them on the way: where `odd`
    /// finds something, nothing is appended, and that is the answer. `odd` is also asked about
    /// the letter x, and about some bytes twice.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "`odd` must become part of it")]
    pub(super) fn put_unless(
        &mut self,
        bytes: &[u8],
        quote: bool,
        odd: impl Fn([u8; 16]) -> u32,
    ) -> bool {
        let (from, len) = (bytes.as_ptr(), bytes.len());
        // Room for the quotes, and for sixteen bytes in place of fewer.
        self.ensure(len + 18);
        let mark = usize::from(quote);
        // SAFETY: what is read is within `bytes`: sixteen of them each from a place that is at least
        // sixteen before their end. What is written is within the room that was made: `len` bytes or
        // sixteen if that is more, a byte before them and a byte behind. The two do not overlap, as
        // in `put`. All that is then counted has been written: a quote, `len` bytes, a quote.
        unsafe {
            let to = self.at.add(mark);
            let part = |at: usize| from.add(at).cast::<[u8; 16]>().read_unaligned();
            let mut found = 0;
            if len >= 16 {
                let last = len - 16;
                let mut at = 0;
                while at < last {
                    found |= odd(part(at));
                    to.add(at).cast::<[u8; 16]>().write_unaligned(part(at));
                    at += 16;
                }
                found |= odd(part(last));
                to.add(last).cast::<[u8; 16]>().write_unaligned(part(last));
            } else {
                let part = short(bytes);
                found |= odd(part);
                to.cast::<[u8; 16]>().write_unaligned(part);
            }
            if found != 0 {
                return true;
            }
            if quote {
                self.at.write(b'"');
                to.add(len).write(b'"');
            }
            self.at = to.add(len + mark);
        }
        false
    }

    /// Appends an integer, where room was made before.
    ///
    /// # Safety
    /// As for [`Cursor::first_within`], with room for [`FEW_DIGITS`].
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the place is to stay in its register")]
    pub(super) unsafe fn integer_within(&mut self, value: u64) {
        // SAFETY: that is the caller's promise.
        unsafe {
            if value < 1000 {
                let three = Three::of(value as u32);
                self.first_within(&three.number(), three.number_len());
            } else if value < 1_000_000 {
                let high = Three::of(value as u32 / 1000);
                self.first_within(&high.number(), high.number_len());
                self.first_within(&Three::of(value as u32 % 1000).digits(), 3);
            } else if value < 100_000_000 {
                let (digits, len) = few_digits(value as u32);
                self.first_within(&digits, len);
            } else {
                self.with(|out| many_digits(value, out));
            }
        }
    }

    /// Appends nine digits, where room was made before.
    ///
    /// # Safety
    /// As for [`Cursor::first_within`], with room for [`NINE_DIGITS`]; the number must have no more.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the place is to stay in its register")]
    pub(super) unsafe fn nine_within(&mut self, value: u32) {
        let [first, rest] = [value / 1_000_000, value % 1_000_000];
        // SAFETY: that is the caller's promise.
        unsafe {
            for three in [first, rest / 1000, rest % 1000] {
                self.first_within(&Three::of(three).digits(), 3);
            }
        }
    }
}

/// The room for nine digits.
pub(super) const NINE_DIGITS: usize = 10;

/// The room for an integer: one that needs more makes it.
pub(super) const FEW_DIGITS: usize = 8;

/// Less than sixteen bytes, and letters behind them.
#[inline]
fn short(bytes: &[u8]) -> [u8; 16] {
    let len = bytes.len();
    let word = |low: u64, high: u64, bits: usize| low | high.checked_shl(bits as u32).unwrap_or(0);
    let (low, high) = if let (Some(head), Some(last)) =
        (bytes.first_chunk::<8>(), bytes.last_chunk::<8>())
    {
        let high = u64::from_le_bytes(*last).checked_shr((16 - len) as u32 * 8);
        (u64::from_le_bytes(*head), high.unwrap_or(0))
    } else if let (Some(head), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let [head, last] = [*head, *last].map(|half| u64::from(u32::from_le_bytes(half)));
        (word(head, last, (len - 4) * 8), 0)
    } else if let [first, .., last] | [first @ last] = bytes {
        let middle = u64::from(bytes[len / 2]) << (len / 2 * 8);
        (
            u64::from(*first) | middle | u64::from(*last) << ((len - 1) * 8),
            0,
        )
    } else {
        (0, 0)
    };
    // Behind them zeros stand so far, which a look would take for control characters.
    let rest = u128::from_le_bytes([b'x'; 16]).checked_shl(len as u32 * 8);
    let all = u128::from(low) | u128::from(high) << 64 | rest.unwrap_or(0);
    all.to_le_bytes()
}

/// The digits of a number below a hundred million, and how many there are.
#[inline]
fn few_digits(value: u32) -> ([u8; 8], usize) {
    let digits = eight(value);
    // The last digit stays, were it a zero.
    let zeros = (digits | 1 << 56).trailing_zeros() / 8;
    (
        ((digits | ZEROS) >> (zeros * 8)).to_le_bytes(),
        8 - zeros as usize,
    )
}

/// Eight times the digit 0.
const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);

/// The eight digits of a number below a hundred million as numbers from 0 to 9, one in each byte,
/// the first in the lowest: halves of the number, halves of those and halves of those, side by side.
#[inline]
fn eight(value: u32) -> u64 {
    debug_assert!(value < 100_000_000);
    let value = u64::from(value);
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    // A product with a whole number and a shift divide exactly by 100 and 10 in these ranges.
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((pairs - tens * 10) << 8)
}

#[inline]
fn place(out: &mut Vec<u8>) -> [*mut u8; 2] {
    let room = out.spare_capacity_mut().as_mut_ptr_range();
    [room.start.cast(), room.end.cast()]
}

/// Makes what stands before `at` count.
///
/// # Safety
/// `at` must be behind what the vector holds and within its memory, and everything before it must be
/// initialised.
#[inline]
unsafe fn settle(out: &mut Vec<u8>, at: *mut u8) {
    let len = at as usize - out.as_ptr() as usize;
    debug_assert!(out.len() <= len && len <= out.capacity());
    // SAFETY: that is the caller's promise.
    unsafe { out.set_len(len) };
}

/// [`settle`], and more room: a new place and end.
///
/// # Safety
/// As for `settle`.
#[cold]
#[inline(never)]
unsafe fn grow(out: &mut Vec<u8>, at: *mut u8, room: usize) -> [*mut u8; 2] {
    // SAFETY: that is the caller's promise.
    unsafe { settle(out, at) };
    out.reserve(room);
    place(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a cursor appends to a vector without room to spare.
    fn written(write: impl Fn(&mut Cursor<'_>)) -> Vec<u8> {
        let mut out = Vec::with_capacity(1);
        out.push(255);
        let mut cursor = Cursor::new(&mut out, 0);
        write(&mut cursor);
        cursor.finish();
        assert_eq!(out.remove(0), 255);
        out
    }

    fn integer(value: u64, to: &mut Cursor<'_>) {
        to.ensure(FEW_DIGITS);
        // SAFETY: that is the room for it.
        unsafe { to.integer_within(value) };
    }

    fn nine(value: u32, to: &mut Cursor<'_>) {
        to.ensure(NINE_DIGITS);
        // SAFETY: that is the room for it.
        unsafe { to.nine_within(value) };
    }

    #[test]
    fn every_length_is_copied_whole_and_looked_at_whole() {
        let bytes: Vec<u8> = (0..100).map(|n| b'a' + n % 20).collect();
        for len in 0..bytes.len() {
            let part = &bytes[..len];
            let quoted = [b"\"", part, b"\""].concat();
            let odd = |part: [u8; 16]| u32::from(part.contains(&0));
            assert_eq!(written(|to| to.put(part)), part);
            assert_eq!(
                written(|to| assert!(!to.put_unless(part, true, odd))),
                quoted
            );
            assert_eq!(
                written(|to| assert!(!to.put_unless(part, false, odd))),
                part
            );
            for at in 0..len {
                let mut part = part.to_vec();
                part[at] = 0;
                assert_eq!(written(|to| assert!(to.put_unless(&part, true, odd))), b"");
            }
        }
        for len in 0..=16 {
            assert_eq!(written(|to| to.first(b"0123456789abcdef", len)).len(), len);
        }
    }

    #[test]
    fn what_is_there_is_written_over_and_nothing_else() {
        let all = written(|to| {
            to.put_few(b"0123456789");
            to.set(1, *b"ab");
            to.set(9, *b"cd");
        });
        assert_eq!(all, b"ab234567cd");
        for at in [0, 10, usize::MAX] {
            let beyond = std::panic::catch_unwind(|| {
                written(|to| {
                    to.put_few(b"01234567");
                    to.set(at, *b"0123456789");
                })
            });
            assert!(beyond.is_err(), "{at}");
        }
    }

    #[test]
    fn what_is_appended_otherwise_stands_in_its_place_and_what_is_not_finished_nowhere() {
        let all = written(|to| {
            to.put(b"one ");
            to.with(|out| out.extend_from_slice(&[b'x'; 1000]));
            to.put(b" two");
        });
        assert_eq!(all, [&b"one "[..], &[b'x'; 1000], b" two"].concat());
        let mut out = vec![1];
        Cursor::new(&mut out, 10).put(b"dropped");
        assert_eq!(out, [1]);
    }

    #[test]
    fn numbers_at_the_ends_of_each_length() {
        for exponent in 0..20 {
            let power = 10_u64.pow(exponent);
            for value in [power - 1, power, power + 1, u64::MAX] {
                let digits = written(|to| integer(value, to));
                assert_eq!(digits, value.to_string().as_bytes());
            }
        }
    }

    proptest! {
        #[test]
        fn digits_are_those_of_display(value: u32, by in 0..30_u32) {
            let value: u32 = value >> by;
            let digits = written(|to| integer(value.into(), to));
            prop_assert_eq!(digits, value.to_string().into_bytes());
            let value = value % 1_000_000_000;
            prop_assert_eq!(written(|to| nine(value, to)), format!("{value:09}").into_bytes());
        }
    }
}
