//! Fingerprints of resolved settings, and what has changed between two pipelines.
//!
//! A fingerprint is keyed by a number that each process draws anew: it says "the same" or "changed"
//! within a process, and tells nobody outside anything about a secret. Formatting, comments, order of
//! keys and the way a value was written do not count.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::OnceLock;

use serde_json::Value;

use super::names::TargetName;
use super::spec::{PipelineSpec, PluginConfig, TargetSpec};

/// A fingerprint, comparable within one process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(u128);

impl Digest {
    /// The fingerprint of anything that can be hashed.
    pub fn of<T: Hash + ?Sized>(value: &T) -> Self {
        static KEYS: OnceLock<[RandomState; 2]> = OnceLock::new();
        let [high, low] = KEYS.get_or_init(|| [RandomState::new(), RandomState::new()]);
        Digest(u128::from(high.hash_one(value)) << 64 | u128::from(low.hash_one(value)))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The fingerprints of a target, apart by what a change of them costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetDigest {
    /// Plugin, its settings and its runtime: a change needs a new instance.
    pub instance: Digest,
    /// Queue and flush settings: a change only retunes the stage.
    pub stage: Digest,
}

impl Hash for PluginConfig {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_json(self.value(), state);
    }
}

impl TargetSpec {
    /// Its fingerprints.
    pub fn digest(&self) -> TargetDigest {
        TargetDigest {
            instance: Digest::of(&(&self.plugin, &self.config, self.isolate)),
            stage: Digest::of(&(&self.queue, &self.flush)),
        }
    }
}

impl PipelineSpec {
    /// The fingerprint of all settings.
    pub fn digest(&self) -> Digest {
        let targets: Vec<_> = self
            .targets
            .iter()
            .map(|(name, target)| {
                let digest = target.digest();
                (name, digest.instance, digest.stage)
            })
            .collect();
        Digest::of(&(
            (&self.base, &self.search, &self.levels, &self.routes),
            (&self.rings, self.max_record, targets),
            (self.clock, self.backtraces),
            (&self.fields, &self.redact, &self.explain),
            (
                &self.dead_letters,
                &self.metrics,
                &self.control,
                &self.last_good,
                &self.recorder,
            ),
        ))
    }

    /// What changes from this pipeline to `new`.
    pub fn diff(&self, new: &PipelineSpec) -> PipelineDiff {
        let mut targets = BTreeMap::new();
        for (name, target) in &new.targets {
            let change = match self.targets.get(name) {
                None => TargetChange::Added,
                // A relative path in a configuration means another file under another folder.
                Some(old) if old.plugin != target.plugin => TargetChange::Replaced,
                Some(old) if old.isolate != target.isolate => TargetChange::Replaced,
                Some(old) if old.config != target.config || self.base != new.base => {
                    TargetChange::Replaced
                }
                Some(old) if old.queue != target.queue || old.flush != target.flush => {
                    TargetChange::Retuned
                }
                Some(_) => TargetChange::Kept,
            };
            targets.insert(name.clone(), change);
        }
        for name in self.targets.keys() {
            if !new.targets.contains_key(name) {
                targets.insert(name.clone(), TargetChange::Removed);
            }
        }
        PipelineDiff {
            targets,
            levels: self.levels != new.levels,
            routes: self.routes != new.routes,
            rings: self.rings != new.rings || self.max_record != new.max_record,
            search: self.search != new.search,
            clock: self.clock != new.clock,
            backtraces: self.backtraces != new.backtraces,
            fields: self.fields != new.fields,
            redact: self.redact != new.redact,
            explain: self.explain != new.explain,
            dead_letters: self.dead_letters != new.dead_letters,
            metrics: self.metrics != new.metrics,
            control: self.control != new.control,
            last_good: self.last_good != new.last_good,
            recorder: self.recorder != new.recorder,
        }
    }
}

/// What a new pipeline does with a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TargetChange {
    /// Nothing.
    Kept,
    /// Changes its queue or flush settings; the instance stays.
    Retuned,
    /// Puts a new instance into its slot.
    Replaced,
    /// Makes it.
    Added,
    /// Takes it away.
    Removed,
}

/// What a new pipeline changes.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a section of the file that differs or does not"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineDiff {
    /// Every target of both.
    pub targets: BTreeMap<TargetName, TargetChange>,
    /// Whether `levels` differ.
    pub levels: bool,
    /// Whether `routes` differ.
    pub routes: bool,
    /// Whether `rings` or `max_record` differ.
    pub rings: bool,
    /// Whether the folders of plugins differ.
    pub search: bool,
    /// Whether calls are stamped by another clock.
    pub clock: bool,
    /// Whether errors have backtraces from another level on.
    pub backtraces: bool,
    /// Whether records get other fields.
    pub fields: bool,
    /// Whether other things are hidden, or in another way.
    pub redact: bool,
    /// Whether more or fewer losses are remembered.
    pub explain: bool,
    /// Whether dead letters go elsewhere, or more or fewer of them are kept.
    pub dead_letters: bool,
    /// Whether the metrics are served elsewhere.
    pub metrics: bool,
    /// Whether the control socket is elsewhere.
    pub control: bool,
    /// Whether the last good file is kept elsewhere.
    pub last_good: bool,
    /// Whether the flight recorder differs.
    pub recorder: bool,
}

impl PipelineDiff {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        let sections = self.levels || self.routes || self.rings || self.search;
        let at_start = self.clock || self.backtraces;
        let carried = self.fields || self.redact || self.explain || at_start;
        let beside =
            self.dead_letters || self.metrics || self.control || self.last_good || self.recorder;
        !(sections || carried || beside)
            && self
                .targets
                .values()
                .all(|change| *change == TargetChange::Kept)
    }
}

/// Hashes JSON so that the order of keys does not count, and no two values look alike.
fn hash_json<H: Hasher>(value: &Value, state: &mut H) {
    match value {
        Value::Null => state.write_u8(0),
        Value::Bool(value) => (1u8, value).hash(state),
        Value::Number(number) => (2u8, number.to_string()).hash(state),
        Value::String(text) => (3u8, text).hash(state),
        Value::Array(items) => {
            (4u8, items.len()).hash(state);
            for item in items {
                hash_json(item, state);
            }
        }
        Value::Object(map) => {
            (5u8, map.len()).hash(state);
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            for (key, value) in entries {
                key.hash(state);
                hash_json(value, state);
            }
        }
    }
}
