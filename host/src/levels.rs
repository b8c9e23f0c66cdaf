//! Levels that are set while the pipeline runs.
//!
//! The levels of the pipeline's file say how things are as a rule; one that is set here stands before
//! them, for a logger with its subtree or for a pattern, until it is taken back, by a call, by time, or
//! by the end of the process. A reload changes what the file says and leaves these as they are.
//!
//! It is in force for every call that begins after the change has returned, for the loggers of the
//! bridges from `log` and `tracing` too. Routes still decide where a record goes: a level that lets a
//! record through leads nowhere when no route takes it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rolog_core::value::Timestamp;
use rolog_core::{Level, Threshold};

use crate::error::Error;
use crate::pattern::LoggerGlob;
use crate::pipeline::Pipeline;
use crate::router::Overrides;

/// How many there may be at a time.
const MOST: usize = 256;

/// The longest that one lasts by time: what is longer is no matter of time.
const LONGEST: Duration = Duration::from_hours(24 * 365);

/// Sets levels while the pipeline runs. From [`Host::levels`](crate::Host::levels).
///
/// ```
/// use rolog_core::Level;
/// use rolog_host::Host;
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let host = Host::builder().start()?;
/// let levels = host.levels();
/// levels.set_for("shop.db", Level::Trace, Duration::from_mins(10))?;
/// levels.set("noisy.client", Level::Error)?;
/// for set in levels.list() {
///     println!("{set}");
/// }
/// levels.restore("noisy.client")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Levels {
    pipeline: Arc<Pipeline>,
}

/// A level that was set while the pipeline runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelSet {
    /// The loggers: a name, which stands for its subtree as well, or a pattern.
    pub logger: String,
    /// From which level on they record.
    pub threshold: Threshold,
    /// When the file's levels hold again, if that is known.
    pub until: Option<Timestamp>,
}

impl fmt::Display for LevelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.logger, word(self.threshold))?;
        match self.until {
            Some(until) => write!(f, " until {}", rolog_core::value::Value::Timestamp(until)),
            None => Ok(()),
        }
    }
}

/// `off`, or the level's name.
pub(crate) fn word(threshold: Threshold) -> &'static str {
    match threshold {
        Threshold::At(level) => level.name(),
        Threshold::Off => "off",
        Threshold::Inherit => "inherit",
    }
}

/// A level's name, or `off`.
pub(crate) fn parse(text: &str) -> Result<Threshold, String> {
    if text.eq_ignore_ascii_case("off") {
        return Ok(Threshold::Off);
    }
    let level: Result<Level, _> = text.parse();
    level.map(Threshold::At).map_err(|_| {
        format!("`{text}` is not a level: use trace, debug, info, warning, error, critical or off")
    })
}

/// Those of a pipeline.
#[derive(Debug, Default)]
pub(crate) struct RunTimeLevels {
    set: Vec<Entry>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    glob: LoggerGlob,
    level: LevelSet,
    /// Tells it from an earlier and a later one for the same loggers.
    token: u64,
}

impl RunTimeLevels {
    /// As the router takes them.
    pub(crate) fn overrides(&self) -> Overrides {
        let mut overrides = Overrides::default();
        for entry in &self.set {
            overrides.put(entry.glob.clone(), entry.level.threshold);
        }
        overrides
    }

    fn put(&mut self, glob: LoggerGlob, level: LevelSet) -> Result<u64, Error> {
        self.set.retain(|entry| entry.glob != glob);
        if self.set.len() >= MOST {
            return Err(Error::level(format!(
                "{MOST} levels are set while the pipeline runs; restore some, or use the file"
            )));
        }
        self.next += 1;
        let token = self.next;
        self.set.push(Entry { glob, level, token });
        Ok(token)
    }

    fn take(&mut self, which: impl Fn(&Entry) -> bool) -> Vec<LevelSet> {
        let taken = self.set.extract_if(.., |entry| which(entry));
        taken.map(|entry| entry.level).collect()
    }
}

impl Levels {
    pub(crate) fn of(pipeline: &Arc<Pipeline>) -> Self {
        Levels {
            pipeline: Arc::clone(pipeline),
        }
    }

    /// Has these loggers record from `threshold` on: a name stands for its subtree as well, `**` for
    /// all. In place of what was set for the same loggers before; of several that match a logger the
    /// best match holds, as in the file. [`Threshold::Inherit`] restores.
    ///
    /// # Errors
    /// A text that is no pattern of loggers, or 256 levels that are set already.
    pub fn set(&self, logger: &str, threshold: impl Into<Threshold>) -> Result<(), Error> {
        self.put(logger, threshold.into(), None)
    }

    /// The same for some time; then the file's levels hold again.
    ///
    /// # Errors
    /// As [`Levels::set`]; a time of 0 or of more than a year.
    pub fn set_for(
        &self,
        logger: &str,
        threshold: impl Into<Threshold>,
        time: Duration,
    ) -> Result<(), Error> {
        if time.is_zero() || time > LONGEST {
            return Err(Error::level(format!(
                "a level cannot be set for {time:?}: at least for a moment, and at most for a year"
            )));
        }
        self.put(logger, threshold.into(), Some(time))
    }

    /// Takes back what was set for these loggers, written as it was then; says whether there was
    /// anything.
    ///
    /// # Errors
    /// A text that is no pattern of loggers.
    pub fn restore(&self, logger: &str) -> Result<bool, Error> {
        let glob = glob(logger)?;
        Ok(self.take(|entry| entry.glob == glob, "restored") > 0)
    }

    /// Takes back everything that was set; says how much that was.
    pub fn restore_all(&self) -> usize {
        self.take(|_| true, "restored")
    }

    /// What is set, in the order in which it was.
    pub fn list(&self) -> Vec<LevelSet> {
        let shape = self.pipeline.shape();
        let set = shape.levels.set.iter();
        set.map(|entry| entry.level.clone()).collect()
    }

    /// From which level on a logger records now, by what is set, by the file, and by where its records
    /// go; `None`: it records nothing.
    pub fn level_of(&self, logger: &str) -> Option<Level> {
        self.pipeline.routes.get().gate(logger)
    }

    fn put(&self, logger: &str, threshold: Threshold, time: Option<Duration>) -> Result<(), Error> {
        let glob = glob(logger)?;
        if threshold == Threshold::Inherit {
            return self.restore(logger).map(drop);
        }
        let level = LevelSet {
            logger: logger.to_owned(),
            threshold,
            until: time.map(|time| {
                let nanos = i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
                Timestamp::from_nanos(Timestamp::now().nanos().saturating_add(nanos))
            }),
        };
        let mut shape = self.pipeline.shape();
        let token = shape.levels.put(glob, level.clone())?;
        self.pipeline.put_in_force(&shape);
        drop(shape);
        self.tell(&format!(
            "the level was set while the pipeline runs: {level}"
        ));
        if let Some(time) = time {
            let pipeline = Arc::downgrade(&self.pipeline);
            self.pipeline.runtime.spawn(async move {
                tokio::time::sleep(time).await;
                if let Some(pipeline) = pipeline.upgrade() {
                    Levels { pipeline }.take(|entry| entry.token == token, "over");
                }
            });
        }
        Ok(())
    }

    fn take(&self, which: impl Fn(&Entry) -> bool, why: &str) -> usize {
        let mut shape = self.pipeline.shape();
        let taken = shape.levels.take(which);
        if !taken.is_empty() {
            self.pipeline.put_in_force(&shape);
        }
        drop(shape);
        for level in &taken {
            self.tell(&format!(
                "a level that was set while the pipeline runs is {why}: {level}"
            ));
        }
        taken.len()
    }

    fn tell(&self, message: &str) {
        self.pipeline.tell(Level::Information, None, message);
    }
}

fn glob(logger: &str) -> Result<LoggerGlob, Error> {
    LoggerGlob::subtree(logger)
        .map_err(|error| Error::level(format!("`{logger}` is no pattern of loggers: {error}")))
}

impl fmt::Debug for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}
