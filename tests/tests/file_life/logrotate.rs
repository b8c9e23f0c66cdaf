//! Debian's logrotate with the configurations that packages come with.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rolog_tests::plugins::LONG;
use serde_json::json;

use crate::files::{account, deliver, files, have, numbered, target};

const PROGRAM: &str = "/usr/sbin/logrotate";

fn rotate(folder: &Path, options: &str) {
    let config = folder.join("logrotate.conf");
    let logs = folder.join("log");
    let text = format!(
        "{}/app.jsonl {{\n rotate 1000\n missingok\n {options}\n}}\n",
        logs.display()
    );
    fs::write(&config, text).unwrap();
    let output = Command::new(PROGRAM)
        .arg("-f")
        .arg("-s")
        .arg(folder.join("state"))
        .arg(&config)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{options}: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_logrotate_renames_while_they_are_written_to_lose_nothing() {
    if !have(PROGRAM, "logrotate renames files while they are written to") {
        return;
    }
    for options in [
        "create 0640",
        "nocreate",
        "create\n compress\n delaycompress\n notifempty",
        "create 0640\n dateext\n dateformat -%Y%m%d-%s",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("log");
        let config = json!({ "path": logs.join("app.jsonl"), "fsync": "never" });
        let target = target(&config).await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let writer = tokio::spawn({
            let (target, stop) = (Arc::clone(&target), Arc::clone(&stop));
            async move {
                let mut written = 0;
                while !stop.load(Ordering::Relaxed) {
                    assert!(
                        deliver(&target, &numbered(written, 50))
                            .await
                            .is_delivered()
                    );
                    written += 50;
                }
                written
            }
        });
        // A date of seconds gives a name once a second, and logrotate leaves a name that is taken.
        let times = if options.contains("%s") { 1 } else { 5 };
        for _ in 0..times {
            // What is not there is not rotated.
            while fs::metadata(logs.join("app.jsonl")).map_or(0, |data| data.len()) == 0 {
                tokio::task::yield_now().await;
            }
            let folder = folder.path().to_owned();
            tokio::task::spawn_blocking(move || rotate(&folder, options))
                .await
                .unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        let written = writer.await.unwrap();
        target.shutdown(LONG).await.unwrap();
        let (counts, torn) = account(&logs);
        assert_eq!(torn, [] as [String; 0], "{options}");
        assert_eq!(counts.len(), written, "{options}");
        assert!(counts.values().all(|count| *count == 1), "{options}");
        assert!(files(&logs).len() > times, "{options}: {:?}", files(&logs));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_logrotate_copies_and_empties_are_gone_on_with() {
    if !have(PROGRAM, "logrotate copies files and empties them") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("log");
    let config = json!({ "path": logs.join("app.jsonl"), "fsync": "batch" });
    let target = target(&config).await.unwrap();
    // Between its copying and its emptying logrotate loses what anybody writes: not while it runs.
    for round in 0..5 {
        assert!(
            deliver(&target, &numbered(round * 50, 50))
                .await
                .is_delivered()
        );
        rotate(folder.path(), "copytruncate");
    }
    assert!(deliver(&target, &numbered(250, 50)).await.is_delivered());
    target.shutdown(LONG).await.unwrap();
    let (counts, torn) = account(&logs);
    assert_eq!(torn, [] as [String; 0]);
    assert_eq!(counts.into_keys().collect::<Vec<_>>(), numbered(0, 300));
    assert_eq!(files(&logs).len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emptied_at_any_moment_no_line_is_torn() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.jsonl");
    let target = target(&json!({ "path": &path, "fsync": "never" }))
        .await
        .unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let emptier = std::thread::spawn({
        let (path, stop) = (path.clone(), Arc::clone(&stop));
        move || {
            let mut times = 0;
            while !stop.load(Ordering::Relaxed) {
                let file = fs::File::options().write(true).open(&path).unwrap();
                file.set_len(0).unwrap();
                times += 1;
            }
            times
        }
    });
    for round in 0..200 {
        let outcome = deliver(&target, &numbered(round * 100, 100)).await;
        assert!(outcome.is_delivered());
        let (_, torn) = account_when_still(&path);
        assert_eq!(torn, 0);
    }
    stop.store(true, Ordering::Relaxed);
    assert!(emptier.join().unwrap() > 100);
    assert!(deliver(&target, &numbered(0, 1)).await.is_delivered());
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.ends_with('\n'));
}

/// How many lines there are and how many are torn, while the file may be emptied.
fn account_when_still(path: &Path) -> (usize, usize) {
    let text = fs::read(path).unwrap();
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let torn = lines.clone().filter(|line| {
        let whole = serde_json::from_slice::<serde_json::Value>(line).is_ok();
        // A read that was overtaken gives zeros, or an end that was cut off.
        !whole && line.ends_with(b"\n") && !line.contains(&0)
    });
    (lines.count(), torn.count())
}
