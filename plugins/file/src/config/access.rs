//! Who may use the file.

use std::fmt;

use nix::errno::Errno;
use nix::unistd::{Group, User};
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

/// What an owner may be.
const OWNERS: &str =
    "`self`, or a user, a group or both as `shop`, `:adm` or `shop:adm`, by name or number";

/// Whose a file is made, and has to be that is written to: `self`, `shop`, `shop:adm`, `:adm`, or numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    user: Option<Whose>,
    group: Option<Whose>,
}

/// A user, or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Whose {
    /// The user that the process runs as, or its group.
    Own,
    /// The one of this number.
    Number(u32),
    /// The one of this name, which had this number when the settings were read.
    Name(String, u32),
}

impl Owner {
    /// The number of the user, where one is named.
    pub(crate) fn user(&self) -> Option<u32> {
        let own = || rustix::process::geteuid().as_raw();
        self.user.as_ref().map(|user| user.number(own))
    }

    /// The number of the group, where one is named.
    pub(crate) fn group(&self) -> Option<u32> {
        let own = || rustix::process::getegid().as_raw();
        self.group.as_ref().map(|group| group.number(own))
    }

    /// What is wrong with a file that belongs to this user and group.
    pub(crate) fn mismatch(&self, user: u32, group: u32) -> Option<String> {
        let sides = [
            ("user", user, self.user(), &self.user),
            ("group", group, self.group(), &self.group),
        ];
        sides.into_iter().find_map(|(kind, has, number, wanted)| {
            let number = number?;
            let name = match wanted {
                Some(Whose::Name(name, _)) => format!(" (`{name}`)"),
                _ => String::new(),
            };
            let text = format!("it belongs to the {kind} {has} and not to {number}{name}");
            (has != number).then_some(text)
        })
    }

    fn read(text: &str) -> Result<Owner, String> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) if !group.is_empty() => (user, Some(group)),
            None if !text.is_empty() => (text, None),
            _ => return Err(format!("`{text}` names no owner")),
        };
        Ok(Owner {
            user: match user {
                "" => None,
                user => Some(Whose::read(user, "user", |name| {
                    Ok(User::from_name(name)?.map(|user| user.uid.as_raw()))
                })?),
            },
            group: match group {
                None => None,
                Some(group) => Some(Whose::read(group, "group", |name| {
                    Ok(Group::from_name(name)?.map(|group| group.gid.as_raw()))
                })?),
            },
        })
    }
}

impl Whose {
    fn number(&self, own: impl Fn() -> u32) -> u32 {
        match self {
            Whose::Own => own(),
            Whose::Number(number) | Whose::Name(_, number) => *number,
        }
    }

    fn read(
        text: &str,
        kind: &str,
        number_of: impl Fn(&str) -> Result<Option<u32>, Errno>,
    ) -> Result<Whose, String> {
        if text == "self" {
            return Ok(Whose::Own);
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = text.parse();
            return number
                .map(Whose::Number)
                .map_err(|_| format!("no {kind} has so large a number as {text}"));
        }
        match number_of(text) {
            Ok(Some(number)) => Ok(Whose::Name(text.to_owned(), number)),
            Ok(None) => Err(format!("this machine has no {kind} `{text}`")),
            Err(error) => Err(format!("the {kind} `{text}` cannot be looked up: {error}")),
        }
    }
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
                f.write_str(OWNERS)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Owner, E> {
                Owner::read(text)
                    .map_err(|what| E::custom(format_args!("{what}, expected {OWNERS}")))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Owner, E> {
                self.visit_str(&number.to_string())
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

    fn owner(json: &str) -> Result<Owner, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn owners_are_users_and_groups_by_name_and_number() {
        use Whose::{Name, Number, Own};
        for (json, user, group) in [
            ("\"self\"", Some(Own), None),
            ("1000", Some(Number(1000)), None),
            ("\"0\"", Some(Number(0)), None),
            ("\"root\"", Some(Name("root".into(), 0)), None),
            ("\"self:self\"", Some(Own), Some(Own)),
            ("\"root:0\"", Some(Name("root".into(), 0)), Some(Number(0))),
            ("\":root\"", None, Some(Name("root".into(), 0))),
            ("\"7:8\"", Some(Number(7)), Some(Number(8))),
        ] {
            assert_eq!(owner(json), Ok(Owner { user, group }), "{json}");
        }
        for (json, text) in [
            (
                "\"nobody-of-this-name\"",
                "this machine has no user `nobody-of-this-name`",
            ),
            (
                "\"root:no-such-group\"",
                "this machine has no group `no-such-group`",
            ),
            ("\"\"", "names no owner"),
            ("\":\"", "names no owner"),
            ("\"root:\"", "names no owner"),
            ("\"4294967296\"", "so large a number"),
            ("-1", "expected `self`"),
        ] {
            let error = owner(json).unwrap_err();
            assert!(error.contains(text), "{json}: {error}");
        }
    }

    #[test]
    fn a_mismatch_names_both_sides() {
        let read = |json| owner(json).unwrap();
        assert_eq!(read("\"7:8\"").mismatch(7, 8), None);
        assert_eq!(read("\":8\"").mismatch(1, 8), None);
        assert_eq!(
            read("\"root\"").mismatch(7, 8).unwrap(),
            "it belongs to the user 7 and not to 0 (`root`)"
        );
        assert_eq!(
            read("\"7:root\"").mismatch(7, 8).unwrap(),
            "it belongs to the group 8 and not to 0 (`root`)"
        );
    }
}
