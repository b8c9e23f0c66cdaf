//! What a service answers, as an error may repeat it.

use std::borrow::Cow;

use percent_encoding::{percent_decode_str, utf8_percent_encode};

use crate::route::VALUE;

/// The longest answer of a service that an error repeats, in characters.
const LONGEST: usize = 300;

/// The text of an answer as an error may repeat it: one line without control characters, bounded,
/// and without the secrets that the request carried, which some services send back.
pub(crate) fn cleaned(text: &[u8], secrets: &[String]) -> String {
    // More than what is shown, so that a secret at its end is found whole.
    let text = &text[..text.len().min(16 * LONGEST)];
    let mut text = String::from_utf8_lossy(text).into_owned();
    let mut forms: Vec<_> = secrets.iter().flat_map(|secret| forms(secret)).collect();
    // The longest first, as one may be a part of another.
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    for form in forms.iter().filter(|form| form.len() > 3) {
        text = text.replace(&**form, "***");
    }
    let mut clean = String::new();
    let mut gap = false;
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST {
            clean.push('…');
            break;
        }
        if c.is_whitespace() || c.is_control() || c == char::REPLACEMENT_CHARACTER {
            gap = !clean.is_empty();
            continue;
        }
        if std::mem::take(&mut gap) {
            clean.push(' ');
        }
        clean.push(c);
    }
    clean
}

/// A secret as it is, and as it stands in a URL.
fn forms(secret: &str) -> [Cow<'_, str>; 3] {
    [
        secret.into(),
        utf8_percent_encode(secret, VALUE).into(),
        percent_decode_str(secret).decode_utf8_lossy(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_repeated_in_one_line_without_secrets_and_bounded() {
        let told = cleaned(
            b" <h1>\r\n\x1b[31mtoken hunter22 is\xff\xfe bad",
            &["hunter22".to_owned()],
        );
        assert_eq!(told, "<h1> [31mtoken *** is bad");
        let long = cleaned(&vec![b'x'; 100_000], &[]);
        assert_eq!(long.chars().count(), LONGEST + 1);
    }
}
