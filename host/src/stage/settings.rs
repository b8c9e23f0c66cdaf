//! What a stage is told to do: one checked value.

use std::fmt;
use std::time::Duration;

use super::backoff::{LONGEST_WAIT, RetryPolicy};
use super::batching::BatchRules;
use super::breaker::{BreakerRules, Pace};
use super::overflow::Overflow;

/// A setting out of its bounds: which, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingError {
    setting: &'static str,
    message: String,
}

impl SettingError {
    pub(super) fn new(setting: &'static str, message: impl Into<String>) -> Self {
        SettingError {
            setting,
            message: message.into(),
        }
    }

    /// The name of the setting, as the YAML has it (`max_size`, `max_records`, …).
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.message)
    }
}

impl std::error::Error for SettingError {}

/// The settings of one target's stage. Start from [`StageSettings::default`], change what differs,
/// and let [`StageSettings::check`] look at it; [`Stage`](super::Stage) does so too.
#[derive(Clone, Debug, PartialEq)]
pub struct StageSettings {
    /// Bound of the queue in records, what is being delivered included.
    pub max_records: usize,
    /// Bound of the queue in bytes of frames, what is being delivered included.
    pub max_bytes: usize,
    /// What a full queue does.
    pub overflow: Overflow,
    /// Bytes beyond `max_bytes` for records of callers that logged before they were asked to wait,
    /// under [`Overflow::Block`]: as much as the rings may hold, for none of those to be lost.
    pub overshoot: usize,
    /// When a batch closes.
    pub batch: BatchRules,
    /// How long one attempt may take before it is cancelled.
    pub timeout: Duration,
    /// How long a cancelled attempt has to settle before its instance is fenced.
    pub grace: Duration,
    /// How many batches may be under way at once. At 1, order is kept strictly.
    pub concurrency: usize,
    /// When a failed batch is tried again.
    pub retry: RetryPolicy,
    /// When batches stop waiting out their retries. Without a fallback there is nowhere else to
    /// send them, and the breaker stays closed.
    pub breaker: BreakerRules,
    /// How often a target that holds, or that could not be started, is tried.
    pub hold: Pace,
    /// An instance that panics this often in a row is quarantined; 0: never.
    pub quarantine_after: u32,
    /// How many runs of lost records are remembered, for whoever asks what became of one.
    pub remembered: usize,
}

impl Default for StageSettings {
    fn default() -> Self {
        StageSettings {
            max_records: 100_000,
            max_bytes: 64 << 20,
            overflow: Overflow::default(),
            overshoot: 64 << 20,
            batch: BatchRules::default(),
            timeout: Duration::from_secs(30),
            grace: Duration::from_secs(5),
            concurrency: 1,
            retry: RetryPolicy::default(),
            breaker: BreakerRules::default(),
            hold: Pace::default(),
            quarantine_after: 3,
            remembered: 1000,
        }
    }
}

impl StageSettings {
    /// Looks whether every setting is within its bounds.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), SettingError> {
        let at_least_one = |setting, value: usize| match value {
            0 => Err(SettingError::new(setting, "0 is too small: at least 1")),
            _ => Ok(()),
        };
        at_least_one("max_size", self.batch.max_size)?;
        at_least_one("batch.max_bytes", self.batch.max_bytes)?;
        at_least_one("max_records", self.max_records)?;
        at_least_one("max_bytes", self.max_bytes)?;
        at_least_one("concurrency", self.concurrency)?;
        if self.batch.max_bytes > MOST_BATCH_BYTES {
            return Err(SettingError::new(
                "batch.max_bytes",
                format!(
                    "{} is too large: a batch has at most {MOST_BATCH_BYTES} bytes",
                    self.batch.max_bytes
                ),
            ));
        }
        if self.batch.max_size > u32::MAX as usize {
            return Err(SettingError::new(
                "max_size",
                "a batch has at most 4294967295 records",
            ));
        }
        let bounded = |setting, value: Duration| {
            if value > LONGEST_WAIT {
                let message = format!("{value:?} is too long: at most a year");
                return Err(SettingError::new(setting, message));
            }
            Ok(())
        };
        bounded("grace", self.grace)?;
        let above_zero = |setting, value: Duration| {
            if value.is_zero() {
                return Err(SettingError::new(setting, "0 s is too short"));
            }
            bounded(setting, value)
        };
        above_zero("interval", self.batch.interval)?;
        above_zero("timeout", self.timeout)?;
        for (setting, pace) in [("breaker.probe", self.breaker.pace), ("hold", self.hold)] {
            above_zero(setting, pace.first)?;
            bounded(setting, pace.most)?;
            if pace.most < pace.first {
                return Err(SettingError::new(
                    setting,
                    format!(
                        "the pace rises from {:?} to {:?}: its end is before its start",
                        pace.first, pace.most
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// Offsets in a batch are 32 bits wide; this leaves room for one record of any size behind it.
const MOST_BATCH_BYTES: usize = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut StageSettings)) -> &'static str {
        let mut settings = StageSettings::default();
        change(&mut settings);
        settings.check().unwrap_err().setting()
    }

    #[test]
    fn defaults_are_within_their_bounds() {
        assert_eq!(StageSettings::default().check(), Ok(()));
    }

    #[test]
    fn each_setting_out_of_bounds_is_named() {
        assert_eq!(refused(|s| s.batch.max_size = 0), "max_size");
        assert_eq!(refused(|s| s.batch.max_bytes = 0), "batch.max_bytes");
        assert_eq!(refused(|s| s.batch.max_bytes = 1 << 31), "batch.max_bytes");
        assert_eq!(refused(|s| s.max_records = 0), "max_records");
        assert_eq!(refused(|s| s.max_bytes = 0), "max_bytes");
        assert_eq!(refused(|s| s.concurrency = 0), "concurrency");
        assert_eq!(refused(|s| s.timeout = Duration::MAX), "timeout");
        assert_eq!(refused(|s| s.grace = Duration::MAX), "grace");
        assert_eq!(refused(|s| s.timeout = Duration::ZERO), "timeout");
        assert_eq!(refused(|s| s.batch.interval = Duration::ZERO), "interval");
        assert_eq!(refused(|s| s.hold.first = Duration::ZERO), "hold");
        assert_eq!(
            refused(|s| s.breaker.pace.most = Duration::from_secs(1)),
            "breaker.probe"
        );
    }

    #[test]
    fn the_message_names_the_value_and_the_remedy() {
        let mut settings = StageSettings::default();
        settings.batch.max_size = 0;
        let error = settings.check().unwrap_err();
        assert_eq!(error.to_string(), "max_size: 0 is too small: at least 1");
    }
}
