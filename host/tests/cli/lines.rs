//! What `rolog run` reads: formats, compressed files, files that grow.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdout, Command};

use serde_json::{Value, json};

use crate::support::{Outcome, Place, finish, guard, signal};

/// JSON lines of every record to standard output.
const JSON: &str = "
version: 1
levels: { '**': trace }
targets:
  out: { plugin: console, config: { format: json }, flush: { interval: 10ms } }
routes:
  - { logger: '**', to: [out] }
";

fn place() -> Place {
    let place = Place::new();
    place.file("p.yaml", JSON);
    place
}

fn run(place: &Place, args: &[&str], stdin: &str) -> (Outcome, Vec<Value>) {
    let run = place.run([&["run", "-c", "p.yaml"], args].concat(), stdin);
    assert_eq!(run.code, Some(0), "{run:?}");
    let lines = run.stdout.lines().map(serde_json::from_str);
    let records = lines.collect::<Result<_, _>>().unwrap();
    (run, records)
}

#[test]
fn lines_of_every_format_are_found_out_side_by_side() {
    let (run, records) = run(
        &place(),
        &["--zone", "UTC"],
        "{\"msg\":\"json\",\"level\":\"warn\"}\n\
         level=error msg=\"of logfmt\" n=1\n\
         <11>1 2026-11-22T12:00:00Z host app 7 - - of syslog\n\
         Nov 22 12:00:00 host cron[8]: filed\n\
         2026/11/22 12:00:00 [warn] plain\n\
         Traceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 1\n",
    );
    let told: Vec<_> = records
        .iter()
        .map(|line| (&line["logger"], &line["level"], &line["message"]))
        .map(|(logger, level, message)| json!([logger, level, message]))
        .collect();
    assert_eq!(
        told,
        [
            json!(["stdin", "warning", "json"]),
            json!(["stdin", "error", "of logfmt"]),
            json!(["app", "error", "of syslog"]),
            json!(["cron", "info", "filed"]),
            json!(["stdin", "warning", "2026/11/22 12:00:00 [warn] plain"]),
            json!([
                "stdin",
                "info",
                "Traceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 1"
            ]),
        ]
    );
    for at in [2, 4] {
        assert_eq!(records[at]["time"], "2026-11-22T12:00:00.000000000Z");
    }
    assert!(
        run.stderr
            .contains(": 1 JSON, 1 logfmt, 2 syslog, 2 text of 4 lines\n"),
        "{run:?}"
    );
}

#[test]
fn options_map_what_is_not_found_out() {
    let (_, records) = run(
        &place(),
        &[
            "--time-key=when",
            "--level-key=how",
            "--logger-key=who",
            "--message-key=what",
            "--level=10=debug",
            "--zone=+01:00",
        ],
        "{\"when\":\"2026-11-22 13:00:00\",\"how\":10,\"who\":\"svc\",\"what\":\"it\"}\n",
    );
    assert_eq!(records[0]["time"], "2026-11-22T12:00:00.000000000Z");
    assert_eq!(records[0]["level"], "debug");
    assert_eq!(records[0]["logger"], "svc");
    assert_eq!(records[0]["message"], "it");
}

#[test]
fn what_could_not_be_read_is_named_with_its_place() {
    let place = place();
    place.file("a.log", "fine\n{\"broken\n{\"again\n");
    place.file("b.log", "2026-11-22 12:00:00 no zone\n");
    let (run, records) = run(&place, &["--join=never", "a.log", "b.log"], "");
    assert_eq!(records.len(), 4);
    for part in [
        "\n  2 lines broken JSON: kept as text (first a.log:2)\n",
        "\n  1 line with a time that is none for certain: ",
        "(b.log:1)\n",
    ] {
        assert!(run.stderr.contains(part), "{part:?}: {}", run.stderr);
    }
}

#[test]
fn wrong_options_are_refused() {
    let place = place();
    place.file("a.log", "");
    for (args, part) in [
        (&["run", "--zone", "Mars"][..], "no time zone"),
        (&["run", "--join", "starts:("], "no regular expression"),
        (&["run", "--format", "xml"], "possible values"),
        (&["run", "--level", "loud=louder"], "louder"),
        (&["run", "--follow"], "name the files to follow"),
        (&["run", "--follow", "-"], "only a file can be followed"),
        (&["run", "--follow", "none.log"], "cannot read none.log"),
    ] {
        let run = place.run(args, "");
        assert_eq!(run.code, Some(2), "{args:?}: {run:?}");
        assert!(run.stderr.contains(part), "{args:?}: {run:?}");
    }
}

fn packed(program: &str, text: &str) -> Vec<u8> {
    let child = Command::new(program)
        .args(["-c", "-q"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut child = child;
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap().stdout
}

#[test]
fn compressed_input_is_read_as_what_it_was_from_files_and_from_standard_input() {
    let place = place();
    let (one, two) = ("a\nb\n".repeat(20_000), "c\n");
    let gzip = [packed("gzip", &one), packed("gzip", two)].concat();
    place.file("log.gz", &gzip);
    let zstd = zstd::encode_all(one.as_bytes(), 3).unwrap();
    let zstd = [zstd, zstd::encode_all(two.as_bytes(), 3).unwrap()].concat();
    place.file("log", &zstd);
    for (args, stdin) in [
        (&["log.gz"][..], Vec::new()),
        (&["log"], Vec::new()),
        (&[], gzip.clone()),
        (&[], zstd),
    ] {
        let args = [&["run", "-c", "p.yaml"], args].concat();
        let run = place.run(args, stdin);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert_eq!(run.stdout.lines().count(), 40_001, "{}", run.stderr);
        assert!(run.stdout.trim_end().ends_with('}'));
        let last: Value = serde_json::from_str(run.stdout.lines().last().unwrap()).unwrap();
        assert_eq!(last["message"], "c");
    }

    place.file("cut.gz", &gzip[..gzip.len() / 2]);
    let run = place.run(["run", "-c", "p.yaml", "cut.gz", "log.gz"], "");
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr.contains("not read to its end: cut.gz: "),
        "{}",
        run.stderr
    );
    assert!(run.stdout.lines().count() > 40_001, "the next one is read");
}

/// Follows files, and gives out the messages as they come.
struct Following {
    child: Option<std::process::Child>,
    out: std::io::Lines<BufReader<ChildStdout>>,
    _guard: std::sync::mpsc::Sender<()>,
}

impl Following {
    fn start(place: &Place, files: &[&str]) -> Self {
        let args = [&["run", "-c", "p.yaml", "--follow"], files].concat();
        let mut child = place.command(args).spawn().unwrap();
        Following {
            _guard: guard(child.id()),
            out: BufReader::new(child.stdout.take().unwrap()).lines(),
            child: Some(child),
        }
    }

    fn next(&mut self) -> String {
        let line = self.out.next().expect("it goes on").unwrap();
        let record: Value = serde_json::from_str(&line).unwrap();
        record["message"].as_str().unwrap().to_owned()
    }

    fn stop(mut self) -> Outcome {
        let child = self.child.take().unwrap();
        signal(child.id(), "TERM");
        let run = finish(child, b"");
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(run.stderr.contains("stopped by SIGTERM"), "{run:?}");
        run
    }
}

fn append(place: &Place, name: &str, text: &str) {
    let mut options = fs::OpenOptions::new();
    let file = options
        .create(true)
        .append(true)
        .open(place.path().join(name));
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn files_are_followed_as_they_grow_and_through_both_kinds_of_rotation() {
    let place = place();
    place.file("a.log", "{\"msg\":\"a1\"}\n");
    place.file("b.log", "");
    let mut run = Following::start(&place, &["a.log", "b.log"]);
    assert_eq!(run.next(), "a1");
    append(&place, "b.log", "{\"msg\":\"b1\"}\n");
    assert_eq!(run.next(), "b1");

    // Renamed; its writer goes on in it for a while.
    let log = |name: &str| place.path().join(name);
    fs::rename(log("a.log"), log("a.log.1")).unwrap();
    append(&place, "a.log.1", "{\"msg\":\"a2\"}\n");
    assert_eq!(run.next(), "a2");
    place.file("a.log", "{\"msg\":\"a3\"}\n");
    append(&place, "a.log.1", "{\"msg\":\"last of the old\"}\n");
    assert_eq!(run.next(), "last of the old");
    assert_eq!(run.next(), "a3");

    // Copied and cut.
    fs::copy(log("b.log"), log("b.log.1")).unwrap();
    fs::write(log("b.log"), "").unwrap();
    append(&place, "b.log", "{\"msg\":\"b2\"}\n");
    assert_eq!(run.next(), "b2");

    // Text waits for lines that belong to it, but not for ever.
    append(&place, "b.log", "error: text\n  more\n");
    assert_eq!(run.next(), "error: text\n  more");
    let run = run.stop();
    assert!(run.stderr.contains("read 7 records"), "{run:?}");
}

/// Between two steps of a rotation a file may belong to another user, or be anything.
#[test]
fn a_followed_file_that_cannot_be_opened_for_a_moment_is_told_once_and_goes_on() {
    let place = place();
    place.file("a.log", "{\"msg\":\"a1\"}\n");
    let mut run = Following::start(&place, &["a.log"]);
    let child = run.child.as_mut().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut all = Vec::new();
    let mut until = |words: &str| {
        let lines = told.by_ref().map(Result::unwrap);
        let mut lines = lines.inspect(|line| all.push(line.clone()));
        lines.find(|line| line.contains(words)).expect(words)
    };
    assert_eq!(run.next(), "a1");
    let log = |name: &str| place.path().join(name);
    let hide = || {
        fs::rename(log("a.log"), log("hidden")).unwrap();
        std::os::unix::fs::symlink("a.log", log("a.log")).unwrap();
    };
    hide();
    let line = until("a.log cannot be read");
    assert!(line.contains("symbolic links"), "{line}");
    // As a missing file: what has been opened is read on.
    append(&place, "hidden", "{\"msg\":\"a2\"}\n");
    assert_eq!(run.next(), "a2");
    fs::remove_file(log("a.log")).unwrap();
    fs::rename(log("hidden"), log("a.log")).unwrap();
    append(&place, "a.log", "{\"msg\":\"a3\"}\n");
    assert_eq!(run.next(), "a3");
    until("a.log is followed again");

    hide();
    until("a.log cannot be read");
    let child = run.child.take().unwrap();
    signal(child.id(), "TERM");
    until("not read to its end: a.log: ");
    assert_eq!(finish(child, b"").code, Some(1));
    let count = |words: &str| all.iter().filter(|line| line.contains(words)).count();
    let words = ["cannot be read", "is followed again"];
    assert_eq!(words.map(count), [2, 1], "{all:#?}");
}

#[test]
fn a_stack_trace_that_comes_slowly_ends_after_a_moment() {
    let place = place();
    let mut child = place.command(["run", "-c", "p.yaml"]).spawn().unwrap();
    let _guard = guard(child.id());
    let mut stdin = child.stdin.take().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    stdin.write_all(b"error: one\n  at a\n").unwrap();
    let first: Value = serde_json::from_str(&out.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["message"], "error: one\n  at a");
    stdin.write_all(b"  at b\n").unwrap();
    let late: Value = serde_json::from_str(&out.next().unwrap().unwrap()).unwrap();
    assert_eq!(late["message"], "  at b");
    drop(stdin);
    assert_eq!(finish(child, b"").code, Some(0));
}

#[test]
fn progress_is_shown_on_a_terminal_only() {
    let place = place();
    place.file(
        "pipe.yaml",
        JSON.replace("console", "'null'")
            .replace("config: { format: json }, ", ""),
    );
    let program = env!("CARGO_BIN_EXE_rolog");
    // The input stays open for longer than a step of the progress.
    let line = format!("(echo line; sleep 1.3) | {program} run -c pipe.yaml");
    let output = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .current_dir(place.path())
        .output()
        .expect("script is part of Debian's base");
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains("1 records, "), "{shown:?}");
    assert!(shown.contains("\u{1b}[K"), "{shown:?}");
    assert!(shown.contains("nothing lost"), "{shown:?}");
    let (quiet, _) = run(&place, &[], "line\n");
    assert!(!quiet.stderr.contains("records, "), "{quiet:?}");
}
