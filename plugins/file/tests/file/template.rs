//! Files whose paths the records decide.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::{batch_of, config, deliver, messages, target};
use rolog_file::File;
use rolog_plugin::prelude::*;

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// How many files below `folder` this process has open.
fn open_below(folder: &Path) -> usize {
    let folder = folder.canonicalize().unwrap();
    let open = fs::read_dir("/proc/self/fd").unwrap();
    open.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .filter(|path| path.starts_with(&folder) && path.is_file())
        .count()
}

#[tokio::test]
async fn records_go_where_their_logger_leads_and_few_files_are_open() {
    for fsync in ["never", "interval", "batch"] {
        let folder = tempfile::tempdir().unwrap();
        let template = folder.path().join("logs/{logger}/{date}-{level}.jsonl");
        let settings = format!(r#", "max_open": 3, "fsync": "{fsync}""#);
        let target = target(config(&template, &settings)).await;
        let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for round in 0..10 {
            let words: Vec<_> = (0..40)
                .map(|n| (format!("shop.{}", n % 8), format!("{round}/{n}")))
                .collect();
            let records = words.iter().map(|(logger, word)| (&**logger, &**word));
            assert!(deliver(&target, &batch_of(records)).await.is_delivered());
            assert!(open_below(folder.path()) <= 3);
            for (logger, word) in words {
                expected.entry(logger).or_default().push(word);
            }
        }
        target.flush(Duration::from_secs(1)).await.unwrap();
        for (logger, words) in expected {
            let path = folder
                .path()
                .join(format!("logs/{logger}/1970-01-01-info.jsonl"));
            assert_eq!(messages(&path), words);
        }
        assert_eq!(files(folder.path()).len(), 8);
    }
}

#[tokio::test]
async fn no_logger_leads_out_of_the_base_directory() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base");
    let target = target(config(&base.join("{logger}.jsonl"), "")).await;
    let long = "x".repeat(5000);
    let loggers = [
        "..",
        "../outside",
        "../../../../../../tmp/outside",
        "/etc/passwd",
        "a/../../b",
        "a\0b",
        ".hidden",
        "",
        &long,
        "nul\nline",
        "app.20261122T140000.123456Z",
    ];
    let records = batch_of(loggers.iter().map(|logger| (*logger, *logger)));
    assert!(deliver(&target, &records).await.is_delivered());
    let all = files(folder.path());
    assert_eq!(all.len(), loggers.len());
    assert!(
        all.iter().all(|path| path.parent() == Some(&base)),
        "{all:?}"
    );
}

#[tokio::test]
async fn a_link_that_leads_out_holds_its_own_records_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let (base, outside) = (folder.path().join("base"), folder.path().join("outside"));
    fs::create_dir_all(&outside).unwrap();
    fs::create_dir_all(base.join("real")).unwrap();
    std::os::unix::fs::symlink(&outside, base.join("out")).unwrap();
    std::os::unix::fs::symlink("real", base.join("in")).unwrap();
    let target = target(config(&base.join("{logger}/app.jsonl"), "")).await;
    let records = batch_of([("in", "1"), ("out", "2"), ("other", "3"), ("out", "4")]);
    let outcome = deliver(&target, &records).await;
    assert_eq!(outcome.verdict(), Verdict::Hold);
    assert_eq!(outcome.remaining(), Some(&[1, 3][..]));
    let failure = outcome.failure().unwrap();
    assert_eq!(failure.class, Class::Auth);
    assert!(failure.message.contains("a link leads to"), "{failure}");
    assert!(!failure.maybe_written);
    assert_eq!(files(&outside), [] as [PathBuf; 0]);
    assert_eq!(messages(&base.join("real/app.jsonl")), ["1"]);
    assert_eq!(messages(&base.join("other/app.jsonl")), ["3"]);
}

#[tokio::test]
async fn a_folder_that_becomes_a_link_out_of_the_base_is_not_followed() {
    for more in [r#", "rotate": {"size": 1}"#, ""] {
        let folder = tempfile::tempdir().unwrap();
        let (base, outside) = (folder.path().join("base"), folder.path().join("outside"));
        fs::create_dir_all(&outside).unwrap();
        let target = target(config(&base.join("{logger}/app.jsonl"), more)).await;
        assert!(
            deliver(&target, &batch_of([("a", "1")]))
                .await
                .is_delivered()
        );
        fs::rename(base.join("a"), base.join("moved")).unwrap();
        std::os::unix::fs::symlink(&outside, base.join("a")).unwrap();
        let records = batch_of([("a", "2")]);
        for _ in 0..2 {
            let outcome = deliver(&target, &records).await;
            assert_eq!(outcome.verdict(), Verdict::Hold);
            let failure = outcome.failure().unwrap();
            assert_eq!(failure.class, Class::Auth);
            assert!(failure.message.contains("a link leads to"), "{failure}");
            assert_eq!(files(&outside), [] as [PathBuf; 0]);
        }
        fs::remove_file(base.join("a")).unwrap();
        assert!(deliver(&target, &records).await.is_delivered());
        assert_eq!(messages(&base.join("a/app.jsonl")), ["2"]);
        assert_eq!(messages(&base.join("moved/app.jsonl")), ["1"]);
    }
}

#[tokio::test]
async fn trouble_with_one_file_delays_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let target = target(config(&folder.path().join("{logger}.jsonl"), "")).await;
    fs::create_dir(folder.path().join("b.jsonl")).unwrap();
    let records = batch_of([("a", "1"), ("b", "2"), ("c", "3")]);
    let outcome = deliver(&target, &records).await;
    assert_eq!(
        (outcome.verdict(), outcome.remaining()),
        (Verdict::Hold, Some(&[1][..]))
    );
    fs::remove_dir(folder.path().join("b.jsonl")).unwrap();
    assert!(
        deliver(&target, &batch_of([("b", "2")]))
            .await
            .is_delivered()
    );
    for (logger, word) in [("a", "1"), ("b", "2"), ("c", "3")] {
        let path = folder.path().join(format!("{logger}.jsonl"));
        assert_eq!(messages(&path), [word]);
    }
}

#[tokio::test]
async fn rotated_files_of_all_loggers_are_kept_within_one_bound_and_strangers_stay() {
    let folder = tempfile::tempdir().unwrap();
    let strange = folder.path().join("deep/er/a.20200101T000000.000000Z.log");
    fs::create_dir_all(strange.parent().unwrap()).unwrap();
    fs::write(&strange, "not ours").unwrap();
    let other = folder.path().join("a/b.20200101T000000.000000Z.txt");
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    fs::write(&other, "nor this").unwrap();
    let settings = r#", "rotate": {"size": 1}, "keep": {"files": 4, "bytes": "2KiB"}"#;
    let target = target(config(&folder.path().join("{logger}/x.log"), settings)).await;
    for n in 0..40 {
        let logger = ["a", "b", "c"][n % 3];
        let word = format!("{n} {}", "x".repeat(200));
        assert!(
            deliver(&target, &batch_of([(logger, &*word)]))
                .await
                .is_delivered()
        );
    }
    let current = |path: &PathBuf| path.ends_with("x.log") || *path == strange || *path == other;
    let bounded = || {
        let aside = files(folder.path())
            .into_iter()
            .filter(|path| !current(path));
        let bytes: u64 = aside
            .map(|path| path.metadata().map_or(0, |data| data.len()))
            .sum();
        bytes <= 2048
    };
    let end = std::time::Instant::now() + Duration::from_secs(30);
    while !bounded() {
        assert!(std::time::Instant::now() < end);
        tokio::task::yield_now().await;
    }
    assert!(strange.exists() && other.exists());
    for logger in ["a", "b", "c"] {
        assert_eq!(messages(&folder.path().join(logger).join("x.log")).len(), 1);
    }
}

#[tokio::test]
async fn files_of_earlier_days_are_put_aside_by_the_next_instance_and_strangers_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("{logger}/{date}.jsonl");
    let more = r#", "rotate": {"every": "day"}, "compress": "zstd", "max_open": 1"#;
    let first = target(config(&template, more)).await;
    let records = batch_of([("a", "1"), ("b", "2")]);
    assert!(deliver(&first, &records).await.is_delivered());
    first.shutdown(Duration::from_secs(10)).await.unwrap();
    let stranger = folder.path().join("access/2026-01-01.jsonl");
    fs::create_dir_all(stranger.parent().unwrap()).unwrap();
    fs::write(&stranger, "{}\n").unwrap();
    let old = std::time::SystemTime::now() - Duration::from_hours(48);
    for path in files(folder.path()) {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(old).unwrap();
    }
    let _second = target(config(&template, more)).await;
    let packed = || {
        let packed = |path: &PathBuf| path.extension() == Some("zst".as_ref());
        files(folder.path())
            .iter()
            .filter(|path| packed(path))
            .count()
    };
    let end = std::time::Instant::now() + Duration::from_secs(30);
    // Nothing is made in the place of what was put aside, and the plain files go once they are packed.
    while packed() < 2 || files(folder.path()).len() != 4 {
        assert!(
            std::time::Instant::now() < end,
            "{:?}",
            files(folder.path())
        );
        tokio::task::yield_now().await;
    }
    assert!(stranger.exists());
}

#[test]
fn the_base_directory_is_the_resource() {
    let folder = tempfile::tempdir().unwrap();
    let plan = |path: &str| {
        let settings = config(&folder.path().join(path), "");
        File::validate(&settings, &Setup::new("app")).unwrap()
    };
    let base = folder.path().canonicalize().unwrap().join("logs");
    let expected = [format!("folder:{}", base.display())];
    for path in [
        "logs/{logger}.jsonl",
        "logs/./{date}/x",
        "x/../logs/{level}",
    ] {
        assert_eq!(plan(path).resources(), expected);
    }
}

#[test]
fn templates_that_cannot_work_are_refused_at_their_place() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for (path, text) in [
        ("{host}.log", "`{host}` is not known"),
        ("{logger}/../app.log", "cannot stand behind"),
        ("file/{logger}", "is no directory"),
        ("{logger}/", "names no file"),
    ] {
        let settings = config(&folder.path().join(path), "");
        let error = File::validate(&settings, &Setup::new("app")).unwrap_err();
        assert_eq!(error.problems()[0].path, "path");
        assert!(error.to_string().contains(text), "{error}");
    }
    let settings = config(Path::new("{logger}"), r#", "max_open": 0"#);
    let error = File::validate(&settings, &Setup::new("app")).unwrap_err();
    assert_eq!(error.problems()[0].path, "max_open");
}
