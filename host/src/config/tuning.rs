//! What the rings and the stages are told, in their own terms.

use rolog_core::intake::{IntakeConfig, RingOverflow};

use super::recovery::{BreakerSpec, OrOff, RetryKind};
use super::spec::{FlushSpec, Overflow, PipelineSpec, RingsOverflow, TargetSpec};
use crate::stage::{self, BatchRules, BreakerRules, Growth, Pace, RetryPolicy, StageSettings};

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
            grace: flush.grace.get(),
            retry: flush.retry_policy(),
            breaker: breaker_rules(&flush.breaker),
            hold: Pace {
                first: flush.hold.probe.get(),
                most: flush.hold.max_probe.get(),
            },
            quarantine_after: flush.quarantine_after.on().map_or(0, |n| n.get() as u32),
            ..StageSettings::default()
        }
    }
}

impl FlushSpec {
    fn retry_policy(&self) -> RetryPolicy {
        let retry = &self.retry;
        let growth = match retry.kind {
            RetryKind::Progressive => Growth::Progressive,
            RetryKind::Constant => Growth::Constant,
            RetryKind::Exponential => Growth::Exponential,
        };
        let mut policy = RetryPolicy::new(
            self.max_retries.get() as u32,
            self.retry_delay.get(),
            growth,
        );
        if let Some(share) = retry.jitter {
            policy = policy
                .with_jitter(share.get())
                .expect("a share is from 0 to 1");
        }
        if let OrOff::On(most) = retry.max_delay {
            policy = policy.with_max_delay(most.get());
        }
        if let OrOff::On(span) = retry.give_up_after {
            policy = policy.with_give_up_after(span.get());
        }
        policy
    }
}

fn breaker_rules(breaker: &OrOff<BreakerSpec>) -> BreakerRules {
    let Some(rules) = breaker.as_on() else {
        return BreakerRules {
            failures: 0,
            ..BreakerRules::default()
        };
    };
    BreakerRules {
        failures: rules.failures.get() as u32,
        successes: rules.successes.get() as u32,
        pace: Pace {
            first: rules.probe.get(),
            most: rules.max_probe.get(),
        },
    }
}
