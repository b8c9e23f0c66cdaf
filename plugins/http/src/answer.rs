//! What a service answers, as an error may repeat it.

/// The longest answer of a service that an error repeats, in characters.
const LONGEST: usize = 300;

/// The text of an answer as an error may repeat it: one line without control characters, bounded,
/// and without the secrets that the request carried, which some services send back.
pub(crate) fn cleaned<'a>(text: &[u8], secrets: impl Iterator<Item = &'a str>) -> String {
    // More than what is shown, so that a secret at its end is found whole.
    let text = &text[..text.len().min(16 * LONGEST)];
    let mut text = String::from_utf8_lossy(text).into_owned();
    for secret in secrets.filter(|secret| secret.len() > 3) {
        text = text.replace(secret, "***");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_repeated_in_one_line_without_secrets_and_bounded() {
        let told = cleaned(
            b" <h1>\r\n\x1b[31mtoken hunter22 is\xff\xfe bad",
            ["hunter22"].into_iter(),
        );
        assert_eq!(told, "<h1> [31mtoken *** is bad");
        let long = cleaned(&vec![b'x'; 100_000], std::iter::empty());
        assert_eq!(long.chars().count(), LONGEST + 1);
    }
}
