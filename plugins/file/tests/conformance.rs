//! The file target keeps what every target has to keep.

#[path = "common/mod.rs"]
#[allow(
    dead_code,
    reason = "of the helpers only the reader of files is used here"
)]
mod common;

use std::fs;

use rolog_file::File;
use rolog_plugin::conformance::{Suite, Trouble};
use rolog_plugin::prelude::*;
use serde_json::json;

#[test]
fn the_file_target_is_conformant() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    let path = move |n: usize| root.join(format!("{n}.jsonl"));
    let (settings, arrived, cause, mend) = (path.clone(), path.clone(), path.clone(), path.clone());
    let report = Suite::of::<File>(move |n| json!({ "path": settings(n) }))
        .arrived(move |n| match arrived(n) {
            path if path.is_file() => common::messages(&path),
            _ => Vec::new(),
        })
        .refuses(json!({ "path": "" }), "path")
        .refuses(json!({ "path": 7 }), "path")
        .refuses(json!({ "path": "a", "fsync": "always" }), "fsync")
        .refuses(
            json!({ "path": "a", "format": "text", "source": true }),
            "source",
        )
        .trouble(
            Trouble::answered("a folder in the way", Verdict::Hold)
                .class(Class::NotFound)
                .cause(move |n| {
                    fs::remove_file(cause(n)).unwrap();
                    fs::create_dir(cause(n)).unwrap();
                })
                .mend(move |n| fs::remove_dir(mend(n)).unwrap()),
        )
        .trouble(
            Trouble::answered("a full disk", Verdict::Hold)
                .class(Class::Full)
                .config(|_| json!({ "path": "/dev/full" })),
        )
        .run();
    assert_eq!(report.passed().len(), 9, "{report:?}");
}
