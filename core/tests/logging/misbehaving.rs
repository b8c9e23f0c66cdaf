//! Values whose own code logs, fails or panics: they harm nobody but themselves.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rolog_core::frame::Batch;
use rolog_core::intake::DropReason;
use rolog_core::logger::is_capturing;
use rolog_core::{Level, Logger, info};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, Serializer};

use crate::bench::{Bench, at_once};

struct LogsItselfTwice(Logger);

impl fmt::Display for LogsItselfTwice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!(self.0, "first", value = %self);
        assert!(is_capturing(), "a refusal inside is not the end of it");
        info!(self.0, "second", value = %self);
        f.write_str("said")
    }
}

#[test]
fn a_value_that_logs_itself_twice_comes_to_an_end() {
    let mut bench = Bench::new();
    info!(bench.log(), "outer", value = %LogsItselfTwice(bench.log()));
    assert!(!is_capturing());
    let bytes = bench.batch();
    // Each of eight depths has two records for each of the one above, and those of the ninth are refused.
    assert_eq!(Batch::parse(&bytes).unwrap().len(), (1 << 8) - 1);
    let counts = bench.intake.counts();
    assert_eq!(counts.dropped(DropReason::Reentrant), 1 << 8);
    assert!(counts.is_balanced());
}

/// Fails, or panics, in the middle of a list within a map.
struct GivesUp {
    panics: bool,
}

impl Serialize for GivesUp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Inner(bool);
        impl Serialize for Inner {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut list = serializer.serialize_seq(None)?;
                list.serialize_element("begun")?;
                assert!(!self.0, "a value that panics");
                Err(S::Error::custom("no more"))
            }
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("inner", &Inner(self.panics))?;
        map.end()
    }
}

const FAILS: GivesUp = GivesUp { panics: false };
const PANICS: GivesUp = GivesUp { panics: true };

/// A value that goes on where one of its parts has failed.
struct Tolerant(&'static str);

impl Serialize for Tolerant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            "list" => {
                let mut list = serializer.serialize_seq(None)?;
                list.serialize_element(&1)?;
                let _ = list.serialize_element(&FAILS);
                let _ = catch_unwind(AssertUnwindSafe(|| list.serialize_element(&PANICS)));
                list.serialize_element(&2)?;
                let _ = list.serialize_element(&FAILS);
                list.end()
            }
            "struct" => {
                let mut fields = serializer.serialize_struct("Tolerant", 3)?;
                fields.serialize_field("one", &1)?;
                let _ = fields.serialize_field("bad", &FAILS);
                fields.serialize_field("two", &2)?;
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    fields.serialize_field("worse", &PANICS)
                }));
                fields.end()
            }
            how => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("one", &1)?;
                match how {
                    "entry" => drop(map.serialize_entry("bad", &FAILS)),
                    "panic" => drop(catch_unwind(AssertUnwindSafe(|| {
                        map.serialize_entry("bad", &PANICS)
                    }))),
                    "value after a panic" => {
                        map.serialize_key("bad")?;
                        let _ = catch_unwind(AssertUnwindSafe(|| map.serialize_value(&PANICS)));
                        assert!(map.serialize_value(&1).is_err());
                    }
                    "key" => assert!(map.serialize_key(&FAILS).is_err()),
                    "two keys" => map.serialize_key("lost")?,
                    "two values" => assert!(map.serialize_value(&7).is_err()),
                    other => panic!("{other} is no way to misbehave"),
                }
                map.serialize_entry("two", &2)?;
                map.serialize_key("at the end")?;
                map.end()
            }
        }
    }
}

#[test]
fn a_part_that_fails_within_a_value_leaves_the_rest_and_the_batch_whole() {
    let map = "{one: 1, two: 2}";
    for (how, shown) in [
        ("list", "[1, 2]"),
        ("struct", map),
        ("entry", map),
        ("panic", map),
        ("value after a panic", map),
        ("key", map),
        ("two keys", map),
        ("two values", map),
    ] {
        let mut bench = Bench::new();
        info!(bench.log(), "before");
        info!(
            bench.log(),
            "{}",
            Tolerant(how),
            nested = [Tolerant(how)],
            n = 7
        );
        info!(bench.log(), "after");
        let bytes = bench.batch();
        let batch = Batch::parse(&bytes).unwrap_or_else(|error| panic!("{how}: {error}"));
        let texts: Vec<String> = batch.records().map(|r| r.message().to_string()).collect();
        assert_eq!(texts, ["before", shown, "after"], "{how}");
        let fields: Vec<_> = batch.get(1).unwrap().fields().collect();
        let fields: Vec<_> = fields.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(fields, [format!("nested=[{shown}]"), "n=7".into()], "{how}");
    }
}

#[test]
fn a_value_that_fails_is_replaced_by_what_it_says() {
    let mut bench = Bench::new();
    info!(bench.log(), "{}", FAILS, n = 7);
    bench.one(|record| {
        assert_eq!(record.message().to_string(), "[not serializable: no more]");
        assert_eq!(record.fields().count(), 1);
    });
}

/// Builds a record of itself while it is asked.
struct BuildsItself(Logger);

impl Serialize for BuildsItself {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let deeper = self.0.record(Level::Warning, "deeper");
        deeper.field("value", self).send();
        serializer.serialize_unit()
    }
}

#[derive(Debug)]
struct BadError;

impl fmt::Display for BadError {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("an error that panics");
    }
}

impl std::error::Error for BadError {}

#[test]
fn a_value_that_panics_while_a_record_is_built_drops_that_record_alone() {
    let mut bench = Bench::new();
    let log = bench.log();
    let bad = || log.record(Level::Warning, "bad");
    bad().field("value", PANICS).field("n", 1).send();
    bad().arg(PANICS).arg(PANICS).send();
    bad().error(&BadError).send();
    assert!(bad().arg(PANICS).block().unwrap_err().is_value());
    assert!(at_once(bad().arg(PANICS).wait()).unwrap_err().is_value());
    assert!(at_once(bad().arg(PANICS).receipt()).unwrap_err().is_value());
    log.record(Level::Warning, "good").field("n", 1).send();
    bench.one(|record| assert_eq!(record.message().to_string(), "good"));
    let counts = bench.intake.counts();
    assert_eq!(counts.dropped(DropReason::Panicked), 6);
    assert!(counts.is_balanced());
    assert!(!is_capturing());
}

#[test]
fn a_value_that_builds_records_of_itself_comes_to_an_end() {
    let mut bench = Bench::new();
    let value = BuildsItself(bench.log());
    let log = bench.log();
    log.record(Level::Warning, "outer")
        .field("value", &value)
        .send();
    let bytes = bench.batch();
    assert_eq!(Batch::parse(&bytes).unwrap().len(), 8);
    let counts = bench.intake.counts();
    assert_eq!(counts.dropped(DropReason::Reentrant), 1);
    assert!(counts.is_balanced());
}
