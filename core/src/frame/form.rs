//! What the frames of one call site, logger and level have in common, made once for all of them.

use std::sync::Arc;

use super::write::{FrameMeta, LoggerRef, ThreadRef};
use super::{FIXED_LEN, Origin, RecordId};
use crate::call_site::CallSite;
use crate::level::Level;
use crate::value::Timestamp;

/// The constant part of a service's records: all of a [`FrameMeta`] but what differs from one record
/// to the next. See [`BatchBuilder::push_formed`](super::BatchBuilder::push_formed).
#[derive(Clone, Debug)]
pub struct Form {
    epoch: u128,
    level: Level,
    generation: u32,
    flags: u16,
    call_site: Option<&'static CallSite>,
    logger: (u32, Arc<str>),
    /// 0 where there is none.
    pub(super) site_id: u32,
    /// The frame up to its payload, without what differs.
    pub(super) fixed: [u8; 4 + FIXED_LEN],
}

/// What differs from one record of a [`Form`] to the next, beside the payload.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The number of its [`RecordId`].
    pub sequence: u64,
    /// When it was logged.
    pub time: Timestamp,
    /// On which thread.
    pub thread: ThreadRef<'a>,
}

impl Form {
    /// The form of records that the service itself made, and that were not read from elsewhere. What
    /// `like` says beyond that, and what differs between records, is left out.
    pub fn new(like: &FrameMeta<'_>, call_site: Option<&'static CallSite>) -> Self {
        let mut fixed = [0; 4 + FIXED_LEN];
        fixed[4..6].copy_from_slice(&like.flags.to_le_bytes());
        fixed[6] = like.level.code();
        fixed[7] = Origin::SERVICE.kind as u8;
        fixed[20..24].copy_from_slice(&like.generation.to_le_bytes());
        fixed[32..48].copy_from_slice(&like.id.epoch.to_le_bytes());
        Form {
            epoch: like.id.epoch,
            level: like.level,
            generation: like.generation,
            flags: like.flags,
            call_site,
            logger: (like.logger.id, Arc::from(like.logger.name)),
            site_id: call_site.map_or(0, CallSite::id),
            fixed,
        }
    }

    /// The severity of its records.
    #[inline]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The logger of its records.
    #[inline]
    pub fn logger(&self) -> LoggerRef<'_> {
        LoggerRef {
            id: self.logger.0,
            name: &self.logger.1,
        }
    }

    /// The call site of its records.
    #[inline]
    pub(super) fn call_site(&self) -> Option<&'static CallSite> {
        self.call_site
    }

    /// The whole of what a frame says of one of its records.
    pub fn meta<'a>(&'a self, one: &Moment<'a>) -> FrameMeta<'a> {
        FrameMeta {
            id: RecordId {
                epoch: self.epoch,
                sequence: one.sequence,
            },
            time: one.time,
            observed: None,
            level: self.level,
            generation: self.generation,
            flags: self.flags,
            call_site: self.call_site,
            logger: self.logger(),
            thread: one.thread,
            origin: Origin::SERVICE,
        }
    }
}
