//! Targets that take over, at a reload, what others used until then.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rolog_core::delivery::{Failure, Outcome};
use rolog_core::frame::Batch;
use rolog_core::value::Value;
use rolog_core::{Level, LogTarget, log};
use rolog_host::Host;
use rolog_host::stage::Measure;
use rolog_plugin::prelude as sdk;

const LONG: Duration = Duration::from_mins(1);

/// What lies in one place, and who is writing there.
#[derive(Default)]
struct Place {
    writers: usize,
    together: usize,
    records: Vec<(String, u64)>,
}

static PLACES: Mutex<BTreeMap<String, Place>> = Mutex::new(BTreeMap::new());

fn at<R>(place: &str, look: impl FnOnce(&mut Place) -> R) -> R {
    look(PLACES.lock().unwrap().entry(place.to_owned()).or_default())
}

fn numbered(records: &Batch<'_>) -> Vec<(String, u64)> {
    let number = |record: &rolog_core::frame::Record<'_>| {
        record.fields().find_map(|(key, value)| match value {
            Value::U64(n) if key == "n" => Some(n),
            _ => None,
        })
    };
    let of_test = records.records().filter_map(|record| {
        let n = number(&record)?;
        Some((record.logger().to_owned(), n))
    });
    of_test.collect()
}

/// Puts records into a place that only one may write to at a time, and takes its time for it.
struct Shelf(String);

#[derive(serde::Deserialize)]
struct Settings {
    place: String,
}

impl rolog_plugin::Target for Shelf {
    type Config = Settings;

    fn validate(settings: &Settings, _: &sdk::Setup) -> Result<sdk::Plan, sdk::ConfigError> {
        Ok(sdk::Plan::new().resource(format!("place:{}", settings.place)))
    }

    async fn create(settings: Settings, _: sdk::Context) -> Result<Self, Failure> {
        Ok(Shelf(settings.place))
    }

    async fn deliver(&self, batch: &sdk::Batch, _: &sdk::Attempt) -> Outcome {
        let records = numbered(&batch.view());
        at(&self.0, |place| {
            place.writers += 1;
            place.together = place.together.max(place.writers);
        });
        // The work itself, long enough for another writer to come in between.
        tokio::time::sleep(Duration::from_millis(3)).await;
        at(&self.0, |place| {
            place.writers -= 1;
            place.records.extend(records);
        });
        Outcome::delivered()
    }
}

rolog_plugin::export_target!(Shelf, name = "shelf");

/// Two or three targets, each with its place; `-` for one that is not there.
fn yaml(places: [&str; 3]) -> String {
    let named = ["a", "b", "c"].into_iter().zip(places);
    let named: Vec<_> = named.filter(|(_, place)| *place != "-").collect();
    let targets = named.iter().map(|(name, place)| {
        format!(
            "  {name}: {{ plugin: shelf, config: {{ place: {place} }}, flush: {{ interval: 1ms, max_size: 4 }} }}\n"
        )
    });
    let routes = named
        .iter()
        .map(|(name, _)| format!("  - {{ logger: {name}, to: {name} }}\n"));
    format!(
        "version: 1\nlevels: {{ rolog: off }}\ntargets:\n{}routes:\n{}",
        targets.collect::<Vec<_>>().concat(),
        routes.collect::<Vec<_>>().concat()
    )
}

#[test]
fn targets_that_swap_their_places_never_write_to_one_together() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pipeline.yaml");
    fs::write(&file, yaml(["x", "y", "-"])).unwrap();
    let host = Host::builder()
        .file(&file)
        .watch(false)
        .link(rolog_plugin::linked::<Shelf>())
        .start()
        .unwrap();
    let loggers = ["a", "b"].map(|name| host.factory().get_logger(name));
    let mut n = 0;
    // Round in two, round in three, along a chain, and to one that is new.
    let steps = [
        ["y", "x", "-"],
        ["x", "y", "-"],
        ["y", "z", "-"],
        ["z", "x", "-"],
        ["x", "z", "y"],
        ["y", "x", "z"],
        ["z", "y", "x"],
        ["y", "x", "-"],
    ];
    for step in steps.iter().cycle().take(40) {
        for _ in 0..10 {
            for logger in &loggers {
                log!(logger, Level::Information, "numbered", n = n);
            }
            n += 1;
        }
        fs::write(&file, yaml(*step)).unwrap();
        host.reload_blocking()
            .unwrap_or_else(|error| panic!("{step:?}: {error}"));
    }
    let report = host.dispose_blocking(LONG);
    assert!(report.is_complete() && report.ledger.balances(), "{report}");
    assert_eq!(report.lost(), 0, "{report}");
    let mut arrived: Vec<(String, u64)> = Vec::new();
    for place in ["x", "y", "z"] {
        let (together, records) = at(place, |place| {
            (place.together, std::mem::take(&mut place.records))
        });
        assert_eq!(together, 1, "{place}");
        arrived.extend(records);
    }
    arrived.sort();
    let expected = ["a", "b"]
        .into_iter()
        .flat_map(|name| (0..n).map(move |n| (name.to_owned(), n)));
    assert_eq!(arrived, expected.collect::<Vec<_>>());
}

/// The service's own target: slow, and only one batch at a time.
struct Own(Arc<Mutex<Place>>);

impl LogTarget for Own {
    async fn log(&self, records: &Batch<'_>) -> Outcome {
        {
            let mut place = self.0.lock().unwrap();
            place.writers += 1;
            place.together = place.together.max(place.writers);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut place = self.0.lock().unwrap();
        place.writers -= 1;
        place.records.extend(numbered(records));
        Outcome::delivered()
    }
}

#[test]
fn a_target_of_the_services_own_that_was_taken_away_can_be_named_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pipeline.yaml");
    let with = |own: bool| {
        let (target, to) = if own {
            ("own: { plugin: in-process, flush: { max_size: 1 } }", "own")
        } else {
            ("other: { plugin: memory }", "other")
        };
        let text = format!(
            "version: 1\nlevels: {{ rolog: off }}\ntargets: {{ {target} }}\nroutes: [{{ to: {to} }}]\n"
        );
        fs::write(&file, text).unwrap();
    };
    with(true);
    let place = Arc::new(Mutex::new(Place::default()));
    let host = Host::builder()
        .file(&file)
        .watch(false)
        .target("own", Own(Arc::clone(&place)))
        .start()
        .unwrap();
    let logger = host.factory().get_logger("a");
    let say = |n: u64| log!(logger, Level::Information, "numbered", n = n);
    let until = |what: &str, met: &dyn Fn() -> bool| {
        let end = Instant::now() + LONG;
        while !met() {
            assert!(Instant::now() < end, "{what}: {:#?}", host.ledger());
            std::thread::yield_now();
        }
    };
    for round in 0..4u64 {
        for n in 0..3 {
            say(round * 3 + n);
        }
        until("it has its records", &|| {
            host.ledger().target("own").unwrap().accepted == 3
        });
        with(false);
        host.reload_blocking().unwrap();
        if round == 2 {
            // Named again when it has ended, and else while it still delivers.
            until("it has ended", &|| place.lock().unwrap().records.len() == 9);
        }
        with(true);
        host.reload_blocking().unwrap();
    }
    say(12);
    let report = host.dispose_blocking(LONG);
    assert!(report.is_complete() && report.ledger.balances(), "{report}");
    let place = place.lock().unwrap();
    let numbers: Vec<u64> = place.records.iter().map(|(_, n)| *n).collect();
    assert_eq!(numbers, (0..13).collect::<Vec<_>>());
    assert_eq!(place.together, 1);
}

/// Delivers when it is let.
struct Gated(Arc<tokio::sync::Semaphore>);

impl LogTarget for Gated {
    async fn log(&self, _: &Batch<'_>) -> Outcome {
        drop(self.0.acquire().await.unwrap());
        Outcome::delivered()
    }
}

#[test]
fn a_name_that_comes_back_has_one_series_and_no_counter_falls() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pipeline.yaml");
    let with = |name: &str, plugin: &str| {
        let text = format!(
            "version: 1
levels: {{ rolog: off }}
targets: {{ {name}: {{ plugin: {plugin}, flush: {{ max_size: 1 }} }} }}
routes: [{{ to: {name} }}]
"
        );
        fs::write(&file, text).unwrap();
    };
    with("own", "in-process");
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let host = Host::builder().file(&file).watch(false);
    let host = host
        .target("own", Gated(Arc::clone(&gate)))
        .start()
        .unwrap();
    let logger = host.factory().get_logger("a");
    let told = || {
        let targets = host.metrics().targets;
        let mut own = targets.into_iter().filter(|one| &*one.target == "own");
        let first = own.next().expect("it is there");
        assert!(own.next().is_none(), "one series");
        first
    };
    let until = |what: &str, met: &dyn Fn() -> bool| {
        let end = Instant::now() + LONG;
        while !met() {
            assert!(Instant::now() < end, "{what}: {:#?}", host.ledger());
            std::thread::yield_now();
        }
    };
    (0..3u64).for_each(|n| log!(logger, Level::Information, "first", n = n));
    until("the first has its records", &|| told().row.accepted == 3);
    for name in ["other", "own"] {
        with(name, "memory");
        host.reload_blocking().unwrap();
    }
    (0..2u64).for_each(|n| log!(logger, Level::Information, "second", n = n));
    until("the second has its own", &|| told().row.accepted == 5);
    let delivered = std::cell::Cell::new(told().row.delivered);
    assert!(told().row.queued >= 3 && delivered.get() <= 2);
    gate.add_permits(1);
    until("all have arrived", &|| {
        let now = told().row.delivered;
        assert!(now >= delivered.replace(now), "a counter fell");
        now == 5
    });
    until("the first has ended", &|| {
        host.ledger().removed.delivered == 3
    });
    assert_eq!((told().row.delivered, told().row.queued), (5, 0));
    let attempts = told().measures.of(Measure::DeliverySeconds).count();
    assert_eq!(attempts, told().row.attempts);
    let report = host.dispose_blocking(LONG);
    assert!(report.is_complete() && report.ledger.balances(), "{report}");
}
