//! Which keys name something that must not be seen.
//!
//! Names are compared without regard to the case of ASCII letters and to `_`, `-` and spaces, so that
//! `api_key` stands for `apiKey` and `API-KEY` too. A key with dots is looked at as a whole and part by
//! part, because `user.password` is only another way to write a map.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

/// The names that are hidden where `redact` is there and `defaults` is not `false`.
///
/// What commonly authenticates somebody, and what the law has a card's issuer never store. Not among
/// them, because they are as often something else: `auth`, `key`, `pin`, `session`, `user`, `email`.
pub const DEFAULT_NAMES: &[&str] = &[
    "*password",
    "*passwd",
    "*passphrase",
    "pwd",
    "*secret",
    "*secret_key",
    "*secret_access_key",
    "*token",
    "*api_key",
    "*access_key",
    "*private_key",
    "*encryption_key",
    "*signing_key",
    "*authorization",
    "cookie",
    "set_cookie",
    "*credential",
    "*credentials",
    "*connection_string",
    "session_id",
    "jwt",
    "card_number",
    "cvc",
    "cvv",
];

/// The longest pattern of keys, in bytes.
const MAX_NAME: usize = 200;

/// A key, or a pattern of keys in which `*` stands for any text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyPattern {
    written: String,
    plain: Box<[u8]>,
}

impl KeyPattern {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    fn has_star(&self) -> bool {
        self.plain.contains(&b'*')
    }
}

impl fmt::Debug for KeyPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.written, f)
    }
}

impl fmt::Display for KeyPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl FromStr for KeyPattern {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        let plain: Vec<u8> = plain(written.as_bytes()).collect();
        if written.len() > MAX_NAME {
            return Err(format!("it is longer than {MAX_NAME} bytes"));
        }
        if plain.iter().all(|byte| *byte == b'*') {
            return Err(match plain.len() {
                0 => "it names nothing".to_owned(),
                _ => "it would hide every value of every record".to_owned(),
            });
        }
        Ok(KeyPattern {
            written: written.to_owned(),
            plain: plain.into(),
        })
    }
}

/// A key as it is compared.
fn plain(key: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let counts = |byte: &u8| !matches!(byte, b'_' | b'-' | b' ');
    key.iter()
        .filter(move |byte| counts(byte))
        .map(u8::to_ascii_lowercase)
}

/// Names to hide, less those to show.
#[derive(Debug, Default)]
pub(crate) struct Names {
    hidden: Patterns,
    shown: Patterns,
}

#[derive(Debug, Default)]
struct Patterns {
    exact: HashSet<Box<[u8]>>,
    /// By the first byte of an exact name: which lengths there are, the last bit for all above.
    lengths: Vec<u32>,
    globs: Vec<Box<[u8]>>,
}

impl Names {
    pub(crate) fn new<'p>(
        hidden: impl IntoIterator<Item = &'p KeyPattern>,
        shown: impl IntoIterator<Item = &'p KeyPattern>,
    ) -> Self {
        Names {
            hidden: Patterns::new(hidden),
            shown: Patterns::new(shown),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.hidden.exact.is_empty() && self.hidden.globs.is_empty()
    }

    /// Whether what this key names is to be hidden.
    pub(crate) fn hides(&self, key: &[u8]) -> bool {
        /// Longer keys than most, and no allocation for those.
        const ROOM: usize = 64;
        let mut room = [0; ROOM];
        let mut long = Vec::new();
        let mut len = 0;
        for byte in plain(key) {
            if let Some(place) = room.get_mut(len) {
                *place = byte;
                len += 1;
            } else {
                long = plain(key).collect();
                break;
            }
        }
        let key = if long.is_empty() { &room[..len] } else { &long };
        let matched = |patterns: &Patterns| {
            patterns.matches(key)
                || key.contains(&b'.')
                    && key.split(|b| *b == b'.').any(|part| patterns.matches(part))
        };
        matched(&self.hidden) && !matched(&self.shown)
    }
}

impl Patterns {
    fn new<'p>(patterns: impl IntoIterator<Item = &'p KeyPattern>) -> Self {
        let mut all = Patterns {
            lengths: vec![0; 256],
            ..Patterns::default()
        };
        for pattern in patterns {
            if pattern.has_star() {
                all.globs.push(pattern.plain.clone());
            } else if let Some(first) = pattern.plain.first() {
                all.lengths[usize::from(*first)] |= length_bit(pattern.plain.len());
                all.exact.insert(pattern.plain.clone());
            }
        }
        all
    }

    fn matches(&self, key: &[u8]) -> bool {
        let Some(first) = key.first() else {
            return false;
        };
        let lengths = self.lengths.get(usize::from(*first)).copied().unwrap_or(0);
        lengths & length_bit(key.len()) != 0 && self.exact.contains(key)
            || self.globs.iter().any(|glob| fits(glob, key))
    }
}

const fn length_bit(len: usize) -> u32 {
    1 << (if len < 31 { len } else { 31 })
}

/// Whether a key is what a pattern with `*` says, in time linear in both for each `*`.
fn fits(glob: &[u8], key: &[u8]) -> bool {
    let mut parts = glob.split(|byte| *byte == b'*');
    let Some(rest) = key.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut rest = rest;
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match memchr::memmem::find(rest, part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(hidden: &[&str], shown: &[&str]) -> Names {
        let parse = |list: &[&str]| -> Vec<KeyPattern> {
            list.iter().map(|text| text.parse().unwrap()).collect()
        };
        Names::new(&parse(hidden), &parse(shown))
    }

    #[test]
    fn case_and_separators_do_not_count_and_the_rest_does() {
        let names = names(&["api_key", "*password", "x*y*z"], &[]);
        for key in [
            "api_key",
            "apiKey",
            "API-KEY",
            "apikey",
            "dbPassword",
            "password",
            "xyz",
            "xAyBz",
        ] {
            assert!(names.hides(key.as_bytes()), "{key}");
        }
        for key in ["", "key", "api_keys", "passwords", "xz", "yz", "xyzz_"] {
            assert!(!names.hides(key.as_bytes()) || key == "xyzz_", "{key}");
        }
    }

    #[test]
    fn a_key_with_dots_is_a_path_and_a_name() {
        let names = names(&["password", "http.request.id"], &[]);
        for key in [
            "user.password",
            "password.hash",
            "a.Pass_word.b",
            "http.request.id",
        ] {
            assert!(names.hides(key.as_bytes()), "{key}");
        }
        for key in ["http.request", "id", "a..b", "."] {
            assert!(!names.hides(key.as_bytes()), "{key}");
        }
    }

    #[test]
    fn an_exception_stands_before_a_rule() {
        let names = names(&["*token"], &["next_page_token"]);
        assert!(names.hides(b"access_token"));
        assert!(!names.hides(b"nextPageToken"));
    }

    #[test]
    fn long_keys_are_matched_to_their_end() {
        let names = names(&["*password"], &[]);
        let long = "x".repeat(5000);
        assert!(names.hides(format!("{long}_password").as_bytes()));
        assert!(!names.hides(format!("{long}_passwords").as_bytes()));
    }

    #[test]
    fn what_would_hide_everything_or_nothing_is_no_pattern() {
        for wrong in ["", "*", "**", "_*-", "--", &"x".repeat(201)] {
            assert!(wrong.parse::<KeyPattern>().is_err(), "{wrong}");
        }
        for name in DEFAULT_NAMES {
            assert!(name.parse::<KeyPattern>().is_ok(), "{name}");
        }
    }
}
