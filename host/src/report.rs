//! How a pipeline ended.

use std::fmt;

use rolog_core::backend::DisposeError;
use rolog_core::delivery::{Class, Failure};

use crate::ledger::Ledger;
use crate::stage::TargetReport;

/// What became of every record, and of every target.
#[derive(Clone, Debug)]
pub struct Report {
    /// The account; nothing is queued any more.
    pub ledger: Ledger,
    /// How each target ended, in the order of the names.
    pub targets: Vec<TargetReport>,
    /// Whether everything that had been logged was routed before the deadline. Where it was not,
    /// the rest is `in_rings` in the account.
    pub routed: bool,
}

impl Report {
    pub(crate) fn new(ledger: Ledger, targets: Vec<TargetReport>, routed: bool) -> Self {
        Report {
            ledger,
            targets,
            routed,
        }
    }

    /// Copies that are lost.
    pub fn lost(&self) -> u64 {
        self.ledger.lost() + self.ledger.source.in_rings
    }

    /// Nothing is lost: every record was delivered, by its target or a fallback, or is in the dead
    /// letters, or no route matched it.
    pub fn is_complete(&self) -> bool {
        self.lost() == 0
    }

    /// What failed, target by target.
    pub fn errors(&self) -> Vec<DisposeError> {
        let failed = self.targets.iter().filter(|target| {
            target.failure.is_some() || target.row.lost() > 0 || target.fenced > 0
        });
        failed
            .map(|target| DisposeError {
                target: target.target.to_string(),
                failure: target
                    .failure
                    .clone()
                    .unwrap_or_else(|| match target.fenced {
                        0 => Failure::new(Class::Other, "records were given up"),
                        _ => Failure::new(Class::Timeout, "an attempt did not end in time"),
                    }),
                lost: target.row.lost(),
            })
            .collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ledger.fmt(f)
    }
}
