//! What an intake is told, and how it divides its memory.

use std::time::Duration;

use super::overflow::MAX_PREFIX;
use crate::ring::{Segment, Sizes, footprint};
use crate::{Error, Level};

/// The capacity that a ring starts with.
const FIRST_RING: usize = 16 * 1024;
/// What fourteen thousand records of three values take, which in a poll's ten milliseconds is a lot.
const ROOMY_RING: usize = 1 << 20;

/// What becomes of a record that finds neither its ring nor the shared queue with room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingOverflow {
    /// It is dropped and counted.
    DropNewest,
    /// The caller waits for room, at most this long, then it is dropped and counted.
    Block {
        /// The bound of the wait.
        max_wait: Duration,
    },
}

impl RingOverflow {
    pub(super) fn nanos(self) -> u64 {
        match self {
            RingOverflow::DropNewest => 0,
            RingOverflow::Block { max_wait } => {
                u64::try_from(max_wait.as_nanos()).unwrap_or(u64::MAX)
            }
        }
    }
}

/// The settings of an [`Intake`](super::Intake).
#[derive(Clone, Copy, Debug)]
pub struct IntakeConfig {
    /// All ring memory together, the shared queue included. 64 MiB unless set.
    pub bytes: usize,
    /// What becomes of a record without room.
    pub overflow: RingOverflow,
    /// The largest payload. 256 KiB unless set.
    pub max_record: usize,
    /// From this level on a record wakes the pump at once.
    pub flush_on: Option<Level>,
}

impl Default for IntakeConfig {
    fn default() -> Self {
        IntakeConfig {
            bytes: 64 << 20,
            overflow: RingOverflow::DropNewest,
            max_record: 256 << 10,
            flush_on: Some(Level::Error),
        }
    }
}

/// How the memory is divided.
pub(super) struct Layout {
    /// The capacity of the shared queue, a power of two.
    pub(super) queue: usize,
    /// The budget of all rings.
    pub(super) rings: usize,
    pub(super) sizes: Sizes,
}

impl IntakeConfig {
    /// Whether an [`Intake`](super::Intake) can be made of these settings.
    ///
    /// # Errors
    /// Rings that cannot hold the longest record, or that cannot be addressed.
    pub fn check(&self) -> Result<(), Error> {
        self.layout().map(|_| ())
    }

    /// The shared queue gets an eighth, and no less than three of the largest entries: then one of
    /// them finds room whenever the queue is drained, wherever in it the last one ended and with the
    /// errors' quarter left alone. So whoever waits for room is served some day.
    pub(super) fn layout(&self) -> Result<Layout, Error> {
        const MAX: usize = 1 << 40;
        if self.bytes > MAX || self.max_record > u32::MAX as usize / 8 {
            return Err(Error::setting(format!(
                "rings of {} bytes with records of {} are beyond what can be addressed; \
                 at most {MAX} and {}",
                self.bytes,
                self.max_record,
                u32::MAX / 8,
            )));
        }
        let largest_entry = footprint(self.max_record + MAX_PREFIX);
        let least_queue = (3 * largest_entry).next_power_of_two();
        let eighth = 1 << (self.bytes / 8).max(1).ilog2();
        let queue = least_queue.max(eighth);
        let least = 2 * Segment::cost(least_queue.max(FIRST_RING));
        if self.bytes < least {
            return Err(Error::setting(format!(
                "rings of {} bytes are too small for records of up to {}; \
                 set `bytes` to at least {least}, or `max_record` lower",
                self.bytes, self.max_record,
            )));
        }
        let rings = self.bytes - Segment::cost(queue);
        Ok(Layout {
            queue,
            rings,
            sizes: Sizes {
                first: FIRST_RING,
                roomy: ROOMY_RING,
                largest: 1 << rings.ilog2(),
            },
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_whole_stays_within_the_budget_and_serves_the_largest_record() {
        for (bytes, max_record) in [
            (64 << 20, 256 << 10),
            (34 << 10, 1),
            (64 << 10, 1000),
            (3 << 20, 256 << 10),
            (1 << 30, 16 << 20),
        ] {
            let config = IntakeConfig {
                bytes,
                max_record,
                ..IntakeConfig::default()
            };
            let layout = config.layout().unwrap();
            assert!(layout.rings + Segment::cost(layout.queue) <= bytes);
            assert!(layout.rings >= Segment::cost(layout.sizes.first));
            let entry = footprint(max_record + MAX_PREFIX);
            // The end of the buffer skipped in vain, and the entry, beside the errors' quarter.
            assert!(2 * entry <= layout.queue - layout.queue / 4);
        }
    }

    #[test]
    fn a_budget_that_cannot_hold_a_record_is_refused_with_what_would_do() {
        let config = IntakeConfig {
            bytes: 1 << 20,
            ..IntakeConfig::default()
        };
        let error = config.layout().err().unwrap();
        assert!(error.is_setting());
        let text = error.to_string();
        let least = text
            .split("at least ")
            .nth(1)
            .and_then(|rest| rest.split(',').next())
            .and_then(|number| number.parse().ok())
            .unwrap();
        let enough = IntakeConfig {
            bytes: least,
            ..config
        };
        assert!(enough.layout().is_ok());
        let more_than_memory = IntakeConfig {
            bytes: usize::MAX,
            ..config
        };
        assert!(more_than_memory.layout().is_err());
    }
}
