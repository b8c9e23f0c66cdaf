//! A target that makes events of `tracing`.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use tracing_core::callsite::{self, Callsite, Identifier};
use tracing_core::field::{FieldSet, Value as TracingValue};
use tracing_core::metadata::Kind;
use tracing_core::subscriber::Interest;
use tracing_core::{Event, Metadata, dispatcher, field};

use crate::delivery::Outcome;
use crate::feedback;
use crate::frame::{Batch, Record};
use crate::level::Level;
use crate::target::LogTarget;
use crate::value::Value;

/// How many call sites are made; `tracing` keeps each of them for the process' life.
const SITES: usize = 1024;

/// How many fields of a record are fields of its event; further ones stand in `fields`, as text.
const FIELDS: usize = 24;

/// Hands records to the default subscriber of `tracing`: for a service whose logs go through it, while
/// parts of it use this crate.
///
/// An event's target is its logger's name, with `::` between the segments, or one fixed name. The data
/// are its fields, by their keys and of the kinds that `tracing` has; the error is one by the key
/// `error`, as text with its sources. Critical is `ERROR` there. Since `tracing` keeps a call site for
/// each set of target, level and keys, there are at most 1,024; records beyond them are events of the
/// target `rolog`, with their logger in the field `logger` and their data in `fields`.
///
/// ```
/// # fn example(factory: &rolog_core::LoggerFactory) -> Result<(), rolog_core::Error> {
/// use rolog_core::Level;
/// use rolog_core::bridge::tracing::ToTracing;
///
/// factory.add_target(ToTracing::fixed("rolog"), Level::Warning)?;
/// # Ok(())
/// # }
/// ```
///
/// What it writes is not taken by the bridge in the other direction, so that both may be there.
#[derive(Clone, Debug)]
pub struct ToTracing {
    target: Option<String>,
}

impl ToTracing {
    /// Under the name of each record's own logger.
    pub fn by_logger() -> Self {
        ToTracing { target: None }
    }

    /// Everything under this name.
    pub fn fixed(target: impl Into<String>) -> Self {
        ToTracing {
            target: Some(target.into()),
        }
    }

    fn write(&self, record: &Record<'_>) {
        let own;
        let target = if let Some(target) = &self.target {
            target.as_str()
        } else {
            own = crate::bridge::path(record.logger());
            &own
        };
        let keys: Vec<&str> = record
            .fields()
            .map(|(key, _)| key)
            .filter(|key| !OWN.contains(key))
            .take(FIELDS)
            .collect();
        let wanted = Wanted {
            target: target.to_owned(),
            level: record.level(),
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        let (site, rest) = match site(wanted) {
            Some(site) => (
                site,
                record
                    .fields()
                    .filter(|(key, _)| !keys.contains(key))
                    .collect(),
            ),
            None => (
                fallback(record.level()),
                record.fields().collect::<Vec<_>>(),
            ),
        };
        let Some(metadata) = site.metadata.get() else {
            return;
        };
        dispatcher::get_default(|dispatch| {
            if dispatch.enabled(metadata) {
                emit(record, metadata, &rest, dispatch);
            }
        });
    }
}

impl LogTarget for ToTracing {
    fn name(&self) -> String {
        "tracing".to_owned()
    }

    async fn log(&self, records: &Batch<'_>) -> Outcome {
        let _silence = feedback::silence();
        records.records().for_each(|record| self.write(&record));
        Outcome::delivered()
    }
}

/// The fields that every call site has.
const OWN: [&str; 4] = ["message", "error", "logger", "fields"];

/// Makes the event. `rest` are the data that the call site has no fields for.
fn emit(
    record: &Record<'_>,
    metadata: &'static Metadata<'static>,
    rest: &[(&str, Value<'_>)],
    dispatch: &tracing_core::Dispatch,
) {
    let message = record.message().to_string();
    let error = record.error().map(|error| Value::Error(error).to_string());
    let logger =
        (metadata.target() != crate::bridge::path(record.logger())).then(|| record.logger());
    let fields = (!rest.is_empty()).then(|| {
        let pairs: Vec<String> = rest
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        pairs.join(" ")
    });
    let values: Vec<(field::Field, Box<dyn TracingValue + '_>)> = metadata
        .fields()
        .iter()
        .filter_map(|field| {
            let value: Box<dyn TracingValue + '_> = match field.name() {
                "message" => Box::new(message.as_str()),
                "error" => Box::new(error.as_deref()?),
                "logger" => Box::new(logger?),
                "fields" => Box::new(fields.as_deref()?),
                key => value_of(record.fields().find(|(own, _)| *own == key)?.1)?,
            };
            Some((field, value))
        })
        .collect();
    let Some((first, _)) = values.first() else {
        return;
    };
    // A set of values has a length of its own; what is not there has no value.
    let mut set: [(&field::Field, Option<&dyn TracingValue>); FIELDS + OWN.len()] =
        [(first, None); FIELDS + OWN.len()];
    for (place, (field, value)) in set.iter_mut().zip(&values) {
        *place = (field, Some(&**value));
    }
    let values = metadata.fields().value_set(&set);
    dispatch.event(&Event::new(metadata, &values));
}

/// A value of the kinds that `tracing` has; others as text.
fn value_of<'v>(value: Value<'v>) -> Option<Box<dyn TracingValue + 'v>> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => Box::new(value),
        Value::I64(value) => Box::new(value),
        Value::U64(value) => Box::new(value),
        Value::I128(value) => Box::new(value),
        Value::U128(value) => Box::new(value),
        Value::F64(value) => Box::new(value),
        Value::Str(text) => Box::new(text),
        other => Box::new(other.to_string()),
    })
}

/// What a call site is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Wanted {
    target: String,
    level: Level,
    keys: Vec<String>,
}

/// A call site that was made at run time.
struct Site {
    metadata: OnceLock<Metadata<'static>>,
}

impl Callsite for Site {
    /// What a subscriber thinks of it is asked at each event.
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        self.metadata
            .get()
            .expect("a site is handed out only after its metadata was set")
    }
}

static MADE: LazyLock<Mutex<HashMap<Wanted, &'static Site>>> = LazyLock::new(Mutex::default);

/// The call site for this, unless there are too many.
fn site(wanted: Wanted) -> Option<&'static Site> {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(site) = made.get(&wanted) {
        return Some(site);
    }
    if made.len() >= SITES {
        return None;
    }
    let site = make(&wanted);
    made.insert(wanted, site);
    drop(made);
    // Outside the lock: subscribers are asked what they think of it.
    callsite::register(site);
    Some(site)
}

/// The call sites for what is beyond the bound, one a level.
fn fallback(level: Level) -> &'static Site {
    static SITES: [OnceLock<&'static Site>; Level::ALL.len()] =
        [const { OnceLock::new() }; Level::ALL.len()];
    let mut new = false;
    let site = SITES[level.index()].get_or_init(|| {
        new = true;
        make(&Wanted {
            target: "rolog".to_owned(),
            level,
            keys: Vec::new(),
        })
    });
    if new {
        callsite::register(*site);
    }
    site
}

/// Kept for the process' life, as `tracing` wants it.
fn make(wanted: &Wanted) -> &'static Site {
    fn leak(text: &str) -> &'static str {
        Box::leak(text.to_owned().into_boxed_str())
    }
    let names: Vec<&'static str> = OWN
        .into_iter()
        .chain(wanted.keys.iter().map(|key| leak(key)))
        .collect();
    let site: &'static Site = Box::leak(Box::new(Site {
        metadata: OnceLock::new(),
    }));
    let fields = FieldSet::new(Vec::leak(names), Identifier(site));
    site.metadata.get_or_init(|| {
        Metadata::new(
            "record",
            leak(&wanted.target),
            match wanted.level {
                Level::Critical | Level::Error => tracing_core::Level::ERROR,
                Level::Warning => tracing_core::Level::WARN,
                Level::Information => tracing_core::Level::INFO,
                Level::Debug => tracing_core::Level::DEBUG,
                Level::Trace => tracing_core::Level::TRACE,
            },
            None,
            None,
            None,
            fields,
            Kind::EVENT,
        )
    });
    site
}
