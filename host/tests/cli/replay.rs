//! `rolog replay`: what no target took is sent again, and taken out of the file once it is there.

use std::path::Path;
use std::time::Duration;

use rolog_core::delivery::{Class, Failure, Outcome};
use rolog_core::frame::Batch;
use rolog_core::{Level, LogTarget, error};
use rolog_host::Host;
use rolog_host::dead_letters::DeadLetterSettings;

use crate::support::Place;

/// Refuses everything.
struct Gone(&'static str);

impl LogTarget for Gone {
    fn name(&self) -> String {
        self.0.to_owned()
    }

    async fn log(&self, _: &Batch<'_>) -> Outcome {
        Outcome::refused(Failure::new(Class::Invalid, "never"))
    }
}

/// Buries these messages, each of a target of this name; returns their ids.
pub(crate) fn bury(file: &Path, target: &'static str, messages: &[&str]) -> Vec<String> {
    let host = Host::builder()
        .min_level(Level::Error)
        .dead_letters(DeadLetterSettings::new(file))
        .start()
        .unwrap();
    host.factory()
        .add_target(Gone(target), Level::Error)
        .unwrap();
    for message in messages {
        error!(host.factory().get_logger("shop"), (*message).to_owned());
    }
    let report = host.dispose_blocking(Duration::from_secs(30));
    assert_eq!(
        report.ledger.target(target).unwrap().dead_lettered,
        messages.len() as u64,
        "{report}"
    );
    drop(host);
    ids(&std::fs::read_to_string(file).unwrap())
}

fn ids(lines: &str) -> Vec<String> {
    let id = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["record_id"].as_str().unwrap().to_owned()
    };
    lines.lines().map(id).collect()
}

const SCREEN: &str = "
version: 1
targets:
  screen: { plugin: console, config: { format: json }, flush: { interval: 10ms } }
routes:
  - { logger: nobody, to: screen }
";

#[test]
fn what_was_delivered_is_taken_out_under_its_own_id() {
    let place = Place::new();
    let buried = bury(
        &place.path().join("dead"),
        "screen",
        &["one", "two", "three"],
    );
    assert_eq!(buried.len(), 3);
    place.file("pipeline.yaml", SCREEN);
    let replay = place.run(["replay", "dead"], "");
    assert_eq!(replay.code, Some(0), "{replay:?}");
    assert_eq!(ids(&replay.stdout), buried);
    assert!(
        replay.stderr.contains("3 delivered and taken out, 0 left"),
        "{replay:?}"
    );
    assert!(!place.path().join("dead").exists(), "nothing is left in it");
}

#[test]
fn what_has_no_target_stays_and_can_be_sent_elsewhere() {
    let place = Place::new();
    let buried = bury(&place.path().join("dead"), "gone", &["one"]);
    place.file("pipeline.yaml", SCREEN);
    let left = place.run(["replay", "dead"], "");
    assert_eq!((left.code, left.stdout.as_str()), (Some(1), ""), "{left:?}");
    assert!(left.stderr.contains("are for `gone`"), "{left:?}");
    let wrong = place.run(["replay", "--to", "scren", "dead"], "");
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("it has screen"), "{wrong:?}");
    let sent = place.run(["replay", "--to", "screen", "dead"], "");
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert_eq!(ids(&sent.stdout), buried);
}

#[test]
fn a_file_that_is_none_is_wrong_usage_and_a_line_that_is_none_stays() {
    let place = Place::new();
    place.file("pipeline.yaml", SCREEN);
    let none = place.run(["replay", "nowhere"], "");
    assert_eq!(none.code, Some(2), "{none:?}");
    assert!(none.stderr.contains("nowhere: "), "{none:?}");
    let buried = bury(&place.path().join("dead"), "screen", &["one"]);
    let text = std::fs::read_to_string(place.path().join("dead")).unwrap();
    place.file("dead", format!("no letter\n{text}"));
    let replay = place.run(["replay", "dead"], "");
    assert_eq!(replay.code, Some(1), "{replay:?}");
    assert!(replay.stderr.contains("dead:1: "), "{replay:?}");
    assert_eq!(ids(&replay.stdout), buried);
    let left = std::fs::read_to_string(place.path().join("dead")).unwrap();
    assert_eq!(left, "no letter\n");
}

#[test]
fn what_fails_again_stays_in_the_file() {
    let place = Place::new();
    let buried = bury(&place.path().join("dead"), "screen", &["one", "two"]);
    place.file("pipeline.yaml", SCREEN);
    // Nobody reads what it writes.
    let mut command = place.command(["replay", "--deadline", "3s", "dead"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = command.stdout(writer).spawn().unwrap();
    drop(command);
    let failed = crate::support::finish(child, b"");
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.stderr.contains("2 left"), "{failed:?}");
    let left = std::fs::read_to_string(place.path().join("dead")).unwrap();
    assert_eq!(ids(&left), buried);
}
