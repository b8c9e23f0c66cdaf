//! The record that says how many were held back.

use rolog_core::Level;
use rolog_core::frame::{OriginKind, flags};
use rolog_core::value::{Encoder, Timestamp};

use crate::feedback::OwnRecord;
use crate::stage::Suppression;

/// What held-back records were like: enough to tell of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Like {
    pub(super) logger: Box<str>,
    pub(super) level: Level,
    pub(super) text: Box<str>,
    /// The field that the rule counts by, with its value as it is encoded.
    pub(super) field: Option<(Box<str>, Box<[u8]>)>,
}

/// Records that were held back, to be told of.
#[derive(Debug)]
pub(crate) struct Told {
    /// The rule that did it, of those in force; `None` for one that has gone.
    pub(crate) rule: Option<usize>,
    reason: Suppression,
    records: u64,
    like: Like,
}

impl Told {
    pub(super) fn new(reason: Suppression, records: u64, like: Like) -> Self {
        Told {
            rule: None,
            reason,
            records,
            like,
        }
    }

    /// How many records were held back.
    #[cfg(test)]
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    pub(super) fn message(&self) -> String {
        let (n, text) = (self.records, &self.like.text);
        let s = if n == 1 { "" } else { "s" };
        match self.reason {
            Suppression::Repeated => format!("repeated {n} time{s}: {text}"),
            _ => format!("suppressed {n} record{s} like: {text}"),
        }
    }

    /// As a record of the pipeline's own, under the logger and level of those that it tells of, so
    /// that it goes where they would have gone.
    pub(crate) fn into_record(self, time: Timestamp) -> OwnRecord {
        let message = self.message();
        let Told {
            reason,
            records,
            like,
            ..
        } = self;
        let mut payload = Vec::new();
        let mut out = Encoder::new(&mut payload);
        out.key(&like.logger);
        out.key(&message);
        out.key("suppressed").u64(records);
        out.key("reason").str(reason.name());
        if let Some((name, value)) = &like.field {
            out.key(name);
            payload.extend_from_slice(value);
        }
        OwnRecord {
            kind: OriginKind::Pipeline,
            target: None,
            logger: like.logger.into(),
            level: like.level,
            time,
            flags: flags::LOGGER | flags::MESSAGE,
            call_site: 0,
            payload,
        }
    }
}
