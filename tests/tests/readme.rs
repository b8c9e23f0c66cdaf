//! What the README shows is true: its service is the example that runs, its pipeline is accepted, its
//! links lead somewhere. (Its Rust compiles as doctests of this crate; its commands are run by
//! `.ci/run`.)

use std::fs;
use std::path::{Path, PathBuf};

use rolog_host::config::{self, Env};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]
fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The contents of the blocks of this language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("```{language}\n");
    text.split(&opening)
        .skip(1)
        .filter_map(|rest| rest.split_once("```"))
        .map(|(block, _)| block)
        .collect()
}

#[test]
fn the_service_is_the_example_that_is_run() {
    let example = read("examples/service/src/main.rs");
    assert_eq!(blocks(&read("README.md"), "rust,no_run"), [example]);
}

#[test]
fn the_pipeline_is_accepted() {
    let readme = read("README.md");
    let pipelines = blocks(&readme, "yaml");
    assert!(!pipelines.is_empty());
    for pipeline in pipelines {
        let parsed = config::parse(pipeline, "README.md", root(), &Env::empty());
        parsed.unwrap_or_else(|problems| panic!("{problems}"));
    }
}

#[test]
fn the_test_command_is_the_one_that_the_gate_runs() {
    assert!(blocks(&read("README.md"), "sh").contains(&"cargo test --workspace\n"));
    assert!(read(".ci/run").contains("cargo test --workspace "));
}

#[test]
fn links_lead_to_files_that_are_there() {
    let mut checked = 0;
    for document in [
        "README.md",
        "DESIGN.md",
        "COMPARE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ] {
        let text = read(document);
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'))
        {
            let (link, _) = link;
            if !link.contains("://") {
                assert!(root().join(link).exists(), "{document} links to {link}");
                checked += 1;
            }
        }
    }
    assert!(checked > 10);
}
