//! What becomes of batches.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::common::{batch, config, deliver, messages, target};
use crate::nobody::as_nobody;
use rolog_file::File;
use rolog_plugin::prelude::*;

#[tokio::test]
async fn records_become_json_lines_in_order_in_folders_that_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/deep/app.jsonl");
    let target = target(config(&path, "")).await;
    assert!(
        deliver(&target, &batch(["one", "two"]))
            .await
            .is_delivered()
    );
    assert!(
        deliver(&target, &batch(["three\nlines\n"]))
            .await
            .is_delivered()
    );
    target
        .flush(std::time::Duration::from_secs(1))
        .await
        .unwrap();
    assert_eq!(messages(&path), ["one", "two", "three\nlines\n"]);
    target
        .shutdown(std::time::Duration::from_secs(1))
        .await
        .unwrap();
}

#[tokio::test]
async fn records_become_text_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    let target = target(config(&path, r#", "format": "text", "fsync": "never""#)).await;
    assert!(deliver(&target, &batch(["one"])).await.is_delivered());
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "1970-01-01T00:00:00.000000000Z  INFO t  one\n"
    );
}

#[tokio::test]
async fn batches_larger_than_a_piece_arrive_whole_with_every_kind_of_sync() {
    let words: Vec<String> = (0..5000)
        .map(|n| format!("{n} {}", "x".repeat(200)))
        .collect();
    let large = batch(words.iter().map(String::as_str));
    for fsync in ["never", "interval", "batch"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.jsonl");
        let target = target(config(&path, &format!(r#", "fsync": "{fsync}""#))).await;
        assert!(deliver(&target, &large).await.is_delivered());
        assert!(fs::metadata(&path).unwrap().len() > 1 << 20);
        assert_eq!(messages(&path), words);
    }
}

#[tokio::test]
async fn nothing_is_made_before_the_instance_is_activated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs/app.jsonl");
    let context = Context::detached(Setup::new("app"));
    let target = File::create(config(&path, ""), context).await.unwrap();
    assert!(!folder.path().join("logs").exists());
    target.activate().await.unwrap();
    assert!(path.exists());
}

#[tokio::test]
async fn a_line_that_a_crash_left_torn_is_ended_and_the_rest_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.jsonl");
    fs::write(&path, "{\"message\":\"whole\"}\n{\"message\":\"to").unwrap();
    let target = target(config(&path, "")).await;
    assert!(deliver(&target, &batch(["next"])).await.is_delivered());
    let content = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = content.lines().collect();
    assert_eq!(lines[..2], ["{\"message\":\"whole\"}", "{\"message\":\"to"]);
    assert!(lines[2].contains("next") && lines.len() == 3);
}

#[tokio::test]
async fn a_file_that_is_moved_deleted_or_replaced_is_left_for_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs/app.jsonl");
    let moved = folder.path().join("moved");
    let target = target(config(&path, "")).await;
    assert!(deliver(&target, &batch(["before"])).await.is_delivered());
    fs::rename(&path, &moved).unwrap();
    assert!(
        deliver(&target, &batch(["after the move"]))
            .await
            .is_delivered()
    );
    assert_eq!(messages(&moved), ["before"]);
    assert_eq!(messages(&path), ["after the move"]);
    fs::remove_dir_all(folder.path().join("logs")).unwrap();
    assert!(
        deliver(&target, &batch(["after the loss"]))
            .await
            .is_delivered()
    );
    assert_eq!(messages(&path), ["after the loss"]);
    // As logrotate's `copytruncate` does.
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(0)
        .unwrap();
    assert!(
        deliver(&target, &batch(["after the cut"]))
            .await
            .is_delivered()
    );
    assert_eq!(messages(&path), ["after the cut"]);
}

#[tokio::test]
async fn a_folder_in_the_way_is_held_and_delivery_goes_on_when_it_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.jsonl");
    let target = target(config(&path, "")).await;
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let records = batch(["kept"]);
    let outcome = deliver(&target, &records).await;
    assert_eq!(outcome.verdict(), Verdict::Hold);
    assert_eq!(outcome.failure().unwrap().class, Class::NotFound);
    assert!(!outcome.failure().unwrap().maybe_written);
    fs::remove_dir(&path).unwrap();
    assert!(deliver(&target, &records).await.is_delivered());
    assert_eq!(messages(&path), ["kept"]);
}

#[tokio::test]
async fn a_full_disk_holds_the_records() {
    let target = target(config(Path::new("/dev/full"), "")).await;
    let outcome = deliver(&target, &batch(["lost for now"])).await;
    assert_eq!(outcome.verdict(), Verdict::Hold);
    assert_eq!(outcome.failure().unwrap().class, Class::Full);
    let text = outcome.failure().unwrap().to_string();
    assert!(text.starts_with("cannot write to /dev/full: "), "{text}");
}

#[tokio::test]
async fn a_device_takes_batches_whatever_the_sync() {
    let target = target(config(Path::new("/dev/null"), r#", "fsync": "batch""#)).await;
    for _ in 0..2 {
        assert!(deliver(&target, &batch(["gone"])).await.is_delivered());
    }
    target
        .flush(std::time::Duration::from_secs(1))
        .await
        .unwrap();
}

#[test]
fn a_missing_permission_is_held_and_delivery_goes_on_when_it_is_given() {
    as_nobody(async || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.jsonl");
        let allow = |mode: u32| {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        };
        let target = target(config(&path, "")).await;
        fs::remove_file(&path).unwrap();
        allow(0o500);
        let records = batch(["kept"]);
        let outcome = deliver(&target, &records).await;
        assert_eq!(outcome.verdict(), Verdict::Hold);
        assert_eq!(outcome.failure().unwrap().class, Class::Auth);
        let context = Context::detached(Setup::new("another"));
        let refused = File::create(config(&path, ""), context).await;
        assert_eq!(refused.unwrap_err().class, Class::Auth);
        allow(0o700);
        assert!(deliver(&target, &records).await.is_delivered());
        assert_eq!(messages(&path), ["kept"]);
    });
}
