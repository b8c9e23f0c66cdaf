//! Targets of third parties, linked in and run against the SDK's conformance suite.

use std::fs;
use std::path::{Path, PathBuf};

use rolog_misbehaving::Misbehaving;
use rolog_plugin::conformance::{Call, Suite, Trouble};
use serde_json::{Value, json};

fn place(folder: &Path) -> impl Fn(usize) -> PathBuf + Clone + Send + Sync + 'static {
    let folder = folder.to_owned();
    move |n| folder.join(n.to_string())
}

#[test]
fn a_well_behaved_target_is_conformant() {
    let folder = tempfile::tempdir().unwrap();
    let path = place(folder.path());
    let (settings, arrived, endless) = (path.clone(), path.clone(), path.clone());
    let report = Suite::of::<rolog_good::Good>(move |n| json!({ "path": settings(n) }))
        .arrived(move |n| {
            let text = fs::read_to_string(arrived(n)).unwrap_or_default();
            // Beside records it writes what it was called for.
            let records = text
                .lines()
                .filter_map(|line| line.strip_prefix("conformance "));
            records.map(str::to_owned).collect()
        })
        .refuses(
            json!({ "path": "a", "auth": { "token": "" } }),
            "auth.token",
        )
        .refuses(json!({ "path": "a", "endless": 3 }), "endless")
        .trouble(
            Trouble::hangs("a destination that never answers")
                .config(move |n| json!({ "path": endless(n), "endless": true })),
        )
        .run();
    let skipped: Vec<_> = report.skipped().iter().map(|(check, _)| *check).collect();
    assert_eq!(skipped, ["outcomes", "panics"]);
}

fn misbehaving(folder: &Path, more: Value) -> Suite {
    let path = place(folder);
    let arrived = path.clone();
    let config = move |n| {
        let mut config = more.clone();
        config["path"] = json!(path(n));
        config
    };
    Suite::of::<Misbehaving>(config).arrived(move |n| {
        let text = fs::read_to_string(arrived(n)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    })
}

#[test]
fn a_panic_in_any_call_is_contained_and_beside_it_others_deliver() {
    let folder = tempfile::tempdir().unwrap();
    let calls = [
        (Call::Validate, "validate"),
        (Call::Create, "create"),
        (Call::Activate, "activate"),
        (Call::Deliver, "deliver"),
        (Call::Flush, "flush"),
        (Call::Call, "call"),
        (Call::Shutdown, "shutdown"),
    ];
    let suite = misbehaving(folder.path(), json!({}));
    let suite = calls.into_iter().fold(suite, |suite, (call, name)| {
        suite.panics(call, move |_| json!({ "panics_in": [name] }))
    });
    let report = suite.run();
    assert!(report.passed().contains(&"panics"), "{report:?}");
}

/// A suite that finds nothing is no suite.
#[test]
fn what_a_target_does_wrong_is_found_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = |suite: Suite| {
        let report = suite.check();
        let found = report.wrong().iter().map(|(check, _)| *check);
        (found.collect::<Vec<_>>(), report.to_string())
    };
    let (found, told) = wrong(misbehaving(folder.path(), json!({ "fails_one_in": 2 })));
    assert!(found.contains(&"lifecycle"), "{told}");
    assert!(told.contains("as told"), "{told}");

    let (found, told) = wrong(
        misbehaving(&folder.path().join("none"), json!({}))
            .refuses(json!({ "path": "a" }), "path")
            .trouble(Trouble::hangs("it does not")),
    );
    for check in ["settings", "lifecycle", "cancel and settle"] {
        assert!(found.contains(&check), "{check}: {told}");
    }

    let deaf = misbehaving(folder.path(), json!({}))
        .settle_within(std::time::Duration::from_millis(200))
        .trouble(
            Trouble::hangs("nobody listens to a cancellation")
                .config(|_| json!({ "never_ready_in": ["deliver"] })),
        );
    let (found, told) = wrong(deaf);
    assert!(found.contains(&"cancel and settle"), "{told}");
    assert!(
        told.contains("a cancelled `deliver` has not come back within 200ms"),
        "{told}"
    );
}
