//! Who may use the file, and several batches at once.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::{batch, config, deliver, messages, target};
use crate::nobody::as_nobody;
use rolog_file::File;
use rolog_plugin::prelude::*;

#[tokio::test]
async fn files_are_made_with_the_mode_that_is_asked_for_whatever_the_mask() {
    let folder = tempfile::tempdir().unwrap();
    for (n, mode) in [0o666, 0o640, 0o600].into_iter().enumerate() {
        let path = folder.path().join(n.to_string());
        let settings = config(&path, &format!(r#", "mode": "{mode:o}""#));
        let target = target(settings).await;
        assert!(deliver(&target, &batch(["x"])).await.is_delivered());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, mode);
    }
}

#[tokio::test]
async fn a_file_that_others_may_use_is_held_until_that_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.jsonl");
    let target = target(config(&path, r#", "mode": "0640", "owner": "self""#)).await;
    fs::remove_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    let records = batch(["kept"]);
    let outcome = deliver(&target, &records).await;
    assert_eq!(outcome.verdict(), Verdict::Hold);
    let failure = outcome.failure().unwrap();
    assert_eq!(failure.class, Class::Auth);
    assert!(
        failure
            .message
            .contains("its mode is 0666, which allows more than the `mode: 0640`"),
        "{failure}"
    );
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert!(deliver(&target, &records).await.is_delivered());
    assert_eq!(messages(&path), ["kept"]);
}

#[tokio::test]
async fn a_file_of_somebody_else_is_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.jsonl");
    fs::write(&path, "").unwrap();
    let stranger = fs::metadata(&path).unwrap().uid() + 1;
    let settings = config(&path, &format!(r#", "owner": {stranger}"#));
    let context = Context::detached(Setup::new("app"));
    let target = File::create(settings, context).await.unwrap();
    let failure = target.activate().await.unwrap_err();
    assert_eq!(failure.class, Class::Auth);
    assert!(
        failure.message.contains(&format!("and not to {stranger}")),
        "{failure}"
    );
}

#[tokio::test]
async fn a_file_has_to_belong_to_the_user_and_the_group_that_are_named() {
    use nix::unistd::{Gid, Group, Uid, User};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.jsonl");
    let ours = User::from_uid(Uid::effective()).unwrap().unwrap().name;
    let group = Group::from_gid(Gid::effective()).unwrap().unwrap().name;
    let open = async |owner: String| {
        let settings = config(&path, &format!(r#", "owner": "{owner}""#));
        let context = Context::detached(Setup::new("app"));
        let target = File::create(settings, context).await.unwrap();
        target.activate().await.map(|()| target)
    };
    for owner in [ours.clone(), format!("{ours}:{group}"), format!(":{group}")] {
        let target = open(owner).await.unwrap();
        assert!(deliver(&target, &batch(["x"])).await.is_delivered());
    }
    // Only root can give a file away; anybody else's is not root's.
    let (owner, text) = if Uid::effective().is_root() {
        std::os::unix::fs::chown(&path, None, Some(1)).unwrap();
        let text = format!("it belongs to the group 1 and not to 0 (`{group}`)");
        (format!("{ours}:{group}"), text)
    } else {
        let uid = Uid::effective();
        (
            "root".into(),
            format!("it belongs to the user {uid} and not to 0 (`root`)"),
        )
    };
    let failure = open(owner).await.unwrap_err();
    assert_eq!(failure.class, Class::Auth);
    assert!(failure.message.contains(&text), "{failure}");
}

#[tokio::test]
async fn files_that_are_made_are_given_to_the_owner_and_rotated_and_kept_as_its() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.jsonl");
    // Only root can give a file to anybody.
    let (uid, gid) = if nix::unistd::geteuid().is_root() {
        (1, 2)
    } else {
        let data = fs::metadata(folder.path()).unwrap();
        (data.uid(), data.gid())
    };
    let settings = format!(
        r#", "owner": "{uid}:{gid}", "mode": "0640", "rotate": {{"size": 1}}, "keep": {{"files": 2}}, "compress": "gzip""#
    );
    let target = target(config(&path, &settings)).await;
    for word in ["1", "2", "3", "4"] {
        assert!(deliver(&target, &batch([word])).await.is_delivered());
    }
    let files = || -> Vec<_> {
        let entries = fs::read_dir(folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let kept = || {
        let packed = |path: &&PathBuf| path.extension() == Some("gz".as_ref());
        let files = files();
        files.len() == 3 && files.iter().filter(packed).count() == 2
    };
    let end = Instant::now() + Duration::from_secs(20);
    while !kept() {
        assert!(Instant::now() < end, "{:?}", files());
        tokio::task::yield_now().await;
    }
    for path in files() {
        let data = fs::metadata(&path).unwrap();
        assert_eq!((data.uid(), data.gid()), (uid, gid), "{path:?}");
        assert_eq!(data.mode() & 0o777, 0o640, "{path:?}");
    }
}

#[test]
fn a_file_that_cannot_be_given_to_the_owner_is_not_left_there() {
    as_nobody(async || {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::os::unix::fs::symlink("real.jsonl", at("link.jsonl")).unwrap();
        for (owner, name, text, remedy) in [
            (
                ":4711",
                "app.jsonl",
                "and not to 4711",
                "a member of the group",
            ),
            (
                ":4711",
                "link.jsonl",
                "and not to 4711",
                "a member of the group",
            ),
            ("4712", "app.jsonl", "and not to 4712", "as that user"),
        ] {
            let settings = config(&at(name), &format!(r#", "owner": "{owner}""#));
            let context = Context::detached(Setup::new("app"));
            let target = File::create(settings, context).await.unwrap();
            let failure = target.activate().await.unwrap_err();
            assert_eq!(failure.class, Class::Auth);
            for text in [text, remedy, "cannot be given to its `owner`"] {
                assert!(failure.message.contains(text), "{failure}");
            }
            let outcome = deliver(&target, &batch(["kept"])).await;
            assert_eq!(outcome.verdict(), Verdict::Hold);
            let names = fs::read_dir(folder.path()).unwrap();
            let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(names, ["link.jsonl"]);
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_in_flight_together_are_all_there_once_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.jsonl");
    let settings = config(&path, r#", "fsync": "batch", "rotate": {"size": "2KiB"}"#);
    let target = Arc::new(target(settings).await);
    let tasks: Vec<_> = (0..50)
        .map(|n| {
            let target = Arc::clone(&target);
            tokio::spawn(async move {
                let words: Vec<_> = (0..5).map(|k| format!("{n}/{k}")).collect();
                let records = batch(words.iter().map(String::as_str));
                assert!(deliver(&target, &records).await.is_delivered());
                words
            })
        })
        .collect();
    let mut expected = Vec::new();
    for task in tasks {
        expected.extend(task.await.unwrap());
    }
    let files = fs::read_dir(folder.path()).unwrap();
    let mut found: Vec<_> = files
        .flat_map(|entry| messages(&entry.unwrap().path()))
        .collect();
    // The records of a batch stand together, in their order.
    assert!(found.chunks(5).all(<[String]>::is_sorted));
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}
