//! Values as parts of file names, so that no value can be anything else.
//!
//! Letters, digits, `-`, `_` and dots inside stay as they are; every other byte becomes `%` and two
//! hexadecimal digits, so that different values make different names. A dot at the beginning is
//! written so too: nothing is hidden, and nothing is `.` or `..`. What is too long is cut, and ends in
//! a sum of the whole.

use std::fmt::Write;

/// The room that the mark of a cut takes.
pub(super) const MARK: usize = 17;

/// Appends a value to a file name, in at most `room` bytes, which are more than [`MARK`].
pub(super) fn append(value: &str, room: usize, name: &mut String) {
    let start = name.len();
    let most = start + room;
    // Where it would be cut, if the rest does not fit.
    let mut cut = start;
    for (at, c) in value.char_indices() {
        let plain = c.is_alphanumeric() || matches!(c, '-' | '_') || (c == '.' && at > 0);
        if plain {
            name.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                write!(name, "%{byte:02X}").expect("writing into memory does not fail");
            }
        }
        if name.len() > most {
            name.truncate(cut);
            write!(name, "~{:016x}", sum(value)).expect("writing into memory does not fail");
            return;
        }
        if name.len() + MARK <= most {
            cut = name.len();
        }
    }
    if name.len() == start {
        name.push('-');
    }
}

/// Whether a name, or a part of it, could have come from a value.
pub(super) fn could_be(part: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '%' | '~');
    !part.is_empty() && !part.starts_with('.') && part.chars().all(plain)
}

/// FNV-1a, which is the same in every process.
fn sum(value: &str) -> u64 {
    value.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn safe(value: &str) -> String {
        let mut name = String::new();
        append(value, 60, &mut name);
        name
    }

    #[test]
    fn ordinary_names_stay_and_dangerous_ones_are_spelled_out() {
        for (value, name) in [
            ("shop.db", "shop.db"),
            ("Straße-7_b", "Straße-7_b"),
            ("", "-"),
            (".", "%2E"),
            ("..", "%2E."),
            ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
            ("/etc/passwd", "%2Fetc%2Fpasswd"),
            ("a b\0\n", "a%20b%00%0A"),
            ("100%", "100%25"),
            ("\u{202e}", "%E2%80%AE"),
        ] {
            assert_eq!(safe(value), name);
        }
    }

    #[test]
    fn long_values_are_cut_and_stay_different() {
        let (one, other) = (safe(&"x".repeat(1000)), safe(&"x".repeat(1001)));
        assert_eq!((one.len(), other.len()), (60, 60));
        assert_ne!(one, other);
        assert_eq!(safe(&"x".repeat(60)).len(), 60);
        assert!(safe(&"ü".repeat(60)).len() <= 60);
    }

    proptest! {
        #[test]
        fn whatever_the_value_it_is_one_ordinary_name(value in any::<String>()) {
            let name = safe(&value);
            prop_assert!(could_be(&name), "{name}");
            prop_assert!(name.len() <= 60);
            prop_assert!(!name.contains('/') && !name.contains('\0'));
            prop_assert!(name != "." && name != "..");
        }

        #[test]
        fn different_values_make_different_names(one in "\\PC{0,12}", other in "\\PC{0,12}") {
            prop_assume!(one != other && !one.is_empty() && !other.is_empty() && one != "-" && other != "-");
            prop_assert_ne!(safe(&one), safe(&other));
        }
    }
}
