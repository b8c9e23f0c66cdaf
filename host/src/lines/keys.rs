//! Which keys of a line mean the record's own parts.

/// A part of the record that a key can stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// When it happened.
    Time,
    /// How severe it is.
    Level,
    /// The logger's name.
    Logger,
    /// The message.
    Message,
}

/// The usual names, in the order in which one is preferred to the next when a line has several. The
/// last ones are those of journald's export.
const NAMES: [(Role, &[&str]); 4] = [
    (
        Role::Time,
        &[
            "ts",
            "time",
            "timestamp",
            "@timestamp",
            "__REALTIME_TIMESTAMP",
        ],
    ),
    (
        Role::Level,
        &[
            "level",
            "severity",
            "lvl",
            "error_severity",
            "log.level",
            "PRIORITY",
        ],
    ),
    (
        Role::Logger,
        &[
            "logger",
            "name",
            "target",
            "channel",
            "log.logger",
            "SYSLOG_IDENTIFIER",
            "_SYSTEMD_UNIT",
        ],
    ),
    (Role::Message, &["msg", "message", "event", "MESSAGE"]),
];

/// Names that mean parts of the record: those that were given, in their order, then the usual ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    given: Vec<(Role, String)>,
}

impl Keys {
    /// One more name, preferred to the usual ones and to those that are given later.
    pub fn give(&mut self, role: Role, name: impl Into<String>) {
        self.given.push((role, name.into()));
    }

    /// What this key of the line's outermost object stands for, and its rank among the names for
    /// that (the lower, the better). Names are compared as they are written.
    pub(super) fn role(&self, key: &str) -> Option<(Role, u8)> {
        if let Some(rank) = self.given.iter().position(|(_, name)| name == key) {
            return Some((self.given[rank].0, rank.min(MOST_GIVEN) as u8));
        }
        usual(key).map(|(role, rank)| (role, rank + MOST_GIVEN as u8 + 1))
    }
}

/// Ranks of given names beyond this one are equal.
const MOST_GIVEN: usize = 199;

fn usual(key: &str) -> Option<(Role, u8)> {
    // A look at the first byte spares most other keys the comparisons.
    if !matches!(
        key.bytes().next()?,
        b't' | b'@' | b'l' | b's' | b'e' | b'n' | b'c' | b'm' | b'_' | b'P' | b'S' | b'M'
    ) {
        return None;
    }
    NAMES.iter().find_map(|(role, names)| {
        let rank = names.iter().position(|name| *name == key)?;
        Some((*role, rank as u8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_name_is_found_with_its_rank_and_nothing_else_is() {
        for (role, names) in NAMES {
            for (rank, name) in names.iter().enumerate() {
                assert_eq!(usual(name), Some((role, rank as u8)));
            }
        }
        for other in ["", "Level", "times", "msg ", "user", "messag", "@"] {
            assert_eq!(usual(other), None);
        }
    }

    #[test]
    fn a_given_name_is_preferred_even_where_it_means_something_else_usually() {
        let mut keys = Keys::default();
        keys.give(Role::Message, "name");
        keys.give(Role::Message, "text");
        assert_eq!(keys.role("name"), Some((Role::Message, 0)));
        assert_eq!(keys.role("text"), Some((Role::Message, 1)));
        let (role, rank) = keys.role("msg").unwrap();
        assert!(role == Role::Message && rank > 1);
        assert_eq!(keys.role("other"), None);
    }
}
