//! What a metric is, and how its series are read from a snapshot.

use metrics::Unit;

use super::snapshot::Snapshot;
use crate::stage::{Histogram, Measure, StageSnapshot};

/// What kind of series a metric has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Rises only.
    Counter,
    /// Rises and falls.
    Gauge,
    /// A distribution in buckets.
    Histogram,
}

impl Kind {
    /// The word of Prometheus.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name, by Prometheus' conventions.
    pub name: &'static str,
    /// What it says, in one sentence.
    pub help: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// In what it counts.
    pub unit: Unit,
    /// The labels of its series, in order.
    pub labels: &'static [&'static str],
    pub(super) source: Source,
}

/// Where the numbers come from.
pub(super) enum Source {
    /// One series.
    One(fn(&Snapshot) -> f64),
    /// A series for each value of the one label.
    Each(fn(&Snapshot, Put<'_>)),
    /// A series for each target.
    Target(fn(&StageSnapshot) -> f64),
    /// A series for each target and value of the second label.
    TargetEach(fn(&StageSnapshot, Put<'_>)),
    /// A distribution for each target.
    Measure(Measure),
}

/// Takes a label's value and a number.
pub(super) type Put<'a> = &'a mut dyn FnMut(&str, f64);

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Source::One(_) => "One",
            Source::Each(_) => "Each",
            Source::Target(_) => "Target",
            Source::TargetEach(_) => "TargetEach",
            Source::Measure(_) => "Measure",
        })
    }
}

/// Names and values of a series' labels.
pub(super) type Labels<'a> = &'a [(&'static str, &'a str)];

/// What is read from a snapshot, one series at a time.
pub(super) enum Sample<'a> {
    Number(f64),
    Distribution(&'a Histogram),
}

impl Metric {
    /// Every series of the metric: the values of its labels, and its sample.
    pub(super) fn each(&self, snapshot: &Snapshot, put: &mut dyn FnMut(Labels<'_>, Sample<'_>)) {
        match self.source {
            Source::One(read) => put(&[], Sample::Number(read(snapshot))),
            Source::Each(read) => {
                let label = self.labels[0];
                read(snapshot, &mut |value, n| {
                    put(&[(label, value)], Sample::Number(n));
                });
            }
            Source::Target(read) => {
                for target in &snapshot.targets {
                    let labels = [("target", &*target.target)];
                    put(&labels, Sample::Number(read(target)));
                }
            }
            Source::TargetEach(read) => {
                let label = self.labels[1];
                for target in &snapshot.targets {
                    read(target, &mut |value, n| {
                        let labels = [("target", &*target.target), (label, value)];
                        put(&labels, Sample::Number(n));
                    });
                }
            }
            Source::Measure(measure) => {
                for target in &snapshot.targets {
                    let labels = [("target", &*target.target)];
                    put(&labels, Sample::Distribution(target.measures.of(measure)));
                }
            }
        }
    }
}
