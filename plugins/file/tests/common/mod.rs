//! Batches and instances for the tests of the file target.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::path::Path;
use std::time::Duration;

use rolog_core::frame::{BatchBuilder, FrameMeta, LoggerRef, RecordId};
use rolog_core::level::Level;
use rolog_core::value::{Encoder, Timestamp};
use rolog_file::{Config, File};
use rolog_plugin::prelude::*;

/// Settings as a pipeline has them.
pub(crate) fn config(path: &Path, more: &str) -> Config {
    let path = serde_json::to_string(path).unwrap();
    serde_json::from_str(&format!("{{\"path\": {path}{more}}}")).unwrap()
}

/// An instance that may write, on the current runtime.
pub(crate) async fn target(config: Config) -> File {
    let context = Context::detached(Setup::new("app"));
    let target = File::create(config, context).await.unwrap();
    target.activate().await.unwrap();
    target
}

/// A batch of records of the logger `t` that say these words.
pub(crate) fn batch<'a>(messages: impl IntoIterator<Item = &'a str>) -> Batch {
    batch_of(messages.into_iter().map(|message| ("t", message)))
}

/// A batch of records, each of a logger.
pub(crate) fn batch_of<'a>(records: impl IntoIterator<Item = (&'a str, &'a str)>) -> Batch {
    let mut batch = BatchBuilder::new(1);
    let mut ids: Vec<&str> = Vec::new();
    for (sequence, (logger, message)) in records.into_iter().enumerate() {
        let known = ids.iter().position(|known| *known == logger);
        let id = known.unwrap_or_else(|| {
            ids.push(logger);
            ids.len() - 1
        });
        let mut payload = Vec::new();
        Encoder::new(&mut payload).key(message);
        let meta = FrameMeta::literal(
            RecordId {
                epoch: 1,
                sequence: sequence as u64,
            },
            Timestamp::from_nanos(0),
            Level::Information,
            LoggerRef {
                id: id as u32 + 1,
                name: logger,
            },
        );
        batch.push(&meta, &payload);
    }
    Batch::parse(batch.finish()).unwrap()
}

/// Delivers, as the first attempt.
pub(crate) async fn deliver(target: &File, batch: &Batch) -> Outcome {
    let attempt = Attempt::new(1, Duration::from_secs(30));
    target.deliver(batch, &attempt).await
}

/// The messages of a file of JSON lines, each of which must be whole.
pub(crate) fn messages(path: &Path) -> Vec<String> {
    let content = std::fs::read_to_string(path).unwrap();
    assert!(content.is_empty() || content.ends_with('\n'));
    content
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["message"].as_str().unwrap().to_owned()
        })
        .collect()
}
