//! A logger's gate: one word, read with one relaxed load.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::level::Level;

/// The least level that a logger lets through, and whether a full queue asks its callers to wait.
///
/// All accesses are relaxed: the word guards nothing else, and a caller that sees a change one
/// record late is as right as one that called a moment earlier.
pub struct Gate(AtomicU32);

const LEVEL: u32 = 0xff;
const OFF: u32 = 0xff;
const BLOCKED: u32 = 0x100;
/// The logger is known by name only, which stands in each record.
const NAMED: u32 = 0x200;

impl Gate {
    /// Lets through `least` and above; nothing where that is `None`.
    pub fn new(least: Option<Level>) -> Self {
        Gate(AtomicU32::new(code(least)))
    }

    #[inline]
    pub(crate) fn allows(&self, level: Level) -> bool {
        u32::from(level.code()) >= self.0.load(Ordering::Relaxed) & LEVEL
    }

    /// Whether there is more to a record than its values: its callers may have to wait, or the name
    /// stands in it.
    #[inline]
    pub(crate) fn asks_more(&self) -> bool {
        self.0.load(Ordering::Relaxed) & (BLOCKED | NAMED) != 0
    }

    /// From now on each record is to have the logger's name.
    pub(super) fn set_named(&self) {
        self.update(|word| word | NAMED);
    }

    #[inline]
    pub(crate) fn is_blocked(&self) -> bool {
        self.0.load(Ordering::Relaxed) & BLOCKED != 0
    }

    /// The least level that gets through.
    pub fn least(&self) -> Option<Level> {
        Level::from_code((self.0.load(Ordering::Relaxed) & LEVEL) as u8)
    }

    /// Changes the least level, and nothing else.
    pub fn set_least(&self, least: Option<Level>) {
        self.update(|word| word & !LEVEL | code(least));
    }

    /// Asks callers to wait, or no longer.
    pub fn set_blocked(&self, blocked: bool) {
        self.update(|word| {
            if blocked {
                word | BLOCKED
            } else {
                word & !BLOCKED
            }
        });
    }

    fn update(&self, change: impl Fn(u32) -> u32) {
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
                Some(change(word))
            });
    }
}

fn code(least: Option<Level>) -> u32 {
    least.map_or(OFF, |level| u32::from(level.code()))
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.least() {
            Some(level) => write!(f, "{level}..")?,
            None => f.write_str("off")?,
        }
        f.write_str(if self.is_blocked() { " blocked" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_lets_through_its_level_and_above() {
        let gate = Gate::new(Some(Level::Warning));
        assert!(!gate.allows(Level::Information));
        assert!(gate.allows(Level::Warning) && gate.allows(Level::Critical));
        gate.set_least(None);
        assert!(Level::ALL.into_iter().all(|level| !gate.allows(level)));
        assert_eq!(gate.least(), None);
    }

    #[test]
    fn level_and_pressure_change_apart() {
        let gate = Gate::new(Some(Level::Debug));
        gate.set_blocked(true);
        gate.set_least(Some(Level::Error));
        assert!(gate.is_blocked());
        assert_eq!(gate.least(), Some(Level::Error));
        gate.set_blocked(false);
        assert!(!gate.is_blocked());
        assert_eq!(gate.least(), Some(Level::Error));
    }
}
