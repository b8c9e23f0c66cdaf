//! The sections of a pipeline file, key by key: what [`read`](super::read) reads and lists.
//!
//! To add a key: a field with its default in [`spec`](super::spec), and one line here. A key that is
//! not declared here is refused as unknown.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use rolog_core::{Level, LevelRange, Threshold};

use super::fields::FieldsSpec;
use super::keeping::{RecorderSpec, RouteRules};
use super::names::{PluginName, TargetName};
use super::outlets::{DeadLettersDraft, ExplainSpec, MetricsSpec};
use super::problem::quoted;
use super::read::{Cursor, Keys, Section, Setting};
use super::recovery::{OrOff, retry_keys};
use super::redact::RedactSpec;
use super::spec::{
    ClockKind, DEFAULT_MAX_RECORD, FlushSpec, LevelRule, MaxRecord, QueueSpec, RingsSpec, VERSION,
};
use super::tree::ItemKind;
use crate::pattern::LoggerGlob;

/// A pipeline while it is being read or built: nothing in it has been checked against the rest.
pub(crate) struct Draft {
    pub(crate) plugins: PluginsDraft,
    pub(crate) levels: Vec<LevelRule>,
    pub(crate) targets: BTreeMap<TargetName, TargetDraft>,
    pub(crate) routes: Vec<RouteDraft>,
    pub(crate) rings: RingsSpec,
    pub(crate) max_record: MaxRecord,
    pub(crate) clock: ClockKind,
    pub(crate) backtraces: Option<Level>,
    pub(crate) fields: FieldsSpec,
    pub(crate) redact: OrOff<RedactSpec>,
    pub(crate) dead_letters: OrOff<DeadLettersDraft>,
    pub(crate) metrics: MetricsSpec,
    pub(crate) explain: ExplainSpec,
    pub(crate) control: OrOff<PathBuf>,
    pub(crate) last_good: OrOff<PathBuf>,
    pub(crate) recorder: OrOff<RecorderSpec>,
}

impl Default for Draft {
    fn default() -> Self {
        Draft {
            plugins: PluginsDraft::default(),
            levels: Vec::new(),
            targets: BTreeMap::new(),
            routes: Vec::new(),
            rings: RingsSpec::default(),
            max_record: DEFAULT_MAX_RECORD,
            clock: ClockKind::default(),
            backtraces: None,
            fields: FieldsSpec::default(),
            redact: OrOff::Off,
            dead_letters: OrOff::Off,
            metrics: MetricsSpec::default(),
            explain: ExplainSpec::default(),
            control: OrOff::Off,
            last_good: OrOff::Off,
            recorder: OrOff::Off,
        }
    }
}

#[derive(Default)]
pub(crate) struct PluginsDraft {
    pub(crate) search: Vec<PathBuf>,
}

#[derive(Default)]
pub(crate) struct TargetDraft {
    pub(crate) plugin: Option<PluginName>,
    pub(crate) config: Option<serde_json::Value>,
    pub(crate) isolate: bool,
    pub(crate) queue: QueueSpec,
    pub(crate) flush: FlushSpec,
}

pub(crate) struct RouteDraft {
    pub(crate) logger: LoggerGlob,
    pub(crate) level: LevelRange,
    /// `None` when it could not be read, which has been reported.
    pub(crate) to: Option<Vec<TargetName>>,
    pub(crate) is_final: bool,
    pub(crate) rules: RouteRules,
}

impl Default for RouteDraft {
    fn default() -> Self {
        RouteDraft {
            logger: LoggerGlob::all(),
            level: LevelRange::ALL,
            to: None,
            is_final: false,
            rules: RouteRules::default(),
        }
    }
}

impl Keys for Draft {
    fn keys(&mut self, s: &mut Section<'_>) {
        s.required("version", "the version of this format", &mut Some(Version));
        s.nested("plugins", &mut self.plugins);
        s.key(
            "levels",
            "the least level that loggers record, by name (the subtree included) or pattern; the longest match wins",
            &mut self.levels,
        );
        if let Some(cursor) = s.own(
            "targets",
            "where records can go, by name",
            "a map of targets",
            "none",
        ) {
            self.targets = targets(&cursor);
        }
        s.describe_each("targets.<name>", TargetDraft::default());
        if let Some(cursor) = s.own(
            "routes",
            "which records go where, in order; a record takes every route that matches, until one is final",
            "a list of routes",
            "none",
        ) {
            self.routes = routes(&cursor);
        }
        s.describe_each("routes[]", RouteDraft::default());
        s.nested_or_off(
            "recorder",
            "the flight recorder: what no target takes is kept for a while, and sent when an error follows",
            &mut self.recorder,
        );
        s.nested("rings", &mut self.rings);
        s.key(
            "max_record",
            "how long a record may be; a longer one is cut and marked",
            &mut self.max_record,
        );
        s.key(
            "clock",
            "what stamps a call: the best clock of the machine, or one that is cheaper and right within some milliseconds (Linux)",
            &mut self.clock,
        );
        #[cfg(feature = "backtrace")]
        s.key(
            "backtraces",
            "the least level of records that tell of an error from which on they say how their thread came there",
            &mut self.backtraces,
        );
        s.key(
            "fields",
            "fields that every record gets; one of the record's own with the same name stands",
            &mut self.fields,
        );
        s.nested_or_off(
            "redact",
            "what is hidden before anything leaves the process: targets, dead letters and events",
            &mut self.redact,
        );
        s.nested_or_off(
            "dead_letters",
            "where records are kept that no target and no fallback took",
            &mut self.dead_letters,
        );
        s.nested("metrics", &mut self.metrics);
        s.nested("explain", &mut self.explain);
        s.key(
            "control",
            "the Unix socket of mode 0600 through which `rolog status`, `reload` and others speak to the pipeline while it runs",
            &mut self.control,
        );
        s.key(
            "last_good",
            "where the text of this file is kept once it runs; a start whose file is wrong uses that, and says so",
            &mut self.last_good,
        );
    }
}

impl Keys for PluginsDraft {
    fn keys(&mut self, s: &mut Section<'_>) {
        s.key(
            "search",
            "the folders in which `librolog_<name>.so` is looked for, in order; relative to the file's folder",
            &mut self.search,
        );
    }
}

impl Keys for TargetDraft {
    fn keys(&mut self, s: &mut Section<'_>) {
        s.required(
            "plugin",
            "a library that is found, a plugin that is linked in, or built in: console, null, memory",
            &mut self.plugin,
        );
        if let Some(cursor) = s.own(
            "config",
            "the plugin's own settings, which it checks itself",
            "a map",
            "an empty map",
        ) {
            match &cursor.item.kind {
                ItemKind::Map(_) => self.config = Some(cursor.item.to_json()),
                ItemKind::Null { .. } => {
                    cursor.refuse("has no value", "a map; `{}` for an empty one");
                }
                _ => cursor.wrong_kind("a map"),
            }
        }
        s.key(
            "isolate",
            "whether the target has a runtime of its own, rather than share one with the plugin's other targets; refused for targets that are no plugin",
            &mut self.isolate,
        );
        s.nested("queue", &mut self.queue);
        s.nested("flush", &mut self.flush);
    }
}

impl Keys for QueueSpec {
    fn keys(&mut self, s: &mut Section<'_>) {
        s.key("max_records", "room in records", &mut self.max_records);
        s.key("max_bytes", "room in bytes", &mut self.max_bytes);
        s.key(
            "overflow",
            "what a full queue does with a record that cannot wait",
            &mut self.overflow,
        );
    }
}

impl Keys for FlushSpec {
    fn keys(&mut self, s: &mut Section<'_>) {
        s.key(
            "max_size",
            "records in a batch; unset takes the plugin's preference, or 500 where it has none",
            &mut self.max_size,
        );
        s.key("max_bytes", "bytes in a batch", &mut self.max_bytes);
        s.key(
            "interval",
            "age at which a batch goes out",
            &mut self.interval,
        );
        s.key(
            "flush_on",
            "a record of this level or above sends its batch at once",
            &mut self.flush_on,
        );
        s.key(
            "timeout",
            "time for one attempt to deliver",
            &mut self.timeout,
        );
        s.key(
            "concurrency",
            "batches in flight; 1 keeps the order",
            &mut self.concurrency,
        );
        s.key(
            "max_retries",
            "attempts after the first",
            &mut self.max_retries,
        );
        s.key(
            "retry_delay",
            "pause before the next attempt",
            &mut self.retry_delay,
        );
        retry_keys(&mut self.retry, s);
        s.nested_or_off(
            "breaker",
            "when batches go to the fallback without waiting out their retries, until a probe is delivered",
            &mut self.breaker,
        );
        s.nested("hold", &mut self.hold);
        s.key(
            "grace",
            "time for a cancelled attempt to settle; then nothing else is given to its instance",
            &mut self.grace,
        );
        s.key(
            "quarantine_after",
            "panics in a row after which an instance is used no more, until it is replaced",
            &mut self.quarantine_after,
        );
        s.key(
            "fallback",
            "the target, or chain of targets, for what could not be delivered",
            &mut self.fallback,
        );
    }
}

impl Keys for RingsSpec {
    fn keys(&mut self, s: &mut Section<'_>) {
        s.key(
            "bytes",
            "memory of all calling threads' buffers together",
            &mut self.bytes,
        );
        s.key(
            "overflow",
            "what full buffers do with a record that cannot wait",
            &mut self.overflow,
        );
    }
}

impl Keys for RouteDraft {
    fn keys(&mut self, s: &mut Section<'_>) {
        s.key(
            "logger",
            "of which loggers; a name without `*` is that logger alone",
            &mut self.logger,
        );
        s.key("level", "of which levels", &mut self.level);
        s.required(
            "to",
            "the targets; `[]` in a final route discards",
            &mut self.to,
        );
        s.key(
            "final",
            "whether later routes do not see what this one takes",
            &mut self.is_final,
        );
        self.rules.keys(s);
    }
}

/// The version, of which there is one.
struct Version;

impl Setting for Version {
    fn expected() -> String {
        format!("`version: {VERSION}`, the one that this rolog reads")
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        match &cursor.item.kind {
            ItemKind::Number(number) if number.as_u64() == Some(VERSION) => Some(Version),
            ItemKind::Number(number) => {
                cursor.refuse(format!("{number} is not a known version"), Self::expected());
                None
            }
            _ => {
                cursor.wrong_kind(Self::expected());
                None
            }
        }
    }

    fn show(&self) -> String {
        VERSION.to_string()
    }
}

impl Setting for Vec<LevelRule> {
    fn expected() -> String {
        format!(
            "a map of names or patterns, each with {}",
            Threshold::expected()
        )
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        let mut rules: Vec<LevelRule> = Vec::new();
        let mut seen = HashSet::new();
        for entry in cursor.entries(&Self::expected())? {
            let pattern = match LoggerGlob::subtree(&entry.key) {
                Ok(pattern) => pattern,
                Err(error) => {
                    let what = format!("{} is no pattern of loggers: {error}", quoted(&entry.key));
                    cursor.refuse_key(entry, what, &LoggerGlob::expected());
                    continue;
                }
            };
            if !seen.insert(pattern.clone()) {
                let what = format!(
                    "{} means the same loggers as a key above",
                    quoted(&entry.key)
                );
                cursor.refuse_key(entry, what, "each set of loggers once");
                continue;
            }
            if let Some(threshold) = Threshold::read(&cursor.entry(entry)) {
                rules.push(LevelRule { pattern, threshold });
            }
        }
        Some(rules)
    }

    fn show(&self) -> String {
        "info for every logger, unless the host states another".to_owned()
    }
}

fn targets(cursor: &Cursor<'_>) -> BTreeMap<TargetName, TargetDraft> {
    let mut targets = BTreeMap::new();
    for entry in cursor.entries("a map of targets").unwrap_or_default() {
        let mut draft = TargetDraft::default();
        draft.fill(&cursor.entry(entry));
        match entry.key.parse::<TargetName>() {
            Ok(name) => {
                targets.insert(name, draft);
            }
            Err(error) => cursor.refuse_key(
                entry,
                error.to_string(),
                "1 to 100 bytes of printable text, such as `app`",
            ),
        }
    }
    targets
}

fn routes(cursor: &Cursor<'_>) -> Vec<RouteDraft> {
    let items = cursor.items("a list of routes").unwrap_or_default();
    items
        .iter()
        .map(|item| {
            let mut route = RouteDraft::default();
            route.fill(item);
            route
        })
        .collect()
}
