//! Where the records of one call site, logger and level go, found out once for all of them.
//!
//! **Promises.** A plan is followed only where the careful way would do the same: the record is one of
//! the service, nobody waits for it, nothing is added to it or hidden in it, no rule and no recorder
//! has a say, and at least one target takes it. A plan is of one version of the routes.
//!
//! **Never.** There is no more than one plan in each of a fixed number of places: two kinds of record
//! that share a place take turns, and each turn costs the careful way once.

use std::sync::Arc;

use rolog_core::call_site::CallSite;
use rolog_core::frame::{Form, FrameMeta};
use rolog_core::intake::EntryHeader;

/// How many there are at most; a power of two.
const PLACES: usize = 256;

/// What is the same for all records of a kind.
pub(super) struct Plan {
    key: Key,
    pub(super) form: Form,
    /// As positions in the routes.
    pub(super) targets: Arc<[usize]>,
}

/// Call site and logger; flags and level.
type Key = (u64, u32);

#[inline]
fn key(header: &EntryHeader) -> Key {
    let (site, logger) = (u64::from(header.call_site), u64::from(header.logger));
    let (flags, level) = (u32::from(header.flags), u32::from(header.level));
    (site << 32 | logger, flags << 8 | level)
}

#[inline]
fn place(header: &EntryHeader) -> usize {
    // Ids of call sites and of loggers are small and dense; a service has few loggers for each call.
    (header.call_site ^ header.logger.rotate_left(5) ^ u32::from(header.level)) as usize
        & (PLACES - 1)
}

/// The plans of one version of the routes.
#[derive(Default)]
pub(super) struct Plans {
    /// As many as there are places, or none before the first.
    places: Vec<Option<Plan>>,
}

impl Plans {
    /// The plan for records like this one.
    #[inline]
    pub(super) fn find(&self, header: &EntryHeader) -> Option<&Plan> {
        let plan = self.places.get(place(header))?.as_ref()?;
        (plan.key == key(header) && header.slot == 0).then_some(plan)
    }

    /// Remembers where records like this one go.
    pub(super) fn put(
        &mut self,
        header: &EntryHeader,
        meta: &FrameMeta<'_>,
        call_site: Option<&'static CallSite>,
        targets: &Arc<[usize]>,
    ) {
        if self.places.is_empty() {
            self.places.resize_with(PLACES, || None);
        }
        self.places[place(header)] = Some(Plan {
            key: key(header),
            form: Form::new(meta, call_site),
            targets: Arc::clone(targets),
        });
    }

    /// The routes are others now.
    pub(super) fn clear(&mut self) {
        self.places.clear();
    }
}

#[cfg(test)]
mod tests {
    use rolog_core::Level;
    use rolog_core::frame::{LoggerRef, RecordId};
    use rolog_core::value::Timestamp;

    use super::*;

    fn header(call_site: u32, logger: u32, flags: u16) -> EntryHeader {
        EntryHeader {
            call_site,
            logger,
            flags,
            level: Level::Warning.code(),
            ..EntryHeader::default()
        }
    }

    fn put(plans: &mut Plans, header: &EntryHeader, target: usize) {
        let logger = LoggerRef {
            id: header.logger,
            name: "a",
        };
        let time = Timestamp::from_nanos(1);
        let meta = FrameMeta::literal(
            RecordId {
                epoch: 1,
                sequence: 1,
            },
            time,
            Level::Warning,
            logger,
        );
        plans.put(header, &meta, None, &Arc::from([target]));
    }

    #[test]
    fn a_plan_is_for_records_of_its_kind_only() {
        let mut plans = Plans::default();
        let here = header(1, 1, 0);
        assert!(plans.find(&here).is_none());
        put(&mut plans, &here, 7);
        assert_eq!(*plans.find(&here).unwrap().targets, [7]);
        for other in [header(2, 1, 0), header(1, 2, 0), header(1, 1, 2)] {
            assert!(plans.find(&other).is_none(), "{other:?}");
        }
        let awaited = EntryHeader { slot: 3, ..here };
        assert!(plans.find(&awaited).is_none(), "somebody waits for it");
        let other = EntryHeader {
            level: Level::Error.code(),
            ..here
        };
        assert!(plans.find(&other).is_none(), "another level");
        plans.clear();
        assert!(plans.find(&here).is_none());
    }

    #[test]
    fn kinds_that_share_a_place_take_turns() {
        let mut plans = Plans::default();
        let (first, second) = (header(1, 1, 0), header(1 + PLACES as u32, 1, 0));
        put(&mut plans, &first, 1);
        put(&mut plans, &second, 2);
        assert!(plans.find(&first).is_none());
        assert_eq!(*plans.find(&second).unwrap().targets, [2]);
    }
}
