//! What plugins say, on its way into the pipeline: their log records become records of the pipeline,
//! with the instance as their origin, and their metrics series of the service's recorder.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use metrics::{Key, KeyName, Label, Level as MetricLevel, Metadata, SharedString, Unit};
use rolog_core::Level;
use rolog_core::frame::{OriginKind, flags};
use rolog_core::value::{Encoder, Map, Timestamp, Value};
use rolog_plugin::abi::MetricOp;

use crate::feedback::OwnRecord;
use crate::loader::{PluginEvents, Speaker};
use crate::pipeline::Link;

/// How many series plugins may make; what comes beyond is dropped, and said once.
const SERIES: usize = 1000;

/// The ears of a pipeline.
pub(crate) struct Voices {
    link: Link,
    series: Mutex<Series>,
}

#[derive(Default)]
struct Series {
    known: HashSet<Key>,
    full: bool,
}

impl Voices {
    pub(crate) fn new(link: Link) -> Self {
        Voices {
            link,
            series: Mutex::default(),
        }
    }

    /// Whether this series is one of those that may be.
    fn admits(&self, key: &Key) -> bool {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        if series.known.contains(key) {
            return true;
        }
        if series.known.len() < SERIES {
            series.known.insert(key.clone());
            return true;
        }
        let first = !std::mem::replace(&mut series.full, true);
        drop(series);
        if let Some(pipeline) = self.link.pipeline().filter(|_| first) {
            let message =
                format!("plugins have made {SERIES} series of metrics; further ones are dropped");
            pipeline.tell(Level::Warning, None, &message);
        }
        false
    }
}

impl PluginEvents for Voices {
    fn log(&self, from: &Speaker, level: Level, logger: &str, message: &str, fields: Map<'_>) {
        let Some(pipeline) = self.link.pipeline() else {
            return;
        };
        let secrets = pipeline.secrets();
        let message = &*secrets.mask(message);
        let mut payload = Vec::new();
        let mut out = Encoder::new(&mut payload);
        out.key(logger);
        out.key(message);
        out.key("plugin").str(from.plugin());
        for (key, value) in fields.iter() {
            let out = out.key(key);
            // A secret may stand anywhere in a value; one that has any becomes its masked text.
            match secrets.mask(&value.to_string()) {
                Cow::Borrowed(_) => out.value(value),
                Cow::Owned(masked) => out.str(&masked),
            }
        }
        if payload.len() > pipeline.intake.max_record() {
            payload.clear();
            let mut out = Encoder::new(&mut payload);
            out.key(logger);
            out.key(&message[..message.floor_char_boundary(4096)]);
        }
        pipeline.put_own(OwnRecord {
            kind: OriginKind::Instance,
            target: from.target().map(str::to_owned),
            logger: logger.to_owned(),
            level,
            time: Timestamp::now(),
            flags: flags::LOGGER | flags::MESSAGE,
            call_site: 0,
            payload,
        });
    }

    fn metric(&self, from: &Speaker, op: MetricOp, name: &str, labels: Map<'_>, value: u64) {
        let mut all = vec![Label::new("plugin", from.plugin().to_owned())];
        if let Some(target) = from.target() {
            all.push(Label::new("target", target.to_owned()));
        }
        all.extend(labels.iter().map(|(key, value)| {
            let text = match value {
                Value::Str(text) => text.to_owned(),
                other => other.to_string(),
            };
            Label::new(key.to_owned(), text)
        }));
        let key = Key::from_parts(name.to_owned(), all);
        if !self.admits(&key) {
            return;
        }
        let metadata = Metadata::new("rolog", MetricLevel::INFO, None);
        let number = f64::from_bits(value);
        metrics::with_recorder(|recorder| match op {
            MetricOp::CounterAdd => recorder.register_counter(&key, &metadata).increment(value),
            MetricOp::CounterAtLeast => recorder.register_counter(&key, &metadata).absolute(value),
            MetricOp::GaugeSet => recorder.register_gauge(&key, &metadata).set(number),
            MetricOp::GaugeAdd => recorder.register_gauge(&key, &metadata).increment(number),
            MetricOp::GaugeSubtract => recorder.register_gauge(&key, &metadata).decrement(number),
            MetricOp::Observe => recorder.register_histogram(&key, &metadata).record(number),
        });
    }

    fn describe_metric(&self, _: &Speaker, name: &str, unit: &str, description: &str) {
        let (name, unit) = (KeyName::from(name.to_owned()), Unit::from_string(unit));
        let description = SharedString::from(description.to_owned());
        // The call does not say which kind it is; a recorder keeps a description by kind.
        metrics::with_recorder(|recorder| {
            recorder.describe_counter(name.clone(), unit, description.clone());
            recorder.describe_gauge(name.clone(), unit, description.clone());
            recorder.describe_histogram(name, unit, description);
        });
    }

    fn panicked(&self, from: &Speaker, place: &str, text: &str) {
        if let Some(pipeline) = self.link.pipeline() {
            let text = pipeline.secrets().mask(text).into_owned();
            let message = format!("the plugin `{}` panicked in {place}: {text}", from.plugin());
            pipeline.tell(Level::Error, from.target(), &message);
        }
    }
}
