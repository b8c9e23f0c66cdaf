//! `rolog run` while its pipeline is edited, with the file target as the library that it is.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rolog_tests::artifacts::{command, library_folder};
use serde_json::Value;

/// Nothing here takes nearly as long; what does hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// How slow the stream is.
const PACE: Duration = Duration::from_millis(1);

/// A pipeline whose one target writes to this file.
fn pipeline(target: &str, file: &str) -> String {
    format!(
        "version: 1
plugins: {{ search: ['{}'] }}
targets:
  {target}: {{ plugin: file, config: {{ path: {file} }}, flush: {{ interval: 10ms }} }}
routes:
  - {{ logger: '**', to: {target} }}
",
        library_folder().display()
    )
}

/// Saves as editors do: a new file beside the old one, renamed over it.
fn save(folder: &Path, text: &str) {
    let beside = folder.join(".pipeline.yaml.new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, folder.join("pipeline.yaml")).unwrap();
}

/// Writes numbered lines into a named pipe, one after the other, until it is told to end.
struct Stream {
    end: Sender<()>,
    thread: JoinHandle<u64>,
}

impl Stream {
    fn into(pipe: PathBuf) -> Self {
        let (end, ended) = channel();
        let thread = std::thread::spawn(move || {
            // Waits until it is read.
            let mut pipe = fs::OpenOptions::new().write(true).open(pipe).unwrap();
            let mut lines = 0;
            loop {
                writeln!(pipe, "{{\"msg\":\"line\",\"n\":{lines}}}").unwrap();
                lines += 1;
                match ended.recv_timeout(PACE) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return lines,
                }
            }
        });
        Stream { end, thread }
    }

    /// How many lines it was.
    fn end(self) -> u64 {
        self.end.send(()).unwrap();
        self.thread.join().unwrap()
    }
}

/// A run, and what it says.
struct Run {
    child: Child,
    lines: Receiver<String>,
    told: String,
}

impl Run {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(command())
            .args(["run", "-c", "pipeline.yaml", "lines"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (told, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines() {
                // The test may have failed by now.
                let _ = told.send(line.unwrap());
            }
        });
        Run {
            child,
            lines,
            told: String::new(),
        }
    }

    /// Waits until it says this.
    fn until_it_says(&mut self, part: &str) {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.told.push_str(&line);
                    self.told.push('\n');
                    if line.contains(part) {
                        return;
                    }
                }
                Err(error) => panic!("{part:?}: {error}\n{}", self.told),
            }
        }
    }

    fn hang_up(&self) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-HUP", &id]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -HUP");
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // It has ended already where the test has not failed.
        let _ = self.child.kill();
    }
}

/// The numbers of the lines in a file.
fn numbers(file: &Path) -> Vec<u64> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let records = text.lines().map(|line| serde_json::from_str(line).unwrap());
    records
        // The pipeline's own records go by the same routes.
        .filter(|record: &Value| record["logger"] == "lines")
        .map(|record| record["n"].as_u64().unwrap())
        .collect()
}

/// Waits until the file has more of the lines than `before`; how many it has then.
fn grows(file: &Path, before: usize) -> usize {
    let until = Instant::now() + PATIENCE;
    loop {
        // Its last line may be half written.
        let text = fs::read_to_string(file).unwrap_or_default();
        let lines = text.matches("\"logger\":\"lines\"").count();
        if lines > before {
            return lines;
        }
        assert!(
            Instant::now() < until,
            "{} stays at {lines}",
            file.display()
        );
        std::thread::yield_now();
    }
}

#[test]
fn a_pipeline_that_is_edited_under_a_slow_stream_loses_and_doubles_no_line() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let file = |name: &str| folder.join(name);
    let made = Command::new("mkfifo").arg(file("lines")).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo");
    save(folder, &pipeline("app", "logs/old.jsonl"));
    let mut run = Run::start(folder);
    let stream = Stream::into(file("lines"));
    grows(&file("logs/old.jsonl"), 0);

    // Another file for the same target.
    save(folder, &pipeline("app", "logs/new.jsonl"));
    run.until_it_says("generation 2 (a file changed): 1 replaced (app)");
    let had = grows(&file("logs/new.jsonl"), 0);

    // A file that is wrong: told at its place, and nothing else happens.
    save(
        folder,
        &pipeline("app", "logs/wrong.jsonl").replace("to: app", "to: ap"),
    );
    run.until_it_says("pipeline.yaml:6:25: routes[0].to: no target has the name `ap`");
    run.until_it_says("the pipeline goes on as it was");
    grows(&file("logs/new.jsonl"), had);

    // Another target in its place, by signal; whether the watch or the signal comes first is open.
    save(folder, &pipeline("fresh", "logs/last.jsonl"));
    run.hang_up();
    run.until_it_says("generation 3 (");
    grows(&file("logs/last.jsonl"), 0);
    run.hang_up();
    run.until_it_says("nothing has changed; generation 3 goes on");

    let lines = stream.end();
    run.until_it_says("nothing lost");
    assert_eq!(run.child.wait().unwrap().code(), Some(0), "{}", run.told);
    let read = format!("read {lines} records in ");
    assert!(run.told.contains(&read), "{read:?} in\n{}", run.told);
    let all: Vec<u64> = ["logs/old.jsonl", "logs/new.jsonl", "logs/last.jsonl"]
        .iter()
        .flat_map(|name| numbers(&file(name)))
        .collect();
    assert!(all.iter().copied().eq(0..lines), "{lines} lines: {all:?}");
    assert!(!file("logs/wrong.jsonl").exists());
}
