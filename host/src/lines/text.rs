//! Text as it stands in a line, made valid.

/// The line as UTF-8: borrowed where it is valid already, else written to `repaired` with U+FFFD for
/// each sequence that is not, and at most `limit` bytes of it.
pub(super) fn valid<'a>(bytes: &'a [u8], repaired: &'a mut String, limit: usize) -> Text<'a> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Text {
            content: text,
            replaced: false,
            cut: false,
        };
    }
    let cut = repair(bytes, repaired, limit);
    Text {
        content: repaired,
        replaced: true,
        cut,
    }
}

/// What [`valid`] made of a line.
pub(super) struct Text<'a> {
    /// The valid form.
    pub(super) content: &'a str,
    /// Something was not UTF-8.
    pub(super) replaced: bool,
    /// The replacements made the line longer than its limit, and its end is missing.
    pub(super) cut: bool,
}

fn repair(bytes: &[u8], repaired: &mut String, limit: usize) -> bool {
    repaired.clear();
    for chunk in bytes.utf8_chunks() {
        let mark = if chunk.invalid().is_empty() {
            ""
        } else {
            "\u{fffd}"
        };
        for part in [chunk.valid(), mark] {
            let room = limit.saturating_sub(repaired.len());
            repaired.push_str(&part[..part.floor_char_boundary(room)]);
            if part.len() > room {
                return true;
            }
        }
    }
    false
}

/// The bytes without a character at their end of which the rest was cut off.
pub(super) fn whole_characters(bytes: &[u8]) -> &[u8] {
    // A character has 4 bytes at most, so only the last 3 can be the start of one.
    let tail = bytes.len().saturating_sub(3);
    let start = (tail..bytes.len())
        .rev()
        .find(|at| bytes[*at] & 0xc0 == 0xc0);
    match start {
        Some(start) if is_unfinished(&bytes[start..]) => &bytes[..start],
        _ => bytes,
    }
}

fn is_unfinished(character: &[u8]) -> bool {
    matches!(std::str::from_utf8(character), Err(error) if error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_utf_8_is_replaced_within_the_limit() {
        let mut repaired = String::new();
        let text = valid("žluťoučký".as_bytes(), &mut repaired, 4);
        assert_eq!(
            (text.content, text.replaced, text.cut),
            ("žluťoučký", false, false)
        );
        let text = valid(b"caf\xe9 \xff\xfe!", &mut repaired, 100);
        assert_eq!(text.content, "caf\u{fffd} \u{fffd}\u{fffd}!");
        assert!(text.replaced && !text.cut);
        let text = valid(&[0xff; 100], &mut repaired, 10);
        assert_eq!(text.content, "\u{fffd}\u{fffd}\u{fffd}");
        assert!(text.cut);
        let text = valid(b"\xffabc", &mut repaired, 5);
        assert_eq!(text.content, "\u{fffd}ab");
        assert!(text.cut);
    }

    #[test]
    fn a_character_that_was_cut_in_two_is_left_out() {
        for character in ["é", "€", "😀"] {
            let line = format!("ab{character}");
            for cut in 3..line.len() {
                assert_eq!(whole_characters(&line.as_bytes()[..cut]), b"ab");
            }
            assert_eq!(whole_characters(line.as_bytes()), line.as_bytes());
        }
        for other in [
            &b""[..],
            b"a",
            b"\xff",
            b"ab\x80\x80\x80\x80",
            b"\xc3\xa9\x80",
        ] {
            assert_eq!(whole_characters(other), other);
        }
    }
}
