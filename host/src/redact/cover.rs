//! What stands where something was hidden.

use std::fmt::Write as _;

use hmac::digest::KeyInit as _;
use hmac::{Hmac, Mac as _};
use rolog_core::value::raw;
use sha2::Sha256;

/// What a hashed value begins with.
pub(crate) const HASH: &str = "hash:";

/// How many hexadecimal digits follow: 128 bits, as many as nobody finds two values for.
const DIGITS: usize = 32;

/// A text in the place of every value, or one for each value.
#[derive(Clone)]
pub(crate) enum Cover {
    /// This text.
    Mask(Box<str>),
    /// `hash:` and the first 128 bits of the value's HMAC-SHA-256 in hexadecimal, so that one value is
    /// the same text everywhere and nobody without the key can try values out.
    Hash(Box<Hmac<Sha256>>),
}

impl Cover {
    pub(crate) fn mask(text: &str) -> Self {
        Cover::Mask(text.into())
    }

    pub(crate) fn hash(key: &[u8]) -> Self {
        let keyed = Hmac::new_from_slice(key).expect("an HMAC takes a key of any length");
        Cover::Hash(Box::new(keyed))
    }

    /// Appends what stands for this text.
    pub(crate) fn put(&self, hidden: &[u8], out: &mut Vec<u8>) {
        match self {
            Cover::Mask(text) => out.extend_from_slice(text.as_bytes()),
            Cover::Hash(keyed) => {
                let mut keyed = (**keyed).clone();
                keyed.update(hidden);
                let mut text = String::with_capacity(HASH.len() + DIGITS);
                text.push_str(HASH);
                for byte in keyed.finalize().into_bytes().iter().take(DIGITS / 2) {
                    // Writing to a string does not fail.
                    let _ = write!(text, "{byte:02x}");
                }
                out.extend_from_slice(text.as_bytes());
            }
        }
    }

    /// Appends, as a text, what stands for this value. What is nothing stays nothing.
    pub(crate) fn put_value(&self, hidden: &raw::Raw<'_>, out: &mut Vec<u8>) {
        if hidden.tag == raw::tag::NULL {
            return out.extend_from_slice(hidden.whole);
        }
        raw::put_with(out, raw::tag::STR, |out| match hidden.tag {
            raw::tag::STR => self.put(hidden.payload, out),
            _ => self.put(shown(hidden).as_bytes(), out),
        });
    }

    /// Whether a text is what this puts in the place of others, so that it is not hidden twice.
    pub(crate) fn is_own(&self, text: &[u8]) -> bool {
        match self {
            Cover::Mask(mask) => text == mask.as_bytes(),
            Cover::Hash(_) => text
                .strip_prefix(HASH.as_bytes())
                .is_some_and(|hex| hex.len() == DIGITS && hex.iter().all(u8::is_ascii_hexdigit)),
        }
    }
}

/// A value that is no text, as a message shows it: the number 42 is the same as the text.
fn shown(value: &raw::Raw<'_>) -> String {
    // A map of one entry is what can be read from bytes that nobody has checked.
    let mut entry = Vec::with_capacity(4 + value.whole.len());
    raw::put_text(&mut entry, b"");
    entry.extend_from_slice(value.whole);
    let map = rolog_core::value::Map::parse(&entry);
    let first = map.ok().and_then(|map| map.iter().next());
    first.map_or_else(String::new, |(_, value)| value.to_string())
}

impl std::fmt::Debug for Cover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Cover::Mask(_) => "Mask",
            Cover::Hash(_) => "Hash",
        })
    }
}

#[cfg(test)]
mod tests {
    use rolog_core::value::Encoder;

    use super::*;

    fn covered(cover: &Cover, fill: impl FnOnce(&mut Encoder<'_>)) -> String {
        let (mut value, mut out) = (Vec::new(), Vec::new());
        fill(&mut Encoder::new(&mut value));
        cover.put_value(&raw::take(&mut &value[..]).unwrap(), &mut out);
        let text = raw::take(&mut &out[..]).unwrap();
        assert_eq!(text.whole.len(), out.len());
        String::from_utf8(text.payload.to_vec()).unwrap()
    }

    #[test]
    fn a_hash_is_the_hmac_that_other_tools_compute() {
        let cover = Cover::hash(b"sixteen bytes at least");
        // printf %s hunter2 | openssl dgst -sha256 -hmac 'sixteen bytes at least' | cut -c1-32
        let text = covered(&cover, |out| out.str("hunter2"));
        assert_eq!(text, EXPECTED);
        assert!(cover.is_own(text.as_bytes()) && !cover.is_own(b"hash:0123"));
        assert_ne!(
            text,
            covered(&Cover::hash(b"another key of some bytes"), |out| out
                .str("hunter2"))
        );
    }

    const EXPECTED: &str = "hash:e01140140d6a383f216daf274f2994d2";

    #[test]
    fn a_number_and_its_text_are_joined_and_nothing_stays_nothing() {
        let cover = Cover::hash(b"sixteen bytes at least");
        let text = covered(&cover, |out| out.str("42"));
        assert_eq!(covered(&cover, |out| out.u64(42)), text);
        assert_eq!(covered(&cover, |out| out.i64(42)), text);
        assert_ne!(
            covered(&cover, |out| out.map(|map| map.key("a").u64(42))),
            text
        );
        let mut out = Vec::new();
        cover.put_value(&raw::take(&mut &[raw::tag::NULL][..]).unwrap(), &mut out);
        assert_eq!(out, [raw::tag::NULL]);
        assert_eq!(covered(&Cover::mask("***"), |out| out.bool(true)), "***");
    }
}
