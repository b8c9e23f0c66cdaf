//! `${…}` in whole pipelines, and what of it may be seen.

use super::*;

const YAML: &str = "\
version: 1
levels: { '**': '${LEVEL:-info}' }
targets:
  ${TARGET}:
    plugin: memory
";

fn with(yaml: &str, variables: &[(&str, &str)]) -> Result<PipelineSpec, Problems> {
    let env = Env::of(variables.iter().copied());
    parse(yaml, "p.yaml", "/nowhere", &env)
}

fn config_with(config: &str, variables: &[(&str, &str)]) -> serde_json::Value {
    let yaml = format!(
        "version: 1\ntargets:\n  t:\n    plugin: memory\n    config:\n{config}routes: [{{ to: t }}]\n"
    );
    let spec = with(&yaml, variables).unwrap_or_else(|problems| panic!("{problems}"));
    spec.target("t").unwrap().config.value().clone()
}

#[test]
fn keys_are_not_substituted() {
    let problems = with(YAML, &[("TARGET", "x")]).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "p.yaml:4:3: targets: the key `${TARGET}` is not substituted; expected substitution in values only"
    );
}

#[test]
fn an_unquoted_variable_takes_the_type_that_its_text_has() {
    let json = config_with(
        "      port: ${PORT}\n      quoted: \"${PORT}\"\n      part: x${PORT}\n      on: ${ON}\n      zip: ${ZIP}\n      exp: ${EXP}\n      half: ${HALF}\n      neg: ${NEG}\n      empty: ${EMPTY}\n      dflt: ${NONE:-80}\n",
        &[
            ("PORT", "8080"),
            ("ON", "true"),
            ("ZIP", "00123"),
            ("EXP", "1e10"),
            ("HALF", "0.5"),
            ("NEG", "-3"),
            ("EMPTY", ""),
        ],
    );
    assert_eq!(
        json,
        serde_json::json!({
            "port": 8080, "quoted": "8080", "part": "x8080", "on": true, "zip": "00123", "exp": "1e10",
            "half": 0.5, "neg": -3, "empty": "", "dflt": 80,
        })
    );
}

#[test]
fn a_value_cannot_change_the_structure() {
    let json = config_with(
        "      a: ${TRAP}\n      b: \"${TRAP}\"\n",
        &[("TRAP", "x\nplugin: evil # {[\"")],
    );
    assert_eq!(json["a"], "x\nplugin: evil # {[\"");
    assert_eq!(json["a"], json["b"]);
}

#[test]
fn own_settings_take_variables_too() {
    let yaml = "\
version: 1
levels: { '**': '${LEVEL}' }
targets:
  t:
    plugin: ${PLUGIN}
    flush: { max_size: '${SIZE}', interval: '${EVERY:-2s}', progressive_delay: '${GROW}' }
    queue:
      max_records: ${SIZE}
      max_bytes: ${BYTES}
routes: [{ to: t }]
";
    let variables = [
        ("LEVEL", "debug"),
        ("PLUGIN", "memory"),
        ("SIZE", "7"),
        ("GROW", "false"),
        ("BYTES", "2MiB"),
    ];
    let spec = with(yaml, &variables).unwrap();
    let t = spec.target("t").unwrap();
    assert_eq!(t.flush.max_size.unwrap().get(), 7);
    assert_eq!(t.flush.interval.get(), Duration::from_secs(2));
    assert_eq!(t.queue.max_records.get(), 7);
    assert_eq!(t.flush.retry.kind, RetryKind::Constant);
    // None of them is a secret: plans and reports show them.
    assert!(spec.secrets().is_empty());
    let problems = with(yaml, &[("LEVEL", "loud"), ("SIZE", "x")]).unwrap_err();
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(
        lines[0].starts_with("p.yaml:2:17: levels.\"**\": `loud` is not a level"),
        "{lines:#?}"
    );
    assert!(
        lines[1].starts_with(
            "p.yaml:5:13: targets.t.plugin: the environment variable PLUGIN is not set"
        ),
        "{lines:#?}"
    );
    assert!(
        lines[2].starts_with("p.yaml:6:24: targets.t.flush.max_size: `x` is not a number"),
        "{lines:#?}"
    );
}

#[test]
fn secrets_are_seen_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("password"), "hunter22\n").unwrap();
    let path = folder.path().join("pipeline.yaml");
    let yaml = "\
version: 1
targets:
  t:
    plugin: memory
    config:
      url: https://${USER}:${file:password}@host/
      pin: ${PIN}
routes: [{ to: t }]
";
    std::fs::write(&path, yaml).unwrap();
    let env = Env::of([("USER", "adm\"in"), ("PIN", "987654")]);
    let spec = load(&path, &env).unwrap();
    let t: TargetName = "t".parse().unwrap();
    assert_eq!(
        spec.target("t").unwrap().config.value()["url"],
        "https://adm\"in:hunter22@host/"
    );
    let shown = format!("{spec:?}");
    for secret in ["hunter22", "adm", "987654"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let refusal = spec.refusal(
        &t,
        "url",
        "cannot reach https://adm%22in:hunter22@host/ with 987654",
    );
    assert!(
        refusal
            .to_string()
            .ends_with("config.url: cannot reach https://***:***@host/ with ***"),
        "{refusal}"
    );
    assert_eq!(
        spec.files().iter().next(),
        Some(&folder.path().join("password"))
    );
    assert_eq!(spec.base(), folder.path());

    let own = spec.refusal(&t, "hunter22.x", "wrong").to_string();
    assert!(own.contains("targets.t.config.\"***\".x: wrong"), "{own}");

    // A secret in a place where it is refused is not shown either.
    std::fs::write(&path, "version: 1\nlevels: { '**': '${file:password}' }\n").unwrap();
    let problems = load(&path, &env).unwrap_err().to_string();
    assert!(
        problems.contains("levels.\"**\": `***` is not a level"),
        "{problems}"
    );
}

#[test]
fn a_variable_in_braces_without_quotes_says_to_quote() {
    let problems = with(
        "version: 1\nrings: { bytes: ${BYTES} }\n",
        &[("BYTES", "1MiB")],
    )
    .unwrap_err();
    assert!(
        problems
            .to_string()
            .contains("quotes around a value with `${…}`"),
        "{problems}"
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let problems = load("/nonexistent/pipeline.yaml", &Env::empty()).unwrap_err();
    assert!(
        problems
            .to_string()
            .starts_with("/nonexistent/pipeline.yaml: cannot be read: "),
        "{problems}"
    );
}
