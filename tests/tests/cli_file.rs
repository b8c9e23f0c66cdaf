//! `rolog run` into the file target, loaded as the library that it is.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rolog_tests::artifacts::{command, library_folder};
use serde_json::Value;

/// A disk without room.
const FULL: &str = "/dev/full";

fn pipeline(folder: &Path, more: &str) {
    let search = library_folder();
    let yaml = format!(
        "
version: 1
plugins:
  search: ['{}']
targets:
  app:
    plugin: file
    config: {{ path: logs/app.jsonl }}
{more}
routes:
  - {{ logger: '**', to: [app] }}
",
        search.display()
    );
    fs::create_dir_all(folder.join("logs")).unwrap();
    fs::write(folder.join("pipeline.yaml"), yaml).unwrap();
}

fn rolog(folder: &Path, args: &[&str], stdin: &[u8]) -> Output {
    let mut child = Command::new(command())
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let input = stdin.to_vec();
    let writer = std::thread::spawn(move || pipe.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    output
}

fn records(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("logs/app.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_line_lands_in_the_configured_file_and_the_account_says_so() {
    let folder = tempfile::tempdir().unwrap();
    pipeline(folder.path(), "");
    let run = rolog(
        folder.path(),
        &["run", "-c", "pipeline.yaml"],
        b"{\"level\":\"info\",\"logger\":\"a.b\",\"msg\":\"hi\",\"n\":1}\n",
    );
    let told = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(0), "{told}");
    let records = records(folder.path());
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["logger"], "a.b");
    assert_eq!(records[0]["message"], "hi");
    assert_eq!(records[0]["n"], 1);
    assert!(told.starts_with("read 1 record in "), "{told}");
    assert!(told.ends_with("\nnothing lost\n"), "{told}");
}

#[test]
fn a_queue_much_smaller_than_the_input_loses_nothing_and_keeps_the_order() {
    const LINES: u64 = 10_000;
    let folder = tempfile::tempdir().unwrap();
    pipeline(
        folder.path(),
        "    queue: { max_records: 100, overflow: drop_newest }\n    flush: { max_size: 40 }",
    );
    let mut input = Vec::new();
    for n in 0..LINES {
        writeln!(
            input,
            "{{\"logger\":\"l{}\",\"msg\":\"m\",\"n\":{n}}}",
            n % 7
        )
        .unwrap();
    }
    let run = rolog(folder.path(), &["run", "-c", "pipeline.yaml"], &input);
    let told = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(0), "{told}");
    let numbers: Vec<u64> = records(folder.path())
        .iter()
        .map(|record| record["n"].as_u64().unwrap())
        .collect();
    assert!(
        numbers.iter().copied().eq(0..LINES),
        "{} records",
        numbers.len()
    );
    assert!(told.contains("\napp      10000      10000 "), "{told}");
}

#[test]
fn a_target_that_stays_broken_ends_the_run_by_its_deadline_with_every_record_named_lost() {
    let folder = tempfile::tempdir().unwrap();
    pipeline(folder.path(), "    queue: { max_records: 100 }");
    let path = folder.path().join("pipeline.yaml");
    let yaml = fs::read_to_string(&path).unwrap();
    fs::write(&path, yaml.replace("logs/app.jsonl", FULL)).unwrap();
    let began = Instant::now();
    let input = "line\n".repeat(250);
    let run = rolog(
        folder.path(),
        &["run", "-c", "pipeline.yaml", "--deadline", "1s"],
        input.as_bytes(),
    );
    let told = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(1), "{told}");
    assert!(told.contains("\napp: last failure: "), "{told}");
    assert!(told.ends_with("\n250 records lost\n"), "{told}");
    assert!(!told.contains("does not balance"), "{told}");
    // Its attempts and retries take what the pipeline says; then the deadline counts.
    assert!(began.elapsed() < Duration::from_secs(30), "{told}");
}

#[test]
fn a_fallback_takes_what_a_broken_target_cannot_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let search = library_folder();
    let yaml = format!(
        "
version: 1
plugins: {{ search: ['{}'] }}
targets:
  app:
    plugin: file
    config: {{ path: {FULL} }}
    flush: {{ max_retries: 0, interval: 10ms, fallback: rescue }}
  rescue: {{ plugin: file, config: {{ path: logs/app.jsonl }} }}
routes:
  - {{ logger: '**', to: [app] }}
",
        search.display()
    );
    fs::create_dir_all(folder.path().join("logs")).unwrap();
    fs::write(folder.path().join("pipeline.yaml"), yaml).unwrap();
    let run = rolog(
        folder.path(),
        &["run", "-c", "pipeline.yaml"],
        b"one\ntwo\n",
    );
    let told = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(0), "{told}");
    let messages: Vec<_> = records(folder.path())
        .iter()
        .map(|record| record["message"].clone())
        .collect();
    assert!(messages.contains(&"one".into()) && messages.contains(&"two".into()));
    assert!(told.ends_with("\nnothing lost\n"), "{told}");
}

#[test]
fn check_finds_what_the_plugin_finds_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    pipeline(folder.path(), "");
    let good = rolog(folder.path(), &["check"], b"");
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    assert!(
        !folder.path().join("logs/app.jsonl").exists(),
        "a check has no effect"
    );

    let path = folder.path().join("pipeline.yaml");
    let yaml = fs::read_to_string(&path)
        .unwrap()
        .replace("path: logs/app.jsonl", "paht: logs/app.jsonl");
    fs::write(&path, yaml).unwrap();
    let bad = rolog(folder.path(), &["check", "-c", "pipeline.yaml"], b"");
    let told = String::from_utf8(bad.stderr).unwrap();
    assert_eq!(bad.status.code(), Some(2), "{told}");
    assert!(told.contains("pipeline.yaml:8:"), "{told}");
    assert!(told.contains("paht"), "{told}");
}

#[test]
fn a_file_in_the_base_of_another_targets_template_is_refused_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    pipeline(
        folder.path(),
        "  each: { plugin: file, config: { path: 'logs/{logger}/{date}.jsonl' } }\n",
    );
    let told = rolog(folder.path(), &["check"], b"");
    let text = String::from_utf8(told.stderr).unwrap();
    assert_eq!(told.status.code(), Some(2), "{text}");
    let logs = folder.path().canonicalize().unwrap().join("logs");
    let logs = logs.display();
    let wanted = format!(
        "pipeline.yaml:9:25: targets.each.config: in `folder:{logs}` lies `file:{logs}/app.jsonl`, the \
         resource of target `app` at 8:5; expected a folder that no other target writes to"
    );
    assert!(text.contains(&wanted), "{text}");
    let run = rolog(folder.path(), &["run", "-c", "pipeline.yaml"], b"x\n");
    assert_eq!(run.status.code(), Some(2));
    assert!(!folder.path().join("logs/app.jsonl").exists());

    let path = folder.path().join("pipeline.yaml");
    let yaml = fs::read_to_string(&path).unwrap();
    fs::write(&path, yaml.replace("'logs/{logger}", "'logs/each/{logger}")).unwrap();
    let told = rolog(folder.path(), &["check"], b"");
    assert_eq!(told.status.code(), Some(0), "{told:?}");
}

#[test]
fn plugins_lists_what_can_be_used_and_why_the_rest_cannot() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(
        rolog_tests::artifacts::library("file"),
        folder.path().join("librolog_file.so"),
    )
    .unwrap();
    let here = folder.path().to_str().unwrap();
    let good = rolog(folder.path(), &["plugins", here], b"");
    let told = String::from_utf8(good.stdout).unwrap();
    assert_eq!(good.status.code(), Some(0), "{told}");
    let row = told.lines().nth(1).unwrap();
    let cells: Vec<_> = row.split_whitespace().collect();
    assert_eq!(cells[..2], ["file", env!("CARGO_PKG_VERSION")]);
    assert!(row.ends_with("librolog_file.so"), "{told}");

    fs::write(folder.path().join("librolog_broken.so"), "no library").unwrap();
    let bad = rolog(folder.path(), &["plugins", here], b"");
    let told = String::from_utf8(bad.stdout).unwrap();
    assert_eq!(bad.status.code(), Some(1), "{told}");
    let refused: Vec<_> = told
        .lines()
        .filter(|line| line.starts_with("unusable"))
        .collect();
    assert_eq!(refused.len(), 1, "{told}");
    assert!(refused[0].contains("librolog_broken.so: "), "{told}");
}
