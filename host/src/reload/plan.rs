//! What a change of the configuration would do, without doing it.

use std::fmt;

use serde_json::Value;

use crate::config::{PipelineSpec, TargetChange, TargetName};

/// What would happen to each target, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Every target of the old and the new configuration, in the order of the names.
    pub targets: Vec<PlannedTarget>,
    /// Whether routes change.
    pub routes: bool,
    /// Whether levels change.
    pub levels: bool,
    /// Settings of the pipeline itself that differ, as `metrics.prometheus: off -> 127.0.0.1:9464`.
    pub settings: Vec<String>,
    /// Settings that cannot change while a pipeline runs, and do.
    pub fixed: Vec<&'static str>,
}

/// What would happen to one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedTarget {
    /// Its name.
    pub name: TargetName,
    /// What happens.
    pub change: TargetChange,
    /// The settings that differ, as `config.path: "a" -> "b"`, secrets masked.
    pub why: Vec<String>,
}

impl Plan {
    /// From one configuration to another. Nothing is loaded, opened or asked.
    pub fn new(old: &PipelineSpec, new: &PipelineSpec) -> Plan {
        let diff = old.diff(new);
        let targets = diff.targets.iter().map(|(name, change)| PlannedTarget {
            name: name.clone(),
            change: *change,
            why: why(old, new, name),
        });
        let mut fixed = Vec::new();
        if old.rings().bytes != new.rings().bytes {
            fixed.push("rings.bytes");
        }
        if old.clock() != new.clock() {
            fixed.push("clock");
        }
        if old.max_record() != new.max_record() {
            fixed.push("max_record");
        }
        let mut settings = Vec::new();
        for (path, before, after) in old.differences(new) {
            if !fixed.contains(&path.as_str()) {
                settings.push(masked(old, new, &format!("{path}: {before} -> {after}")));
            }
        }
        Plan {
            settings,
            targets: targets.collect(),
            routes: diff.routes,
            levels: diff.levels,
            fixed,
        }
    }

    /// Whether nothing would happen.
    pub fn is_empty(&self) -> bool {
        let still = |target: &PlannedTarget| target.change == TargetChange::Kept;
        let own = self.settings.is_empty() && self.fixed.is_empty();
        self.targets.iter().all(still) && !self.routes && !self.levels && own
    }
}

fn why(old: &PipelineSpec, new: &PipelineSpec, name: &TargetName) -> Vec<String> {
    let (Some(before), Some(after)) = (old.target(name.as_str()), new.target(name.as_str())) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    let mut say = |path: &str, before: String, after: String| {
        lines.push(masked(old, new, &format!("{path}: {before} -> {after}")));
    };
    if before.plugin != after.plugin {
        say(
            "plugin",
            before.plugin.to_string(),
            after.plugin.to_string(),
        );
    }
    differ(
        "config",
        before.config.value(),
        after.config.value(),
        &mut say,
    );
    for (path, before, after) in before.differences(after) {
        say(&path, before, after);
    }
    if old.base() != new.base() && before.plugin == after.plugin {
        let show = |spec: &PipelineSpec| spec.base().display().to_string();
        say("the folder of relative paths", show(old), show(new));
    }
    lines
}

/// Without the secrets of either.
fn masked(old: &PipelineSpec, new: &PipelineSpec, text: &str) -> String {
    let text = old.secrets().mask(text);
    new.secrets().mask(&text).into_owned()
}

/// Says each leaf that is not the same.
fn differ(path: &str, old: &Value, new: &Value, say: &mut impl FnMut(&str, String, String)) {
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let (none, path) = (Value::Null, format!("{path}.{key}"));
                let before = before.get(key).unwrap_or(&none);
                differ(&path, before, after.get(key).unwrap_or(&none), say);
            }
        }
        (before, after) if before == after => {}
        (before, after) => {
            let show = |value: &Value| match value {
                Value::Null => "(none)".to_owned(),
                value => value.to_string(),
            };
            say(path, show(before), show(after));
        }
    }
}

impl fmt::Display for Plan {
    /// A line for each target that changes, and one for each reason below it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for setting in &self.fixed {
            writeln!(
                f,
                "refused: {setting} cannot change while the pipeline runs"
            )?;
        }
        for target in &self.targets {
            let word = match target.change {
                TargetChange::Kept => continue,
                TargetChange::Retuned => "retuned: its instance and queue stay",
                TargetChange::Replaced => "replaced: its queue stays, a new instance takes over",
                TargetChange::Added => "started",
                TargetChange::Removed => "drained, then removed",
            };
            writeln!(f, "{}: {word}", target.name)?;
            for reason in &target.why {
                writeln!(f, "  {reason}")?;
            }
        }
        for setting in &self.settings {
            writeln!(f, "{setting}")?;
        }
        for (changed, what) in [(self.routes, "routes"), (self.levels, "levels")] {
            if changed {
                writeln!(f, "{what}: changed")?;
            }
        }
        let kept = |target: &&PlannedTarget| target.change == TargetChange::Kept;
        write!(f, "{} kept", self.targets.iter().filter(kept).count())
    }
}
