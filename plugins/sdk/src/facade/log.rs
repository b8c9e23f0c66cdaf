//! Records of the `log` crate.

use log::kv::{self, Key, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};
use rolog_core::Level;
use rolog_core::capture::{Captured as _, ErrorArg, SerdeArg};
use rolog_core::value::Encoder;

use crate::hosted;

struct ToHost;

pub(super) fn install() {
    // It fails only where the plugin has set a logger of its own before; then that one stays.
    let _ = log::set_logger(&ToHost);
}

pub(super) fn set_level(level: u8) {
    let filter = [
        (Level::Trace, LevelFilter::Trace),
        (Level::Debug, LevelFilter::Debug),
        (Level::Information, LevelFilter::Info),
        (Level::Warning, LevelFilter::Warn),
        (Level::Critical, LevelFilter::Error),
    ]
    .into_iter()
    .find(|(at, _)| level <= at.code())
    .map_or(LevelFilter::Off, |(_, filter)| filter);
    log::set_max_level(filter);
}

impl Log for ToHost {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        super::passes(level(metadata.level()))
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let written;
        let message = if let Some(literal) = record.args().as_str() {
            literal
        } else {
            written = record.args().to_string();
            &written
        };
        let fields = fields(record);
        hosted::log(level(record.level()), record.target(), message, &fields);
    }

    fn flush(&self) {}
}

/// The key-values of a record.
fn fields(record: &Record<'_>) -> Vec<u8> {
    hosted::fields(|fields| {
        // Reading them fails only where they say so themselves; what came before stays.
        let _ = record.key_values().visit(&mut Fields(fields));
    })
}

struct Fields<'v, 'b>(&'v mut Encoder<'b>);

impl<'kvs> VisitSource<'kvs> for Fields<'_, '_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let out = self.0.key(key.as_str());
        match value.to_borrowed_error() {
            Some(error) => ErrorArg(error).encode(out),
            None => SerdeArg(&value).encode(out),
        }
        Ok(())
    }
}

fn level(level: log::Level) -> Level {
    match level {
        log::Level::Error => Level::Error,
        log::Level::Warn => Level::Warning,
        log::Level::Info => Level::Information,
        log::Level::Debug => Level::Debug,
        log::Level::Trace => Level::Trace,
    }
}

#[cfg(test)]
mod tests {
    use rolog_core::value::OwnedValue;

    use super::*;
    use crate::facade::tests::{Chain, read};

    #[test]
    fn key_values_are_fields_of_their_types() {
        let error = Chain(1);
        let pairs = [
            ("n", Value::from(7)),
            ("name", Value::from("north")),
            ("list", Value::from_serde(&[1, 2])),
            ("cause", Value::from_dyn_error(&error)),
        ];
        let record = Record::builder().key_values(&pairs).build();
        let fields = read(&fields(&record));
        let list = OwnedValue::List(vec![OwnedValue::I64(1), OwnedValue::I64(2)]);
        let plain = [
            ("n", OwnedValue::I64(7)),
            ("name", "north".into()),
            ("list", list),
        ];
        assert_eq!(
            fields[..3],
            plain.map(|(key, value)| (key.to_owned(), value))
        );
        let ("cause", OwnedValue::Error(cause)) = (&*fields[3].0, &fields[3].1) else {
            panic!("{fields:?}");
        };
        assert_eq!(
            (&*cause.text, &cause.sources[..]),
            ("1 to go", &["0 to go".into()][..])
        );
    }
}
