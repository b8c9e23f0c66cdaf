//! What is refused before anything is sent.

use std::path::Path;

use rolog_http::Http;
use rolog_plugin::prelude::*;
use serde_json::{Value, json};

fn validate(mut config: Value) -> Result<Plan, ConfigError> {
    config
        .as_object_mut()
        .unwrap()
        .entry("url")
        .or_insert("http://localhost/".into());
    Http::validate(&serde_json::from_value(config).unwrap(), &Setup::new("web"))
}

#[test]
fn what_cannot_work_is_refused_by_its_path() {
    for (config, path) in [
        (json!({ "url": "localhost:80" }), "url"),
        (json!({ "format": "envelope" }), "format"),
        (json!({ "envelope": { "body": "{records}" } }), "envelope"),
        (
            json!({ "format": "envelope", "envelope": { "body": "none" } }),
            "envelope.body",
        ),
        (json!({ "format": "loki" }), "format"),
        (
            json!({ "format": "loki", "loki": { "labels": {} } }),
            "loki.labels",
        ),
        (
            json!({ "format": "loki", "loki": { "labels": { "a-b": "c" } } }),
            "loki.labels.a-b",
        ),
        (json!({ "loki": { "labels": { "a": "b" } } }), "loki"),
        (json!({ "otlp": {} }), "otlp"),
        (
            json!({ "format": "elasticsearch", "elasticsearch": { "index": "{" } }),
            "elasticsearch.index",
        ),
        (json!({ "compression_level": 3 }), "compression_level"),
        (
            json!({ "compression": "gzip", "compression_level": 10 }),
            "compression_level",
        ),
        (json!({ "max_records": 0 }), "max_records"),
        (json!({ "max_bytes": 0 }), "max_bytes"),
        (json!({ "timeout": "0s" }), "timeout"),
        (
            json!({ "statuses": { "retry": [99] } }),
            "statuses.retry[0]",
        ),
        (
            json!({ "statuses": { "retry": [400], "hold": [404, 400] } }),
            "statuses.hold[1]",
        ),
        (
            json!({ "headers": { "Content-Length": "3" } }),
            "headers.Content-Length",
        ),
        (
            json!({ "headers": { "Authorization": "x" }, "auth": { "bearer": "y" } }),
            "headers.Authorization",
        ),
        (json!({ "auth": { "bearer": " " } }), "auth.bearer"),
        (
            json!({ "auth": { "basic": { "user": "a:b", "password": "" } } }),
            "auth.basic.user",
        ),
        (
            json!({ "idempotency_header": "no header" }),
            "idempotency_header",
        ),
        (json!({ "proxy": "socks9://h" }), "proxy"),
        (json!({ "probe": "ftp://h/" }), "probe"),
        (json!({ "tls": { "ca": "/does/not/exist" } }), "tls.ca"),
        (json!({ "tls": { "cert": "/a" } }), "tls.cert"),
        (json!({ "tls": { "key": "/a" } }), "tls.key"),
    ] {
        let error = validate(config.clone()).expect_err(&config.to_string());
        let paths: Vec<_> = error
            .problems()
            .iter()
            .map(|one| one.path.as_str())
            .collect();
        assert_eq!(paths, [path], "{config}: {error}");
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let error = validate(json!({ "url": "x", "max_bytes": 0, "proxy": "?" })).unwrap_err();
    let paths: Vec<_> = error
        .problems()
        .iter()
        .map(|one| one.path.as_str())
        .collect();
    assert_eq!(paths, ["url", "proxy", "max_bytes"]);
}

#[test]
fn a_file_that_is_no_certificate_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, "not PEM").unwrap();
    let error = validate(json!({ "tls": { "ca": path } })).unwrap_err();
    assert!(error.to_string().contains("ca.pem"), "{error}");
}

#[test]
fn what_is_risky_is_warned_of() {
    let warnings = |config| validate(config).unwrap().warnings().to_vec();
    assert!(warnings(json!({ "auth": { "bearer": "t" } })).is_empty());
    let open = warnings(json!({ "url": "http://logs.example.com/", "auth": { "bearer": "t" } }));
    assert!(open[0].contains("TLS"), "{open:?}");
    let none = warnings(json!({ "auth": { "bearer_file": "/does/not/exist" } }));
    assert!(none[0].contains("/does/not/exist"), "{none:?}");
}

#[test]
fn the_settings_of_the_readme_are_accepted() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let mut count = 0;
    for block in readme.split("```yaml\n").skip(1) {
        let block = block.split("```").next().unwrap();
        let pipeline: Value = serde_yaml::from_str(block).unwrap();
        for (name, target) in pipeline["targets"].as_object().unwrap() {
            let plan = validate(target["config"].clone());
            assert!(plan.is_ok(), "{name}: {plan:?}");
            count += 1;
        }
    }
    assert!(count > 0, "the README shows settings");
}
