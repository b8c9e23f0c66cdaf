//! Loggers and macros from outside: what a call says is what the pump gets.

#![allow(clippy::unwrap_used, reason = "a test that fails to unwrap has failed")]

mod bench;
#[cfg(unix)]
#[path = "../child/mod.rs"]
mod child;
mod misbehaving;
#[cfg(all(feature = "log", feature = "tracing"))]
mod plugin_voice;
mod waiting;

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use rolog_core::frame::{Batch, Record};
use rolog_core::intake::{DropReason, IntakeConfig};
use rolog_core::value::{OwnedValue, Timestamp, Value};
use rolog_core::{
    Level, Logger, TypedLogger, critical, debug, error, exception, info, log, trace, warning,
};

use crate::bench::Bench;

fn fields(record: Record<'_>) -> Vec<(String, OwnedValue)> {
    record
        .fields()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[derive(Debug)]
struct Outer(std::num::ParseIntError);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot read the count")
    }
}

impl StdError for Outer {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

fn outer() -> Outer {
    Outer("x".parse::<u8>().unwrap_err())
}

#[test]
fn template_arguments_and_data_arrive_as_data() {
    let mut bench = Bench::new();
    info!(
        bench.log(),
        "Hello, {name}! {}",
        1,
        2.5,
        "three",
        cool = true,
        name = "World"
    );
    bench.one(|record| {
        assert_eq!(record.logger(), "shop.orders");
        assert_eq!(record.level(), Level::Information);
        assert_eq!(record.template(), Some("Hello, {name}! {}"));
        assert_eq!(record.message().to_string(), "Hello, World! 1");
        assert_eq!(record.module(), Some(module_path!()));
        assert_eq!(record.source().unwrap().0, file!());
        let args: Vec<OwnedValue> = record.args().map(|v| v.to_owned()).collect();
        assert_eq!(
            args,
            [OwnedValue::I64(1), OwnedValue::F64(2.5), "three".into()]
        );
        assert_eq!(
            fields(record),
            [
                ("cool".into(), OwnedValue::Bool(true)),
                ("name".into(), "World".into())
            ]
        );
    });
}

#[test]
fn holes_with_a_number_take_nothing_from_those_without() {
    let mut bench = Bench::new();
    info!(bench.log(), "{0} {} {1} {other} {}", "a", "b");
    bench.one(|record| assert_eq!(record.message().to_string(), "a a b b {}"));
}

#[test]
fn every_level_has_its_macro() {
    let mut bench = Bench::new();
    let log = bench.log();
    trace!(log, "t");
    debug!(log, "d");
    info!(log, "i");
    warning!(log, "w");
    error!(log, "e");
    critical!(log, "c");
    log!(log, Level::Warning, "by value {n}", n = 1);
    let bytes = bench.batch();
    let batch = Batch::parse(&bytes).unwrap();
    let levels: Vec<Level> = batch.records().map(|record| record.level()).collect();
    assert_eq!(levels[..6], Level::ALL);
    assert_eq!(levels[6], Level::Warning);
}

#[test]
fn values_of_any_shape_are_kept_as_data() {
    #[derive(serde::Serialize)]
    struct Line<'a> {
        sku: &'a str,
        amount: Option<u32>,
    }
    #[derive(serde::Serialize)]
    enum State {
        Open,
        Closed { by: String },
        Moved(u8, u8),
    }
    let mut bench = Bench::new();
    let lines = vec![
        Line {
            sku: "a",
            amount: Some(2),
        },
        Line {
            sku: "b",
            amount: None,
        },
    ];
    let states = [
        State::Open,
        State::Closed { by: "me".into() },
        State::Moved(1, 2),
    ];
    let numbers = BTreeMap::from([(1, "one")]);
    info!(
        bench.log(), "shapes",
        lines = lines, states = states, numbers = numbers, r#type = 'x',
        http.status = 503_u16, "quoted key" = i128::MIN, huge = u128::MAX,
        debug = ?Some(1), display = %1.5, none = None::<u8>, took = Duration::from_millis(1500),
        raw = b"\x00\xff", nan = f64::NAN,
    );
    let map = |entries: &[(&str, OwnedValue)]| {
        OwnedValue::Map(
            entries
                .iter()
                .map(|(k, v)| ((*k).to_owned(), v.clone()))
                .collect(),
        )
    };
    bench.one(|record| {
        let expected: Vec<(String, OwnedValue)> = [
            (
                "lines",
                OwnedValue::List(vec![
                    map(&[("sku", "a".into()), ("amount", OwnedValue::U64(2))]),
                    map(&[("sku", "b".into()), ("amount", OwnedValue::Null)]),
                ]),
            ),
            (
                "states",
                OwnedValue::List(vec![
                    "Open".into(),
                    map(&[("Closed", map(&[("by", "me".into())]))]),
                    map(&[(
                        "Moved",
                        OwnedValue::List(vec![OwnedValue::U64(1), OwnedValue::U64(2)]),
                    )]),
                ]),
            ),
            ("numbers", map(&[("1", "one".into())])),
            ("type", "x".into()),
            ("http.status", OwnedValue::U64(503)),
            ("quoted key", OwnedValue::I128(i128::MIN)),
            ("huge", OwnedValue::U128(u128::MAX)),
            ("debug", "Some(1)".into()),
            ("display", "1.5".into()),
            ("none", OwnedValue::Null),
            ("took", OwnedValue::Duration(Duration::from_millis(1500))),
            ("raw", OwnedValue::Bytes(vec![0, 255])),
            ("nan", OwnedValue::F64(f64::NAN)),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        assert_eq!(fields(record), expected);
    });
}

#[test]
fn an_exception_carries_its_type_text_and_sources() {
    let mut bench = Bench::new();
    exception!(bench.log(), outer(), "order {id} failed", id = 7);
    bench.one(|record| {
        assert_eq!(record.level(), Level::Error);
        assert_eq!(record.message().to_string(), "order 7 failed");
        let error = record.error().unwrap();
        assert!(error.type_name().ends_with("Outer"));
        assert_eq!(error.text(), "cannot read the count");
        assert_eq!(
            error.sources().collect::<Vec<_>>(),
            ["invalid digit found in string"]
        );
    });
    let boxed: Box<dyn StdError + Send + Sync> = Box::new(outer());
    critical!(bench.log(), "giving up", exception = boxed, left = 1);
    bench.one(|record| {
        assert_eq!(record.level(), Level::Critical);
        assert!(
            record
                .error()
                .unwrap()
                .to_string()
                .ends_with(": invalid digit found in string")
        );
        assert_eq!(fields(record), [("left".into(), OwnedValue::I64(1))]);
    });
    warning!(bench.log(), "as data", cause = outer());
    bench.one(|record| {
        assert!(record.error().is_none());
        assert!(matches!(fields(record)[0].1, OwnedValue::Error(_)));
    });
}

#[test]
fn an_error_is_of_one_type_however_it_is_borrowed() {
    let mut bench = Bench::new();
    let log = bench.log();
    let error = outer();
    let pointed: &dyn StdError = &error;
    exception!(log, error, "itself");
    exception!(log, &error, "borrowed");
    exception!(log, &&error, "twice");
    exception!(log, &mut outer(), "mutably");
    exception!(log, pointed, "as any");
    exception!(log, &pointed, "as any, borrowed");
    warning!(log, "as data", cause = &error);
    log.record(Level::Error, "built").error(&&error).send();
    let bytes = bench.batch();
    let batch = Batch::parse(&bytes).unwrap();
    let types: Vec<String> = batch
        .records()
        .map(|record| match (record.error(), record.fields().next()) {
            (Some(error), _) | (None, Some((_, Value::Error(error)))) => error.type_name().into(),
            other => panic!("{other:?}"),
        })
        .collect();
    let own = std::any::type_name::<Outer>();
    let any = std::any::type_name::<dyn StdError>();
    assert_eq!(types, [own, own, own, own, any, any, own, own]);
}

#[test]
fn a_message_made_at_run_time_is_never_a_template() {
    let mut bench = Bench::new();
    let text = String::from("from a user: {id}");
    info!(bench.log(), text, id = 1);
    bench.one(|record| {
        assert_eq!(record.message().to_string(), "from a user: {id}");
        assert_eq!(record.template(), None);
        assert_eq!(fields(record), [("id".into(), OwnedValue::I64(1))]);
    });
}

#[test]
fn a_record_built_at_run_time_has_all_parts() {
    let mut bench = Bench::new();
    let log = bench.factory.passing_logger("from.elsewhere");
    log.record(Level::Warning, "moved")
        .time(Timestamp::from_nanos(99))
        .arg("a")
        .field("n", [1, 2])
        .error(&outer())
        .send();
    bench.one(|record| {
        assert_eq!(record.logger(), "from.elsewhere");
        assert_eq!(record.time(), Timestamp::from_nanos(99));
        assert_eq!(record.args().count(), 1);
        assert_eq!(record.error().unwrap().sources().count(), 1);
        assert_eq!(
            fields(record),
            [(
                "n".into(),
                OwnedValue::List(vec![OwnedValue::I64(1), OwnedValue::I64(2)])
            )]
        );
    });
}

#[test]
fn the_same_name_gives_the_same_logger_and_types_name_theirs() {
    struct OrderService;
    let bench = Bench::new();
    assert_eq!(bench.log().id(), bench.log().id());
    assert_ne!(bench.log().id(), bench.factory.get_logger("other").id());
    let typed: TypedLogger<OrderService> = bench.factory.typed();
    assert!(typed.name().starts_with("logging::") && typed.name().ends_with("::OrderService"));
}

#[test]
fn a_closed_gate_evaluates_nothing() {
    let mut bench = Bench::new();
    let log = bench.factory.get_logger("mute");
    let mut asked = false;
    info!(
        log,
        "never",
        value = {
            asked = true;
            1
        }
    );
    assert!(!asked && !log.is_enabled(Level::Critical));
    bench.factory.set_min_level(Level::Warning).unwrap();
    let late = bench.factory.get_logger("late");
    assert!(!late.is_enabled(Level::Information) && late.is_enabled(Level::Warning));
    assert_eq!(Batch::parse(&bench.batch()).unwrap().len(), 0);
}

struct Panics;

impl fmt::Display for Panics {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("a value that panics");
    }
}

#[test]
fn a_value_that_panics_publishes_nothing_and_is_counted() {
    let mut bench = Bench::new();
    info!(bench.log(), "bad", value = %Panics);
    info!(bench.log(), "good");
    bench.one(|record| assert_eq!(record.message().to_string(), "good"));
    let counts = bench.intake.counts();
    assert_eq!(counts.dropped(DropReason::Panicked), 1);
    assert!(counts.is_balanced());
}

struct Logs(Logger);

impl fmt::Display for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!(self.0, "inner");
        f.write_str("said")
    }
}

struct LogsItself(Logger);

impl fmt::Display for LogsItself {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!(self.0, "deeper", value = %self);
        f.write_str("said")
    }
}

#[test]
fn a_value_that_logs_is_logged_and_so_is_what_it_logs() {
    let mut bench = Bench::new();
    info!(bench.log(), "outer", value = %Logs(bench.log()));
    let bytes = bench.batch();
    let batch = Batch::parse(&bytes).unwrap();
    let texts: Vec<String> = batch.records().map(|r| r.message().to_string()).collect();
    assert_eq!(texts.len(), 2);
    assert!(texts.contains(&"inner".to_owned()) && texts.contains(&"outer".to_owned()));
}

#[test]
fn a_value_that_logs_itself_comes_to_an_end() {
    let mut bench = Bench::new();
    info!(bench.log(), "outer", value = %LogsItself(bench.log()));
    let bytes = bench.batch();
    assert_eq!(Batch::parse(&bytes).unwrap().len(), 8);
    let counts = bench.intake.counts();
    assert_eq!(counts.dropped(DropReason::Reentrant), 1);
    assert!(counts.is_balanced());
}

#[test]
fn a_record_that_is_too_long_is_cut_with_a_mark() {
    let mut bench = Bench::with(IntakeConfig {
        max_record: 4096,
        ..IntakeConfig::default()
    });
    let long = "ä".repeat(10_000);
    let list: Vec<u64> = (0..10_000).collect();
    info!(
        bench.log(),
        "long {n}",
        long,
        n = 7,
        text = long,
        list = list
    );
    bench.one(|record| {
        assert!(record.is_truncated());
        assert!(record.payload().len() <= 4096);
        assert_eq!(record.message().to_string(), "long 7");
        let fields = fields(record);
        assert_eq!(fields[0].1, OwnedValue::I64(7), "what is short stays whole");
        assert!(fields[1].1.to_string().ends_with("[… 20000 bytes in all]"));
        assert!(fields[2].1.to_string().starts_with("[a list of 90"));
    });
    let many: BTreeMap<String, u32> = (0..9).map(|n| (n.to_string().repeat(900), n)).collect();
    let log = bench.factory.passing_logger("x");
    let mut record = log.record(Level::Error, "many").field("n", 1);
    for n in 0..500 {
        record = record.field(&format!("key{n}"), "v".repeat(50));
    }
    record.field("map", many).send();
    bench.one(|record| {
        assert!(record.payload().len() <= 4096);
        assert_eq!(fields(record).last().unwrap().0, "fields_left_out");
    });
}
