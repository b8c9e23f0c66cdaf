//! Rotation, compression and retention, as a host sees them.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::fs::{self, File as StdFile};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::common::{batch, config, deliver, messages, target};
use rolog_file::File;
use rolog_plugin::prelude::*;

const LONG: Duration = Duration::from_secs(30);

/// All files of the folder but `current`, by name.
fn others(current: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(current.parent().unwrap()).unwrap();
    let mut others: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path != current)
        .collect();
    others.sort();
    others
}

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    let file = StdFile::open(path).unwrap();
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => flate2::read::GzDecoder::new(file).read_to_string(&mut text),
        Some("zst") => zstd::Decoder::new(file).unwrap().read_to_string(&mut text),
        _ => fs::read_to_string(path).map(|read| {
            text = read;
            0
        }),
    }
    .unwrap();
    text
}

/// The messages of all files, the oldest first, whatever their form.
fn all_messages(current: &Path) -> Vec<String> {
    let mut paths = others(current);
    paths.extend(current.exists().then(|| current.to_path_buf()));
    let texts = paths.iter().map(|path| unpacked(path));
    texts
        .flat_map(|text| {
            assert!(text.ends_with('\n'));
            let lines = text.lines().map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                line["message"].as_str().unwrap().to_owned()
            });
            lines.collect::<Vec<_>>()
        })
        .collect()
}

/// Yields to the work beside the calls until the condition holds.
async fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < end, "{what}: not within {LONG:?}");
        tokio::task::yield_now().await;
    }
}

fn numbered(from: usize, count: usize) -> Vec<String> {
    (from..from + count)
        .map(|n| format!("{n:06} {}", "x".repeat(100)))
        .collect()
}

async fn write(target: &File, words: &[String]) {
    let records = batch(words.iter().map(String::as_str));
    assert!(deliver(target, &records).await.is_delivered());
}

#[tokio::test]
async fn a_file_is_put_aside_before_a_batch_that_would_make_it_too_large() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.jsonl");
    let target = target(config(&path, r#", "rotate": {"size": "10KiB"}"#)).await;
    let mut expected = Vec::new();
    for round in 0..40 {
        let words = numbered(round * 7, 7);
        write(&target, &words).await;
        expected.extend(words);
        assert!(fs::metadata(&path).unwrap().len() <= 10 << 10);
    }
    let aside = others(&path);
    assert!(aside.len() > 3, "{aside:?}");
    for path in &aside {
        let len = fs::metadata(path).unwrap().len();
        assert!(len <= 10 << 10 && len > 8 << 10, "{len}");
    }
    assert_eq!(all_messages(&path), expected);
    // A batch that is larger by itself is not divided.
    let words = numbered(1000, 500);
    write(&target, &words).await;
    assert_eq!(messages(&path), words);
    write(&target, &numbered(2000, 1)).await;
    assert_eq!(messages(&path).len(), 1);
}

#[tokio::test]
async fn a_file_of_an_earlier_period_is_put_aside_before_the_first_batch_of_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.jsonl");
    fs::write(&path, "{\"message\":\"yesterday\"}\n").unwrap();
    let yesterday = SystemTime::now() - Duration::from_hours(24);
    StdFile::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(yesterday)
        .unwrap();
    let settings = r#", "rotate": {"every": "day"}, "zone": "+02:00""#;
    let target = target(config(&path, settings)).await;
    write(&target, &["today".to_owned()]).await;
    assert_eq!(messages(&path), ["today"]);
    assert_eq!(all_messages(&path), ["yesterday", "today"]);
}

#[tokio::test]
async fn rotated_files_are_compressed_and_the_oldest_go() {
    for (kind, ending) in [("gzip", "gz"), ("zstd", "zst")] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.jsonl");
        let settings = format!(
            r#", "rotate": {{"size": 1}}, "keep": {{"files": 3}}, "compress": "{kind}", "mode": "0640""#
        );
        let target = target(config(&path, &settings)).await;
        for n in 0..10 {
            write(&target, &numbered(n, 1)).await;
        }
        let settled = || {
            let aside = others(&path);
            let packed = aside
                .iter()
                .all(|path| path.extension() == Some(ending.as_ref()));
            aside.len() == 3 && packed
        };
        wait_until("three compressed files", settled).await;
        assert_eq!(all_messages(&path), numbered(6, 4));
        for path in others(&path) {
            assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o640);
        }
        target.shutdown(LONG).await.unwrap();
    }
}

#[tokio::test]
async fn files_that_were_put_aside_while_the_clock_was_far_ahead_go_by_when_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.jsonl");
    let ahead = folder.path().join("app.20980101T000000.000000Z.jsonl");
    fs::write(&ahead, "{\"message\":\"ahead\"}\n").unwrap();
    let first = target(config(&path, r#", "rotate": {"size": 1}"#)).await;
    for n in 0..4 {
        write(&first, &numbered(n, 1)).await;
    }
    first.shutdown(LONG).await.unwrap();
    let aside = others(&path);
    assert_eq!((aside.len(), &aside[0]), (4, &ahead));
    let two_days_ago = SystemTime::now() - Duration::from_hours(48);
    // The last was written to today; so was the current one, which the next instance puts aside.
    for path in &aside[..3] {
        let file = StdFile::options().write(true).open(path).unwrap();
        file.set_modified(two_days_ago).unwrap();
    }
    let settings = r#", "rotate": {"size": 1}, "keep": {"age": "1d"}"#;
    let _second = target(config(&path, settings)).await;
    let gone = || others(&path).first() == Some(&aside[3]);
    wait_until("all but the last are gone", gone).await;
    let left: Vec<_> = others(&path)
        .iter()
        .flat_map(|path| messages(path))
        .collect();
    assert_eq!(left, numbered(2, 2));
}

#[tokio::test]
async fn nothing_that_is_not_its_own_is_compressed_or_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.jsonl");
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let names = [
        "app.jsonl.1",
        "app.jsonl.2.gz",
        "app.jsonl.gz",
        "app.jsonl-20261122",
        "app.2020-01-01.jsonl",
        "app.20200101T000000Z.jsonl",
        "app.20200101T000000.000000Z.jsonl.bak",
        "app.20200101T000000.000000Z.json",
        "app.web.20200101T000000.000000Z.jsonl",
        "web.20200101T000000.000000Z.jsonl",
        "app.20201301T000000.000000Z.jsonl",
        "outside/app.20200101T000000.000000Z.jsonl",
    ];
    for name in names {
        fs::write(folder.path().join(name), name).unwrap();
    }
    let link = folder.path().join("app.20200101T000000.000000Z.jsonl");
    std::os::unix::fs::symlink(outside.join("app.20200101T000000.000000Z.jsonl"), &link).unwrap();
    fs::create_dir(folder.path().join("app.20200101T000000.000001Z.jsonl")).unwrap();
    let settings = r#", "rotate": {"size": 1}, "keep": {"files": 1, "age": "1s", "bytes": 1}, "compress": "gzip""#;
    let target = target(config(&path, settings)).await;
    for n in 0..5 {
        write(&target, &numbered(n, 1)).await;
    }
    let strangers = names.len() - 1 + 3;
    let alone = || others(&path).len() == strangers;
    wait_until("the target's own files are gone", alone).await;
    for name in names {
        assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), name);
    }
    assert!(link.is_symlink());
}

#[tokio::test]
async fn what_a_crash_left_of_a_compression_is_done_when_the_next_instance_starts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.jsonl");
    let aside = |n: u32, ending: &str| {
        folder
            .path()
            .join(format!("app.2026010{n}T000000.000000Z.jsonl{ending}"))
    };
    let line = |n: u32| format!("{{\"message\":\"{n}\"}}\n");
    // Cut short while it was written, while the plain file was about to go, and not begun.
    fs::write(aside(1, ""), line(1)).unwrap();
    fs::write(aside(1, ".zst.part"), "half").unwrap();
    fs::write(aside(2, ""), line(2)).unwrap();
    fs::write(
        aside(2, ".zst"),
        zstd::encode_all(line(2).as_bytes(), 0).unwrap(),
    )
    .unwrap();
    fs::write(aside(3, ""), line(3)).unwrap();
    // About to go when the settings were others.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(line(4).as_bytes()).unwrap();
    fs::write(aside(4, ""), line(4)).unwrap();
    fs::write(aside(4, ".gz"), gzip.finish().unwrap()).unwrap();
    let settings = r#", "rotate": {"size": "1MiB"}, "compress": "zstd""#;
    let target = target(config(&path, settings)).await;
    let done = || {
        let aside = others(&path);
        let packed = aside
            .iter()
            .all(|path| path.extension() != Some("jsonl".as_ref()));
        aside.len() == 4 && packed
    };
    wait_until("all are compressed", done).await;
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
    write(&target, &["5".to_owned()]).await;
    assert_eq!(all_messages(&path), ["1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn a_link_stays_where_it_is_and_the_files_lie_where_it_leads() {
    let folder = tempfile::tempdir().unwrap();
    let real = folder.path().join("real");
    fs::create_dir(&real).unwrap();
    let link = folder.path().join("app.jsonl");
    std::os::unix::fs::symlink(real.join("data.jsonl"), &link).unwrap();
    let target = target(config(&link, r#", "rotate": {"size": 1}"#)).await;
    for n in 0..3 {
        write(&target, &numbered(n, 1)).await;
    }
    assert!(link.is_symlink());
    assert_eq!(all_messages(&real.join("data.jsonl")), numbered(0, 3));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn a_device_is_not_rotated() {
    let settings = r#", "rotate": {"size": 1, "every": "minute"}"#;
    let target = target(config(Path::new("/dev/null"), settings)).await;
    for n in 0..3 {
        write(&target, &numbered(n, 1)).await;
    }
    assert!(Path::new("/dev/null").exists());
}

#[tokio::test]
async fn a_rotation_that_is_refused_holds_no_records() {
    // A file name so long that no moment fits into it.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x".repeat(250));
    let target = target(config(&path, r#", "rotate": {"size": 1}"#)).await;
    for n in 0..3 {
        write(&target, &numbered(n, 1)).await;
    }
    assert_eq!(messages(&path), numbered(0, 3));
}
