//! What the file target says to settings.

use std::fs;
use std::path::Path;

use crate::common::config;
use rolog_file::{Config, File};
use rolog_plugin::prelude::*;

fn plan(path: &Path) -> Result<Plan, ConfigError> {
    File::validate(&config(path, ""), &Setup::new("app"))
}

#[allow(clippy::unwrap_used, reason = "a helper of tests fails the test")]
fn refusal(result: Result<Plan, ConfigError>) -> (String, String) {
    let error = result.unwrap_err();
    (error.problems()[0].path.clone(), error.to_string())
}

#[test]
fn settings_that_are_unknown_or_of_the_wrong_kind_are_refused() {
    let read = |json: &str| serde_json::from_str::<Config>(json).map_err(|e| e.to_string());
    let error = read(r#"{"path": "a", "pth": "b"}"#).unwrap_err();
    assert!(
        error.contains("unknown field `pth`, expected one of `path`"),
        "{error}"
    );
    assert!(read("{}").unwrap_err().contains("missing field `path`"));
    let error = read(r#"{"path": "a", "fsync": "always"}"#).unwrap_err();
    assert!(
        error.contains("expected one of `never`, `interval`, `batch`"),
        "{error}"
    );
    let error = read(r#"{"path": "a", "format": "xml"}"#).unwrap_err();
    assert!(
        error.contains("expected one of `json`, `text`, `logfmt`, `pattern`"),
        "{error}"
    );
}

#[test]
fn a_path_that_names_no_file_is_refused_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    for path in [Path::new(""), Path::new("logs/"), folder.path()] {
        let (place, text) = refusal(plan(path));
        assert_eq!(place, "path");
        assert!(text.contains("expected the path of a file"), "{text}");
    }
}

#[test]
fn a_source_is_refused_where_the_lines_have_no_room_for_it() {
    let settings = config(Path::new("a"), r#", "format": "text", "source": true"#);
    let (place, _) = refusal(File::validate(&settings, &Setup::new("app")));
    assert_eq!(place, "source");
}

#[test]
fn relative_paths_start_at_the_pipelines_folder_and_two_ways_to_a_file_are_one_resource() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("logs")).unwrap();
    let setup = Setup::new("app").relative_to(folder.path());
    let relative = File::validate(&config(Path::new("logs/../logs/app"), ""), &setup).unwrap();
    let absolute = plan(&folder.path().join("logs/app")).unwrap();
    assert_eq!(relative.resources(), absolute.resources());
    assert!(!folder.path().join("logs/app").exists());
}

#[tokio::test]
async fn a_file_in_the_place_of_a_folder_fails_when_the_instance_is_made() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let context = Context::detached(Setup::new("app"));
    let path = folder.path().join("file/app.jsonl");
    let failure = File::create(config(&path, ""), context).await.unwrap_err();
    assert_eq!(failure.class, Class::NotFound);
}

#[test]
fn settings_of_lines_that_contradict_each_other_are_refused_at_their_place() {
    for (more, wrong) in [
        (r#", "format": "pattern""#, "format"),
        (r#", "pattern": "%m""#, "pattern"),
        (r#", "format": "pattern", "pattern": "%q""#, "pattern"),
        (r#", "format": "text", "shape": "ecs""#, "shape"),
        (r#", "shape": "ecs", "names": {"time": "ts"}"#, "names"),
        (r#", "names": {"when": "ts"}"#, "names.when"),
        (r#", "names": {"fields": "off"}"#, "names.fields"),
        (r#", "names": {"time": "level"}"#, "names.time"),
        (r#", "resource": {"service.name": "x"}"#, "resource"),
        (r#", "time": {"format": "iso"}"#, "time.format"),
        (r#", "time": {"digits": 10}"#, "time.digits"),
        (
            r#", "time": {"format": "epoch_s", "digits": 3}"#,
            "time.digits",
        ),
        (r#", "format": "text", "time": {}"#, "time"),
        (r#", "shape": "opentelemetry", "time": {}"#, "time"),
    ] {
        let settings = config(Path::new("a"), more);
        let (place, text) = refusal(File::validate(&settings, &Setup::new("app")));
        assert_eq!(place, wrong, "{more}: {text}");
    }
}

#[test]
fn a_bound_on_open_files_is_refused_where_there_is_one_file() {
    let settings = config(Path::new("app.jsonl"), r#", "max_open": 64"#);
    let (place, text) = refusal(File::validate(&settings, &Setup::new("app")));
    assert_eq!(place, "max_open");
    assert!(text.contains("expected a template in `path`"), "{text}");
    let settings = config(Path::new("{logger}.jsonl"), r#", "max_open": 64"#);
    assert!(File::validate(&settings, &Setup::new("app")).is_ok());
}

#[test]
fn settings_of_rotation_that_cannot_work_are_refused_at_their_place() {
    for (more, wrong) in [
        (r#", "rotate": {}"#, "rotate"),
        (r#", "keep": {"files": 3}"#, "keep"),
        (r#", "compress": "zstd""#, "compress"),
    ] {
        let settings = config(Path::new("a"), more);
        let (place, _) = refusal(File::validate(&settings, &Setup::new("app")));
        assert_eq!(place, wrong);
    }
    let (place, _) = refusal(plan(Path::new("app.20261122T140000.123456Z.jsonl")));
    assert_eq!(place, "path");
    let read = |more: &str| {
        let json = format!(r#"{{"path": "a"{more}}}"#);
        serde_json::from_str::<Config>(&json)
            .unwrap_err()
            .to_string()
    };
    for (more, text) in [
        (
            r#", "rotate": {"size": "10M"}"#,
            "`M` is not a unit of size",
        ),
        (r#", "rotate": {"every": "7m"}"#, "`7m` is no period"),
        (
            r#", "rotate": {"every": "day"}, "zone": "Mars""#,
            "`Mars` is no time zone",
        ),
        (r#", "keep": {"age": "7"}"#, "`7`: the time has no unit"),
        (
            r#", "compress": "lz4""#,
            "expected one of `off`, `gzip`, `zstd`",
        ),
        (r#", "mode": 640"#, "octal digits between quotes"),
        (
            r#", "owner": "nobody-of-this-name""#,
            "this machine has no user",
        ),
    ] {
        let error = read(more);
        assert!(error.contains(text), "{error}");
    }
}
