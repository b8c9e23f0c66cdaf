//! The target that writes to `log`, into a logger of the service's own.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use log::kv::{self, Key, VisitSource};
use rolog_core::{critical, debug, exception, info, trace, warning};
use rolog_host::Host;
use rolog_host::config::{self, Env};

const LONG: Duration = Duration::from_mins(1);
const YAML: &str = "
version: 1
levels: { '**': trace }
targets:
  own: { plugin: log }
  old: { plugin: log, config: { target: legacy } }
routes:
  - { logger: 'old.**', to: old, final: true }
  - { logger: 'shop.**', to: own }
";

#[derive(Debug, PartialEq)]
struct Said {
    level: log::Level,
    target: String,
    text: String,
    file: Option<String>,
    values: BTreeMap<String, String>,
}

struct Ours(Mutex<Vec<Said>>);

static OURS: Ours = Ours(Mutex::new(Vec::new()));

impl log::Log for Ours {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target() != "shop::muted"
    }

    fn log(&self, record: &log::Record<'_>) {
        struct Values(BTreeMap<String, String>);
        impl<'k> VisitSource<'k> for Values {
            fn visit_pair(&mut self, key: Key<'k>, value: kv::Value<'k>) -> Result<(), kv::Error> {
                self.0.insert(key.to_string(), value.to_string());
                Ok(())
            }
        }
        let mut values = Values(BTreeMap::new());
        record.key_values().visit(&mut values).unwrap();
        self.0.lock().unwrap().push(Said {
            level: record.level(),
            target: record.target().to_owned(),
            text: record.args().to_string(),
            file: record.file().map(str::to_owned),
            values: values.0,
        });
    }

    fn flush(&self) {}
}

#[test]
fn records_reach_the_logger_of_the_service_with_all_that_they_say() {
    log::set_logger(&OURS).unwrap();
    log::set_max_level(log::LevelFilter::Debug);
    let spec = config::parse(YAML, "pipeline.yaml", "/", &Env::empty());
    let spec = spec.unwrap_or_else(|problems| panic!("{problems}"));
    let host = Host::builder().pipeline(spec).start().unwrap();
    let log = host.factory().get_logger("shop.db");
    info!(
        log,
        "order {id} of {}",
        "Ada",
        id = 42,
        total = 19.5,
        paid = true,
        tags = vec!["a", "b"],
        most = u64::MAX
    );
    exception!(log, std::io::Error::other("full"), "failed");
    critical!(log, "worst");
    warning!(host.factory().get_logger("old.part"), "moved");
    debug!(log, "more");
    trace!(log, "too much for `log`'s own bound");
    info!(host.factory().get_logger("shop.muted"), "not wanted there");
    assert!(host.dispose_blocking(LONG).is_complete());

    let said = std::mem::take(&mut *OURS.0.lock().unwrap());
    let (legacy, said): (Vec<_>, Vec<_>) =
        said.into_iter().partition(|said| said.target == "legacy");
    let values = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    assert!(said.iter().all(|said| said.target == "shop::db"));
    assert_eq!(said[0].level, log::Level::Info);
    assert_eq!(said[0].text, "order 42 of Ada");
    assert!(said[0].file.as_ref().unwrap().ends_with("to_log.rs"));
    assert_eq!(
        said[0].values,
        values(&[
            ("id", "42"),
            ("total", "19.5"),
            ("paid", "true"),
            ("tags", "[\"a\", \"b\"]"),
            ("most", "18446744073709551615"),
        ])
    );
    assert_eq!(
        (said[1].level, said[1].text.as_str()),
        (log::Level::Error, "failed")
    );
    assert_eq!(said[1].values, values(&[("error", "full")]));
    assert_eq!(
        (said[2].level, said[2].text.as_str()),
        (log::Level::Error, "worst")
    );
    assert_eq!(
        (said[3].level, said[3].text.as_str()),
        (log::Level::Debug, "more")
    );
    assert_eq!(said.len(), 4, "{said:?}");
    assert_eq!(legacy.len(), 1);
    assert_eq!(
        (legacy[0].level, legacy[0].text.as_str()),
        (log::Level::Warn, "moved")
    );
    assert_eq!(legacy[0].values, values(&[("logger", "old.part")]));
}
