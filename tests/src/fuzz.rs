//! What must hold for any bytes, by reader of foreign bytes.
//!
//! The targets in `fuzz/` search for bytes that break it, and a test replays the corpus they keep, so
//! that what was once found is looked for on every run and with the stable compiler. Each function
//! panics where a promise is broken, and does nothing else.

use std::fs;
use std::path::Path;

use rolog_core::Level;
use rolog_core::frame::{Batch, BatchBuilder, Origin, Record, select};
use rolog_core::render::{JsonLine, TextLine};
use rolog_core::value::{OwnedValue, Timestamp};

/// A reader's name, and what must hold for any bytes that it is given.
pub type Target = (&'static str, fn(&[u8]));

/// Every reader of foreign bytes.
pub const TARGETS: [Target; 3] = [("frames", frames), ("lines", lines), ("pipeline", pipeline)];

/// The inputs kept for a target, in the order of their names.
///
/// # Panics
/// When there is no such folder, or it cannot be read.
pub fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target);
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<_> = entries
        .map(|entry| {
            let entry = entry.expect("the folder of the corpus can be read");
            let bytes = fs::read(entry.path()).expect("an input of the corpus can be read");
            (entry.file_name().to_string_lossy().into_owned(), bytes)
        })
        .collect();
    inputs.sort();
    inputs
}

/// The reader of batches: what it accepts can be read to the last value, can be rendered, and comes
/// out equal when it is written again, whole and split.
pub fn frames(data: &[u8]) {
    let Ok(batch) = Batch::parse(data) else {
        return;
    };
    let before: Vec<_> = batch.records().map(|record| Told::of(&record)).collect();
    assert_eq!(
        before.len(),
        batch.len(),
        "a record was accepted and cannot be read"
    );

    render(&batch);
    let mut builder = BatchBuilder::new(7);
    for record in batch.records() {
        builder.push_record(&record, None);
    }
    let again = builder.finish();
    assert_eq!(
        told(&again),
        before,
        "written again, a batch tells something else"
    );

    let odd = (0..batch.len() as u32).filter(|index| index % 2 == 1);
    let half = select(data, odd).expect("every position exists");
    let expected: Vec<_> = before.into_iter().skip(1).step_by(2).collect();
    assert_eq!(
        told(&half),
        expected,
        "a part of a batch tells something else"
    );
}

/// The reader of log lines.
pub fn lines(data: &[u8]) {
    rolog_host::lines::fuzz(data);
}

/// The reader of pipeline files.
pub fn pipeline(data: &[u8]) {
    rolog_host::config::fuzz(data);
}

/// Each record is one line, of JSON and of text that no terminal obeys.
fn render(batch: &Batch<'_>) {
    let (mut json, mut text) = (JsonLine::new().with_source(true), TextLine::new());
    let mut line = Vec::new();
    for record in batch.records() {
        line.clear();
        json.line(&record, &mut line);
        let parsed: serde_json::Value = serde_json::from_slice(&line).expect("the line is JSON");
        assert_eq!(parsed["record_id"], record.id().to_string());
        assert_eq!(parsed["message"], record.message().to_string());
        assert_eq!(
            line.iter().position(|byte| *byte == b'\n'),
            Some(line.len() - 1)
        );

        line.clear();
        text.line(&record, &mut line);
        let text = str::from_utf8(&line).expect("the line is UTF-8");
        let controls = text.find(char::is_control);
        assert_eq!(
            controls,
            Some(text.len() - 1),
            "a control character stands in {text:?}"
        );
    }
}

fn told(bytes: &[u8]) -> Vec<Told> {
    let batch = Batch::parse(bytes).expect("what a builder wrote is a batch");
    batch.records().map(|record| Told::of(&record)).collect()
}

/// All that a record tells.
#[derive(Debug, PartialEq)]
struct Told {
    id: String,
    times: (i64, Option<i64>),
    level: Level,
    texts: Vec<String>,
    origin: String,
    args: Vec<OwnedValue>,
    fields: Vec<(String, OwnedValue)>,
    flags: u16,
    payload: Vec<u8>,
}

impl Told {
    fn of(record: &Record<'_>) -> Self {
        let Origin {
            kind,
            target,
            class,
            attempts,
        } = record.origin();
        let (file, line) = record.source().unwrap_or_default();
        let error = record.error().map(|error| {
            let sources: Vec<_> = error.sources().collect();
            format!(
                "{} {error} {sources:?} {:?}",
                error.type_name(),
                error.backtrace()
            )
        });
        Told {
            id: record.id().to_string(),
            times: (
                record.time().nanos(),
                record.observed().map(Timestamp::nanos),
            ),
            level: record.level(),
            texts: vec![
                record.logger().to_owned(),
                record.message().to_string(),
                record.template().unwrap_or_default().to_owned(),
                record.module().unwrap_or_default().to_owned(),
                format!("{file}:{line}"),
                format!("{:?} {:?}", record.thread(), record.thread_id()),
                format!("{:?} {}", record.call_site_key(), record.generation()),
                error.unwrap_or_default(),
            ],
            origin: format!("{kind:?} {target:?} {class:?} {attempts}"),
            args: record.args().map(OwnedValue::from).collect(),
            fields: record
                .fields()
                .map(|(key, value)| (key.to_owned(), value.into()))
                .collect(),
            flags: record.flags(),
            payload: record.payload().to_vec(),
        }
    }
}
