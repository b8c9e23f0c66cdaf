//! Files, pipes and stops, on their way to a sink that keeps what it takes.

use std::cell::Cell;
use std::fs;
use std::path::Path;

use rolog_core::Level;

use super::*;
use crate::run::Stopper;

/// Keeps what it takes, and asks for a stop at the record with the message `stop`.
struct Kept {
    records: Vec<(String, String)>,
    stopper: Stopper,
}

impl Sink for Kept {
    fn take(&mut self, record: &ParsedLine<'_>, logger: &str) -> Taken {
        let logger = record.logger.unwrap_or(logger).to_owned();
        self.records.push((logger, record.message.to_owned()));
        match record.message {
            "stop" => {
                assert!(self.stopper.ask("test"));
                Taken::Routed
            }
            "nowhere" => Taken::NoRoute,
            "late" => Taken::Refused,
            _ if record.level == Some(Level::Debug) => Taken::BelowLevel,
            _ => Taken::Routed,
        }
    }
}

fn run(inputs: Vec<Input>) -> (Fed, Vec<(String, String)>) {
    run_on(inputs, false)
}

fn run_on(inputs: Vec<Input>, follow: bool) -> (Fed, Vec<(String, String)>) {
    let (stop, stopper) = Stop::new().unwrap();
    let mut kept = Kept {
        records: Vec::new(),
        stopper,
    };
    let fed = Mutex::default();
    let ended = Cell::new(0);
    let feed = Feed {
        inputs,
        follow,
        options: Arc::default(),
        limit: 64,
        stop: &stop,
        progress: &fed,
        tell: &|text| panic!("{text}"),
        at_end: &|| ended.set(ended.get() + 1),
    };
    feed.run(&mut kept);
    assert!(ended.get() <= 1);
    (fed.into_inner().unwrap(), kept.records)
}

fn file(folder: &Path, name: &str, content: &[u8]) -> Input {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    Input::file(&path).unwrap()
}

fn pairs(records: &[(String, String)]) -> Vec<(&str, &str)> {
    records
        .iter()
        .map(|(logger, message)| (logger.as_str(), message.as_str()))
        .collect()
}

#[test]
fn files_are_read_in_their_order_and_each_names_the_logger_of_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let (fed, records) = run(vec![
        file(
            folder.path(),
            "b.log",
            b"\xef\xbb\xbffirst\r\nlast without end",
        ),
        file(folder.path(), "empty", b""),
        file(
            folder.path(),
            "a.jsonl",
            b"\0\0{\"msg\":\"m\",\"name\":\"svc\"}\n\nnowhere\nlate\n{\"level\":\"debug\"}\n",
        ),
    ]);
    assert_eq!(
        pairs(&records),
        [
            ("b.log", "first"),
            ("b.log", "last without end"),
            ("svc", "m"),
            ("a.jsonl", "nowhere"),
            ("a.jsonl", "late"),
            ("a.jsonl", ""),
        ]
    );
    assert_eq!(
        (fed.routed, fed.no_route, fed.refused, fed.below_level),
        (3, 1, 1, 1)
    );
    assert_eq!((fed.lines.json, fed.lines.text, fed.lines.empty), (2, 4, 1));
    assert_eq!(fed.nul_bytes, 2);
    assert!(fed.unread.is_empty() && !fed.stopped);
}

#[test]
fn a_stop_takes_what_was_read_and_opens_no_further_file() {
    let folder = tempfile::tempdir().unwrap();
    let (fed, records) = run(vec![
        file(folder.path(), "one", b"a\nstop\nb\nunfinished"),
        file(folder.path(), "two", b"never"),
    ]);
    let messages: Vec<_> = records
        .iter()
        .map(|(_, message)| message.as_str())
        .collect();
    assert_eq!(messages, ["a", "stop", "b", "unfinished"]);
    assert_eq!((fed.routed, fed.lines.text), (4, 4));
    assert!(fed.stopped);
}

/// Takes nothing before the end of the inputs has been seen.
struct AfterTheEnd<'a>(&'a Cell<bool>, u32);

impl Sink for AfterTheEnd<'_> {
    fn take(&mut self, _: &ParsedLine<'_>, _: &str) -> Taken {
        assert!(
            self.0.get(),
            "a line waited for room, and the end was not known"
        );
        self.1 += 1;
        Taken::Routed
    }
}

#[test]
fn the_end_of_a_short_input_is_known_before_its_lines_wait_for_room() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "line\n".repeat(20_000);
    let inputs = vec![file(folder.path(), "short", lines.as_bytes())];
    let (stop, _stopper) = Stop::new().unwrap();
    let ended = Cell::new(false);
    let mut sink = AfterTheEnd(&ended, 0);
    let feed = Feed {
        inputs,
        follow: false,
        options: Arc::default(),
        limit: 256 * 1024,
        stop: &stop,
        progress: &Mutex::default(),
        tell: &|text| panic!("{text}"),
        at_end: &|| ended.set(true),
    };
    feed.run(&mut sink);
    assert_eq!(sink.1, 20_000);
}

#[test]
fn a_file_that_is_gone_when_its_turn_comes_is_noted_and_the_next_one_read() {
    let folder = tempfile::tempdir().unwrap();
    let gone = file(folder.path(), "gone", b"x");
    fs::remove_file(folder.path().join("gone")).unwrap();
    let (fed, records) = run(vec![gone, file(folder.path(), "next", b"y")]);
    assert_eq!(pairs(&records), [("next", "y")]);
    assert_eq!(fed.unread.len(), 1);
    assert!(fed.unread[0].contains("gone: "), "{:?}", fed.unread);
}

#[cfg(unix)]
#[test]
fn a_file_to_follow_that_can_no_longer_be_opened_at_the_start_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let turned = file(folder.path(), "turned", b"x");
    fs::remove_file(folder.path().join("turned")).unwrap();
    std::os::unix::fs::symlink("turned", folder.path().join("turned")).unwrap();
    let (fed, records) = run_on(vec![turned], true);
    assert!(records.is_empty() && !fed.stopped);
    assert!(fed.unread[0].contains("turned: "), "{:?}", fed.unread);
}

#[test]
fn what_cannot_be_read_is_refused_before_anything_is() {
    let folder = tempfile::tempdir().unwrap();
    let error = Input::file(&folder.path().join("none")).unwrap_err();
    assert!(error.to_string().starts_with("cannot read "));
    let error = Input::file(folder.path()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("it is a folder; name the files in it")
    );
    assert_eq!(Input::file(Path::new("-")).unwrap().logger(), "stdin");
}

#[test]
fn a_named_pipe_is_read_once_and_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(
        made.is_ok_and(|status| status.success()),
        "mkfifo makes a pipe"
    );
    let input = Input::file(&path).unwrap();
    let writer = std::thread::spawn(move || fs::write(path, "through the pipe\n"));
    let (_, records) = run(vec![input]);
    writer.join().unwrap().unwrap();
    assert_eq!(pairs(&records), [("pipe", "through the pipe")]);
}
