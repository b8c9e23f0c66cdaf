//! A pipeline built in code: the same checks, the same result, no file.

use std::path::PathBuf;
use std::sync::Arc;

use rolog_core::{Level, LevelRange, Threshold};

use super::fields::FieldValue;
use super::keeping::{LimitSpec, RecorderSpec, RepeatSpec, RouteRules, SampleSpec};
use super::names::{PluginName, TargetName};
use super::outlets::{DeadLettersSpec, ExplainSpec, MetricsSpec};
use super::path::SettingPath;
use super::places::Places;
use super::problem::{Problem, Problems, nearest, quoted};
use super::recovery::OrOff;
use super::redact::RedactSpec;
use super::secrets::Secrets;
use super::sections::{Draft, RouteDraft, TargetDraft};
use super::settings::LEVELS;
use super::spec::{ClockKind, FlushSpec, LevelRule, MaxRecord, PipelineSpec, QueueSpec, RingsSpec};
use crate::pattern::LoggerGlob;

/// Builds a [`PipelineSpec`]. What is wrong is reported by [`build`](PipelineBuilder::build), all at
/// once.
///
/// ```
/// use rolog_core::Level;
/// use rolog_host::config::{PipelineSpec, Route, Target};
///
/// let spec = PipelineSpec::builder()
///     .level("shop.db", Level::Debug)
///     .target("app", Target::of("file").config(serde_json::json!({ "path": "logs/app.jsonl" })).fallback(["rescue"]))
///     .target("rescue", Target::of("memory"))
///     .route(Route::from("shop.**").level("info..").to(["app"]))
///     .build()?;
/// assert_eq!(spec.targets().len(), 2);
/// # Ok::<(), rolog_host::config::Problems>(())
/// ```
#[must_use = "nothing is checked before `build`"]
pub struct PipelineBuilder {
    file: Arc<str>,
    base: PathBuf,
    draft: Draft,
    secrets: Secrets,
    problems: Vec<Problem>,
}

/// A target for [`PipelineBuilder::target`].
#[must_use]
pub struct Target {
    plugin: String,
    config: serde_json::Value,
    isolate: bool,
    queue: QueueSpec,
    flush: FlushSpec,
    fallback: Option<Vec<String>>,
}

impl Target {
    /// An instance of this plugin.
    pub fn of(plugin: impl Into<String>) -> Self {
        Target {
            plugin: plugin.into(),
            config: serde_json::json!({}),
            isolate: false,
            queue: QueueSpec::default(),
            flush: FlushSpec::default(),
            fallback: None,
        }
    }

    /// With the plugin's own settings, a JSON object.
    pub fn config(mut self, config: serde_json::Value) -> Self {
        self.config = config;
        self
    }

    /// With a runtime of its own, rather than share one with the plugin's other targets.
    pub fn isolate(mut self, isolate: bool) -> Self {
        self.isolate = isolate;
        self
    }

    /// With this queue.
    pub fn queue(mut self, queue: QueueSpec) -> Self {
        self.queue = queue;
        self
    }

    /// With these flush settings.
    pub fn flush(mut self, flush: FlushSpec) -> Self {
        self.flush = flush;
        self
    }

    /// With this chain of fallbacks, by name, instead of that of the flush settings.
    pub fn fallback<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.fallback = Some(names.into_iter().map(Into::into).collect());
        self
    }
}

/// A route for [`PipelineBuilder::route`].
#[must_use]
pub struct Route {
    logger: String,
    level: String,
    to: Vec<String>,
    is_final: bool,
    rules: RouteRules,
}

impl Route {
    /// For the loggers of this pattern, at every level.
    pub fn from(logger: impl Into<String>) -> Self {
        Route {
            logger: logger.into(),
            level: "..".to_owned(),
            to: Vec::new(),
            is_final: false,
            rules: RouteRules::default(),
        }
    }

    /// For this level (`error`) or range (`info..`) only.
    pub fn level(mut self, range: impl Into<String>) -> Self {
        self.level = range.into();
        self
    }

    /// To these targets, by name.
    pub fn to<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.to = names.into_iter().map(Into::into).collect();
        self
    }

    /// With some of the records of each interval only.
    pub fn sample(mut self, sample: SampleSpec) -> Self {
        self.rules.sample = OrOff::On(sample);
        self
    }

    /// With no more than so many records in an interval.
    pub fn limit(mut self, limit: LimitSpec) -> Self {
        self.rules.limit = OrOff::On(limit);
        self
    }

    /// Without records that say the same again.
    pub fn repeat(mut self, repeat: RepeatSpec) -> Self {
        self.rules.repeat = OrOff::On(repeat);
        self
    }

    /// Later routes do not see what this one takes.
    pub fn last(mut self) -> Self {
        self.is_final = true;
        self
    }
}

impl PipelineSpec {
    /// Begins a pipeline in code. Relative paths are relative to the working directory.
    pub fn builder() -> PipelineBuilder {
        PipelineBuilder {
            file: "pipeline built in code".into(),
            base: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            draft: Draft::default(),
            secrets: Secrets::default(),
            problems: Vec::new(),
        }
    }
}

impl PipelineBuilder {
    /// The folder that relative paths are relative to.
    pub fn base(mut self, base: impl Into<PathBuf>) -> Self {
        self.base = base.into();
        self
    }

    /// Adds a folder in which plugins are looked for.
    pub fn search(mut self, folder: impl Into<PathBuf>) -> Self {
        self.draft.plugins.search.push(folder.into());
        self
    }

    /// The least level of a logger and its subtree, or of the loggers of a pattern.
    pub fn level(mut self, pattern: &str, threshold: impl Into<Threshold>) -> Self {
        let path = SettingPath::root().key("levels").key(pattern);
        match LoggerGlob::subtree(pattern) {
            Ok(pattern) if self.draft.levels.iter().any(|rule| rule.pattern == pattern) => {
                self.refuse(path, "these loggers have a level already");
            }
            Ok(pattern) => match threshold.into() {
                // As if it were not stated.
                Threshold::Inherit => {}
                threshold => self.draft.levels.push(LevelRule { pattern, threshold }),
            },
            Err(error) => self.refuse(path, format!("{}: {error}", quoted(pattern))),
        }
        self
    }

    /// Adds a target.
    pub fn target(mut self, name: &str, target: Target) -> Self {
        let path = SettingPath::root().key("targets").key(name);
        let mut flush = target.flush;
        if let Some(names) = target.fallback {
            flush.fallback = self.names(&path.key("flush").key("fallback"), &names);
        }
        let plugin = match target.plugin.parse::<PluginName>() {
            Ok(plugin) => Some(plugin),
            Err(error) => {
                self.refuse(path.key("plugin"), error.to_string());
                None
            }
        };
        if !target.config.is_object() {
            self.refuse(path.key("config"), "is no JSON object");
        }
        let draft = TargetDraft {
            plugin,
            config: Some(target.config),
            isolate: target.isolate,
            queue: target.queue,
            flush,
        };
        match name.parse::<TargetName>() {
            Ok(name) if self.draft.targets.contains_key(&name) => {
                self.refuse(path, "a target of this name is there already");
            }
            Ok(name) => {
                self.draft.targets.insert(name, draft);
            }
            Err(error) => self.refuse(path, error.to_string()),
        }
        self
    }

    /// Adds a route after those that are there.
    pub fn route(mut self, route: Route) -> Self {
        let Route {
            logger,
            level,
            to,
            is_final,
            rules,
        } = route;
        let path = SettingPath::root()
            .key("routes")
            .index(self.draft.routes.len());
        let mut draft = RouteDraft {
            is_final,
            rules,
            ..RouteDraft::default()
        };
        match logger.parse() {
            Ok(logger) => draft.logger = logger,
            Err(error) => self.refuse(path.key("logger"), format!("{}: {error}", quoted(&logger))),
        }
        match level.parse::<LevelRange>() {
            Ok(range) => draft.level = range,
            Err(error) => {
                self.refuse(path.key("level"), error.to_string());
                if let Some(problem) = self.problems.last_mut() {
                    problem.nearest = nearest(&level, LEVELS).map(str::to_owned);
                }
            }
        }
        draft.to = Some(self.names(&path.key("to"), &to));
        self.draft.routes.push(draft);
        self
    }

    /// Keeps what no target takes for a while, and sends it when an error follows; not unless this is
    /// called.
    pub fn recorder(mut self, recorder: RecorderSpec) -> Self {
        self.draft.recorder = OrOff::On(recorder);
        self
    }

    /// The buffers of the calling threads.
    pub fn rings(mut self, rings: RingsSpec) -> Self {
        self.draft.rings = rings;
        self
    }

    /// How long a record is at most.
    pub fn max_record(mut self, max_record: MaxRecord) -> Self {
        self.draft.max_record = max_record;
        self
    }

    /// Adds a field that every record gets.
    pub fn field(mut self, key: &str, value: impl Into<FieldValue>) -> Self {
        if let Err(what) = self.draft.fields.add(key, value.into()) {
            self.refuse(SettingPath::root().key("fields").key(key), what);
        }
        self
    }

    /// What stamps a call.
    pub fn clock(mut self, clock: ClockKind) -> Self {
        self.draft.clock = clock;
        self
    }

    /// Has errors of this level or above say how their thread came there.
    #[cfg(feature = "backtrace")]
    pub fn backtraces(mut self, from: Level) -> Self {
        self.draft.backtraces = Some(from);
        self
    }

    /// What is hidden before anything leaves the process; nothing unless this is called.
    pub fn redact(mut self, redact: RedactSpec) -> Self {
        self.draft.redact = OrOff::On(redact);
        self
    }

    /// Where records are kept that no target and no fallback took; nowhere unless this is called.
    pub fn dead_letters(mut self, dead_letters: DeadLettersSpec) -> Self {
        self.draft.dead_letters = OrOff::On(dead_letters.into());
        self
    }

    /// Where the pipeline's own numbers go.
    pub fn metrics(mut self, metrics: MetricsSpec) -> Self {
        self.draft.metrics = metrics;
        self
    }

    /// What is remembered for whoever asks what became of a record.
    pub fn explain(mut self, explain: ExplainSpec) -> Self {
        self.draft.explain = explain;
        self
    }

    /// The Unix socket through which `rolog status` and others speak to the pipeline while it runs; none
    /// unless this is called. A relative path is relative to the pipeline's folder.
    pub fn control(mut self, path: impl Into<PathBuf>) -> Self {
        self.draft.control = OrOff::On(path.into());
        self
    }

    /// Has a value masked in every text that leaves the host.
    pub fn secret(mut self, value: &str) -> Self {
        self.secrets.add(value);
        self
    }

    /// Checks the whole.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn build(self) -> Result<PipelineSpec, Problems> {
        let base = std::path::absolute(&self.base).unwrap_or(self.base);
        super::finish(
            self.draft,
            self.problems,
            Places::none(self.file),
            &base,
            Arc::new(self.secrets),
        )
    }

    fn names(&mut self, path: &SettingPath, texts: &[String]) -> Vec<TargetName> {
        let mut names = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            match text.parse::<TargetName>() {
                Ok(name) if names.contains(&name) => self.refuse(
                    path.index(index),
                    format!("{} stands in this list already", quoted(text)),
                ),
                Ok(name) => names.push(name),
                Err(error) => self.refuse(path.index(index), error.to_string()),
            }
        }
        names
    }

    fn refuse(&mut self, path: SettingPath, what: impl Into<String>) {
        self.problems
            .push(Problem::new(Arc::clone(&self.file), path, what));
    }
}
