//! A file that may not grow any further: the kernel writes a part of a batch and refuses the rest.
//! A program of its own, because the limit holds for all of it.

mod common;

use std::fs;

use common::{batch, config, deliver, messages, target};
use rolog_plugin::prelude::*;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const ROOM: u64 = 300_000;

#[allow(clippy::unwrap_used, reason = "a helper of tests fails the test")]
fn limit(current: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
}

#[tokio::test]
async fn what_fitted_of_a_batch_is_cut_off_again_and_the_retry_writes_it_once() {
    // SAFETY: nothing else in this program deals with signals. Ignored, SIGXFSZ turns into the
    // error that a full disk would be.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.jsonl");
    let target = target(config(&path, "")).await;
    assert!(deliver(&target, &batch(["before"])).await.is_delivered());
    let good = fs::metadata(&path).unwrap().len();

    let words: Vec<String> = (0..4000)
        .map(|n| format!("{n} {}", "x".repeat(200)))
        .collect();
    let large = batch(words.iter().map(String::as_str));
    limit(Some(ROOM));
    for _ in 0..2 {
        let outcome = deliver(&target, &large).await;
        assert_eq!(outcome.verdict(), Verdict::Hold);
        let failure = outcome.failure().unwrap();
        assert_eq!(failure.class, Class::Full);
        assert!(!failure.maybe_written);
        assert_eq!(fs::metadata(&path).unwrap().len(), good);
    }
    limit(None.or(getrlimit(Resource::Fsize).maximum));
    assert!(deliver(&target, &large).await.is_delivered());
    let read = messages(&path);
    assert_eq!(read[0], "before");
    assert_eq!(read[1..], words);
}
