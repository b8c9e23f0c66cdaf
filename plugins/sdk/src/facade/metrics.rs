//! Counters, gauges and histograms of the `metrics` crate.

use std::sync::Arc;

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use crate::abi::MetricOp;
use crate::hosted;

struct ToHost;

pub(super) fn install() {
    // It fails only where the plugin has set a recorder of its own before; then that one stays.
    let _ = metrics::set_global_recorder(ToHost);
}

impl Recorder for ToHost {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        describe(&name, unit, &description);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        describe(&name, unit, &description);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        describe(&name, unit, &description);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(Series::new(key)))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(Series::new(key)))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Series::new(key)))
    }
}

fn describe(name: &KeyName, unit: Option<Unit>, description: &str) {
    let unit = unit.map_or("", |unit| unit.as_str());
    hosted::describe_metric(name.as_str(), unit, description);
}

/// One series: its name and its labels, encoded once.
struct Series {
    name: String,
    labels: Vec<u8>,
}

impl Series {
    fn new(key: &Key) -> Self {
        Series {
            name: key.name().to_owned(),
            labels: hosted::fields(|fields| {
                for label in key.labels() {
                    fields.key(label.key()).str(label.value());
                }
            }),
        }
    }

    fn step(&self, op: MetricOp, value: u64) {
        hosted::metric(op, &self.name, &self.labels, value);
    }
}

impl CounterFn for Series {
    fn increment(&self, value: u64) {
        self.step(MetricOp::CounterAdd, value);
    }

    fn absolute(&self, value: u64) {
        self.step(MetricOp::CounterAtLeast, value);
    }
}

impl GaugeFn for Series {
    fn increment(&self, value: f64) {
        self.step(MetricOp::GaugeAdd, value.to_bits());
    }

    fn decrement(&self, value: f64) {
        self.step(MetricOp::GaugeSubtract, value.to_bits());
    }

    fn set(&self, value: f64) {
        self.step(MetricOp::GaugeSet, value.to_bits());
    }
}

impl HistogramFn for Series {
    fn record(&self, value: f64) {
        self.step(MetricOp::Observe, value.to_bits());
    }
}
