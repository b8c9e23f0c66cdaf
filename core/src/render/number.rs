//! Numbers and times as digits.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cursor::{Cursor, FEW_DIGITS, NINE_DIGITS};
use super::put::put;
use crate::frame::RecordId;
use crate::value::Timestamp;

/// Appends an integer.
#[inline]
pub(super) fn integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    put(itoa::Buffer::new().format(value).as_bytes(), out);
}

/// [`integer`], of one that has many digits.
#[cold]
#[inline(never)]
pub(super) fn many_digits(value: u64, out: &mut Vec<u8>) {
    integer(value, out);
}

/// Appends the shortest digits that read back as this number, with a fraction or an exponent; it
/// must be finite.
#[inline]
pub(super) fn float(value: f64, out: &mut Vec<u8>) {
    if !put_few_decimals(value, true, out) {
        put(zmij::Buffer::new().format_finite(value).as_bytes(), out);
    }
}

/// Appends a number that has at most three decimals, as prices, percentages and milliseconds have:
/// no search for the shortest digits is needed to find those. Says whether it was one; if not,
/// nothing is appended. `whole` is whether a number without a fraction ends with `.0`.
///
/// The quotient of two whole numbers is the float next to it. So if `n / 1000` gives back the value,
/// the digits of `n` read back as it; and as no two decimals of fifteen digits or fewer have the
/// same float next to them, they are the shortest that do.
///
/// # Safety
/// As for [`Cursor::first_within`], with room for [`FEW_DECIMALS`].
#[inline(always)]
#[allow(clippy::inline_always, reason = "the cursor is to stay in registers")]
pub(super) unsafe fn few_decimals(value: f64, whole: bool, to: &mut Cursor<'_>) -> bool {
    let size = value.abs();
    // No more, so that `n` is small enough.
    if !(0.0..4_000_000.0).contains(&size) {
        return false;
    }
    // SAFETY: it is a number within the bounds of the type, as the size is within those above.
    let n = unsafe { (size * 1000.0 + 0.5).to_int_unchecked::<i64>() } as u32;
    if (f64::from(n) / 1000.0).to_bits() != size.to_bits() {
        return false;
    }
    let thousandths = Three::of(n % 1000);
    let fraction = whole || !n.is_multiple_of(1000);
    // SAFETY: that is the caller's promise; so small a number needs no more digits than few.
    unsafe {
        to.first_within(b"-", usize::from(value.is_sign_negative()));
        to.integer_within((n / 1000).into());
        if fraction {
            to.first_within(&thousandths.fraction(), thousandths.fraction_len());
        }
    }
    true
}

/// The room for a number with few decimals: sign, digits, point and fraction.
pub(super) const FEW_DECIMALS: usize = 1 + FEW_DIGITS + 4;

/// [`few_decimals`], appended to a vector.
pub(super) fn put_few_decimals(value: f64, whole: bool, out: &mut Vec<u8>) -> bool {
    let mut to = Cursor::new(out, FEW_DECIMALS);
    // SAFETY: that is the room for it.
    let few = unsafe { few_decimals(value, whole, &mut to) };
    to.finish();
    few
}

/// A number below a thousand, as its three digits in the lower bytes; in the highest, the lower half
/// says how many bytes it takes as a fraction behind a point without zeros at the end, but for the
/// first digit, and the upper half how many digits it has.
#[derive(Clone, Copy)]
pub(super) struct Three(u32);

impl Three {
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "a call costs more than the look")]
    pub(super) fn of(value: u32) -> Three {
        Three(THREES[value as usize])
    }

    /// The three digits, and a byte more.
    #[inline]
    pub(super) fn digits(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }

    /// The digits without zeros before them, and bytes to make it four.
    #[inline]
    pub(super) fn number(self) -> [u8; 4] {
        (self.0 >> (24 - self.number_len() * 8)).to_le_bytes()
    }

    /// How many digits that are.
    #[inline]
    pub(super) fn number_len(self) -> usize {
        (self.0 >> 28) as usize
    }

    /// The point and the digits behind it.
    #[inline]
    fn fraction(self) -> [u8; 4] {
        (self.0 << 8 | u32::from(b'.')).to_le_bytes()
    }

    /// How many bytes of these are worth writing.
    #[inline]
    fn fraction_len(self) -> usize {
        (self.0 >> 24 & 7) as usize
    }
}

static THREES: [u32; 1000] = {
    let mut all = [0; 1000];
    let mut n = 0;
    while n < 1000 {
        let value = n as u32;
        let [first, second, third] = [value / 100, value / 10 % 10, value % 10];
        let fraction = match (second, third) {
            (0, 0) => 2,
            (_, 0) => 3,
            _ => 4,
        };
        let number = match (first, second) {
            (0, 0) => 1,
            (0, _) => 2,
            _ => 3,
        };
        let digits = first | second << 8 | third << 16 | 0x0030_3030;
        all[n] = digits | fraction << 24 | number << 28;
        n += 1;
    }
    all
};

/// Appends a span in seconds, exact: at least one digit of fraction, at most nine.
pub(super) fn seconds(span: Duration, out: &mut Vec<u8>) {
    integer(span.as_secs(), out);
    out.push(b'.');
    let digits = nine(span.subsec_nanos());
    let zeros = digits.iter().rev().take_while(|d| **d == b'0').count();
    out.extend_from_slice(&digits[..(9 - zeros).max(1)]);
}

/// Hexadecimal digits, the highest byte first: `D` of them, twice `N`.
#[inline]
pub(super) fn hex<const N: usize, const D: usize>(bytes: [u8; N]) -> [u8; D] {
    let mut digits = [0; D];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&HEX[usize::from(byte)]);
    }
    digits
}

/// Appends bytes in Base64, with padding.
pub(super) fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    // Four characters for each three bytes begun.
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = STANDARD
        .encode_slice(bytes, &mut out[start..])
        .expect("the room is what Base64 takes");
    debug_assert_eq!(start + written, out.len());
}

const SECOND: i64 = 1_000_000_000;

/// Writes times as RFC 3339 in UTC with nanoseconds, and keeps the part down to the second, which
/// one record in a thousand changes.
#[derive(Debug)]
pub(super) struct TimeWriter {
    /// When its second began, in nanoseconds since 1970.
    start: i64,
    /// How many nanoseconds it has; none for the first of all, which begins before `start` could say.
    len: u64,
    /// `2026-11-22T11:15:00.`
    text: [u8; 20],
}

impl TimeWriter {
    pub(super) fn new() -> Self {
        TimeWriter {
            start: 0,
            len: SECOND as u64,
            text: *b"1970-01-01T00:00:00.",
        }
    }

    /// `2026-11-22T11:15:00.123456789`, without the closing `Z`.
    #[inline]
    pub(super) fn local_part(&mut self, time: Timestamp) -> [u8; 29] {
        let (head, within) = self.parts(time);
        let mut text = [0; 29];
        text[..20].copy_from_slice(head);
        text[20..].copy_from_slice(&nine(within));
        text
    }

    /// [`TimeWriter::local_part`], into a line that is being written.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the cursor is to stay in registers")]
    pub(super) fn write(&mut self, time: Timestamp, to: &mut Cursor<'_>) {
        let (head, within) = self.parts(time);
        to.ensure(head.len() + NINE_DIGITS);
        // SAFETY: that is the room for both.
        unsafe {
            to.first_within(head, head.len());
            to.nine_within(within);
        }
    }

    /// What stands before the fraction of the second, and that in nanoseconds.
    #[inline]
    fn parts(&mut self, time: Timestamp) -> (&[u8; 20], u32) {
        let nanos = time.nanos();
        // Does not wrap where it is looked at.
        let mut within = nanos.wrapping_sub(self.start) as u64;
        if nanos < self.start || within >= self.len {
            within = nanos.rem_euclid(SECOND) as u64;
            self.set(nanos.div_euclid(SECOND));
        }
        (&self.text, within as u32)
    }

    #[cold]
    fn set(&mut self, second: i64) {
        let time = jiff::Timestamp::from_second(second)
            .expect("64 bits of nanoseconds reach from the year 1677 to 2262");
        let time = jiff::tz::Offset::UTC.to_datetime(time);
        let mut put = |at: usize, digits: usize, mut value: u32| {
            for place in self.text[at..at + digits].iter_mut().rev() {
                *place = b'0' + (value % 10) as u8;
                value /= 10;
            }
        };
        put(0, 4, time.year().unsigned_abs().into());
        put(5, 2, time.month().unsigned_abs().into());
        put(8, 2, time.day().unsigned_abs().into());
        put(11, 2, time.hour().unsigned_abs().into());
        put(14, 2, time.minute().unsigned_abs().into());
        put(17, 2, time.second().unsigned_abs().into());
        let start = second.checked_mul(SECOND);
        self.start = start.unwrap_or_default();
        self.len = start.map_or(0, |_| SECOND as u64);
    }
}

/// A text that ends with a record's id, of which is kept what all but one in 65,536 have in common with
/// the one before: all but the last four digits. They begin at `AT`, and 45 of them end at `N`.
#[derive(Debug)]
pub(super) struct KeptId<const AT: usize, const N: usize> {
    epoch: u128,
    /// The sequence without its low 16 bits.
    high: u64,
    text: [u8; N],
}

impl<const AT: usize, const N: usize> KeptId<AT, N> {
    /// The text with any bytes in place of the digits.
    pub(super) fn new(text: [u8; N]) -> Self {
        const { assert!(AT + 45 == N, "32 digits, a dash, and 12 digits") };
        let mut kept = KeptId {
            epoch: 0,
            high: 0,
            text,
        };
        kept.set(RecordId {
            epoch: 0,
            sequence: 0,
        });
        kept
    }

    /// The text up to the last four digits of what the `Display` of the id writes, and those. They are
    /// not put into the text: to read what was written in smaller parts a moment ago costs more than
    /// all the rest.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "it is to be written into its place")]
    pub(super) fn of(&mut self, id: RecordId) -> (&[u8; N], [u8; 4]) {
        if id.epoch != self.epoch || id.sequence >> 16 != self.high {
            self.set(id);
        }
        let [high, low] = (id.sequence as u16).to_be_bytes();
        let [first, second] = HEX[usize::from(high)];
        let [third, fourth] = HEX[usize::from(low)];
        (&self.text, [first, second, third, fourth])
    }

    #[cold]
    fn set(&mut self, id: RecordId) {
        self.epoch = id.epoch;
        self.high = id.sequence >> 16;
        self.text[AT..].copy_from_slice(&id.digits()[..45]);
    }
}

/// Writes the end of a JSON line, which is the record's id.
#[derive(Debug)]
pub(super) struct IdWriter(KeptId<14, 59>);

impl IdWriter {
    pub(super) fn new() -> Self {
        let text = b",\"record_id\":\"................................-............";
        IdWriter(KeptId::new(*text))
    }

    /// Appends what the `Display` of the id writes, in quotes, its key before it and the end of the
    /// line behind it.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the cursor is to stay in registers")]
    pub(super) fn end(&mut self, id: RecordId, to: &mut Cursor<'_>) {
        let (text, [first, second, third, fourth]) = self.0.of(id);
        let last = [first, second, third, fourth, b'"', b'}', b'\n', 0];
        to.ensure(text.len() + last.len());
        // SAFETY: that is the room for both.
        unsafe {
            to.first_within(text, text.len());
            to.first_within(&last, last.len() - 1);
        }
    }
}

/// The nine digits of a number below a thousand million.
#[inline]
fn nine(value: u32) -> [u8; 9] {
    let mut digits = [0; 9];
    let (high, low) = (value / 100_000, value % 100_000);
    let pair = |value: u32| PAIRS[value as usize % 100];
    digits[..2].copy_from_slice(&pair(high / 100));
    digits[2..4].copy_from_slice(&pair(high));
    digits[4] = b'0' + (low / 10_000) as u8;
    digits[5..7].copy_from_slice(&pair(low / 100));
    digits[7..].copy_from_slice(&pair(low));
    digits
}

/// `00` to `ff`.
static HEX: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut value = 0;
    while value < 256 {
        pairs[value] = [DIGITS[value >> 4], DIGITS[value & 0xf]];
        value += 1;
    }
    pairs
};

/// `00` to `99`.
static PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut value = 0;
    while value < 100 {
        pairs[value] = [b'0' + (value / 10) as u8, b'0' + (value % 10) as u8];
        value += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn seconds_are_exact_and_always_have_a_fraction() {
        let cases = [
            (Duration::ZERO, "0.0"),
            (Duration::from_secs(3), "3.0"),
            (Duration::from_millis(1500), "1.5"),
            (Duration::from_nanos(1), "0.000000001"),
            (Duration::new(u64::MAX, 10), "18446744073709551615.00000001"),
        ];
        for (span, expected) in cases {
            assert_eq!(text(|out| seconds(span, out)), expected);
        }
    }

    #[test]
    fn base64_of_every_remainder() {
        for (bytes, expected) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            assert_eq!(text(|out| base64(bytes.as_bytes(), out)), expected);
        }
    }

    #[test]
    fn floats_keep_a_mark_of_being_floats() {
        for (value, expected) in [
            (19.0, "19.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e300, "1e+300"),
        ] {
            assert_eq!(text(|out| float(value, out)), expected);
        }
    }

    #[test]
    fn times_at_the_ends_of_the_range_and_before_1970() {
        let mut writer = TimeWriter::new();
        for (nanos, expected) in [
            (0, "1970-01-01T00:00:00.000000000"),
            (-1, "1969-12-31T23:59:59.999999999"),
            (i64::MIN, "1677-09-21T00:12:43.145224192"),
            (i64::MAX, "2262-04-11T23:47:16.854775807"),
            (1_795_346_100_123_456_789, "2026-11-22T11:15:00.123456789"),
        ] {
            let time = Timestamp::from_nanos(nanos);
            assert_eq!(
                text(|out| out.extend_from_slice(&writer.local_part(time))),
                expected
            );
        }
    }

    proptest! {
        #[test]
        fn ids_are_those_of_display_whatever_came_before(ids: [(u128, u64); 3], step in 0..200_000_u64) {
            let mut writer = IdWriter::new();
            for (epoch, sequence) in ids.into_iter().flat_map(|(e, s)| [(e, s), (e, s.wrapping_add(step))]) {
                let id = RecordId { epoch, sequence };
                let end = format!(",\"record_id\":\"{id}\"}}\n");
                let line = text(|out| {
                    let mut to = Cursor::new(out, 0);
                    writer.end(id, &mut to);
                    to.finish();
                });
                prop_assert_eq!(line, end);
            }
        }

        #[test]
        fn times_are_those_of_display_whatever_came_before(nanos: [i64; 3], step in 0..2_000_000_000_i64) {
            let mut writer = TimeWriter::new();
            for nanos in nanos.into_iter().flat_map(|n| [n, n.saturating_add(step)]) {
                let time = Timestamp::from_nanos(nanos);
                let line = text(|out| out.extend_from_slice(&writer.local_part(time))) + "Z";
                prop_assert_eq!(line, time.to_string());
            }
        }

        #[test]
        fn few_decimals_are_the_shortest_digits(n in -4_100_000_000..4_100_000_000_i64, by in 0..5, next in -1..=1_i64) {
            let value = n as f64 / 10_f64.powi(by);
            let value = f64::from_bits(value.to_bits().wrapping_add_signed(next));
            prop_assume!(value.is_finite());
            let mut buffer = zmij::Buffer::new();
            prop_assert_eq!(text(|out| float(value, out)), buffer.format_finite(value));
        }

        #[test]
        fn floats_read_back(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let line = text(|out| float(value, out));
            prop_assert_eq!(line.parse::<f64>().unwrap().to_bits(), bits);
            prop_assert!(serde_json::from_str::<f64>(&line).is_ok());
        }
    }
}
