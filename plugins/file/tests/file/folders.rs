//! Folders of a template that are in trouble, beside others that are not.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::common::{batch_of, config, deliver, target};
use crate::nobody::as_nobody;

/// A folder that may be used so until the end of the test.
struct Allowed(PathBuf);

impl Allowed {
    fn new(folder: PathBuf, mode: u32) -> Self {
        fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
        Allowed(folder)
    }
}

impl Drop for Allowed {
    fn drop(&mut self) {
        fs::set_permissions(&self.0, Permissions::from_mode(0o700)).unwrap();
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

async fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < end, "{what}");
        tokio::task::yield_now().await;
    }
}

/// Rotates the file of the logger `shop` several times, with `keep: {files: 1}`, until it holds.
async fn keeps_one_of_shop(base: &Path) {
    let settings = r#", "rotate": {"size": 1}, "keep": {"files": 1}, "compress": "gzip""#;
    let target = target(config(&base.join("{logger}/x.log"), settings)).await;
    for word in ["1", "2", "3", "4"] {
        let records = batch_of([("shop", word)]);
        assert!(deliver(&target, &records).await.is_delivered());
    }
    let held = || {
        let names = names(&base.join("shop"));
        names.len() == 2 && names[0].contains(".log.") && names[1] == "x.log"
    };
    wait_until("one rotated file stays, compressed", held).await;
}

#[test]
fn a_folder_that_cannot_be_read_stops_no_other_folders_retention() {
    as_nobody(async || {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("locked")).unwrap();
        let _locked = Allowed::new(folder.path().join("locked"), 0);
        keeps_one_of_shop(folder.path()).await;
    });
}

#[test]
fn a_folder_that_cannot_be_written_to_stops_no_other_folders_retention() {
    as_nobody(async || {
        let folder = tempfile::tempdir().unwrap();
        let fixed = folder.path().join("fixed");
        fs::create_dir(&fixed).unwrap();
        let old = [
            "x.20260101T000000.000000Z.log",
            "x.20260102T000000.000000Z.log",
        ];
        for name in old {
            fs::write(fixed.join(name), "line\n").unwrap();
        }
        let _fixed = Allowed::new(fixed.clone(), 0o500);
        keeps_one_of_shop(folder.path()).await;
        assert_eq!(names(&fixed), old);
    });
}

#[test]
fn a_file_of_an_earlier_day_that_cannot_be_put_aside_stops_no_other() {
    as_nobody(async || {
        let folder = tempfile::tempdir().unwrap();
        let template = folder.path().join("{logger}/{date}.jsonl");
        let settings = r#", "rotate": {"every": "day"}"#;
        let first = target(config(&template, settings)).await;
        let records = batch_of([("fixed", "1"), ("shop", "2")]);
        assert!(deliver(&first, &records).await.is_delivered());
        drop(first);
        let old = SystemTime::now() - Duration::from_hours(48);
        for logger in ["fixed", "shop"] {
            let path = folder.path().join(logger).join("1970-01-01.jsonl");
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_modified(old).unwrap();
        }
        let fixed = Allowed::new(folder.path().join("fixed"), 0o500);
        let second = target(config(&template, settings)).await;
        let aside = |logger: &str| {
            let names = names(&folder.path().join(logger));
            names.len() == 1 && names[0] != "1970-01-01.jsonl"
        };
        wait_until("the other is put aside", || aside("shop")).await;
        assert!(!aside("fixed"));
        // It is not forgotten: the next look finds it.
        drop((second, fixed));
        let _third = target(config(&template, settings)).await;
        wait_until("it is put aside once it can be", || aside("fixed")).await;
    });
}
