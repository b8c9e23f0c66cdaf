//! The pipeline file: read strictly, checked wholly, and reported on at once.
//!
//! ```text
//! bytes -> text        bounded, UTF-8                              source
//!       -> tree        serde_yaml's values, saphyr-parser's places  marks, tree
//!                      with `${…}` resolved                         substitute, secrets
//!       -> draft       each key by its type                         read, settings, sections
//!       -> spec        held against each other                      checks, coherence, spec
//! ```
//!
//! Promised: every problem comes with `file:line:column`, the path of the setting, what is wrong, what
//! was expected and the nearest valid name; all of them at once (a syntax error, or a key that occurs
//! twice, hides the rest). What is accepted works; an unknown key is refused. No input panics, nests
//! or unfolds without a bound, or shows a secret in a message. Nothing is changed by reading.
//!
//! Never done: opening a plugin or anything else that a target names. What a plugin finds wrong with
//! its settings is brought to its place by [`PipelineSpec::refusal`].

mod amount;
mod builder;
mod checks;
mod coherence;
mod digest;
mod fields;
mod keeping;
mod marks;
mod names;
mod outlets;
mod path;
mod places;
mod policy;
mod problem;
mod read;
mod recovery;
mod redact;
mod secrets;
mod sections;
mod settings;
mod source;
mod spec;
mod substitute;
mod syntax;
mod table;
mod tree;
mod tuning;
mod values;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use amount::{Count, OutOfBounds, Size, Time};
pub use builder::{PipelineBuilder, Route, Target};
pub use digest::{Digest, PipelineDiff, TargetChange, TargetDigest};
pub use fields::{FieldValue, FieldsSpec, MAX_FIELDS};
pub use keeping::{
    CountedBy, KeptBytes, KeptRecords, LimitSpec, Passing, Per, Rate, RecordedBy, RecorderSpec,
    RepeatSpec, RouteRules, Sameness, SampleSpec, Silence,
};
pub use marks::{MAX_DEPTH, MAX_VALUES};
pub use names::{InvalidName, PluginName, TargetName};
pub use outlets::{DeadLetterBytes, DeadLettersSpec, ExplainSpec, MetricsSpec, RememberedDrops};
pub use path::{SettingPath, Step};
pub use places::Places;
pub use problem::{Place, Problem, Problems, Severity};
pub use recovery::{
    BreakerSpec, GiveUpAfter, Grace, HoldSpec, InARow, Jitter, MaxDelay, MaxProbe, OrOff, Probe,
    RetryKind, RetrySpec, Share,
};
pub use redact::{
    Covering, HashKey, MAX_PATTERNS, MAX_REPLACEMENT, MIN_HASH_KEY, RedactSpec, Replacement,
    ValuePattern,
};
pub use secrets::{MIN_SECRET, Secrets};
pub use source::MAX_FILE;
pub use spec::{
    BatchBytes, BatchRecords, ClockKind, Concurrency, DEFAULT_LEVEL, FlushSpec, Interval,
    LevelRule, MaxRecord, MaxWait, Overflow, PipelineSpec, PluginConfig, QueueBytes, QueueRecords,
    QueueSpec, Retries, RetryDelay, RingBytes, RingsOverflow, RingsSpec, RouteSpec, TargetSpec,
    Timeout, VERSION,
};
pub(crate) use substitute::NamedFiles;
pub use substitute::{Env, MAX_SECRET_FILE};
pub use table::{Row, markdown, table};

pub use crate::redact::{DEFAULT_NAMES, KeyPattern};

use read::{Cursor, Keys, Sink};
use sections::Draft;
use substitute::Resolver;

/// Reads the pipeline of a file.
///
/// Relative paths in it are relative to its folder.
///
/// # Errors
/// Everything that is wrong with it. Warnings are kept in [`PipelineSpec::warnings`].
pub fn load(path: impl AsRef<Path>, env: &Env) -> Result<PipelineSpec, Problems> {
    let path = path.as_ref();
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    load_as_in(path, absolute.parent().unwrap_or(Path::new("/")), env)
}

/// Reads the pipeline of a file as if it lay in the folder `base`: for one that is to be put there.
///
/// # Errors
/// As [`load`].
pub fn load_as_in(
    path: impl AsRef<Path>,
    base: impl AsRef<Path>,
    env: &Env,
) -> Result<PipelineSpec, Problems> {
    let path = path.as_ref();
    let name: Arc<str> = path.display().to_string().into();
    let bytes = source::read(path).map_err(|not_text| not_text.into_problems(&name))?;
    read_pipeline(&bytes, &name, base.as_ref(), env)
}

/// The bytes of a pipeline's file, which is called `name` in messages, and no more of them than a
/// pipeline may have.
///
/// # Errors
/// It cannot be read.
pub(crate) fn read_file(path: &Path, name: &str) -> Result<Vec<u8>, Problems> {
    source::read(path).map_err(|not_text| not_text.into_problems(&name.into()))
}

/// Reads the pipeline in `bytes`, which are called `name` in messages. Relative paths are relative to
/// `base`.
///
/// ```
/// use rolog_host::config::{self, Env};
///
/// let yaml = "
/// version: 1
/// targets:
///   app: { plugin: memory }
/// routes:
///   - { logger: '**', to: ap }
/// ";
/// let problems = config::parse(yaml, "pipeline.yaml", "/etc/shop", &Env::empty()).unwrap_err();
/// assert_eq!(
///     problems.to_string(),
///     "pipeline.yaml:6:25: routes[0].to: no target has the name `ap`; expected app; did you mean `app`?"
/// );
/// ```
///
/// # Errors
/// Everything that is wrong with it. Warnings are kept in [`PipelineSpec::warnings`].
pub fn parse(
    bytes: impl AsRef<[u8]>,
    name: &str,
    base: impl AsRef<Path>,
    env: &Env,
) -> Result<PipelineSpec, Problems> {
    read_pipeline(bytes.as_ref(), &name.into(), base.as_ref(), env)
}

fn read_pipeline(
    bytes: &[u8],
    name: &Arc<str>,
    base: &Path,
    env: &Env,
) -> Result<PipelineSpec, Problems> {
    let text = source::text(bytes).map_err(|not_text| not_text.into_problems(name))?;
    let mut resolver = Resolver::new(env, base);
    let mut problems = Vec::new();
    let tree = tree::parse(text, name, &mut resolver, &mut problems);
    let Resolver { files, secrets, .. } = resolver;
    let secrets = Arc::new(secrets);
    let Some(tree) = tree else {
        return Err(masked(problems, &secrets).with_files(files));
    };
    let sink = Sink::new(Arc::clone(name));
    let mut draft = Draft::default();
    draft.fill(&Cursor {
        item: &tree,
        path: SettingPath::root(),
        sink: &sink,
    });
    problems.extend(sink.into_problems());
    let places = Places::of(Arc::clone(name), &tree);
    match finish(draft, problems, places, base, secrets) {
        Ok(mut spec) => {
            spec.files = files.all;
            spec.text = Some(text.into());
            Ok(spec)
        }
        Err(problems) => Err(problems.with_files(files)),
    }
}

/// Checks a draft against itself and makes the pipeline of it.
fn finish(
    draft: Draft,
    mut problems: Vec<Problem>,
    places: Places,
    base: &Path,
    secrets: Arc<Secrets>,
) -> Result<PipelineSpec, Problems> {
    problems.extend(checks::check(&draft, &places));
    let control = draft.control.as_on().map(|path| base.join(path));
    if let Some(Err(what)) = control.as_deref().map(outlets::check_socket) {
        let path = SettingPath::root().key("control");
        let place = places.value(&path);
        let problem = Problem::new(places.shared_file(), path, what).at(place);
        problems.push(problem.expected("a shorter path, such as one in /run; or `off`"));
    }
    if problems.iter().any(Problem::is_error) {
        problems.retain(Problem::is_error);
        return Err(masked(problems, &secrets));
    }
    let warnings = masked(problems, &secrets).into_vec();
    let targets = draft
        .targets
        .into_iter()
        .filter_map(|(name, target)| {
            let config = target.config.unwrap_or_else(|| serde_json::json!({}));
            let spec = TargetSpec {
                // One without a plugin has been reported, so there is none here.
                plugin: target.plugin?,
                config: PluginConfig::new(config, Arc::clone(&secrets)),
                isolate: target.isolate,
                queue: target.queue,
                flush: target.flush,
            };
            Some((name, spec))
        })
        .collect();
    let routes = draft
        .routes
        .into_iter()
        .map(|route| RouteSpec {
            logger: route.logger,
            level: route.level,
            to: route.to.unwrap_or_default(),
            is_final: route.is_final,
            rules: route.rules,
        })
        .collect();
    let search: Vec<PathBuf> = draft
        .plugins
        .search
        .iter()
        .map(|path| base.join(path))
        .collect();
    Ok(PipelineSpec {
        base: base.to_owned(),
        search,
        levels: draft.levels,
        targets,
        routes,
        rings: draft.rings,
        max_record: draft.max_record,
        clock: draft.clock,
        backtraces: draft.backtraces,
        fields: draft.fields,
        redact: draft.redact.on(),
        dead_letters: draft.dead_letters.on().and_then(|d| d.finish(base)),
        metrics: draft.metrics,
        explain: draft.explain,
        control,
        last_good: draft.last_good.on().map(|path| base.join(path)),
        recorder: draft.recorder,
        text: None,
        places,
        secrets,
        files: std::collections::BTreeSet::new(),
        warnings,
    })
}

fn masked(mut problems: Vec<Problem>, secrets: &Secrets) -> Problems {
    for problem in &mut problems {
        mask(problem, secrets);
    }
    Problems::new(problems)
}

fn mask(problem: &mut Problem, secrets: &Secrets) {
    if secrets.is_empty() {
        return;
    }
    for text in [
        Some(&mut problem.what),
        problem.expected.as_mut(),
        problem.nearest.as_mut(),
    ]
    .into_iter()
    .flatten()
    {
        if let std::borrow::Cow::Owned(masked) = secrets.mask(text) {
            *text = masked;
        }
    }
}

impl source::NotText {
    fn into_problems(self, name: &Arc<str>) -> Problems {
        Problem::new(Arc::clone(name), SettingPath::root(), self.what)
            .at(self.place)
            .expected(self.expected)
            .into()
    }
}

impl PipelineSpec {
    /// A problem that a plugin found at a setting of its target, brought to its place in the file.
    ///
    /// `path` is the plugin's: `tls.certs[0].path`, or a JSON pointer; empty for the whole. Secrets in
    /// `what` are masked.
    pub fn refusal(&self, target: &TargetName, path: &str, what: impl Into<String>) -> Problem {
        let mut problem = checks::refusal(&self.places, &self.secrets, target, path, what.into());
        mask(&mut problem, &self.secrets);
        problem
    }

    /// A problem at any setting, brought to its place in the file. Secrets in `what` are masked.
    pub fn problem_at(&self, path: SettingPath, what: impl Into<String>) -> Problem {
        let place = self.places.value(&path);
        let mut problem = Problem::new(self.places.shared_file(), path, what).at(place);
        mask(&mut problem, &self.secrets);
        problem
    }

    /// The problem that a target names a plugin which is not there.
    pub fn unknown_plugin<'a>(
        &self,
        target: &TargetName,
        known: impl IntoIterator<Item = &'a str> + Clone,
    ) -> Problem {
        let written = self.target(target.as_str()).map_or("", |t| &t.plugin);
        self.plugin_problem(target, format!("no plugin has the name `{written}`"))
            .expected(read::one_of(known.clone()))
            .nearest_of(written, known)
    }

    /// A problem with the plugin that a target names, at the place of the name. Secrets in `what` are
    /// masked.
    pub fn plugin_problem(&self, target: &TargetName, what: impl Into<String>) -> Problem {
        let path = SettingPath::root()
            .key("targets")
            .key(target.as_str())
            .key("plugin");
        self.problem_at(path, what)
    }

    /// Finds targets that would write to one resource, such as the same file.
    ///
    /// `resources` are what each target's plugin named when it checked the configuration.
    pub fn shared_resources<'a>(
        &self,
        resources: impl IntoIterator<Item = (&'a TargetName, &'a [String])>,
    ) -> Vec<Problem> {
        let mut problems = checks::shared_resources(&self.places, resources);
        for problem in &mut problems {
            mask(problem, &self.secrets);
        }
        problems
    }
}

/// For fuzzers: reads any bytes as a pipeline, and makes everything of it that can be made.
///
/// Must return for every input, in bounded time and memory.
pub fn fuzz(bytes: &[u8]) {
    let env = Env::of([("HOME", "/root"), ("N", "7"), ("EMPTY", "")]);
    match parse(bytes, "fuzz.yaml", "/nonexistent", &env) {
        Ok(spec) => {
            assert_eq!(spec.digest(), spec.clone().digest());
            assert!(spec.diff(&spec).is_empty());
            let router = crate::router::Router::compile(&spec);
            for name in ["", "a", "a.b::c", "shop.payments"] {
                let _ = router.resolve(name);
            }
            for name in spec.targets().keys().take(20) {
                let _ = spec.refusal(name, "a.b[0].c", "wrong").to_string();
            }
            let _ = format!("{spec:?}");
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            let _ = problems.to_string();
        }
    }
}
