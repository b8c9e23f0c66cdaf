//! What a full queue does with a record whose caller does not wait.

use std::fmt;
use std::time::Duration;

use rolog_core::Level;

/// The policy of a queue that has no room for another record.
///
/// It concerns callers that do not wait. Those that reserved room first, and groups that fall back
/// from another target, only ever take room that is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Overflow {
    /// The new record is refused.
    #[default]
    DropNewest,
    /// The oldest queued records make room; what is being delivered stays.
    DropOldest,
    /// Queued records below this level make room for those at or above it; where none is left, and
    /// for records below it, the new one is refused.
    DropBelow(Level),
    /// Callers wait before they log, no longer than this; a record that comes all the same is
    /// refused. Nothing of the pipeline waits.
    Block(Duration),
}

impl Overflow {
    /// The name in the YAML.
    pub const fn name(self) -> &'static str {
        match self {
            Overflow::DropNewest => "drop_newest",
            Overflow::DropOldest => "drop_oldest",
            Overflow::DropBelow(_) => "drop_below",
            Overflow::Block(_) => "block",
        }
    }

    /// What is tried before a record of this level is refused.
    pub(super) fn relief(self, level: Level) -> Relief {
        match self {
            Overflow::DropOldest => Relief::Oldest,
            Overflow::DropBelow(bound) if level >= bound => Relief::Below(bound),
            Overflow::DropNewest | Overflow::Block(_) | Overflow::DropBelow(_) => Relief::None,
        }
    }
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Overflow::DropBelow(level) => write!(f, "drop_below: {level}"),
            Overflow::Block(most) => write!(f, "block: {most:?}"),
            other => f.write_str(other.name()),
        }
    }
}

/// Which queued records may be dropped for a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relief {
    None,
    Oldest,
    Below(Level),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_records_that_matter_push_others_out() {
        let below = Overflow::DropBelow(Level::Warning);
        assert_eq!(below.relief(Level::Error), Relief::Below(Level::Warning));
        assert_eq!(below.relief(Level::Warning), Relief::Below(Level::Warning));
        assert_eq!(below.relief(Level::Information), Relief::None);
        assert_eq!(Overflow::DropOldest.relief(Level::Trace), Relief::Oldest);
        for never in [Overflow::DropNewest, Overflow::Block(Duration::ZERO)] {
            assert_eq!(never.relief(Level::Critical), Relief::None);
        }
    }

    #[test]
    fn names_are_those_of_the_yaml() {
        assert_eq!(
            Overflow::DropBelow(Level::Error).to_string(),
            "drop_below: error"
        );
        assert_eq!(Overflow::default().to_string(), "drop_newest");
    }
}
