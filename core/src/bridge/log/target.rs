//! A target that writes to the `log` crate.

use ::log::kv::{self, Key, Source, ToValue as _, VisitSource};
use ::log::{Log, Metadata, Record};

use crate::delivery::Outcome;
use crate::feedback;
use crate::frame::{self, Batch};
use crate::level::Level;
use crate::target::LogTarget;
use crate::value::{ErrorValue, Value};

/// Hands records to whatever logger the `log` crate has: for a service whose logs go through that
/// crate, while parts of it use this one.
///
/// The target of a record there is its logger's name, with `::` between the segments as that crate
/// has it, or one fixed name. Its data are key-values; its error is one by the key `error`; its
/// positional arguments are in its message only. Critical is `error` there.
///
/// ```
/// # fn example(factory: &rolog_core::LoggerFactory) -> Result<(), rolog_core::Error> {
/// use rolog_core::Level;
/// use rolog_core::bridge::log::ToLog;
///
/// factory.add_target(ToLog::by_logger(), Level::Warning)?;
/// # Ok(())
/// # }
/// ```
///
/// What it writes is not taken by the bridge in the other direction, so that both may be there.
#[derive(Clone, Debug)]
pub struct ToLog {
    target: Option<String>,
}

impl ToLog {
    /// Under the name of each record's own logger.
    pub fn by_logger() -> Self {
        ToLog { target: None }
    }

    /// Everything under this name; the record's own logger is the key-value `logger`, unless its data
    /// have one.
    pub fn fixed(target: impl Into<String>) -> Self {
        ToLog {
            target: Some(target.into()),
        }
    }

    fn write(&self, record: &frame::Record<'_>, to: &dyn Log) {
        let level = level(record.level());
        let own;
        let target = if let Some(target) = &self.target {
            target.as_str()
        } else {
            own = crate::bridge::path(record.logger());
            &own
        };
        let metadata = Metadata::builder().level(level).target(target).build();
        if level > ::log::max_level() || !to.enabled(&metadata) {
            return;
        }
        let mut fields = Fields::of(record);
        // A fixed name is not the record's logger, which would be lost.
        if self.target.is_some() && record.fields().all(|(key, _)| key != "logger") {
            let logger = Field::Value(Value::Str(record.logger()));
            fields.0.push(("logger", logger));
        }
        let mut built = Record::builder();
        built
            .metadata(metadata)
            .module_path(record.module())
            .file(record.source().map(|(file, _)| file))
            .line(record.source().map(|(_, line)| line))
            .key_values(&fields);
        to.log(&built.args(format_args!("{}", record.message())).build());
    }
}

impl LogTarget for ToLog {
    fn name(&self) -> String {
        "log".to_owned()
    }

    async fn log(&self, records: &Batch<'_>) -> Outcome {
        let _silence = feedback::silence();
        let to = ::log::logger();
        records.records().for_each(|record| self.write(&record, to));
        to.flush();
        Outcome::delivered()
    }
}

/// Data as key-values: what that crate has no kind for is text.
struct Fields<'a>(Vec<(&'a str, Field<'a>)>);

enum Field<'a> {
    Value(Value<'a>),
    Text(String),
}

impl<'a> Fields<'a> {
    fn of(record: &frame::Record<'a>) -> Self {
        let error = record.error().map(|error| ("error", Value::Error(error)));
        let fields = record.fields().chain(error);
        let fields = fields.map(|(key, value)| {
            let field = match value {
                Value::Error(error) => Field::Text(with_sources(error)),
                Value::Bytes(_)
                | Value::Timestamp(_)
                | Value::Duration(_)
                | Value::List(_)
                | Value::Map(_)
                | Value::Unknown(..) => Field::Text(value.to_string()),
                plain => Field::Value(plain),
            };
            (key, field)
        });
        Fields(fields.collect())
    }
}

impl Source for Fields<'_> {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), kv::Error> {
        for (key, field) in &self.0 {
            let value = match field {
                Field::Text(text) => kv::Value::from(text.as_str()),
                Field::Value(value) => match value {
                    Value::Bool(value) => kv::Value::from(*value),
                    Value::I64(value) => kv::Value::from(*value),
                    Value::U64(value) => kv::Value::from(*value),
                    Value::F64(value) => kv::Value::from(*value),
                    Value::I128(value) => value.to_value(),
                    Value::U128(value) => value.to_value(),
                    Value::Str(text) => kv::Value::from(*text),
                    _ => kv::Value::null(),
                },
            };
            visitor.visit_pair(Key::from_str(key), value)?;
        }
        Ok(())
    }
}

/// An error's text, and those of its sources.
fn with_sources(error: ErrorValue<'_>) -> String {
    let mut text = error.text().to_owned();
    for source in error.sources() {
        text.push_str(": ");
        text.push_str(source);
    }
    text
}

fn level(level: Level) -> ::log::Level {
    match level {
        Level::Critical | Level::Error => ::log::Level::Error,
        Level::Warning => ::log::Level::Warn,
        Level::Information => ::log::Level::Info,
        Level::Debug => ::log::Level::Debug,
        Level::Trace => ::log::Level::Trace,
    }
}
