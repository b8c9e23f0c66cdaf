//! Whether a record goes on: the rules of a route, and the flight recorder.

use rolog_core::Level;

use super::amount::{Count, Size, Time};
use super::problem::quoted;
use super::read::{Cursor, Keys, Section, Setting};
use super::recovery::OrOff;
use super::spec::{GIB, HOUR, KIB, MIB, SECOND};
use crate::pattern::LoggerGlob;

/// How many records of a key pass, or are passed over.
pub type Passing = Count<0, 1_000_000_000>;
/// How many records of a key pass in an interval.
pub type Rate = Count<1, 1_000_000_000>;
/// The interval that a rule counts in.
pub type Per = Time<1, HOUR>;
/// How long a record that goes on is not told again.
pub type Silence = Time<1, { 24 * HOUR }>;
/// How many records a flight recorder keeps of one thread or trace.
pub type KeptRecords = Count<1, 1_000_000>;
/// What a flight recorder keeps in all.
pub type KeptBytes = Size<{ 64 * KIB }, { 64 * GIB }>;

/// What a rule counts apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum CountedBy {
    /// The place in the source that logs; a record without one (from a bridge, or read by `rolog run`)
    /// by its logger and message.
    #[default]
    CallSite,
    /// The logger.
    Logger,
    /// The value of a field; records without it count together.
    Field(Box<str>),
}

/// The first records of each interval, and then some of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SampleSpec {
    /// How many pass first.
    pub first: Passing,
    /// Then one of so many passes; 0: none.
    pub then: Passing,
    /// The interval.
    pub per: Per,
    /// What is counted apart.
    pub by: CountedBy,
    /// From which level on records always pass.
    pub keep: Option<Level>,
}

impl Default for SampleSpec {
    fn default() -> Self {
        SampleSpec {
            first: Count::of::<100>(),
            then: Count::of::<100>(),
            per: Time::of::<SECOND>(),
            by: CountedBy::default(),
            keep: Some(Level::Error),
        }
    }
}

/// So many records in an interval; how many were held back is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LimitSpec {
    /// How many pass in the long run.
    pub rate: Rate,
    /// In how long.
    pub per: Per,
    /// How many pass at once after a pause; `None`: as many as `rate`.
    pub burst: Option<Rate>,
    /// What is counted apart.
    pub by: CountedBy,
    /// From which level on records always pass.
    pub keep: Option<Level>,
}

impl Default for LimitSpec {
    fn default() -> Self {
        LimitSpec {
            rate: Count::of::<100>(),
            per: Time::of::<SECOND>(),
            burst: None,
            by: CountedBy::default(),
            keep: Some(Level::Error),
        }
    }
}

/// Which records are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sameness {
    /// Those that say the same: logger, level, call site and every value.
    #[default]
    Values,
    /// Those of one logger and level with the same template, or the same text where there is none.
    Template,
}

impl Sameness {
    /// The word in a pipeline file.
    pub const fn name(self) -> &'static str {
        match self {
            Sameness::Values => "values",
            Sameness::Template => "template",
        }
    }
}

/// The first of a row of equal records, and then how many there were, at growing intervals.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RepeatSpec {
    /// The first interval; each next one is twice as long.
    pub after: Silence,
    /// The longest interval.
    pub max: Silence,
    /// Which records are the same.
    pub same: Sameness,
    /// From which level on records always pass.
    pub keep: Option<Level>,
}

impl Default for RepeatSpec {
    fn default() -> Self {
        RepeatSpec {
            after: Time::of::<SECOND>(),
            max: Time::of::<{ 60 * SECOND }>(),
            same: Sameness::default(),
            keep: None,
        }
    }
}

/// What a route holds back of the records that it takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RouteRules {
    /// Some of the many.
    pub sample: OrOff<SampleSpec>,
    /// No more than so many.
    pub limit: OrOff<LimitSpec>,
    /// None that was just said.
    pub repeat: OrOff<RepeatSpec>,
}

impl Default for RouteRules {
    fn default() -> Self {
        RouteRules {
            sample: OrOff::Off,
            limit: OrOff::Off,
            repeat: OrOff::Off,
        }
    }
}

impl RouteRules {
    /// Whether nothing is held back.
    pub fn is_none(&self) -> bool {
        self.sample.is_off() && self.limit.is_off() && self.repeat.is_off()
    }
}

/// What belongs together in a flight recorder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum RecordedBy {
    /// The thread that logged.
    #[default]
    Thread,
    /// The value of a field; of records without it, the thread.
    Field(Box<str>),
}

/// What no target takes, kept for a while, and sent when an error follows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecorderSpec {
    /// Of which loggers.
    pub logger: LoggerGlob,
    /// From which level on.
    pub level: Level,
    /// From which level on a record has what was kept sent before it.
    pub dump_on: Level,
    /// What belongs together.
    pub by: RecordedBy,
    /// How many records are kept of each thread or trace.
    pub keep: KeptRecords,
    /// What all of them take.
    pub max_bytes: KeptBytes,
}

impl Default for RecorderSpec {
    fn default() -> Self {
        RecorderSpec {
            logger: LoggerGlob::all(),
            level: Level::Debug,
            dump_on: Level::Error,
            by: RecordedBy::default(),
            keep: Count::of::<1000>(),
            max_bytes: Size::of::<{ 16 * MIB }>(),
        }
    }
}

impl RouteRules {
    pub(super) fn keys(&mut self, s: &mut Section<'_>) {
        s.nested_or_off(
            "sample",
            "the first records of each interval, and then one of so many",
            &mut self.sample,
        );
        s.nested_or_off(
            "limit",
            "so many records in an interval; how many were held back is told in a record",
            &mut self.limit,
        );
        s.nested_or_off(
            "repeat",
            "a record that says the same again is held back; how often is told at growing intervals",
            &mut self.repeat,
        );
    }
}

impl Keys for SampleSpec {
    fn keys(&mut self, s: &mut Section<'_>) {
        s.key("first", "how many pass first", &mut self.first);
        s.key(
            "then",
            "then one of so many passes; 0: none",
            &mut self.then,
        );
        s.key("per", "the interval", &mut self.per);
        s.key("by", "what is counted apart", &mut self.by);
        s.key("keep", "from this level on all pass", &mut self.keep);
    }
}

impl Keys for LimitSpec {
    fn keys(&mut self, s: &mut Section<'_>) {
        s.key("rate", "how many pass in the long run", &mut self.rate);
        s.key("per", "in how long", &mut self.per);
        s.key(
            "burst",
            "how many pass at once after a pause; unset: as many as `rate`",
            &mut self.burst,
        );
        s.key("by", "what is counted apart", &mut self.by);
        s.key("keep", "from this level on all pass", &mut self.keep);
    }
}

impl Keys for RepeatSpec {
    fn keys(&mut self, s: &mut Section<'_>) {
        s.key(
            "after",
            "when repetitions are told first; each next time takes twice as long",
            &mut self.after,
        );
        s.key("max", "the longest time between two", &mut self.max);
        s.key(
            "same",
            "what makes two records the same: all that they say, or their template and logger",
            &mut self.same,
        );
        s.key("keep", "from this level on all pass", &mut self.keep);
    }
}

impl Keys for RecorderSpec {
    fn keys(&mut self, s: &mut Section<'_>) {
        s.key("logger", "of which loggers", &mut self.logger);
        s.key("level", "from which level on", &mut self.level);
        s.key(
            "dump_on",
            "a record of this level or above has what was kept sent before it",
            &mut self.dump_on,
        );
        s.key(
            "by",
            "what belongs together: the thread, or the value of a field",
            &mut self.by,
        );
        s.key(
            "keep",
            "how many records of each thread or trace",
            &mut self.keep,
        );
        s.key(
            "max_bytes",
            "what all of them take at most; the oldest go first",
            &mut self.max_bytes,
        );
    }
}

/// The name behind `field:`.
fn field_of(text: &str) -> Option<Box<str>> {
    let name = text.strip_prefix("field:")?.trim();
    (!name.is_empty()).then(|| name.into())
}

impl Setting for CountedBy {
    fn expected() -> String {
        "call_site, logger or field:NAME".to_owned()
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        let text = cursor.text(Self::expected())?;
        match text {
            "call_site" => Some(CountedBy::CallSite),
            "logger" => Some(CountedBy::Logger),
            text => field_of(text)
                .map(CountedBy::Field)
                .or_else(|| unknown(cursor, text, &Self::expected(), &["call_site", "logger"])),
        }
    }

    fn show(&self) -> String {
        match self {
            CountedBy::CallSite => "call_site".to_owned(),
            CountedBy::Logger => "logger".to_owned(),
            CountedBy::Field(name) => format!("field:{name}"),
        }
    }
}

impl Setting for RecordedBy {
    fn expected() -> String {
        "thread, trace_id or field:NAME".to_owned()
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        let text = cursor.text(Self::expected())?;
        match text {
            "thread" => Some(RecordedBy::Thread),
            "trace_id" => Some(RecordedBy::Field("trace_id".into())),
            text => field_of(text)
                .map(RecordedBy::Field)
                .or_else(|| unknown(cursor, text, &Self::expected(), &["thread", "trace_id"])),
        }
    }

    fn show(&self) -> String {
        match self {
            RecordedBy::Thread => "thread".to_owned(),
            RecordedBy::Field(name) if &**name == "trace_id" => "trace_id".to_owned(),
            RecordedBy::Field(name) => format!("field:{name}"),
        }
    }
}

impl Setting for Sameness {
    fn expected() -> String {
        "values or template".to_owned()
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        match cursor.text(Self::expected())? {
            "values" => Some(Sameness::Values),
            "template" => Some(Sameness::Template),
            text => unknown(cursor, text, &Self::expected(), &["values", "template"]),
        }
    }

    fn show(&self) -> String {
        self.name().to_owned()
    }
}

/// Reports a word that means nothing here.
fn unknown<T>(cursor: &Cursor<'_>, text: &str, expected: &str, words: &[&str]) -> Option<T> {
    let problem = cursor
        .problem(format!("{} is not known here", quoted(text)))
        .expected(expected)
        .nearest_of(text, words.iter().copied());
    cursor.sink.push(problem);
    None
}
