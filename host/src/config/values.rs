//! Settings as a user would write them, to show what differs between two pipelines.

use super::read::{Keys, Section};
use super::recovery::OrOff;
use super::sections::{Draft, PluginsDraft, TargetDraft};
use super::spec::{PipelineSpec, TargetSpec};

/// A setting that differs: its path, and both values as they would stand in a file.
pub(crate) type Difference = (String, String, String);

impl PipelineSpec {
    /// What differs beside levels, targets and routes.
    pub(crate) fn differences(&self, new: &PipelineSpec) -> Vec<Difference> {
        differences(&mut self.own_settings(), &mut new.own_settings())
    }

    fn own_settings(&self) -> Draft {
        Draft {
            plugins: PluginsDraft {
                search: self.search.clone(),
            },
            rings: self.rings.clone(),
            max_record: self.max_record,
            clock: self.clock,
            backtraces: self.backtraces,
            fields: self.fields.clone(),
            redact: match self.redact.clone() {
                Some(redact) => OrOff::On(redact),
                None => OrOff::Off,
            },
            dead_letters: match self.dead_letters.clone() {
                Some(letters) => OrOff::On(letters.into()),
                None => OrOff::Off,
            },
            metrics: self.metrics.clone(),
            explain: self.explain.clone(),
            control: match self.control.clone() {
                Some(path) => OrOff::On(path),
                None => OrOff::Off,
            },
            last_good: match self.last_good.clone() {
                Some(path) => OrOff::On(path),
                None => OrOff::Off,
            },
            recorder: self.recorder.clone(),
            ..Draft::default()
        }
    }
}

impl TargetSpec {
    /// What differs beside the plugin and its own settings.
    pub(crate) fn differences(&self, new: &TargetSpec) -> Vec<Difference> {
        differences(&mut self.own_settings(), &mut new.own_settings())
    }

    fn own_settings(&self) -> TargetDraft {
        TargetDraft {
            isolate: self.isolate,
            queue: self.queue.clone(),
            flush: self.flush.clone(),
            ..TargetDraft::default()
        }
    }
}

fn differences<T: Keys>(old: &mut T, new: &mut T) -> Vec<Difference> {
    let of = |settings: &mut T| {
        let mut values = Vec::new();
        settings.keys(&mut Section::values("", &mut values));
        values
    };
    let both = of(old).into_iter().zip(of(new));
    // The same keys are declared in the same order, whatever their values.
    both.filter(|((_, before), (_, after))| before != after)
        .map(|((path, before), (_, after))| (path, before, after))
        .collect()
}
