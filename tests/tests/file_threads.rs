//! Many instances of one library on few threads. A program of its own, so that every thread with the
//! plugin's name is one of theirs.

use std::collections::BTreeMap;
use std::fs;

use rolog_host::loader::LoaderSettings;
use rolog_tests::artifacts;
use rolog_tests::plugins::{LONG, attempt, batch, instance, loader};
use serde_json::{Value, json};

/// How many threads of this process belong to the plugin; they are named after it.
#[allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]
fn plugin_threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok())
        .filter(|name| name.trim_end() == "rolog-file")
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_instances_of_a_library_share_at_most_twelve_threads() {
    const BATCHES: usize = 5;
    let folder = tempfile::tempdir().unwrap();
    let (loader, _) = loader(LoaderSettings::default());
    let library = loader.load(artifacts::library("file")).unwrap();
    let mut running = BTreeMap::new();
    for n in 0..50 {
        let path = folder.path().join(format!("{n}.jsonl"));
        running.insert(path.clone(), {
            let target = instance(&library, "app", &json!({ "path": &path }))
                .await
                .unwrap();
            target.activate().await.unwrap();
            target
        });
    }
    let mut expected = BTreeMap::new();
    for round in 0..BATCHES {
        let deliveries: Vec<_> = running
            .iter()
            .map(|(path, target)| {
                let name = path.file_stem().unwrap().to_str().unwrap();
                let words: Vec<_> = (0..200).map(|n| format!("{name}/{round}/{n}")).collect();
                let buffer = batch(words.iter().map(String::as_str));
                expected
                    .entry(path.clone())
                    .or_insert_with(Vec::new)
                    .extend(words);
                target.deliver(buffer, attempt(round as u64))
            })
            .collect();
        let threads = plugin_threads();
        assert!((1..=12).contains(&threads), "{threads} threads");
        for delivery in deliveries {
            assert!(delivery.await.is_delivered());
        }
    }
    let threads = plugin_threads();
    assert!((1..=12).contains(&threads), "{threads} threads");
    for (path, target) in &running {
        target.shutdown(LONG).await.unwrap();
        let written = fs::read_to_string(path).unwrap();
        let messages = written.lines().map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["message"].as_str().unwrap().to_owned()
        });
        assert!(messages.eq(expected[path].iter().cloned()));
    }
}
