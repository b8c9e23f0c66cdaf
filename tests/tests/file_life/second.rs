//! A second process that wants the same file.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use rolog_core::delivery::Class;
use rolog_tests::plugins::LONG;
use serde_json::json;

use crate::files::{account, deliver, numbered, target};

/// What the first process runs: it writes a batch and then waits until its input ends.
#[test]
fn child() {
    let Some(path) = std::env::var_os("ROLOG_SECOND_PATH") else {
        // Run as one test among the others, it has nothing to do.
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let path = path.into_string().unwrap();
        let target = target(&json!({ "path": path })).await.unwrap();
        assert!(deliver(&target, &numbered(0, 10)).await.is_delivered());
        let mut out = std::io::stdout();
        writeln!(out, "has it").and_then(|()| out.flush()).unwrap();
        std::io::stdin().read_line(&mut String::new()).unwrap();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_kept_out_and_told_by_whom_until_the_first_one_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.jsonl");
    let mut first = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "second::child",
            "--nocapture",
            "--test-threads=1",
        ])
        .env("ROLOG_SECOND_PATH", &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(first.stdout.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().ends_with("has it")));

    let config = json!({ "path": &path });
    let Err(refused) = target(&config).await else {
        panic!("two processes write to one file");
    };
    assert_eq!(refused.class, Class::Unavailable);
    let expected = format!("another process ({}) writes to it", first.id());
    assert!(refused.message.contains(&expected), "{refused}");
    assert!(refused.message.contains("lock: false"), "{refused}");
    let unlocked = target(&json!({ "path": &path, "lock": false }))
        .await
        .unwrap();
    unlocked.shutdown(LONG).await.unwrap();

    drop(first.stdin.take());
    assert!(first.wait().unwrap().success());
    let second = target(&config).await.unwrap();
    // A successor in the same process, as a reload makes it, is not kept out.
    let third = target(&config).await.unwrap();
    second.shutdown(LONG).await.unwrap();
    assert!(deliver(&third, &numbered(10, 10)).await.is_delivered());
    let (counts, torn) = account(folder.path());
    assert_eq!((counts.len(), torn.len()), (20, 0));
}
