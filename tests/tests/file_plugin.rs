//! The file plugin as a loaded library: attempts that are cut short, settings that are refused, and the
//! same lines as when it is linked in.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rolog_core::delivery::{Class, Verdict};
use rolog_host::instance::{Buffer, Instance};
use rolog_host::loader::{Library, LoaderSettings};
use rolog_plugin::linked;
use rolog_tests::artifacts;
use rolog_tests::plugins::{LONG, attempt, batch, instance, loader};
use serde_json::{Value, json};

#[allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]
fn file() -> Library {
    let (loader, _) = loader(LoaderSettings::default());
    loader.load(artifacts::library("file")).unwrap()
}

#[allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]
async fn writes_to(library: &Library, path: &Path) -> Arc<dyn Instance> {
    let target = instance(library, "app", &json!({ "path": path }))
        .await
        .unwrap();
    target.activate().await.unwrap();
    target
}

fn numbered(prefix: &str, count: usize) -> (Vec<String>, Buffer) {
    let words: Vec<_> = (0..count).map(|n| format!("{prefix}-{n}")).collect();
    let buffer = batch(words.iter().map(String::as_str));
    (words, buffer)
}

#[allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]
fn messages(path: &Path) -> Vec<String> {
    let content = fs::read_to_string(path).unwrap();
    assert!(content.is_empty() || content.ends_with('\n'));
    let message = |line| serde_json::from_str::<Value>(line).unwrap()["message"].clone();
    let text = |value: Value| value.as_str().unwrap().to_owned();
    content.lines().map(message).map(text).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_attempt_leaves_the_whole_batch_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.jsonl");
    let target = writes_to(&file(), &path).await;
    let (words, buffer) = numbered("x", 20_000);
    let mut cut = 0;
    let mut expected = Vec::new();
    for id in 0..20 {
        let delivery = target.deliver(buffer.clone(), attempt(id));
        // Each a little later than the one before it, from before it begins to after its end.
        for _ in 0..id * id {
            tokio::task::yield_now().await;
        }
        target.cancel(id);
        let outcome = delivery.await;
        match outcome.failure() {
            None => expected.extend_from_slice(&words),
            Some(failure) => {
                assert_eq!(
                    (outcome.verdict(), failure.class),
                    (Verdict::Retry, Class::Cancelled)
                );
                assert!(!failure.maybe_written);
                cut += 1;
            }
        }
        assert_eq!(messages(&path).len(), expected.len());
    }
    assert!(cut > 0, "no attempt was cancelled in time");
    assert!(messages(&path) == expected);
}

#[tokio::test]
async fn loaded_and_linked_in_it_writes_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (loader, _) = loader(LoaderSettings::default());
    let libraries = [file(), loader.link(linked::<rolog_file::File>())];
    let mut written = Vec::new();
    for (n, library) in libraries.iter().enumerate() {
        let path = folder.path().join(n.to_string());
        let target = writes_to(library, &path).await;
        assert!(
            target
                .deliver(numbered("x", 100).1, attempt(1))
                .await
                .is_delivered()
        );
        target.shutdown(LONG).await.unwrap();
        written.push(fs::read(&path).unwrap());
    }
    assert_eq!(written[0], written[1]);
    assert!(!written[0].is_empty());
}

#[test]
fn what_is_wrong_with_the_settings_is_said_by_path() {
    let library = file();
    let refusal = |config| {
        let setup = rolog_plugin::Setup::new("app");
        library.validate(&config, &setup).unwrap_err().to_string()
    };
    let unknown = refusal(json!({ "path": "a", "pth": "b" }));
    assert!(
        unknown.starts_with("pth: unknown field `pth` (expected one of `path`, `format`, "),
        "{unknown}"
    );
    assert_eq!(
        refusal(json!({ "path": "a", "rotate": { "size": "10M" } })),
        "rotate.size: `10M`: `M` is not a unit of size (expected a size such as `64MiB`, or a number of bytes)"
    );
    assert_eq!(
        refusal(json!({ "path": "a", "keep": { "files": 3 } })),
        "keep: without `rotate` there are no rotated files (expected a `rotate` beside it)"
    );
    assert_eq!(
        refusal(json!({ "path": "a", "fsync": "always" })),
        "fsync: unknown variant `always` (expected one of `never`, `interval`, `batch`)"
    );
    assert_eq!(
        refusal(json!({ "path": "/tmp" })),
        "path: `/tmp` is a folder (expected the path of a file (`plugin: console` has the streams))"
    );
}
