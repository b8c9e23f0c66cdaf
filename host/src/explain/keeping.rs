//! What the rules of a route and the flight recorder have to do with a record.

use std::fmt::{self, Display, Formatter};

use rolog_core::Level;

use crate::config::{
    CountedBy, LimitSpec, PipelineSpec, Place, RecordedBy, RecorderSpec, RepeatSpec, RouteRules,
    Sameness, SampleSpec, SettingPath,
};
use crate::keep::{KeepCounts, rule_id};
use crate::router::Router;
use crate::stage::Suppression;

/// What the rules of a route did so far, in a running pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleState {
    /// Records that they let pass.
    pub passed: u64,
    /// Records that `sample` held back.
    pub sampled: u64,
    /// Records that `limit` held back.
    pub limited: u64,
    /// Records that `repeat` held back.
    pub repeated: u64,
    /// How many keys they remember.
    pub keys: u64,
}

impl RuleState {
    pub(super) fn of(spec: &PipelineSpec, route: usize, counts: &KeepCounts) -> Option<RuleState> {
        if spec.routes()[route].rules.is_none() {
            return None;
        }
        let counts = counts.of_rule(rule_id(spec, route));
        let held = |reason: Suppression| counts.held[reason as usize].get();
        Some(RuleState {
            passed: counts.passed.get(),
            sampled: held(Suppression::Sampled),
            limited: held(Suppression::Limited),
            repeated: held(Suppression::Repeated),
            keys: counts.keys(),
        })
    }
}

/// The flight recorder, as far as it is for the logger.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExplainedRecorder {
    /// Where it stands, in a file.
    pub place: Option<Place>,
    /// Its settings.
    pub settings: RecorderSpec,
    /// Whether it keeps such a record.
    pub keeps: bool,
    /// Whether such a record has what is kept sent.
    pub dumps: bool,
    /// How many records it has, of all loggers, and their bytes; in a running pipeline.
    pub holds: Option<(u64, u64)>,
}

impl ExplainedRecorder {
    pub(super) fn of(
        spec: &PipelineSpec,
        router: &Router,
        logger: &str,
        level: Level,
    ) -> Option<ExplainedRecorder> {
        let settings = router.recorder()?;
        if !settings.logger.matches(logger) {
            return None;
        }
        let routes = router.resolve(logger);
        let keeping = routes.keeping.as_deref();
        Some(ExplainedRecorder {
            place: spec.places().key(&SettingPath::root().key("recorder")),
            keeps: keeping.is_some_and(|keeping| keeping.recorded[level.index()]),
            dumps: level >= settings.dump_on && !routes.targets(level).is_empty(),
            settings: settings.clone(),
            holds: None,
        })
    }
}

/// Rules in words, each with a comma before it.
pub(super) struct InWords<'a>(pub(super) &'a RouteRules);

impl Display for InWords<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(RepeatSpec {
            after, max, same, ..
        }) = self.0.repeat.as_on()
        {
            let what = match same {
                Sameness::Values => "what says the same",
                Sameness::Template => "what has the same template",
            };
            write!(f, ", {what} again told after {after}, then up to {max}")?;
        }
        if let Some(SampleSpec {
            first,
            then,
            per,
            by,
            keep,
        }) = self.0.sample.as_on()
        {
            write!(f, ", the first {first} each {per} and {}", Apart(by))?;
            if then.get() > 0 {
                write!(f, ", then 1 of {then}")?;
            }
            exempt(f, *keep)?;
        }
        if let Some(LimitSpec {
            rate,
            per,
            burst,
            by,
            keep,
        }) = self.0.limit.as_on()
        {
            let burst = burst.unwrap_or(*rate);
            let by = Apart(by);
            write!(f, ", at most {rate} each {per} and {by} ({burst} at once)")?;
            exempt(f, *keep)?;
        }
        Ok(())
    }
}

fn exempt(f: &mut Formatter<'_>, keep: Option<Level>) -> fmt::Result {
    match keep {
        Some(level) => write!(f, ", {level} and above all"),
        None => Ok(()),
    }
}

struct Apart<'a>(&'a CountedBy);

impl Display for Apart<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            CountedBy::CallSite => f.write_str("call site"),
            CountedBy::Logger => f.write_str("logger"),
            CountedBy::Field(name) => write!(f, "`{name}`"),
        }
    }
}

impl Display for RuleState {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed", self.passed)?;
        for (reason, count) in [
            (Suppression::Sampled, self.sampled),
            (Suppression::Limited, self.limited),
            (Suppression::Repeated, self.repeated),
        ] {
            if count > 0 {
                write!(f, ", {count} {reason}")?;
            }
        }
        let s = if self.keys == 1 { "" } else { "s" };
        write!(f, ", {} key{s}", self.keys)
    }
}

impl Display for ExplainedRecorder {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let RecorderSpec {
            level,
            dump_on,
            by,
            keep,
            max_bytes,
            ..
        } = &self.settings;
        f.write_str(match (self.keeps, self.dumps) {
            (true, _) => "keeps it",
            (_, true) => "sends what it kept before it",
            _ => "has nothing to do with it",
        })?;
        let by = match by {
            RecordedBy::Thread => "thread".to_owned(),
            RecordedBy::Field(name) => format!("`{name}`"),
        };
        write!(
            f,
            "; from {level} on, {keep} records a {by} and {max_bytes} in all, sent from {dump_on} on"
        )?;
        if let Some((records, bytes)) = self.holds {
            let s = if records == 1 { "" } else { "s" };
            write!(f, "; has {records} record{s} now, {bytes} bytes")?;
        }
        Ok(())
    }
}
