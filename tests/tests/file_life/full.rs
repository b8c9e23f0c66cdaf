//! A file system of one megabyte, filled and freed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use rolog_core::delivery::{Class, Verdict};
use rolog_tests::plugins::LONG;
use serde_json::json;

use crate::files::{account, deliver, numbered, target};

/// A file system that ends with it.
struct Small {
    folder: tempfile::TempDir,
}

impl Small {
    /// `None` where it takes rights that this process has not.
    fn new() -> Option<Small> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(folder.path())
            .output();
        let mounted = mounted.is_ok_and(|output| output.status.success());
        if !mounted {
            rolog_tests::skip(
                "a disk that is filled and freed",
                "tmpfs cannot be mounted here",
            );
        }
        mounted.then_some(Small { folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Takes all the room there is.
    fn fill(&self) -> PathBuf {
        let path = self.path("filler");
        let mut size = 1 << 20;
        let mut content = Vec::new();
        while size >= 4096 {
            let more = [&*content, &vec![0_u8; size]].concat();
            match fs::write(&path, &more) {
                Ok(()) => content = more,
                Err(_) => size /= 2,
            }
        }
        fs::write(&path, &content).unwrap();
        path
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let unmounted = Command::new("umount")
            .arg("-l")
            .arg(self.folder.path())
            .status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_holds_and_goes_on_when_there_is_room_with_nothing_torn() {
    let Some(disk) = Small::new() else { return };
    let logs = disk.path("log");
    let config = json!({ "path": logs.join("app.jsonl"), "fsync": "batch" });
    let target = target(&config).await.unwrap();
    let mut delivered = 0;
    for times in 0..3 {
        let filler = disk.fill();
        let held = loop {
            let outcome = deliver(&target, &numbered(delivered, 300)).await;
            if !outcome.is_delivered() {
                break outcome;
            }
            delivered += 300;
        };
        assert_eq!(held.verdict(), Verdict::Hold);
        let failure = held.failure().unwrap();
        assert_eq!(failure.class, Class::Full);
        assert!(!failure.maybe_written);
        assert!(failure.message.contains("app.jsonl"), "{failure}");
        let (counts, torn) = account(&logs);
        assert_eq!((counts.len(), torn.len()), (delivered, 0), "time {times}");
        fs::remove_file(filler).unwrap();
        assert!(
            deliver(&target, &numbered(delivered, 300))
                .await
                .is_delivered()
        );
        delivered += 300;
    }
    target.shutdown(LONG).await.unwrap();
    let (counts, torn) = account(&logs);
    assert_eq!(torn, [] as [String; 0]);
    assert_eq!(
        counts.into_keys().collect::<Vec<_>>(),
        numbered(0, delivered)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compression_that_finds_no_room_leaves_the_file_and_is_done_later() {
    let Some(disk) = Small::new() else { return };
    let logs = disk.path("log");
    let path = logs.join("app.jsonl");
    let config = json!({ "path": &path, "rotate": { "size": "100KiB" }, "compress": "zstd" });
    let target = target(&config).await.unwrap();
    let mut delivered = 0;
    let filler = disk.fill();
    let keep = fs::metadata(&filler).unwrap().len() - 300_000;
    fs::File::options()
        .write(true)
        .open(&filler)
        .unwrap()
        .set_len(keep)
        .unwrap();
    while deliver(&target, &numbered(delivered, 100))
        .await
        .is_delivered()
    {
        delivered += 100;
        assert!(delivered < 1_000_000, "the disk is never full");
        if delivered > 20_000 {
            break;
        }
    }
    fs::remove_file(filler).unwrap();
    // The next rotation finds what the last one could not do.
    let settled = |logs: &Path| {
        let files = crate::files::files(logs);
        let aside: Vec<_> = files.iter().filter(|file| **file != path).collect();
        !aside.is_empty()
            && aside
                .iter()
                .all(|file| file.extension() == Some("zst".as_ref()))
    };
    let end = Instant::now() + LONG;
    for _ in 0..10 {
        assert!(
            deliver(&target, &numbered(delivered, 100))
                .await
                .is_delivered()
        );
        delivered += 100;
    }
    while !settled(&logs) {
        assert!(Instant::now() < end, "{:?}", crate::files::files(&logs));
        tokio::task::yield_now().await;
    }
    target.shutdown(LONG).await.unwrap();
    let (counts, torn) = account(&logs);
    assert_eq!(torn, [] as [String; 0]);
    assert_eq!(counts.len(), delivered);
    assert!(counts.values().all(|count| *count == 1));
}
