//! Which keys of a JSON line mean the record's own parts.

/// A part of the record that a key can stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Time,
    Level,
    Logger,
    Message,
}

/// The usual names, in the order in which one is preferred to the next when a line has several.
const NAMES: [(Role, &[&str]); 4] = [
    (Role::Time, &["ts", "time", "timestamp", "@timestamp"]),
    (
        Role::Level,
        &["level", "severity", "lvl", "error_severity", "log.level"],
    ),
    (
        Role::Logger,
        &["logger", "name", "target", "channel", "log.logger"],
    ),
    (Role::Message, &["msg", "message", "event"]),
];

impl Role {
    /// What this key of the line's outermost object stands for, and its rank among the names for
    /// that (the lower, the better). Names are compared as they are written.
    pub(super) fn of(key: &str) -> Option<(Role, u8)> {
        // A look at the first byte spares most other keys the comparisons.
        if !matches!(
            key.bytes().next()?,
            b't' | b'@' | b'l' | b's' | b'e' | b'n' | b'c' | b'm'
        ) {
            return None;
        }
        NAMES.iter().find_map(|(role, names)| {
            let rank = names.iter().position(|name| *name == key)?;
            Some((*role, rank as u8))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_with_its_rank_and_nothing_else_is() {
        for (role, names) in NAMES {
            for (rank, name) in names.iter().enumerate() {
                assert_eq!(Role::of(name), Some((role, rank as u8)));
            }
        }
        for other in ["", "Level", "times", "msg ", "user", "messag", "@"] {
            assert_eq!(Role::of(other), None);
        }
    }
}
