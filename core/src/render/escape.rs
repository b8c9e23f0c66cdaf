//! Text that is safe inside one line, whatever it contains.
//!
//! Escaped, in the notation of JSON: control characters (so that no value breaks a line, or moves
//! the cursor of a terminal that shows it), their C1 cousins and DEL, the line and paragraph
//! separators, and the marks that reorder how text is displayed; inside quotes also `"` and `\`.
//! What comes out of the quoted form is the content of a JSON string that parses back to the text.

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
        out.extend_from_slice(text.as_bytes());
    } else {
        escape_parts::<QUOTED>(text.as_bytes(), out);
    }
}

/// Whether nothing is to be escaped, as in most texts; the rest of the module finds out what.
#[inline]
fn is_clean<const QUOTED: bool>(bytes: &[u8]) -> bool {
    let (words, _) = bytes.as_chunks::<8>();
    let Some(last) = bytes.last_chunk::<8>() else {
        return clean_until::<QUOTED>(bytes, 0) == bytes.len();
    };
    // The last eight bytes overlap the words where the length is no multiple of eight.
    let clean = |word: &[u8; 8]| !suspicious::<QUOTED>(u64::from_le_bytes(*word));
    words.iter().all(clean) && clean(last)
}

fn escape_parts<const QUOTED: bool>(bytes: &[u8], out: &mut Vec<u8>) {
    let mut start = 0;
    let mut at = 0;
    loop {
        at = clean_until::<QUOTED>(bytes, at);
        let Some(byte) = bytes.get(at) else { break };
        if let Some((code, len)) = special::<QUOTED>(*byte, &bytes[at + 1..]) {
            out.extend_from_slice(&bytes[start..at]);
            write_escape(code, out);
            at += len;
            start = at;
        } else {
            at += 1;
        }
    }
    out.extend_from_slice(&bytes[start..]);
}

/// Where, from `at` on, the first byte stands that may begin something to escape.
#[inline]
fn clean_until<const QUOTED: bool>(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        if suspicious::<QUOTED>(u64::from_le_bytes(*chunk)) {
            break;
        }
        at += 8;
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

/// Whether one of eight bytes is not plain ASCII, or has to be escaped.
#[inline]
fn suspicious<const QUOTED: bool>(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // Exact as a whole: a borrow reaches only bytes above one that is itself below the bound.
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * bound as u64) & !word & HIGH;
    let is = |byte: u8| below(word ^ (ONES * byte as u64), 1);
    let mut found = (word & HIGH) | below(word, 0x20) | is(0x7f);
    if QUOTED {
        found |= is(b'"') | is(b'\\');
    }
    found != 0
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
            // At every position of an eight-byte word.
            for lead in 0..8 {
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
            prop_assert!(!line.contains(must_not_appear));
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }
}
