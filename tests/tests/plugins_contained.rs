//! What a plugin does wrong stays within it: panics and hangs in every call, and too many threads.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rolog_core::delivery::{Class, Outcome, Verdict};
use rolog_host::instance::{Instance, Maker};
use rolog_host::loader::{Library, LoaderSettings};
use rolog_plugin::Setup;
use rolog_tests::artifacts;
use rolog_tests::plugins::{Heard, LONG, attempt, batch, instance, maker, own_copy};
use serde_json::{Value, json};

/// Short enough for what never ends.
const SOON: Duration = Duration::from_millis(50);

fn misbehaving(settings: LoaderSettings) -> (Library, Arc<Heard>) {
    own_copy(&artifacts::library("misbehaving"), settings)
}

fn patient() -> LoaderSettings {
    LoaderSettings {
        answer_deadline: LONG,
        create_deadline: LONG,
        ..LoaderSettings::default()
    }
}

async fn target(library: &Library, config: Value) -> Arc<dyn Instance> {
    instance(library, "app", &config).await.unwrap()
}

async fn deliver(target: &Arc<dyn Instance>) -> Outcome {
    target.deliver(batch(["x"]), attempt(1)).await
}

#[tokio::test]
async fn a_panic_in_any_call_fails_that_call_and_says_where() {
    let (library, _heard) = misbehaving(patient());
    let validate = library.validate(&json!({ "panics_in": ["validate"] }), &Setup::new("app"));
    let text = validate.unwrap_err().to_string();
    assert!(
        text.starts_with("panicked in validate: as told, in Validate (at ")
            && text.contains("misbehaving/src/lib.rs:"),
        "{text}"
    );
    let create = instance(&library, "app", &json!({ "panics_in": ["create"] }))
        .await
        .err()
        .unwrap();
    assert_eq!(create.class, Class::Panic);

    let all = ["activate", "deliver", "flush", "shutdown", "call"];
    let target = target(&library, json!({ "panics_in": all })).await;
    let failures = [
        target.activate().await.unwrap_err(),
        deliver(&target).await.failure().unwrap().clone(),
        target.flush(LONG).await.unwrap_err(),
        target.shutdown(LONG).await.unwrap_err(),
        target.call("x", b"").await.unwrap_err(),
    ];
    for (failure, call) in failures.into_iter().zip(all) {
        assert_eq!(failure.class, Class::Panic, "{failure}");
        let expected = format!("panicked in {call}: as told, in ");
        assert!(failure.message.starts_with(&expected), "{failure}");
        assert_eq!(failure.maybe_written, call == "deliver");
    }
}

#[tokio::test]
async fn a_panic_beside_the_calls_is_contained_and_reported() {
    let (library, heard) = misbehaving(patient());
    let spawned = target(&library, json!({ "panics_in": ["spawned"] })).await;
    let outcome = deliver(&spawned).await;
    assert_eq!(outcome.failure().unwrap().class, Class::Panic);
    heard.wait_for("misbehaving/app: panicked in spawned work: as told, in a task");

    let thread = target(&library, json!({ "panics_in": ["thread"] })).await;
    assert!(deliver(&thread).await.is_delivered());
    heard.wait_for("misbehaving/app: panicked in spawned work: as told, in a thread");

    let future = target(&library, json!({ "panics_in": ["future"] })).await;
    assert_eq!(
        deliver(&future).await.failure().unwrap().class,
        Class::Panic
    );

    let own = target(&library, json!({})).await;
    assert!(own.call("tokio", b"").await.is_ok());
    heard.wait_for("misbehaving/-: panicked in a thread or task of its own");

    let dropped = target(&library, json!({ "panics_in": ["drop"] })).await;
    drop(dropped);
    heard.wait_for("panicked in drop: as told, in Drop");
}

#[tokio::test]
async fn an_instance_of_its_own_runtime_is_named_for_what_it_spawns_behind_the_sdk() {
    let (library, heard) = misbehaving(patient());
    let setup = Setup::new("alone").isolate(true);
    let maker = maker(&library, &setup, &json!({}));
    let alone = maker.create().await.unwrap();
    assert!(alone.call("tokio", b"").await.is_ok());
    heard.wait_for("misbehaving/alone: panicked in a thread or task of its own");
}

#[test]
fn a_hang_in_validate_is_an_error_that_names_the_deadline_and_is_not_waited_for_again_and_again() {
    let (library, _heard) = misbehaving(LoaderSettings {
        answer_deadline: SOON,
        ..patient()
    });
    let ask = |config: Value| {
        let answer = library.validate(&config, &Setup::new("app"));
        answer.map(drop).map_err(|error| error.to_string())
    };
    for _ in 0..4 {
        assert_eq!(
            ask(json!({ "blocks_in": ["validate"] })).unwrap_err(),
            "the plugin `misbehaving` did not answer `validate` within 50ms"
        );
    }
    assert_eq!(
        ask(json!({})).unwrap_err(),
        "the plugin `misbehaving` is not asked any more: 4 of its calls hang"
    );
}

#[tokio::test]
async fn a_create_that_hangs_is_given_up_at_its_deadline() {
    let (library, _heard) = misbehaving(LoaderSettings {
        create_deadline: SOON,
        ..patient()
    });
    for config in [
        json!({ "never_ready_in": ["create"] }),
        json!({ "blocks_in": ["create"] }),
    ] {
        let failure = instance(&library, "app", &config).await.err().unwrap();
        assert_eq!(failure.class, Class::Timeout);
        assert_eq!(
            failure.message,
            "the plugin did not answer `create` within 50ms"
        );
    }
}

#[tokio::test]
async fn a_flush_and_a_shutdown_that_hang_are_given_up_at_their_deadlines() {
    let (library, _heard) = misbehaving(patient());
    let config = json!({ "never_ready_in": ["flush"], "blocks_in": ["shutdown"] });
    let target = target(&library, config).await;
    assert_eq!(target.flush(SOON).await.unwrap_err().class, Class::Timeout);
    let failure = target.shutdown(SOON).await.unwrap_err();
    assert_eq!(failure.class, Class::Timeout);
}

#[tokio::test]
async fn a_drop_that_hangs_is_not_waited_for() {
    let (library, _heard) = misbehaving(patient());
    let hanging = target(&library, json!({ "blocks_in": ["drop"] })).await;
    drop(hanging);
    let sibling = target(&library, json!({})).await;
    assert!(deliver(&sibling).await.is_delivered());
}

#[tokio::test]
async fn instances_that_block_the_runtime_are_named_and_their_siblings_get_a_fresh_one() {
    let (library, _heard) = misbehaving(patient());
    assert_eq!(library.ping(LONG).await, None, "there is no runtime yet");
    let sibling = target(&library, json!({})).await;
    assert_eq!(library.ping(LONG).await, Some(true));
    assert_eq!(library.busy(), []);

    let config = json!({ "blocks_in": ["deliver"] });
    let mut blocking = Vec::new();
    for name in ["one", "two"] {
        blocking.push(instance(&library, name, &config).await.unwrap());
    }
    let hung: Vec<_> = blocking
        .iter()
        .map(|target| target.deliver(batch(["x"]), attempt(1)))
        .collect();
    let both = BTreeSet::from(["one", "two"].map(String::from));
    let end = Instant::now() + LONG;
    while library
        .busy()
        .into_iter()
        .map(|(name, _)| name)
        .collect::<BTreeSet<_>>()
        != both
    {
        assert!(Instant::now() < end, "{:?}", library.busy());
        tokio::task::yield_now().await;
    }
    assert_eq!(library.ping(SOON).await, Some(false));
    assert!(library.busy().iter().all(|(_, held)| *held >= SOON / 2));

    let mut stuck = sibling.deliver(batch(["x"]), attempt(1));
    let waited = tokio::time::timeout(SOON, &mut stuck).await;
    assert!(waited.is_err(), "both threads are held");
    assert!(library.renew());
    // It had not begun, so nothing of it can be there; the instance has to be built anew.
    for outcome in [stuck.await, deliver(&sibling).await] {
        assert_eq!(outcome.verdict(), Verdict::Fatal);
        assert!(!outcome.failure().unwrap().maybe_written);
    }
    assert!(sibling.flush(LONG).await.is_err());
    let again = target(&library, json!({})).await;
    assert!(deliver(&again).await.is_delivered());
    assert_eq!(library.ping(LONG).await, Some(true));
    for _ in 0..3 {
        assert!(library.renew());
    }
    assert!(!library.renew(), "it is bounded");
    drop(hung);
}

#[tokio::test]
async fn an_isolated_instance_blocks_nobody_but_itself() {
    let (library, _heard) = misbehaving(patient());
    let config = json!({ "blocks_in": ["deliver", "flush"] });
    let maker = maker(&library, &Setup::new("alone").isolate(true), &config);
    let alone = maker.create().await.unwrap();
    let hung = [
        alone.deliver(batch(["x"]), attempt(1)),
        alone.deliver(batch(["x"]), attempt(2)),
    ];
    let sibling = target(&library, json!({})).await;
    assert!(deliver(&sibling).await.is_delivered());
    assert!(alone.flush(SOON).await.is_err());
    drop(hung);
}

#[tokio::test]
async fn fifty_instances_share_at_most_twelve_threads_which_quiesce_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (library, _heard) = own_copy(&artifacts::library("good"), patient());
    let mut targets = Vec::new();
    for index in 0..50 {
        targets.push(writes_to(&library, &folder.path().join(index.to_string())).await);
    }
    let mut most = 0;
    for round in 0..5 {
        let texts: Vec<_> = (0..50).map(|index| format!("{round} of {index}")).collect();
        let mut under_way = Vec::new();
        for (target, text) in targets.iter().zip(&texts) {
            under_way.push(target.deliver(batch([text.as_str()]), attempt(round)));
        }
        most = most.max(threads_of("rolog-good").len());
        for settled in under_way {
            let outcome = settled.await;
            assert!(outcome.is_delivered(), "{outcome:?}");
        }
    }
    assert!((2..=12).contains(&most), "{most} threads of the plugin");
    for index in 0..50 {
        let written = fs::read_to_string(folder.path().join(index.to_string())).unwrap();
        let lines: Vec<_> = written.lines().collect();
        let expected = [0, 1, 2, 3, 4].map(|round| format!("shop {round} of {index} n=U64(0)"));
        assert_eq!(lines, expected);
    }

    let last = targets.pop().unwrap();
    drop(targets);
    assert!(library.quiesce(LONG).await);
    let late = deliver(&last).await;
    assert_eq!(late.failure().unwrap().class, Class::Internal);
    gone("rolog-good").await;
    let again = writes_to(&library, &folder.path().join("again")).await;
    assert!(deliver(&again).await.is_delivered());
}

async fn writes_to(library: &Library, path: &Path) -> Arc<dyn Instance> {
    target(library, json!({ "path": path })).await
}

/// Waits until no thread has this name: a thread that has ended is listed a moment longer.
async fn gone(name: &str) {
    let end = Instant::now() + LONG;
    while !threads_of(name).is_empty() {
        assert!(Instant::now() < end, "{:?} remain", threads_of(name));
        tokio::task::yield_now().await;
    }
}

/// The threads of this process with this name, by their ids.
fn threads_of(name: &str) -> BTreeSet<String> {
    fs::read_dir("/proc/self/task")
        .unwrap()
        .flatten()
        .filter(|task| {
            let named = fs::read_to_string(task.path().join("comm"));
            named.is_ok_and(|comm| comm.trim_end() == name)
        })
        .map(|task| task.file_name().to_string_lossy().into_owned())
        .collect()
}
