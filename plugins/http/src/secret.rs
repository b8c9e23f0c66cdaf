//! What must not be read in an error, a log or a dump.

use std::fmt;

use serde::Deserialize;

/// A text of the settings that is not shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Secret(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

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
        assert_eq!(
            format!("{:?}", Secret::from("hunter22")),
            "***",
            "a dump does not show it"
        );
    }
}
