//! Text that is safe inside one line, whatever it contains.
//!
//! Escaped, in the notation of JSON: control characters (so that no value breaks a line, or moves
//! the cursor of a terminal that shows it), their C1 cousins and DEL, the line and paragraph
//! separators, and the marks that reorder how text is displayed; inside quotes also `"` and `\`.
//! What comes out of the quoted form is the content of a JSON string that parses back to the text.

use super::cursor::Cursor;
use super::put::{put, put_quoted};

/// Appends `text`, to stand outside of quotes or between quotes that the caller writes.
#[inline]
pub(super) fn escape(quoted: bool, text: &str, out: &mut Vec<u8>) {
    if quoted {
        escape_as::<true>(text, out);
    } else {
        escape_as::<false>(text, out);
    }
}

/// Formats into a line: what is written is escaped on the way.
pub(super) struct Escaping<'o> {
    pub(super) quoted: bool,
    pub(super) out: &'o mut Vec<u8>,
}

impl std::fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        escape(self.quoted, text, self.out);
        Ok(())
    }
}

#[inline]
fn escape_as<const QUOTED: bool>(text: &str, out: &mut Vec<u8>) {
    if is_clean::<QUOTED>(text.as_bytes()) {
        put(text.as_bytes(), out);
    } else {
        escape_parts::<QUOTED>(text.as_bytes(), out);
    }
}

/// Appends `text` between quotes.
#[inline]
pub(super) fn quote(text: &str, out: &mut Vec<u8>) {
    if is_clean::<true>(text.as_bytes()) {
        put_quoted(text.as_bytes(), out);
    } else {
        odd_quoted(text, out);
    }
}

/// [`escape`], into a line that is being written.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the cursor is to stay in registers")]
pub(super) fn escape_into(quoted: bool, text: &str, to: &mut Cursor<'_>) {
    let bytes = text.as_bytes();
    let odd = if quoted {
        to.put_unless(bytes, false, suspicious::<true>)
    } else {
        to.put_unless(bytes, false, suspicious::<false>)
    };
    if odd {
        to.with(|out| odd_text(quoted, text, out));
    }
}

/// [`quote`], into a line that is being written.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the cursor is to stay in registers")]
pub(super) fn quote_into(text: &str, to: &mut Cursor<'_>) {
    if to.put_unless(text.as_bytes(), true, suspicious::<true>) {
        to.with(|out| odd_quoted(text, out));
    }
}

/// Appends a text without spaces, quotes, equal signs, backslashes and what is escaped outside of
/// quotes; says whether it was one.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the cursor is to stay in registers")]
pub(super) fn put_word(text: &str, to: &mut Cursor<'_>) -> bool {
    !to.put_unless(text.as_bytes(), false, |part| {
        suspicious::<true>(part) | separating(part)
    })
}

/// Which of sixteen bytes separate words and pairs, as [`suspicious`] has it.
#[inline]
fn separating(part: [u8; 16]) -> u32 {
    let bits = part.iter().enumerate();
    bits.map(|(at, byte)| u32::from(matches!(byte, b' ' | b'=')) << at)
        .sum()
}

#[inline(never)]
fn odd_text(quoted: bool, text: &str, out: &mut Vec<u8>) {
    if quoted {
        escape_parts::<true>(text.as_bytes(), out);
    } else {
        escape_parts::<false>(text.as_bytes(), out);
    }
}

#[inline(never)]
fn odd_quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escape_parts::<true>(text.as_bytes(), out);
    out.push(b'"');
}

/// Whether nothing is to be escaped, as in most texts; the rest of the module finds out what.
#[inline]
fn is_clean<const QUOTED: bool>(bytes: &[u8]) -> bool {
    // The last part overlaps the one before it where the length is no multiple of theirs.
    let Some(last) = bytes.last_chunk::<16>() else {
        return is_clean_and_short::<QUOTED>(bytes);
    };
    let clean = |part: &[u8; 16]| suspicious::<QUOTED>(*part) == 0;
    clean(last) && (bytes.len() == 16 || bytes.as_chunks::<16>().0.iter().all(clean))
}

/// [`is_clean`] for less than sixteen bytes.
#[inline]
fn is_clean_and_short<const QUOTED: bool>(bytes: &[u8]) -> bool {
    let word = |[head, last]: [u64; 2]| u128::from(head) | u128::from(last) << 64;
    let part = if let (Some(head), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk()) {
        word([u64::from_le_bytes(*head), u64::from_le_bytes(*last)])
    } else if let (Some(head), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk()) {
        let [head, last] = [*head, *last].map(|half| u64::from(u32::from_le_bytes(half)));
        word([head | last << 32, CLEAN_WORD])
    } else if let [first, .., last] | [first @ last] = bytes {
        let middle = bytes[bytes.len() / 2];
        let few = u32::from_le_bytes([*first, middle, *last, b' ']);
        word([CLEAN_WORD << 32 | u64::from(few), CLEAN_WORD])
    } else {
        return true;
    };
    suspicious::<QUOTED>(part.to_le_bytes()) == 0
}

/// Eight bytes that are not to be escaped.
const CLEAN_WORD: u64 = u64::from_le_bytes([b' '; 8]);

fn escape_parts<const QUOTED: bool>(bytes: &[u8], out: &mut Vec<u8>) {
    let mut start = 0;
    let mut at = 0;
    loop {
        at = clean_until::<QUOTED>(bytes, at);
        let Some(byte) = bytes.get(at) else { break };
        if let Some((code, len)) = special::<QUOTED>(*byte, &bytes[at + 1..]) {
            put(&bytes[start..at], out);
            write_escape(code, out);
            at += len;
            start = at;
        } else {
            at += 1;
        }
    }
    put(&bytes[start..], out);
}

/// Where, from `at` on, the first byte stands that may begin something to escape.
#[inline]
fn clean_until<const QUOTED: bool>(bytes: &[u8], mut at: usize) -> usize {
    while let Some(part) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let found = suspicious::<QUOTED>(*part);
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += 16;
    }
    while let Some(byte) = bytes.get(at) {
        match CLASSES[usize::from(*byte)] {
            CLEAN => at += 1,
            QUOTE if !QUOTED => at += 1,
            _ => break,
        }
    }
    at
}

/// Which of sixteen bytes may begin something to escape: a bit for each, the first the lowest.
#[cfg(target_arch = "x86_64")]
#[inline]
fn suspicious<const QUOTED: bool>(part: [u8; 16]) -> u32 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    };
    // SAFETY: SSE2 is part of x86-64, and any sixteen bytes are a vector.
    unsafe {
        let part = std::mem::transmute::<[u8; 16], __m128i>(part);
        let is = |byte: u8| _mm_cmpeq_epi8(part, _mm_set1_epi8(byte as i8));
        let control = _mm_cmpeq_epi8(_mm_min_epu8(part, _mm_set1_epi8(0x1f)), part);
        let leads = _mm_or_si128(is(0xc2), is(0xe2));
        let mut found = _mm_or_si128(_mm_or_si128(control, is(0x7f)), leads);
        if QUOTED {
            found = _mm_or_si128(found, _mm_or_si128(is(b'"'), is(b'\\')));
        }
        _mm_movemask_epi8(found) as u32
    }
}

/// Which of sixteen bytes may begin something to escape: a bit for each, the first the lowest.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn suspicious<const QUOTED: bool>(part: [u8; 16]) -> u32 {
    bit_by_bit::<QUOTED>(part)
}

/// What [`suspicious`] finds, for processors of any kind.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn bit_by_bit<const QUOTED: bool>(part: [u8; 16]) -> u32 {
    let bits = part.iter().enumerate().map(|(at, byte)| {
        let class = CLASSES[usize::from(*byte)];
        u32::from(class != CLEAN && (QUOTED || class != QUOTE)) << at
    });
    bits.sum()
}

/// What has to be escaped at a suspicious byte: the character's code and its length in bytes.
#[inline]
fn special<const QUOTED: bool>(byte: u8, after: &[u8]) -> Option<(u16, usize)> {
    match (CLASSES[usize::from(byte)], after) {
        (QUOTE, _) if QUOTED => Some((u16::from(byte), 1)),
        (CONTROL, _) => Some((u16::from(byte), 1)),
        (LEAD_C2, [next @ 0x80..=0x9f, ..]) => Some((u16::from(*next), 2)),
        (LEAD_E2, [0x80, next @ (0x8e | 0x8f | 0xa8..=0xae), ..]) => {
            Some((0x2000 + u16::from(*next & 0x3f), 3))
        }
        (LEAD_E2, [0x81, next @ 0xa6..=0xa9, ..]) => Some((0x2040 + u16::from(*next & 0x3f), 3)),
        _ => None,
    }
}

#[cold]
fn write_escape(code: u16, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let short = match code {
        0x08 => b'b',
        0x09 => b't',
        0x0a => b'n',
        0x0c => b'f',
        0x0d => b'r',
        0x22 => b'"',
        0x5c => b'\\',
        _ => {
            out.extend_from_slice(b"\\u");
            let digit = |shift: u16| DIGITS[usize::from(code >> shift & 0xf)];
            out.extend_from_slice(&[digit(12), digit(8), digit(4), digit(0)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

const CLEAN: u8 = 0;
const CONTROL: u8 = 1;
const QUOTE: u8 = 2;
const LEAD_C2: u8 = 3;
const LEAD_E2: u8 = 4;

static CLASSES: [u8; 256] = {
    let mut classes = [CLEAN; 256];
    let mut byte = 0;
    while byte < 0x20 {
        classes[byte] = CONTROL;
        byte += 1;
    }
    classes[0x7f] = CONTROL;
    classes[b'"' as usize] = QUOTE;
    classes[b'\\' as usize] = QUOTE;
    classes[0xc2] = LEAD_C2;
    classes[0xe2] = LEAD_E2;
    classes
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quoted_text(text: &str) -> String {
        let mut out = Vec::new();
        escape(true, text, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn bare_text(text: &str) -> String {
        let mut out = Vec::new();
        escape(false, text, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// The characters that this module promises to escape, told by their Unicode values.
    fn must_not_appear(c: char) -> bool {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    }

    #[test]
    fn every_character_of_the_basic_plane_comes_back_and_no_dangerous_one_goes_out() {
        for code in 0..=0xffff_u32 {
            let Some(c) = char::from_u32(code) else {
                continue;
            };
            // At every position of sixteen bytes.
            for lead in 0..16 {
                let text = format!("{}{c}abcdefgh", "x".repeat(lead));
                let line = format!("\"{}\"", quoted_text(&text));
                assert!(!line.contains(must_not_appear), "{code:x}");
                assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
                assert!(!bare_text(&text).contains(must_not_appear), "{code:x}");
            }
        }
    }

    #[test]
    fn quotes_and_backslashes_stay_as_they_are_outside_of_quotes() {
        assert_eq!(bare_text("say \"hi\" \\o/\n"), "say \"hi\" \\o/\\n");
        assert_eq!(quoted_text("say \"hi\" \\o/\n"), "say \\\"hi\\\" \\\\o/\\n");
        assert_eq!(bare_text("\u{1b}[31m\u{9b}0m"), "\\u001b[31m\\u009b0m");
    }

    #[test]
    fn bytes_are_found_sixteen_at_a_time_as_they_are_one_by_one() {
        for byte in 0..=u8::MAX {
            for at in 0..16 {
                let mut part = *b"abcdefghijklmnop";
                part[at] = byte;
                part[15 - at] = byte;
                assert_eq!(
                    suspicious::<true>(part),
                    bit_by_bit::<true>(part),
                    "{part:x?}"
                );
                assert_eq!(
                    suspicious::<false>(part),
                    bit_by_bit::<false>(part),
                    "{part:x?}"
                );
            }
        }
    }

    #[test]
    fn a_formatter_is_escaped_too() {
        use std::fmt::Write;
        let mut out = Vec::new();
        let mut escaping = Escaping {
            quoted: true,
            out: &mut out,
        };
        write!(escaping, "{:?}", "a\nb").unwrap();
        assert_eq!(out, br#"\"a\\nb\""#);
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in any::<String>()) {
            let line = format!("\"{}\"", quoted_text(&text));
            let mut quoted = Vec::new();
            quote(&text, &mut quoted);
            prop_assert_eq!(&quoted, line.as_bytes());
            prop_assert!(!line.contains(must_not_appear));
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }
}
