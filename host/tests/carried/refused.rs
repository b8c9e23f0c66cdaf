//! What cannot work, and what a plan says of a change.

use rolog_host::config::{self, Env};

use crate::spec;

#[test]
fn what_cannot_work_is_refused_at_its_place() {
    let refused = |sections: &str| -> String {
        let yaml = format!("version: 1\n{sections}\n");
        let env = Env::of([
            ("KEY", "a key of at least sixteen bytes"),
            ("SHORT", "short-key"),
        ]);
        match config::parse(yaml, "p.yaml", "/nonexistent", &env) {
            Ok(spec) => spec.warnings().iter().map(ToString::to_string).collect(),
            Err(problems) => problems.to_string(),
        }
    };
    for (sections, told) in [
        (
            "fields: { a: [1] }",
            "p.yaml:2:14: fields.a: is a list; expected text, a number, true or false",
        ),
        (
            "fields: { '': 1 }",
            "p.yaml:2:11: fields.\"\": `` is no name of a field",
        ),
        (
            "max_record: 1KiB\nfields: { a: \"${KEY}${KEY}${KEY}${KEY}${KEY}${KEY}${KEY}${KEY}${KEY}\" }",
            "p.yaml:3:9: fields: the fields take 289 bytes of each record, and a record has 1KiB in all; expected at most a quarter of that, 256 bytes",
        ),
        (
            "redact: { keys: ['*'] }",
            "p.yaml:2:18: redact.keys[0]: `*`: it would hide every value of every record",
        ),
        (
            "redact: { values: ['a('] }",
            "p.yaml:2:20: redact.values[0]: `a(`: unclosed group",
        ),
        (
            "redact: { values: ['a*'] }",
            "p.yaml:2:20: redact.values[0]: `a*`: it matches where there is nothing",
        ),
        ("redact: { with: hush }", "did you mean `hash`?"),
        (
            "redact: { with: hash }",
            "p.yaml:2:17: redact.with: `hash` needs a `key`",
        ),
        (
            "redact: { key: '${KEY}' }",
            "p.yaml:2:16: redact.key: a key is used for hashes only",
        ),
        (
            "redact: { with: hash, key: a key that stands here }",
            "p.yaml:2:28: redact.key: a key that stands in this file is no secret",
        ),
        (
            "redact: { with: hash, key: '${SHORT}' }",
            "p.yaml:2:28: redact.key: the key has fewer than 16 bytes",
        ),
        (
            "redact: { with: hash, key: '${KEY}', replacement: x }",
            "p.yaml:2:51: redact.replacement: a replacement is used for masks only",
        ),
        ("redact: { default: false }", "did you mean `defaults`?"),
        (
            "redact: { defaults: false }",
            "p.yaml:2:9: warning: redact: hides nothing",
        ),
        (
            "fields: { token: x }\nredact: {}",
            "p.yaml:2:18: warning: fields.token: `redact` hides this field",
        ),
    ] {
        let text = refused(sections);
        assert!(text.contains(told), "{sections}: {text}");
        assert!(!text.contains("short-key"), "{text}");
    }
}

#[test]
fn a_plan_says_what_changes_and_shows_no_key() {
    let env = |key: &str| Env::of([("KEY", key)]);
    let yaml = "redact: { with: hash, key: '${KEY}' }";
    let old = spec(
        &format!("fields: {{ a: 1 }}\n{yaml}"),
        &env("the first of two keys"),
    );
    let new = spec(
        &format!("fields: {{ a: 2 }}\n{yaml}"),
        &env("the second of two keys"),
    );
    let plan = rolog_host::reload::Plan::new(&old, &new);
    let shown = plan.to_string();
    assert!(shown.contains("fields: { a: 1 } -> { a: 2 }"), "{shown}");
    assert!(
        shown.contains("redact: ") && !shown.contains("of two keys"),
        "{shown}"
    );
    assert!(!old.diff(&new).is_empty() && old.digest() != new.digest());
    assert!(old.diff(&old).is_empty());
}
