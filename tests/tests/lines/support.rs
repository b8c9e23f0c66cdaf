//! Runs the command over a log, and gives out its records.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rolog_tests::artifacts::command;
use serde_json::Value;

/// Longer than anything here takes, on a machine with much to do.
const LONG: Duration = Duration::from_mins(1);

/// JSON lines of every record to standard output.
const PIPELINE: &str = "
version: 1
levels: { '**': trace }
targets:
  out: { plugin: console, config: { format: json }, flush: { interval: 10ms } }
routes:
  - { logger: '**', to: [out] }
";

/// A command that reads these files, in a folder with a pipeline.
pub(crate) fn rolog(folder: &Path, args: &[&str]) -> Command {
    fs::write(folder.join("pipeline.yaml"), PIPELINE).unwrap();
    let mut rolog = Command::new(command());
    rolog
        .args(["run", "-c", "pipeline.yaml"])
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    rolog
}

/// The records of these files, all of them read and none lost, and what was told of them.
pub(crate) fn records(args: &[&str]) -> (Vec<Value>, String) {
    let folder = tempfile::tempdir().unwrap();
    let run = rolog(folder.path(), args).output().unwrap();
    let told = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(0), "{told}");
    assert!(told.ends_with("nothing lost\n"), "{told}");
    let shown = String::from_utf8(run.stdout).unwrap();
    let records = shown
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    (records.collect(), told)
}

/// A field that was the line's own, wherever the shape of the output has put it.
pub(crate) fn field<'a>(record: &'a Value, key: &str) -> &'a Value {
    let aside = &record["fields"][key];
    if aside.is_null() { &record[key] } else { aside }
}

/// Nanoseconds since 1970 of a record's time.
pub(crate) fn nanos(record: &Value) -> i128 {
    let time: jiff::Timestamp = record["time"].as_str().unwrap().parse().unwrap();
    time.as_nanosecond()
}

pub(crate) fn now() -> i128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_nanos() as i128
}

pub(crate) fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Waits until a server has done what it does in its own time.
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < end, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}
