//! Names with their values inside a text: `password=x`, `"token": "x"`, `Authorization: Bearer x`,
//! `Secret { key: "x" }`, `postgres://user:x@host`.
//!
//! Records that come from elsewhere, what `Debug` writes, and the texts of errors name what they tell
//! in the text itself, and a rule for keys would be of no use if it stopped there. What stands behind a
//! name is taken as far as it may reach: rather a word too much than half a secret left.

use std::ops::Range;

use memchr::{memchr2_iter, memmem};

use super::names::Names;

/// Longer names are not looked for.
const LONGEST: usize = 200;

/// Calls `each` with every value in `text` that a hidden name stands before, in order, until it says
/// that this was enough.
pub(super) fn assigned(text: &[u8], names: &Names, mut each: impl FnMut(Range<usize>) -> bool) {
    let mut done = 0;
    for at in memchr2_iter(b'=', b':', text) {
        // The end of a quote that was never closed may be the beginning of another one.
        if at < done
            && !text[at + 1..done]
                .iter()
                .all(|byte| b" \t\"'\\".contains(byte))
        {
            continue;
        }
        let value = match name_and_value(text, at) {
            Some((name, start)) if name.split(|b| *b == b',').any(|n| names.hides(n)) => {
                extent(text, start, ends_with_ignoring_case(name, b"cookie"))
            }
            _ => match password_in_url(text, at) {
                Some(value) if names.hides(b"password") => value,
                _ => continue,
            },
        };
        done = value.end;
        if !value.is_empty() && each(value) {
            return;
        }
    }
}

/// What stands before the sign at `at`, and where what it says begins. Of several names, as databases
/// write them, `(a, b)=(1, 2)`, all with the commas between them.
fn name_and_value(text: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let (before, mut after) = (&text[..at], &text[at + 1..]);
    // A path in code is no assignment.
    if text[at] == b':' && (before.ends_with(b":") || after.starts_with(b":")) {
        return None;
    }
    while let [b'=' | b'>' | b' ' | b'\t', rest @ ..] = after {
        after = rest;
    }
    let mut name = before.trim_ascii_end();
    if let Some(list) = name.strip_suffix(b")") {
        let open = list
            .iter()
            .rev()
            .take(LONGEST)
            .position(|byte| *byte == b'(')?;
        return Some((&list[list.len() - open..], text.len() - after.len()));
    }
    while let [rest @ .., b'"' | b'\'' | b'`' | b'\\' | b']'] = name {
        name = rest;
    }
    let is_name = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || !byte.is_ascii()
    };
    let len = name
        .iter()
        .rev()
        .take(LONGEST)
        .take_while(|byte| is_name(byte))
        .count();
    let name = &name[name.len() - len..];
    (!name.is_empty()).then_some((name, text.len() - after.len()))
}

/// The password in `scheme://user:password@host`, if the colon at `at` stands before one.
fn password_in_url(text: &[u8], at: usize) -> Option<Range<usize>> {
    if text[at] != b':' {
        return None;
    }
    let begin = memmem::rfind(&text[at.saturating_sub(LONGEST)..at], b"://")?;
    let user = &text[at.saturating_sub(LONGEST) + begin + 3..at];
    let ends =
        |byte: &u8| matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'') || byte.is_ascii_whitespace();
    if user.iter().any(|byte| ends(byte) || *byte == b'@') {
        return None;
    }
    let rest = &text[at + 1..];
    let authority = rest.iter().position(ends).map_or(rest, |end| &rest[..end]);
    let len = memchr::memrchr(b'@', authority)?;
    Some(at + 1..at + 1 + len)
}

/// How far a value reaches that begins at `start`.
fn extent(text: &[u8], start: usize, cookies: bool) -> Range<usize> {
    let rest = &text[start..];
    let slashes = rest.iter().take_while(|byte| **byte == b'\\').count();
    match rest.get(slashes) {
        Some(quote @ (b'"' | b'\'')) => {
            let inner = start + slashes + 1;
            inner..closing_quote(text, inner, *quote, slashes)
        }
        Some(b'(' | b'[' | b'{') if slashes == 0 => start..closing_bracket(text, start),
        _ => {
            let mut end = word(text, start);
            while cookies && let Some(next) = next_cookie(text, end) {
                end = word(text, next);
            }
            start..end
        }
    }
}

/// Where a text in quotes ends: before its quote, behind as many backslashes as the first one.
fn closing_quote(text: &[u8], from: usize, quote: u8, slashes: usize) -> usize {
    let mut run = 0;
    for (index, byte) in text.iter().enumerate().skip(from) {
        match *byte {
            b'\\' => run += 1,
            byte if byte == quote && run == slashes => return index - slashes,
            // Without backslashes before the first, an even number escapes only themselves.
            byte if byte == quote && slashes == 0 && run % 2 == 0 => return index,
            _ => run = 0,
        }
    }
    text.len()
}

/// Where what the bracket at `from` opens is closed, behind that.
fn closing_bracket(text: &[u8], from: usize) -> usize {
    let (mut depth, mut index) = (0_usize, from);
    while let Some(byte) = text.get(index) {
        index += 1;
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return index;
                }
            }
            b'"' => index = (closing_quote(text, index, b'"', 0) + 1).min(text.len()),
            _ => {}
        }
    }
    text.len()
}

/// Where a value without quotes ends.
fn word(text: &[u8], start: usize) -> usize {
    for (index, byte) in text.iter().enumerate().skip(start) {
        let so_far = &text[start..index];
        match byte {
            b'(' | b'[' | b'{' => return closing_bracket(text, index),
            b'"' | b'\'' if is_prefix(so_far) => {
                return (closing_quote(text, index + 1, *byte, 0) + 1).min(text.len());
            }
            b'"' | b'\'' | b'`' | b',' | b';' | b'&' | b')' | b']' | b'}' | b'<' | b'>' => {
                return index;
            }
            b'\\' if matches!(text.get(index + 1), Some(b'"' | b'\'')) => return index,
            byte if byte.is_ascii_whitespace() => return beyond(text, so_far, index),
            _ => {}
        }
    }
    text.len()
}

/// Whether a quote behind this begins a text of a programming language: `b"…"`, `r#"…"#`.
fn is_prefix(word: &[u8]) -> bool {
    matches!(word, b"b" | b"r" | b"br" | b"c" | b"cr" | b"u" | b"f") || word.ends_with(b"#")
}

/// Where the value goes on behind a word that ends with the space at `space`.
fn beyond(text: &[u8], word_before: &[u8], space: usize) -> usize {
    /// What stands before one more word.
    const TOKENS: [&[u8]; 5] = [b"bearer", b"basic", b"token", b"negotiate", b"apikey"];
    let line = memchr::memchr(b'\n', &text[space..]).map_or(text.len(), |len| space + len);
    let gap = text[space..line]
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count();
    let next = space + gap;
    let is = |scheme: &&[u8]| word_before.eq_ignore_ascii_case(scheme);
    if word_before.eq_ignore_ascii_case(b"digest")
        || ends_with_ignoring_case(word_before, b"sha256")
    {
        // Parameters, with commas between them.
        return line;
    }
    match text.get(next) {
        // What `Debug` writes of a struct.
        Some(b'{') if next == space + 1 => closing_bracket(text, next),
        Some(_) if next < line && TOKENS.iter().any(is) => word(text, next),
        _ => space,
    }
}

/// Where the next of several cookies begins, if one follows the first.
fn next_cookie(text: &[u8], end: usize) -> Option<usize> {
    let rest = text[end..].strip_prefix(b";")?;
    let start = text.len() - rest.trim_ascii_start().len();
    let next = word(text, start);
    text[start..next].contains(&b'=').then_some(start)
}

fn ends_with_ignoring_case(name: &[u8], end: &[u8]) -> bool {
    let tail = name.len().checked_sub(end.len());
    tail.is_some_and(|tail| name[tail..].eq_ignore_ascii_case(end))
}

#[cfg(test)]
mod tests {
    use super::super::names::{DEFAULT_NAMES, KeyPattern};
    use super::*;

    fn hidden(text: &str) -> Vec<&str> {
        let patterns: Vec<KeyPattern> = DEFAULT_NAMES
            .iter()
            .map(|name| name.parse().unwrap())
            .collect();
        let names = Names::new(&patterns, []);
        let mut found = Vec::new();
        assigned(text.as_bytes(), &names, |range| {
            found.push(&text[range]);
            false
        });
        found
    }

    #[test]
    fn a_value_is_found_in_every_form_that_texts_have() {
        for (text, value) in [
            ("password=x1", "x1"),
            ("login failed: password = x1, user=bob", "x1"),
            ("Password: x1.", "x1."),
            ("PASSWORD='x 1' next", "x 1"),
            (r#"{"user":"bob","api_key":"x\"1","n":1}"#, r#"x\"1"#),
            (r#"{"body":"{\"token\":\"x1\",\"n\":1}"}"#, "x1"),
            (
                r#"{"body":"{\"token\":\"x \\\"1\\\" y\",\"n\":1}"}"#,
                r#"x \\\"1\\\" y"#,
            ),
            (r#"User { name: "bob", password: "x1", n: 1 }"#, "x1"),
            (r#"User { password: Some("x1"), n: 1 }"#, r#"Some("x1")"#),
            (
                r#"User { secret: Secret { inner: "x } 1" }, n: 1 }"#,
                r#"Secret { inner: "x } 1" }"#,
            ),
            (r#"key: b"no", token: b"x 1", n"#, r#"b"x 1""#),
            ("tokens=[1], token=[\"x\", [1]], n", "[\"x\", [1]]"),
            ("GET /?a=1&access_token=x1&b=2", "x1"),
            ("Authorization: Bearer x1\r\nHost: a", "Bearer x1"),
            ("authorization=Basic x1==", "Basic x1=="),
            (
                "Authorization: Digest username=\"a\", response=\"x1\"\nHost: a",
                "Digest username=\"a\", response=\"x1\"",
            ),
            ("Cookie: a=x1; b=x2\nHost: a", "a=x1; b=x2"),
            ("cannot reach postgres://bob:x1@db:5432/shop", "x1"),
            ("redis://:x:1@db", "x:1"),
            ("config[\"db_password\"] = \"x1\"", "x1"),
            ("password => 'x1'", "x1"),
            ("--password=x1 --verbose", "x1"),
            ("Key (password, id)=(x1, 7) exists", "(x1, 7)"),
            ("key (id, password) = (7, x1)", "(7, x1)"),
            ("password=\"x1 and no end", "x1 and no end"),
            ("pâssword=1 mot_de_passwd=é1", "é1"),
        ] {
            assert_eq!(hidden(text), [value], "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_it_stays() {
        for text in [
            "",
            "password",
            "password=",
            "password: ",
            "at 12:30:01",
            "auth::token::refresh failed",
            "https://host:8080/a?b=c",
            "https://host:8080/a@b",
            "max_tokens=5",
            "=x :x",
            "a=b c:d",
        ] {
            assert!(hidden(text).is_empty(), "{text}: {:?}", hidden(text));
        }
    }

    #[test]
    fn several_in_one_text_are_all_found() {
        // A quote that is not closed reaches to the next one, which begins another.
        assert_eq!(
            hidden("{\"token\":\"a… {\"password\":\"b c\", secret='it, password='b c'"),
            ["a… {", "b c", "it, password=", "b c"]
        );
        assert_eq!(hidden("password=a token=b; secret: 'c'"), ["a", "b", "c"]);
    }

    proptest::proptest! {
        /// Whatever the text, the ranges are in order, apart, and on the boundaries of characters.
        #[test]
        fn ranges_are_in_order(text in "[a=:'\"\\\\{}()é;, ]{0,12}(password|token|cookie)?[a=:'\"\\\\{}()é;, /@]{0,40}") {
            let mut end = 0;
            let patterns: Vec<KeyPattern> = ["*"].iter().filter_map(|name| name.parse().ok()).chain(
                DEFAULT_NAMES.iter().map(|name| name.parse().unwrap())).collect();
            assigned(text.as_bytes(), &Names::new(&patterns, []), |range| {
                assert!(range.start >= end && range.end > range.start);
                assert!(text.is_char_boundary(range.start) && text.is_char_boundary(range.end));
                end = range.end;
                false
            });
        }
    }
}
