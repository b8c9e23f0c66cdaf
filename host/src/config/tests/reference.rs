//! The pipeline file at the root of the repository: what the quick start runs, and the reference.

use super::*;

const REFERENCE: &str = include_str!("../../../../pipeline.yaml");

fn load_text(text: &str) -> PipelineSpec {
    read(text).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The file with each commented setting in force; examples and prose stay comments.
fn uncommented() -> String {
    let is_setting = |text: &str| {
        let text = text.trim_start_matches("- ");
        text.split_once(':').is_some_and(|(key, _)| {
            let name = |c: char| c.is_ascii_lowercase() || matches!(c, '_' | '.');
            !key.is_empty() && key.chars().all(name)
        })
    };
    let mut lines = Vec::new();
    for line in REFERENCE.lines() {
        let indent = line.len() - line.trim_start().len();
        match line.trim_start().strip_prefix("# ") {
            Some(rest) if is_setting(rest.trim_start()) => {
                lines.push(format!("{}{rest}", &line[..indent]));
            }
            _ => lines.push(line.to_owned()),
        }
    }
    lines.join("\n")
}

#[test]
fn the_quick_starts_pipeline_is_valid() {
    let spec = load_text(REFERENCE);
    assert_eq!(spec.warnings(), []);
    assert_eq!(spec.search(), [Path::new("/etc/shop/target/release")]);
    let app = spec.target("app").unwrap();
    assert_eq!(app.config.value()["path"], "logs/app.jsonl");
    assert_eq!(app.flush.fallback[0].as_str(), "rescue");
    let router = crate::router::Router::compile(&spec);
    assert_eq!(router.resolve("a.b").gate, Some(Level::Information));
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipeline.yaml");
    assert_eq!(load(file, &Env::empty()).unwrap().targets(), spec.targets());
}

#[test]
fn what_the_reference_comments_out_is_valid_and_shows_the_defaults() {
    let text = uncommented();
    let spec = load_text(&text);
    assert_eq!(spec.routes().len(), 2, "{text}");
    assert_eq!(spec.targets().len(), 6, "{text}");
    let app = spec.target("app").unwrap();
    let shown = app.stage_settings(None);
    assert_eq!(shown, crate::stage::StageSettings::default());
    assert_eq!(*spec.rings(), RingsSpec::default());
    assert_eq!(spec.max_record().get(), 256 * 1024);
    assert_eq!(spec.dead_letters(), None);
    assert_eq!(*spec.metrics(), MetricsSpec::default());
    // Each key that there is stands in the reference.
    for row in table() {
        let key = row.path.rsplit('.').next().unwrap_or_default();
        let key = key.trim_end_matches("[]");
        assert!(
            text.contains(&format!("{key}:")),
            "{} is not shown",
            row.path
        );
    }
}
