//! What a pipeline is, once it has been found valid.
//!
//! The defaults stand here and nowhere else. Every number is of a type that holds its bounds; names
//! that refer to targets have been checked; so a [`PipelineSpec`] can only be had from
//! [`load`](super::load), [`parse`](super::parse) and [`builder`](PipelineSpec::builder).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rolog_core::{Level, LevelRange, Threshold};

use super::amount::{Count, Size, Time};
use super::fields::FieldsSpec;
use super::keeping::{RecorderSpec, RouteRules};
use super::names::{PluginName, TargetName};
use super::outlets::{DeadLettersSpec, ExplainSpec, MetricsSpec};
use super::places::Places;
use super::problem::Problem;
use super::recovery::{BreakerSpec, Grace, HoldSpec, InARow, OrOff, RetrySpec};
use super::redact::RedactSpec;
use super::secrets::Secrets;
use crate::pattern::LoggerGlob;

pub(super) const KIB: usize = 1024;
pub(super) const MIB: usize = 1024 * KIB;
pub(super) const GIB: usize = 1024 * MIB;
pub(super) const SECOND: u64 = 1000;
pub(super) const HOUR: u64 = 3600 * SECOND;

/// The version of the pipeline format that this rolog reads.
pub const VERSION: u64 = 1;

/// How many records a target's queue holds.
pub type QueueRecords = Count<1, 100_000_000>;
/// How many bytes a target's queue holds.
pub type QueueBytes = Size<KIB, { 1024 * GIB }>;
/// How many records a batch has at most.
pub type BatchRecords = Count<1, 1_000_000>;
/// How many bytes a batch has at most.
pub type BatchBytes = Size<1, GIB>;
/// How old the first record of a batch gets before the batch goes out.
pub type Interval = Time<1, { 24 * HOUR }>;
/// How long an attempt may take.
pub type Timeout = Time<1, HOUR>;
/// How many batches of a target are in flight.
pub type Concurrency = Count<1, 64>;
/// How many attempts follow the first.
pub type Retries = Count<0, 1000>;
/// The pause before an attempt.
pub type RetryDelay = Time<0, HOUR>;
/// How long a caller waits for room at most.
pub type MaxWait = Time<1, HOUR>;
/// What the rings of all threads take together.
pub type RingBytes = Size<{ 64 * KIB }, { 64 * GIB }>;
/// How long a record is at most.
pub type MaxRecord = Size<KIB, { 64 * MIB }>;

/// The wait of `overflow: block` where none is stated.
pub(crate) const DEFAULT_MAX_WAIT: MaxWait = Time::of::<SECOND>();
/// The level of a logger for which `levels` states none, unless the host states another.
pub const DEFAULT_LEVEL: Level = Level::Information;

/// What a full queue does with the next record of a caller that does not ask to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// The new record is dropped.
    #[default]
    DropNewest,
    /// Queued records make room, the oldest first; never one in flight.
    DropOldest,
    /// Queued records below this level make room; a new record below it is dropped.
    DropBelow(Level),
    /// The caller waits.
    Block {
        /// How long at most; then the record is dropped.
        max_wait: MaxWait,
    },
}

/// What full rings do with the next record of a caller that does not ask to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RingsOverflow {
    /// The new record is dropped.
    #[default]
    DropNewest,
    /// The caller waits.
    Block {
        /// How long at most; then the record is dropped.
        max_wait: MaxWait,
    },
}

/// The queue between the routes and a target.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueueSpec {
    /// Room in records.
    pub max_records: QueueRecords,
    /// Room in bytes.
    pub max_bytes: QueueBytes,
    /// What happens when there is none.
    pub overflow: Overflow,
}

impl Default for QueueSpec {
    fn default() -> Self {
        QueueSpec {
            max_records: Count::of::<100_000>(),
            max_bytes: Size::of::<{ 64 * MIB }>(),
            overflow: Overflow::default(),
        }
    }
}

/// How a target's records go out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FlushSpec {
    /// Records in a batch; `None` takes what the plugin prefers.
    pub max_size: Option<BatchRecords>,
    /// Bytes in a batch.
    pub max_bytes: BatchBytes,
    /// Age of a batch.
    pub interval: Interval,
    /// A record of this level or above closes its batch at once.
    pub flush_on: Option<Level>,
    /// Time for an attempt.
    pub timeout: Timeout,
    /// Batches in flight; 1 keeps the order.
    pub concurrency: Concurrency,
    /// Attempts after the first.
    pub max_retries: Retries,
    /// Pause before the next attempt.
    pub retry_delay: RetryDelay,
    /// How the pause grows, and when a batch is given up before its retries are.
    pub retry: RetrySpec,
    /// When batches go to the fallback without an attempt.
    pub breaker: OrOff<BreakerSpec>,
    /// How often a target is tried that holds, or that could not be started.
    pub hold: HoldSpec,
    /// Time for a cancelled attempt to settle; then its instance is fenced.
    pub grace: Grace,
    /// An instance that panics this often in a row is quarantined: used no more, until it is replaced.
    pub quarantine_after: OrOff<InARow>,
    /// Where records go that could not be delivered: the first that has room, in order.
    pub fallback: Vec<TargetName>,
}

impl FlushSpec {
    /// The size of a batch where neither the pipeline nor the plugin states one.
    pub const MAX_SIZE: BatchRecords = Count::of::<500>();

    /// Records in a batch, given what the plugin prefers. A preference out of bounds counts as none.
    pub fn batch_records(&self, preferred: Option<usize>) -> BatchRecords {
        self.max_size
            .or_else(|| preferred.and_then(|size| BatchRecords::new(size).ok()))
            .unwrap_or(Self::MAX_SIZE)
    }
}

impl Default for FlushSpec {
    fn default() -> Self {
        FlushSpec {
            max_size: None,
            max_bytes: Size::of::<MIB>(),
            interval: Time::of::<SECOND>(),
            flush_on: None,
            timeout: Time::of::<{ 30 * SECOND }>(),
            concurrency: Count::of::<1>(),
            max_retries: Count::of::<3>(),
            retry_delay: Time::of::<600>(),
            retry: RetrySpec::default(),
            breaker: OrOff::On(BreakerSpec::default()),
            hold: HoldSpec::default(),
            grace: Time::of::<{ 5 * SECOND }>(),
            quarantine_after: OrOff::On(Count::of::<3>()),
            fallback: Vec::new(),
        }
    }
}

/// The buffers of the calling threads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RingsSpec {
    /// What they take together.
    pub bytes: RingBytes,
    /// What happens when they are full.
    pub overflow: RingsOverflow,
}

impl Default for RingsSpec {
    fn default() -> Self {
        RingsSpec {
            bytes: Size::of::<{ 64 * MIB }>(),
            overflow: RingsOverflow::default(),
        }
    }
}

/// The longest record where the pipeline states none.
pub(crate) const DEFAULT_MAX_RECORD: MaxRecord = Size::of::<{ 256 * KIB }>();

/// The least level that some loggers record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LevelRule {
    /// Which loggers.
    pub pattern: LoggerGlob,
    /// From which level on.
    pub threshold: Threshold,
}

/// Which records go where.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RouteSpec {
    /// Of which loggers.
    pub logger: LoggerGlob,
    /// Of which levels.
    pub level: LevelRange,
    /// To which targets; empty only in a final route, which discards.
    pub to: Vec<TargetName>,
    /// Whether later routes see what this one takes.
    pub is_final: bool,
    /// What it holds back.
    pub rules: RouteRules,
}

/// A plugin's own settings, resolved. `Debug` masks the secrets in them.
#[derive(Clone)]
pub struct PluginConfig {
    json: serde_json::Value,
    secrets: Arc<Secrets>,
}

impl PluginConfig {
    pub(crate) fn new(json: serde_json::Value, secrets: Arc<Secrets>) -> Self {
        PluginConfig { json, secrets }
    }

    /// The settings as the plugin gets them, secrets included.
    pub fn value(&self) -> &serde_json::Value {
        &self.json
    }

    /// The settings as JSON text, secrets included.
    pub fn to_json(&self) -> String {
        self.json.to_string()
    }
}

impl PartialEq for PluginConfig {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

impl fmt::Debug for PluginConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.secrets.mask(&self.to_json()))
    }
}

/// A target. `Debug` masks the secrets in it.
#[derive(Clone, PartialEq)]
pub struct TargetSpec {
    /// What it is an instance of.
    pub plugin: PluginName,
    /// The plugin's own settings. Relative paths in them are relative to [`PipelineSpec::base`],
    /// which the plugin is given when it is created.
    pub config: PluginConfig,
    /// Whether it has a runtime of its own, rather than share one with the plugin's other targets.
    pub isolate: bool,
    /// Its queue.
    pub queue: QueueSpec,
    /// Its batches, retries and fallbacks.
    pub flush: FlushSpec,
}

impl fmt::Debug for TargetSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TargetSpec {
            plugin,
            config,
            isolate,
            queue,
            flush,
        } = self;
        let config_text = config.to_json();
        let text = format!("{plugin:?} {config_text} isolate {isolate} {queue:?} {flush:?}");
        f.write_str(&config.secrets.mask(&text))
    }
}

/// What stamps a call with its time. Chosen once in a process, by the first pipeline that starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClockKind {
    /// The best that the machine has.
    #[default]
    Exact,
    /// The kernel's as of its last timer tick: cheaper where the best is dear, right within some
    /// milliseconds. See [`rolog_core::clock::use_coarse`].
    Coarse,
}

/// A valid pipeline. `Debug` masks the secrets in it.
#[derive(Clone)]
pub struct PipelineSpec {
    pub(super) base: PathBuf,
    pub(super) search: Vec<PathBuf>,
    pub(super) levels: Vec<LevelRule>,
    pub(super) targets: BTreeMap<TargetName, TargetSpec>,
    pub(super) routes: Vec<RouteSpec>,
    pub(super) rings: RingsSpec,
    pub(super) max_record: MaxRecord,
    pub(super) clock: ClockKind,
    pub(super) backtraces: Option<Level>,
    pub(super) fields: FieldsSpec,
    pub(super) redact: Option<RedactSpec>,
    pub(super) dead_letters: Option<DeadLettersSpec>,
    pub(super) metrics: MetricsSpec,
    pub(super) explain: ExplainSpec,
    pub(super) control: Option<PathBuf>,
    pub(super) last_good: Option<PathBuf>,
    pub(super) recorder: OrOff<RecorderSpec>,
    /// What it was read from; `None` for a pipeline built in code.
    pub(super) text: Option<Arc<str>>,
    pub(super) places: Places,
    pub(super) secrets: Arc<Secrets>,
    pub(super) files: BTreeSet<PathBuf>,
    pub(super) warnings: Vec<Problem>,
}

impl fmt::Debug for PipelineSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!(
            "{:?}: search {:?}, levels {:?}, targets {:?}, routes {:?}, {:?}, max_record {}, {:?}, backtraces {:?}, fields {:?}, redact {:?}, {:?}, {:?}, control {:?}, recorder {:?}",
            self.places,
            self.search,
            self.levels,
            self.targets,
            self.routes,
            self.rings,
            self.max_record,
            self.clock,
            self.backtraces,
            self.fields,
            self.redact,
            self.dead_letters,
            self.metrics,
            self.control,
            self.recorder
        );
        f.write_str(&self.secrets.mask(&text))
    }
}

impl PipelineSpec {
    /// The folder that relative paths are relative to: that of the file, as an absolute path.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// The file as it was named, or what stands for a pipeline built in code.
    pub fn file(&self) -> &str {
        self.places.file()
    }

    /// The folders in which plugins are looked for, in order, as absolute paths.
    pub fn search(&self) -> &[PathBuf] {
        &self.search
    }

    /// The least levels, in the order of the file.
    pub fn levels(&self) -> &[LevelRule] {
        &self.levels
    }

    /// The targets by name.
    pub fn targets(&self) -> &BTreeMap<TargetName, TargetSpec> {
        &self.targets
    }

    /// A target.
    pub fn target(&self, name: &str) -> Option<&TargetSpec> {
        self.targets.get(name)
    }

    /// The routes in order.
    pub fn routes(&self) -> &[RouteSpec] {
        &self.routes
    }

    /// The buffers of the calling threads.
    pub fn rings(&self) -> &RingsSpec {
        &self.rings
    }

    /// How long a record is at most.
    pub fn max_record(&self) -> MaxRecord {
        self.max_record
    }

    /// What stamps a call.
    pub fn clock(&self) -> ClockKind {
        self.clock
    }

    /// From which level on errors say how their thread came there; `None` where the file says nothing.
    pub fn backtraces(&self) -> Option<Level> {
        self.backtraces
    }

    /// The fields that every record gets.
    pub fn fields(&self) -> &FieldsSpec {
        &self.fields
    }

    /// What is hidden before anything leaves the process; `None` where nothing is.
    pub fn redact(&self) -> Option<&RedactSpec> {
        self.redact.as_ref()
    }

    /// Where records are kept that no target took; `None` where none are.
    pub fn dead_letters(&self) -> Option<&DeadLettersSpec> {
        self.dead_letters.as_ref()
    }

    /// Where the pipeline's own numbers go.
    pub fn metrics(&self) -> &MetricsSpec {
        &self.metrics
    }

    /// What is remembered for whoever asks what became of a record.
    pub fn explain(&self) -> &ExplainSpec {
        &self.explain
    }

    /// The control socket, as an absolute path; `None` where there is none.
    pub fn control(&self) -> Option<&Path> {
        self.control.as_deref()
    }

    /// Where the text of a pipeline that runs is kept, as an absolute path; `None` where it is not.
    pub fn last_good(&self) -> Option<&Path> {
        self.last_good.as_deref()
    }

    /// What is kept of the records that no target takes; `None` where nothing is.
    pub fn recorder(&self) -> Option<&RecorderSpec> {
        self.recorder.as_on()
    }

    /// What it was read from, before anything was resolved; `None` for a pipeline built in code.
    pub(crate) fn text(&self) -> Option<&Arc<str>> {
        self.text.as_ref()
    }

    /// Where each setting stands in the file.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// What has to be masked in every text that leaves the host.
    pub fn secrets(&self) -> &Arc<Secrets> {
        &self.secrets
    }

    /// The files that `${file:…}` read, whose change changes the pipeline.
    pub fn files(&self) -> &BTreeSet<PathBuf> {
        &self.files
    }

    /// What works and is hardly meant.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }
}
