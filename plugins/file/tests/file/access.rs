//! Who may use the file, and several batches at once.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Arc;

use crate::common::{batch, config, deliver, messages, target};
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
