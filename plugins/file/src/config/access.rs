//! Who may use the file.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Permission bits, written in octal and between quotes: `"0640"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(u32);

impl Mode {
    /// The bits.
    pub fn bits(self) -> u32 {
        self.0
    }

    fn read(text: &str) -> Option<Mode> {
        let digits = text.strip_prefix("0o").unwrap_or(text);
        let bits = u32::from_str_radix(digits, 8).ok()?;
        let fits = (3..=4).contains(&digits.len()) && bits <= 0o777 && bits & 0o200 != 0;
        (fits && !digits.starts_with('+')).then_some(Mode(bits))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// Whose a file has to be that is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The user's that the process runs as.
    Own,
    /// The user's of this number.
    User(u32),
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reads;

        impl Visitor<'_> for Reads {
            type Value = Mode;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("octal digits between quotes, such as \"0640\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Mode, E> {
                Mode::read(text).ok_or_else(|| {
                    E::custom(format_args!(
                        "`{text}` is no mode that a file can be written with, expected octal digits such as \"0640\""
                    ))
                })
            }
        }

        from.deserialize_any(Reads)
    }
}

impl<'de> Deserialize<'de> for Owner {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reads;

        impl Visitor<'_> for Reads {
            type Value = Owner;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`self`, or a user's number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Owner, E> {
                match (text, text.parse()) {
                    ("self", _) => Ok(Owner::Own),
                    (_, Ok(number)) => Ok(Owner::User(number)),
                    _ => Err(E::custom(format_args!(
                        "`{text}` is no owner, expected `self` or a user's number"
                    ))),
                }
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Owner, E> {
                let number =
                    u32::try_from(number).map_err(|_| E::custom("no user has so large a number"));
                number.map(Owner::User)
            }
        }

        from.deserialize_any(Reads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal_and_let_the_owner_write() {
        let mode = |json: &str| serde_json::from_str::<Mode>(json).map(Mode::bits).ok();
        assert_eq!(mode("\"0640\""), Some(0o640));
        assert_eq!(mode("\"600\""), Some(0o600));
        assert_eq!(mode("\"0o644\""), Some(0o644));
        for bad in [
            "640",
            "416",
            "\"0440\"",
            "\"1640\"",
            "\"0890\"",
            "\"rw-r--r--\"",
            "\"+640\"",
            "\"\"",
        ] {
            assert_eq!(mode(bad), None, "{bad}");
        }
        assert_eq!(Mode(0o640).to_string(), "0640");
    }

    #[test]
    fn owners_are_numbers_or_oneself() {
        let owner = |json: &str| serde_json::from_str::<Owner>(json).ok();
        assert_eq!(owner("\"self\""), Some(Owner::Own));
        assert_eq!(owner("1000"), Some(Owner::User(1000)));
        assert_eq!(owner("\"0\""), Some(Owner::User(0)));
        assert_eq!(owner("\"root\""), None);
        assert_eq!(owner("-1"), None);
    }
}
