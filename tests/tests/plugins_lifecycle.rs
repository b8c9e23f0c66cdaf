//! A plugin that a third party wrote against the SDK alone: loaded and linked in, in several
//! versions at once, through every call that there is.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rolog_core::delivery::{Class, Verdict};
use rolog_host::instance::{Instance, Maker};
use rolog_host::loader::{Library, Loader, LoaderSettings};
use rolog_plugin::{Setup, linked};
use rolog_tests::artifacts;
use rolog_tests::plugins::{LONG, attempt, batch, instance, loader, own_copy};
use serde_json::json;

fn load(name: &str) -> Library {
    let (loader, _) = loader(LoaderSettings::default());
    loader
        .load(artifacts::library(name))
        .unwrap_or_else(|error| panic!("{error}"))
}

async fn writes_to(library: &Library, path: &Path) -> Arc<dyn Instance> {
    instance(library, "app", &json!({ "path": path }))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_loaded_plugin_goes_through_its_whole_life() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let library = load("good");

    let info = library.info();
    assert_eq!((info.name.as_str(), info.abi), ("good", (1, 0)));
    assert_eq!((info.version.as_str(), info.frame_version), ("1.0.0", 1));
    let description = library.describe().unwrap();
    assert_eq!(description.summary, "writes one line for each record");
    assert_eq!(description.capabilities, ["echo"]);

    let setup = Setup::new("app").relative_to(folder.path());
    let config = json!({ "path": "out" });
    let plan = library.validate(&config, &setup).unwrap();
    let maker = library.maker(&setup, &config, plan);
    assert_eq!(maker.preferred_batch(), Some(250));
    assert_eq!(maker.resources(), [format!("file:{}", path.display())]);

    let target = maker.create().await.unwrap();
    assert!(!path.exists(), "create has no effect on the destination");
    target.activate().await.unwrap();
    let outcome = target.deliver(batch(["one", "two"]), attempt(1)).await;
    assert!(outcome.is_delivered(), "{outcome:?}");
    target.flush(LONG).await.unwrap();
    assert_eq!(target.call("echo", b"\0bytes").await.unwrap(), b"\0bytes");
    let unknown = target.call("sing", b"").await.unwrap_err();
    assert_eq!(unknown.class, Class::NotFound);
    target.shutdown(LONG).await.unwrap();
    assert_eq!(
        fs::read_to_string(path).unwrap(),
        "activated\nshop one n=U64(0)\nshop two n=U64(1)\nflushed\nshut down\n"
    );
}

#[tokio::test]
async fn an_attempt_ends_when_it_is_cancelled_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({ "path": folder.path().join("out"), "endless": true });
    let target = instance(&load("good"), "app", &config).await.unwrap();
    let mut first = target.deliver(batch(["a"]), attempt(1));
    let second = target.deliver(batch(["b"]), attempt(2));
    target.cancel(99);
    target.cancel(2);
    let outcome = second.await;
    assert_eq!(outcome.verdict(), Verdict::Retry);
    let failure = outcome.failure().unwrap();
    assert!(failure.maybe_written && failure.class == Class::Cancelled);
    let early = tokio::time::timeout(Duration::from_millis(20), &mut first).await;
    assert!(early.is_err(), "another attempt's cancel ended it");
    target.cancel(1);
    assert_eq!(first.await.failure().unwrap().message, "gave up");
}

#[tokio::test]
async fn a_failure_keeps_its_class_and_what_the_plugin_says() {
    let folder = tempfile::tempdir().unwrap();
    let target = writes_to(&load("good"), folder.path()).await;
    let failure = target.activate().await.unwrap_err();
    assert_eq!(failure.class, Class::Io);
    assert!(failure.message.contains("directory"), "{failure}");
}

#[test]
fn refused_settings_come_with_their_path_and_what_was_expected() {
    let library = load("good");
    let refused = |config| {
        let error = library.validate(&config, &Setup::new("app")).unwrap_err();
        error.to_string()
    };
    assert_eq!(
        refused(json!({ "path": "x", "auth": { "token": "" } })),
        "auth.token: the token is empty (expected a token, or no `auth` at all)"
    );
    assert_eq!(
        refused(json!({ "path": "x", "auth": { "token": 5 } })),
        "auth.token: invalid type: integer `5` (expected a string)"
    );
    assert_eq!(
        refused(json!({ "path": "x", "auth": { "tokn": "x" } })),
        "auth.tokn: unknown field `tokn` (expected `token`)"
    );
    assert_eq!(refused(json!({})), "missing field `path`");
    assert_eq!(
        refused(json!(3)),
        "invalid type: integer `3` (expected struct Settings)"
    );
}

#[tokio::test]
async fn two_plugins_and_two_versions_of_one_run_side_by_side_loaded_and_linked_in() {
    let folder = tempfile::tempdir().unwrap();
    let (loader, _heard) = loader(LoaderSettings::default());
    let libraries = [
        load("good"),
        load("good_next"),
        loader.link(linked::<rolog_good::Good>()),
        loader.link(linked::<rolog_good_next::Good>()),
    ];
    let versions = libraries.each_ref().map(|library| {
        let info = library.info();
        (
            info.name.as_str(),
            info.version.as_str(),
            info.path.is_some(),
        )
    });
    assert_eq!(
        versions,
        [
            ("good", "1.0.0", true),
            ("good", "2.0.0", true),
            ("good", "1.0.0", false),
            ("good", "2.0.0", false)
        ]
    );
    let other = loader.link(linked::<rolog_misbehaving::Misbehaving>());
    assert_eq!(other.info().name, "misbehaving");

    for (index, library) in libraries.iter().enumerate() {
        let version = library.info().version.clone();
        let plan = library
            .validate(&json!({ "path": "x" }), &Setup::new("app"))
            .unwrap();
        assert_eq!(plan.warnings(), [format!("made by version {version}")]);
        let path = folder.path().join(index.to_string());
        let target = writes_to(library, &path).await;
        let text = format!("from {index}");
        let outcome = target.deliver(batch([text.as_str()]), attempt(1)).await;
        assert!(outcome.is_delivered(), "{outcome:?}");
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            format!("shop from {index} n=U64(0)\n")
        );
    }
}

#[test]
fn a_library_is_opened_once_for_each_digest() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.so");
    fs::copy(artifacts::library("good"), &copy).unwrap();
    let first = load("good");
    let (loader, _heard) = loader(LoaderSettings::default());
    let second = loader.load(&copy).unwrap();
    assert_eq!(first.info().digest, second.info().digest);
    assert_eq!(second.path(), first.path(), "the copy was not opened");
    assert!(
        Loader::versions()["good"] <= 2,
        "there are two versions of it"
    );
}

#[test]
fn a_plugin_is_found_by_its_name_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("librolog_good.so");
    fs::copy(artifacts::library("good"), &path).unwrap();
    fs::write(folder.path().join("librolog_text.so"), "no library").unwrap();
    let (loader, _heard) = loader(LoaderSettings {
        search: vec![folder.path().join("missing"), folder.path().to_owned()],
        ..LoaderSettings::default()
    });
    let found = loader.find("good").unwrap();
    assert_eq!(found.info().name, "good");

    let listed = loader.list();
    let said: Vec<_> = listed
        .iter()
        .map(|listing| match &listing.probe {
            Ok(probe) => format!("{} {}", probe.name, probe.version),
            Err(error) => error.cause().to_string(),
        })
        .collect();
    assert_eq!(
        said,
        [
            "good 1.0.0",
            "is not a dynamic library: name one built with crate-type cdylib"
        ]
    );
    assert_eq!(listed[0].path, path);
}

#[tokio::test]
async fn what_is_linked_in_speaks_through_the_sdk_and_leaves_the_service_its_own_facades() {
    let folder = tempfile::tempdir().unwrap();
    let (loader, heard) = loader(LoaderSettings::default());
    let library = loader.link(linked::<rolog_good::Good>());
    let config = json!({ "path": folder.path().join("out"), "talkative": true });
    let target = instance(&library, "app", &config).await.unwrap();
    assert!(
        target
            .deliver(batch(["x"]), attempt(1))
            .await
            .is_delivered()
    );
    let [said] = &heard.all()[..] else {
        panic!("{:?}", heard.all())
    };
    assert!(
        said.starts_with("good/app: info good.own kept 16"),
        "{said}"
    );
}

#[tokio::test]
async fn the_level_of_what_a_loaded_plugin_logs_can_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (library, heard) = own_copy(&artifacts::library("good"), LoaderSettings::default());
    let config = json!({ "path": folder.path().join("out"), "talkative": true });
    let target = instance(&library, "app", &config).await.unwrap();
    let heard_of = async |level: u8| {
        library.set_level(level);
        let before = heard.all().len();
        assert!(
            target
                .deliver(batch(["x"]), attempt(1))
                .await
                .is_delivered()
        );
        let said = heard.all().split_off(before);
        let level = |said: &String| said.split(' ').nth(1).map(str::to_owned);
        said.iter().filter_map(level).collect::<Vec<_>>()
    };
    let counted = "CounterAdd";
    assert_eq!(heard_of(20).await, ["warning", "error", "info", counted]);
    assert_eq!(
        heard_of(5).await,
        ["warning", "error", "info", "debug", counted]
    );
    assert_eq!(heard_of(40).await, ["error", counted]);
    assert_eq!(heard_of(u8::MAX).await, [counted]);
}

#[tokio::test]
async fn what_a_loaded_plugin_logs_and_measures_reaches_the_host_by_its_target() {
    let folder = tempfile::tempdir().unwrap();
    let (loader, heard) = loader(LoaderSettings::default());
    let library = loader.load(artifacts::library("good")).unwrap();
    let config = json!({ "path": folder.path().join("out"), "talkative": true });
    for name in ["app", "audit"] {
        let target = instance(&library, name, &config).await.unwrap();
        let outcome = target.deliver(batch(["hello"]), attempt(1)).await;
        assert!(outcome.is_delivered(), "{outcome:?}");
        assert_eq!(
            heard.wait_for(&format!("good/{name}: warning")),
            format!("good/{name}: warning good.client sent 20 bytes {{}}")
        );
        assert_eq!(
            heard.wait_for(&format!("good/{name}: error")),
            format!(
                "good/{name}: error rolog_good sent them {{\"bytes\": U64(20), \"kind\": Str(\"lines\")}}"
            )
        );
        assert_eq!(
            heard.wait_for(&format!("good/{name}: info")),
            format!(
                "good/{name}: info good.own kept 20 {{\"args\": List([I64(7)]), \"n\": U64(20)}}"
            )
        );
        assert_eq!(
            heard.wait_for(&format!("good/{name}: Counter")),
            format!("good/{name}: CounterAdd good_bytes_total {{\"kind\": Str(\"lines\")}} 20")
        );
    }
    assert!(!heard.all().iter().any(|said| said.contains("debug")));
}
