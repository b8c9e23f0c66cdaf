use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rolog_core::delivery::{Class, Failure};
use rolog_core::frame::Batch;
use rolog_core::level::Level;

use super::*;
use crate::instance::Buffer;
use crate::stage::testing::batch;
use crate::stage::{DeadLetters, Letters};

fn letters(numbers: impl IntoIterator<Item = u64>) -> Letters {
    let records: Vec<_> = numbers.into_iter().map(|n| (n, Level::Warning)).collect();
    let (bytes, len) = batch(&records);
    let first = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_500);
    Letters {
        target: Arc::from("http"),
        routed: Arc::from("a \"quoted\" name"),
        records: len,
        batch: Buffer::new(bytes.into()),
        failure: Failure::new(Class::Auth, "401: \"no\"\nway"),
        attempts: 4,
        first,
        last: first + Duration::from_secs(3),
        generation: 2,
        maybe_written: true,
    }
}

fn open(path: &Path, max_bytes: u64) -> DeadLetterFile {
    let path = path.to_owned();
    DeadLetterFile::open(DeadLetterSettings { path, max_bytes }).unwrap()
}

fn read(path: &Path) -> (Vec<u64>, Vec<Unreadable>) {
    let file = LetterFile::open(path).unwrap();
    let (mut numbers, mut unreadable) = (Vec::new(), Vec::new());
    for letter in file.letters().unwrap() {
        match letter.unwrap() {
            Ok(letter) => numbers.push(letter.id.sequence),
            Err(line) => unreadable.push(line),
        }
    }
    (numbers, unreadable)
}

#[tokio::test]
async fn a_letter_tells_everything_and_reads_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/dead.jsonl");
    let file = open(&path, 1 << 20);
    file.bury(letters([1, 2])).await.unwrap();
    drop(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2);
    let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(line["record"]["message"], "hi");
    assert_eq!(line["error"]["class"], "auth");
    assert_eq!(line["error"]["text"], "401: \"no\"\nway");
    assert_eq!(line["first"], "2023-11-14T22:13:20.5Z");
    assert_eq!(line["record_id"], line["record"]["record_id"]);

    let back = LetterFile::open(&path).unwrap();
    let back: Vec<Letter> = back
        .letters()
        .unwrap()
        .map(|l| l.unwrap().unwrap())
        .collect();
    let letter = &back[1];
    assert_eq!(
        (letter.target.as_str(), letter.routed.as_str()),
        ("http", "a \"quoted\" name")
    );
    assert_eq!((letter.attempts, letter.generation), (4, 2));
    assert!(letter.maybe_written);
    assert_eq!(letter.failure, letters([]).failure);
    let batch = Batch::parse(&letter.batch).unwrap();
    let record = batch.get(0).unwrap();
    assert_eq!((batch.len(), record.id().sequence), (1, 2));
    assert_eq!(record.message().to_string(), "hi");
}

#[tokio::test]
async fn what_was_delivered_is_taken_out_and_the_rest_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    let file = open(&path, 1 << 20);
    file.bury(letters(1..=4)).await.unwrap();
    drop(file);
    std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"not a letter\n\n"))
        .unwrap();
    let (numbers, unreadable) = read(&path);
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert_eq!((unreadable.len(), unreadable[0].line), (1, 5));

    let replay = LetterFile::open(&path).unwrap();
    let arrived: HashSet<_> = replay
        .letters()
        .unwrap()
        .filter_map(|letter| letter.unwrap().ok())
        .filter(|letter| letter.id.sequence % 2 == 0)
        .map(|letter| letter.line)
        .collect();
    assert_eq!(replay.take_out(&arrived).unwrap(), 2);
    let (numbers, unreadable) = read(&path);
    assert_eq!(numbers, [1, 3]);
    assert_eq!(
        unreadable.len(),
        1,
        "what nobody understands is not thrown away"
    );
}

#[tokio::test]
async fn when_all_have_arrived_the_file_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    let file = open(&path, 1 << 20);
    file.bury(letters([1])).await.unwrap();
    drop(file);
    let replay = LetterFile::open(&path).unwrap();
    let all = replay
        .letters()
        .unwrap()
        .map(|l| l.unwrap().unwrap().line)
        .collect();
    assert_eq!(replay.take_out(&all).unwrap(), 1);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn the_oldest_go_first_and_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    let max = 20_000;
    let file = open(&path, max);
    for round in 0..100 {
        file.bury(letters(round * 2 + 1..=round * 2 + 2))
            .await
            .unwrap();
    }
    let mut kept = Vec::new();
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        bytes += path.metadata().unwrap().len();
        let text = std::fs::read_to_string(path).unwrap();
        kept.extend(
            text.lines()
                .map(|line| Letter::read(line.as_bytes(), 1).unwrap().id.sequence),
        );
    }
    kept.sort_unstable();
    assert!(bytes <= max, "{bytes}");
    let first = kept[0];
    assert!(first > 1 && kept.len() > 10, "{first} {}", kept.len());
    assert_eq!(kept, (first..=200).collect::<Vec<_>>(), "an unbroken end");
    assert_eq!(file.discarded(), first - 1);
}

#[tokio::test]
async fn more_than_the_bound_at_once_is_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    let file = open(&path, 1000);
    let failure = file.bury(letters(1..=50)).await.unwrap_err();
    assert_eq!(failure.class, Class::TooLarge);
    assert_eq!(path.metadata().unwrap().len(), 0);
}

#[tokio::test]
async fn a_torn_last_line_is_closed_off_and_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    std::fs::write(&path, "{\"record_id\":\"00").unwrap();
    let file = open(&path, 1 << 20);
    file.bury(letters([1])).await.unwrap();
    drop(file);
    let (numbers, unreadable) = read(&path);
    assert_eq!((numbers, unreadable.len()), (vec![1], 1));
}

#[tokio::test]
async fn two_never_write_one_file_and_nobody_replays_what_is_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    let file = open(&path, 1 << 20);
    let second = DeadLetterFile::open(DeadLetterSettings::new(&path));
    let error = second.err().unwrap();
    assert!(
        error.to_string().contains("in use by another pipeline"),
        "{error}"
    );
    let error = LetterFile::open(&path).unwrap_err();
    assert!(
        error.to_string().contains("in use by a running pipeline"),
        "{error}"
    );
    drop(file);
    assert!(LetterFile::open(&path).is_ok());
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_what_was_logged() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    let _file = open(&path, 1 << 20);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_frame_that_is_not_the_records_own_is_not_sent() {
    let one = super::letter::LetterWriter::new()
        .lines(&letters([1]))
        .unwrap();
    let two = super::letter::LetterWriter::new()
        .lines(&letters([2]))
        .unwrap();
    let text = |line: &[u8]| serde_json::from_slice::<serde_json::Value>(line).unwrap();
    let mut mixed = text(&one);
    mixed["frame"] = text(&two)["frame"].clone();
    let error = Letter::read(mixed.to_string().as_bytes(), 1).unwrap_err();
    assert!(error.contains("not that of the record"), "{error}");
    mixed["frame"] = "####".into();
    let error = Letter::read(mixed.to_string().as_bytes(), 1).unwrap_err();
    assert!(error.contains("Base64"), "{error}");
}

#[tokio::test]
async fn a_closed_file_can_be_replayed_and_takes_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    let file = open(&path, 1 << 20);
    file.bury(letters([1])).await.unwrap();
    file.close();
    let failure = file.bury(letters([2])).await.unwrap_err();
    assert_eq!(failure.class, Class::Unavailable);
    assert_eq!(read(&path).0, [1]);
}

/// How many a file holds, whoever writes to it.
fn lines_of(path: &Path) -> usize {
    std::fs::read_to_string(path).unwrap().lines().count()
}

#[tokio::test]
async fn letters_do_not_follow_a_file_that_was_moved_away_or_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (path, elsewhere) = (
        folder.path().join("in/dead.jsonl"),
        folder.path().join("taken.jsonl"),
    );
    let file = open(&path, 1 << 20);
    file.bury(letters([1])).await.unwrap();
    std::fs::rename(&path, &elsewhere).unwrap();
    file.bury(letters([2, 3])).await.unwrap();
    assert_eq!(lines_of(&path), 2);
    assert_eq!(read(&elsewhere).0, [1], "what was taken away is free");
    let error = LetterFile::open(&path).unwrap_err();
    assert!(error.to_string().contains("in use"), "{error}");

    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    file.bury(letters([4])).await.unwrap();
    drop(file);
    assert_eq!(read(&path).0, [4]);
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_not_missed_by_the_next_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    let max = 20_000;
    let file = open(&path, max);
    file.bury(letters([1])).await.unwrap();
    // As the pipeline itself would name it.
    std::fs::rename(&path, folder.path().join("dead.jsonl.1")).unwrap();
    let mut next = 2;
    while !folder.path().join("dead.jsonl.2").exists() {
        assert!(next < 100, "it is rotated within its quarter");
        file.bury(letters([next])).await.unwrap();
        next += 1;
    }
    drop(file);
    let mut kept = read(&folder.path().join("dead.jsonl.1")).0;
    kept.extend(read(&folder.path().join("dead.jsonl.2")).0);
    kept.extend(read(&path).0);
    assert_eq!(kept, (1..next).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_again_is_tried_with_the_next_burial() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    let file = open(&path, 1 << 20);
    file.bury(letters([1])).await.unwrap();
    std::fs::rename(&path, folder.path().join("taken.jsonl")).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(file.bury(letters([2])).await.is_err(), "nowhere to go");
    std::fs::remove_dir(&path).unwrap();
    file.bury(letters([3])).await.unwrap();

    // One that another pipeline writes to by now is its own.
    std::fs::remove_file(&path).unwrap();
    let other = open(&path, 1 << 20);
    let failure = file.bury(letters([4])).await.unwrap_err();
    assert!(
        failure.to_string().contains("in use by another pipeline"),
        "{failure}"
    );
    other.bury(letters([5])).await.unwrap();
    drop(other);
    file.bury(letters([6])).await.unwrap();
    drop(file);
    assert_eq!(read(&path).0, [5, 6]);
}
