//! What the rings and the stages are told, in their own terms.

use rolog_core::intake::{IntakeConfig, RingOverflow};

use super::spec::{Overflow, PipelineSpec, RingsOverflow, TargetSpec};
use crate::stage::{self, BatchRules, Growth, RetryPolicy, StageSettings};

impl PipelineSpec {
    /// The settings of the rings. The pump is woken from the least level on that any target sends out
    /// at once.
    pub fn intake_config(&self) -> IntakeConfig {
        let urgent = self.targets.values().filter_map(|t| t.flush.flush_on);
        IntakeConfig {
            flush_on: urgent.min(),
            ..intake_config(&self.rings, self.max_record)
        }
    }
}

pub(super) fn intake_config(
    rings: &super::spec::RingsSpec,
    max_record: super::spec::MaxRecord,
) -> IntakeConfig {
    IntakeConfig {
        bytes: rings.bytes.get(),
        overflow: match rings.overflow {
            RingsOverflow::DropNewest => RingOverflow::DropNewest,
            RingsOverflow::Block { max_wait } => RingOverflow::Block {
                max_wait: max_wait.get(),
            },
        },
        max_record: max_record.get(),
        flush_on: None,
    }
}

impl TargetSpec {
    /// The settings of its stage, given what its plugin prefers as the size of a batch.
    pub fn stage_settings(&self, preferred_batch: Option<usize>) -> StageSettings {
        let (queue, flush) = (&self.queue, &self.flush);
        StageSettings {
            max_records: queue.max_records.get(),
            max_bytes: queue.max_bytes.get(),
            overflow: match queue.overflow {
                Overflow::DropNewest => stage::Overflow::DropNewest,
                Overflow::DropOldest => stage::Overflow::DropOldest,
                Overflow::DropBelow(level) => stage::Overflow::DropBelow(level),
                Overflow::Block { max_wait } => stage::Overflow::Block(max_wait.get()),
            },
            batch: BatchRules {
                max_size: flush.batch_records(preferred_batch).get(),
                max_bytes: flush.max_bytes.get(),
                interval: flush.interval.get(),
                flush_on: flush.flush_on,
            },
            timeout: flush.timeout.get(),
            concurrency: flush.concurrency.get(),
            retry: RetryPolicy::new(
                flush.max_retries.get() as u32,
                flush.retry_delay.get(),
                if flush.progressive_delay {
                    Growth::Progressive
                } else {
                    Growth::Constant
                },
            ),
            ..StageSettings::default()
        }
    }
}
