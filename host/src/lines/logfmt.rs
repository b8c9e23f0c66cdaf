//! A line of logfmt: `level=info msg="it works" n=1`.

use rolog_core::value::Encoder;

use super::found::{Found, Key, Seen};
use super::options::Options;

/// Whether the whole line is pairs, two or more, and one of them means a part of the record: other
/// text that happens to hold `a=b` stays text.
pub(super) fn looks_like(line: &str, options: &Options) -> bool {
    let (mut pairs, mut known) = (0, false);
    let mut rest = line.trim_ascii();
    while !rest.is_empty() {
        let Some((pair, after)) = pair(rest).filter(|(pair, _)| pair.value.is_some()) else {
            return false;
        };
        pairs += 1;
        known |= options.keys.role(pair.key).is_some();
        rest = after.trim_ascii_start();
    }
    pairs > 1 && known
}

/// Appends the line's pairs to `fields`; `None` for a line that is no logfmt. A key without a value
/// is true.
pub(super) fn read<'a>(
    line: &'a str,
    options: &Options,
    fields: &mut Vec<u8>,
    found: &mut Found<'a>,
) -> Option<()> {
    let mut rest = line.trim_ascii();
    while !rest.is_empty() {
        let (pair, after) = pair(rest)?;
        append(&pair, options, fields, found);
        rest = after.trim_ascii_start();
    }
    Some(())
}

struct Pair<'a> {
    key: &'a str,
    value: Option<Word<'a>>,
}

enum Word<'a> {
    Bare(&'a str),
    /// What stands between the quotes.
    Quoted(&'a str),
}

/// The pair that `text` begins with, and what follows it.
fn pair(text: &str) -> Option<(Pair<'_>, &str)> {
    let ends = |byte: u8| byte.is_ascii_whitespace() || byte == b'=' || byte == b'"';
    let length = text.bytes().position(ends).unwrap_or(text.len());
    let (key, rest) = text.split_at(length);
    if key.is_empty() || key.bytes().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    let Some(rest) = rest.strip_prefix('=') else {
        // A quote or a blank.
        let ends = rest.is_empty() || rest.starts_with(|next: char| next.is_ascii_whitespace());
        return ends.then_some((Pair { key, value: None }, rest));
    };
    let (value, rest) = if let Some(quoted) = rest.strip_prefix('"') {
        let end = closing_quote(quoted)?;
        let (inner, rest) = (&quoted[..end], &quoted[end + 1..]);
        if !rest.is_empty() && !rest.starts_with(|next: char| next.is_ascii_whitespace()) {
            return None;
        }
        (Word::Quoted(inner), rest)
    } else {
        let length = rest
            .bytes()
            .position(|byte| byte.is_ascii_whitespace())
            .unwrap_or(rest.len());
        let (bare, rest) = rest.split_at(length);
        if bare.contains('"') {
            return None;
        }
        (Word::Bare(bare), rest)
    };
    let value = Some(value);
    Some((Pair { key, value }, rest))
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn append<'a>(pair: &Pair<'a>, options: &Options, fields: &mut Vec<u8>, found: &mut Found<'a>) {
    let start = fields.len();
    let mut out = Encoder::new(fields);
    out.key(pair.key);
    let value_at = start + 4 + pair.key.len();
    let seen = match pair.value {
        None => {
            out.bool(true);
            Seen::Other
        }
        Some(Word::Quoted(inner)) if inner.contains('\\') => {
            out.str(&unescaped(inner));
            Seen::Text(None)
        }
        Some(Word::Quoted(text)) => {
            out.str(text);
            Seen::Text(Some(text))
        }
        Some(Word::Bare(text)) => bare(text, &mut out),
    };
    if let Some((role, rank)) = options.keys.role(pair.key) {
        let key = Key {
            role,
            rank,
            value_at,
            nested: false,
        };
        found.offer(&key, seen, start..fields.len(), fields, options);
    }
}

/// A number where its text is just how the number is written, so that `007` stays what it is.
fn bare<'a>(text: &'a str, out: &mut Encoder<'_>) -> Seen<'a> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let starts = digits
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_digit());
    if starts && text.len() <= 20 {
        if let Ok(number) = text.parse::<i64>()
            && number.to_string() == text
        {
            out.i64(number);
            return Seen::Text(Some(text));
        }
        if let Ok(number) = text.parse::<f64>()
            && digits.contains('.')
            && number.to_string() == text
        {
            out.f64(number);
            return Seen::Text(Some(text));
        }
    }
    match text {
        "true" | "false" => {
            out.bool(text == "true");
            Seen::Other
        }
        _ => {
            out.str(text);
            Seen::Text(Some(text))
        }
    }
}

fn unescaped(inner: &str) -> String {
    let quoted = format!("\"{inner}\"");
    // Go's and JSON's escapes agree but for a few, which stay as they are written.
    serde_json::from_str(&quoted).unwrap_or_else(|_| plainly(inner))
}

fn plainly(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            out.push(char);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some(quoted @ ('"' | '\\' | '\'')) => out.push(quoted),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_line_of_pairs_with_a_known_key_looks_like_it() {
        let looks = |line| looks_like(line, &Options::default());
        for line in [
            "level=info msg=\"it works\"",
            "time=2026-11-22T12:00:00Z level=INFO msg=up n=1",
            "  msg=\"a \\\"b\\\"\" x=",
        ] {
            assert!(looks(line), "{line}");
        }
        for line in [
            "",
            "level=info",
            "a=b c=d",
            "msg=hello there=is more",
            "GET /?msg=a&level=b 200",
            "msg=\"open level=info",
            "msg=\"a\"b level=info",
            "msg=a\"b level=info",
            "=x level=info",
        ] {
            assert!(!looks(line), "{line}");
        }
    }

    #[test]
    fn escapes_are_undone_and_unknown_ones_stay() {
        assert_eq!(unescaped(r#"a \"b\" \\ \n \u00e9"#), "a \"b\" \\ \n é");
        assert_eq!(unescaped(r"a\'b \x41 \t\"), "a'b \\x41 \t\\");
    }
}
