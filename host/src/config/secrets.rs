//! What must not be seen: values that came from outside the pipeline file.
//!
//! The rule, stated once:
//!
//! - everything read by `${file:…}` is a secret, wherever it is used;
//! - everything read by `${NAME}` is a secret where it is used in a target's `config`, because only
//!   the plugin knows what it means, and in `redact.key`. rolog's other settings (levels, sizes, names, routes) are shown in
//!   plans and reports and cannot be secret;
//! - a default (`${NAME:-default}`) stands in the file, and is not;
//! - a value of fewer than [`MIN_SECRET`] bytes is not masked: it would blot out unrelated text, and
//!   it is no secret worth the name;
//! - of a value with several lines (a PEM key), each line is a secret as well;
//! - the forms that a value takes in JSON, in Rust's `Debug` and in a URL are masked too.

use std::borrow::Cow;
use std::fmt;

/// The shortest value that is masked, in bytes.
pub const MIN_SECRET: usize = 4;

/// How many forms of earlier values are masked beside those in force.
const EARLIER: usize = 500;

/// What stands where a secret was.
const MASK: &str = "***";

/// The resolved secrets of a pipeline. Shows none of them by `Debug`.
///
/// ```
/// use rolog_host::config::Secrets;
///
/// let secrets = Secrets::of(["s3cret"]);
/// assert_eq!(secrets.mask("POST https://me:s3cret@logs/ failed"), "POST https://me:***@logs/ failed");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    forms: Vec<String>,
}

impl Secrets {
    /// A masker for these values.
    pub fn of<V: AsRef<str>>(values: impl IntoIterator<Item = V>) -> Self {
        let mut secrets = Secrets::default();
        for value in values {
            secrets.add(value.as_ref());
        }
        secrets
    }

    pub(crate) fn add(&mut self, value: &str) {
        let value = value.trim();
        self.add_forms(value);
        if value.contains('\n') {
            for line in value.lines() {
                self.add_forms(line.trim());
            }
        }
    }

    fn add_forms(&mut self, value: &str) {
        if value.len() < MIN_SECRET {
            return;
        }
        let json = serde_json::Value::from(value).to_string();
        let debug = format!("{value:?}");
        for form in [
            value,
            json.trim_matches('"'),
            debug.trim_matches('"'),
            &percent_encoded(value),
        ] {
            if form.len() >= MIN_SECRET && !self.forms.iter().any(|known| known == form) {
                self.forms.push(form.to_owned());
            }
        }
    }

    /// Adds those of earlier configurations, the latest first: what was made by one of them may still
    /// speak. So that a value that changes every minute does not take more and more time, those before
    /// the last [`EARLIER`] forms are forgotten.
    pub(crate) fn remember(&mut self, earlier: &Secrets) {
        let most = self.forms.len() + EARLIER;
        for form in &earlier.forms {
            if self.forms.len() < most && !self.forms.contains(form) {
                self.forms.push(form.clone());
            }
        }
    }

    /// Whether there is nothing to mask.
    pub fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// The text with each secret in it, and each overlap of secrets, as `***`.
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut hits: Vec<(usize, usize)> = Vec::new();
        for form in &self.forms {
            let mut from = 0;
            while let Some(found) = text[from..].find(form.as_str()) {
                let start = from + found;
                hits.push((start, start + form.len()));
                // From the next character, so that overlapping occurrences are found as well.
                from = start + text[start..].chars().next().map_or(1, char::len_utf8);
            }
        }
        if hits.is_empty() {
            return Cow::Borrowed(text);
        }
        hits.sort_unstable();
        let mut out = String::with_capacity(text.len());
        let mut copied = 0;
        let mut hits = hits.into_iter().peekable();
        while let Some((start, mut end)) = hits.next() {
            while let Some((_, next_end)) = hits.next_if(|(next, _)| *next < end) {
                end = end.max(next_end);
            }
            out.push_str(&text[copied..start]);
            out.push_str(MASK);
            copied = end;
        }
        out.push_str(&text[copied..]);
        Cow::Owned(out)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.forms.len())
    }
}

fn percent_encoded(value: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_and_every_overlap_is_masked() {
        let secrets = Secrets::of(["pa\"ss w", "abcd", "cdef", "aaaa"]);
        assert_eq!(secrets.mask("x pa\"ss w y"), "x *** y");
        assert_eq!(secrets.mask(r#"{"p":"pa\"ss w"}"#), r#"{"p":"***"}"#);
        assert_eq!(secrets.mask("u:pa%22ss%20w@h"), "u:***@h");
        assert_eq!(secrets.mask("abcdef"), "***");
        assert_eq!(secrets.mask("aaaaaaa"), "***");
        assert_eq!(secrets.mask("abcdabcd"), "******");
        assert!(matches!(secrets.mask("nothing"), Cow::Borrowed(_)));
    }

    #[test]
    fn earlier_values_are_remembered_the_latest_first_and_not_for_ever() {
        let mut all = Secrets::default();
        for n in 0..=EARLIER {
            let mut next = Secrets::of([format!("secret-{n}.")]);
            next.remember(&all);
            all = next;
        }
        assert_eq!(all.mask("secret-0. secret-500."), "*** ***");
        let mut next = Secrets::of(["another"]);
        next.remember(&all);
        assert_eq!(
            next.mask("secret-0. secret-1. another"),
            "secret-0. *** ***"
        );
    }

    #[test]
    fn lines_of_a_key_are_masked_alone_and_short_values_never() {
        let secrets = Secrets::of(["-----BEGIN\nMIIEvQ\n-----END\n", "1", "no"]);
        assert_eq!(secrets.mask("line MIIEvQ of 1"), "line *** of 1");
        assert_eq!(format!("{secrets:?}").matches("MIIEvQ").count(), 0);
    }
}
