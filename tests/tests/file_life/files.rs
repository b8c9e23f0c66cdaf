//! Instances, and what their files hold.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rolog_core::delivery::{Failure, Outcome};
use rolog_host::instance::Instance;
use rolog_host::loader::LoaderSettings;
use rolog_tests::artifacts;
use rolog_tests::plugins::{attempt, batch, instance, loader};
use serde_json::Value;

/// An instance of the loaded plugin that may write.
pub(crate) async fn target(config: &Value) -> Result<Arc<dyn Instance>, Failure> {
    let (loader, _) = loader(LoaderSettings::default());
    let library = loader.load(artifacts::library("file")).unwrap();
    let target = instance(&library, "app", config).await?;
    target.activate().await?;
    Ok(target)
}

pub(crate) async fn deliver(target: &Arc<dyn Instance>, words: &[String]) -> Outcome {
    let records = batch(words.iter().map(String::as_str));
    target.deliver(records, attempt(1)).await
}

/// Messages that tell their number, and have a length.
pub(crate) fn numbered(from: usize, count: usize) -> Vec<String> {
    (from..from + count)
        .map(|n| format!("{n:09} {}", "x".repeat(150)))
        .collect()
}

/// How often each message stands in the files of a folder, packed ones too, and the lines that are
/// none.
pub(crate) fn account(folder: &Path) -> (BTreeMap<String, usize>, Vec<String>) {
    let mut counts = BTreeMap::new();
    let mut torn = Vec::new();
    for path in files(folder) {
        let text = unpacked(&path);
        for line in text.lines() {
            let read: Option<Value> = serde_json::from_str(line).ok();
            match read.as_ref().and_then(|line| line["message"].as_str()) {
                Some(message) => *counts.entry(message.to_owned()).or_default() += 1,
                None => torn.push(line.to_owned()),
            }
        }
    }
    (counts, torn)
}

pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    let file = File::open(path).unwrap();
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text),
        Some("zst") => zstd::Decoder::new(file).unwrap().read_to_string(&mut text),
        _ => { file }.read_to_string(&mut text),
    }
    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text
}

/// Whether a program is there. Without it the test is skipped by name; in CI it has to be there.
pub(crate) fn have(program: &str, test: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    assert!(
        found || std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "{program} is not installed"
    );
    if !found {
        rolog_tests::skip(test, &format!("{program} is not installed"));
    }
    found
}
