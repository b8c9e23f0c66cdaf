//! To the `metrics` facade, for the service's own recorder.

use std::sync::Arc;

use metrics::{Key, Label, Level, Metadata, with_recorder};

use super::catalogue::{CATALOGUE, of_measure};
use super::metric::{Kind, Sample};
use super::snapshot::Snapshot;
use crate::stage::{Measure, Meter};

const METADATA: Metadata<'static> = Metadata::new("rolog", Level::INFO, Some("rolog_host"));

/// Describes every metric to the recorder that is installed now.
pub fn describe() {
    with_recorder(|recorder| {
        for metric in CATALOGUE {
            let (name, unit) = (metric.name.into(), Some(metric.unit));
            match metric.kind {
                Kind::Counter => recorder.describe_counter(name, unit, metric.help.into()),
                Kind::Gauge => recorder.describe_gauge(name, unit, metric.help.into()),
                Kind::Histogram => recorder.describe_histogram(name, unit, metric.help.into()),
            }
        }
    });
}

/// Hands the counters and gauges of a snapshot to the recorder that is installed now. Distributions
/// go there value by value, through [`FacadeMeter`].
pub fn publish(snapshot: &Snapshot) {
    with_recorder(|recorder| {
        for metric in CATALOGUE {
            metric.each(snapshot, &mut |labels, sample| {
                let Sample::Number(number) = sample else {
                    return;
                };
                let key = key(metric.name, labels);
                if metric.kind == Kind::Counter {
                    recorder
                        .register_counter(&key, &METADATA)
                        .absolute(number as u64);
                } else {
                    recorder.register_gauge(&key, &METADATA).set(number);
                }
            });
        }
    });
}

/// Hands each measurement of a stage to the recorder.
#[derive(Clone, Copy, Debug, Default)]
pub struct FacadeMeter;

impl Meter for FacadeMeter {
    fn observe(&self, target: &str, measure: Measure, value: f64) {
        let Some(metric) = of_measure(measure) else {
            return;
        };
        let key = key(metric.name, &[("target", target)]);
        with_recorder(|recorder| recorder.register_histogram(&key, &METADATA).record(value));
    }
}

impl FacadeMeter {
    /// As the services of a stage want it.
    pub fn shared() -> Arc<dyn Meter> {
        Arc::new(FacadeMeter)
    }
}

fn key(name: &'static str, labels: &[(&'static str, &str)]) -> Key {
    let labels: Vec<Label> = labels
        .iter()
        .map(|(name, value)| Label::new(*name, (*value).to_owned()))
        .collect();
    Key::from_parts(name, labels)
}
