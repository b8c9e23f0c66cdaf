//! `rolog check`, as a user meets it.

use crate::support::Place;

const GOOD: &str = "
version: 1
targets:
  a: { plugin: 'null' }
routes:
  - { logger: '**', to: [a] }
";

#[test]
fn a_good_pipeline_is_ready_to_run() {
    let place = Place::new();
    place.file("pipeline.yaml", GOOD);
    place.file("other.yaml", GOOD);
    for (args, name) in [
        (&["check"][..], "pipeline.yaml"),
        (&["check", "-c", "other.yaml"], "other.yaml"),
    ] {
        let run = place.run(args, "");
        assert_eq!(run.code, Some(0), "{run:?}");
        assert_eq!(run.stdout, format!("{name}: ready to run\n"));
        assert!(run.stderr.is_empty(), "{run:?}");
    }
}

#[test]
fn what_is_hidden_is_shown_on_request() {
    let place = Place::new();
    place.file("pipeline.yaml", GOOD);
    let off = place.run(["check", "--redacted"], "");
    assert_eq!(off.code, Some(0), "{off:?}");
    assert!(off.stdout.ends_with("redact: off, nothing is hidden\n"));
    let redact = "redact: { keys: [iban], except: [page_token], values: ['sk_\\w+'] }\n";
    place.file("pipeline.yaml", format!("{GOOD}{redact}"));
    let on = place.run(["check", "--redacted"], "");
    assert_eq!(on.code, Some(0), "{on:?}");
    for line in [
        "hidden by default: *password, *passwd, ",
        "hidden: iban\n",
        "not hidden: page_token\n",
        "hidden in texts: sk_\\w+\n",
    ] {
        assert!(on.stdout.contains(line), "{}", on.stdout);
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once_each_at_its_place() {
    let place = Place::new();
    place.file(
        "pipeline.yaml",
        "version: 1
targets:
  a: { plugin: 'null', flsuh: { max_size: 1 } }
  b: { plugin: console, queue: { max_records: many } }
  c: { plugin: consle }
routes:
  - { logger: '**', to: [d] }
",
    );
    let run = place.run(["check"], "");
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stdout.is_empty(), "{run:?}");
    for part in [
        "pipeline.yaml:3:24: ",
        "did you mean `flush`?",
        "pipeline.yaml:4:",
        "pipeline.yaml:7:",
    ] {
        assert!(
            run.stderr.contains(part),
            "{part:?} is missing in\n{}",
            run.stderr
        );
    }
    assert!(
        run.stderr
            .lines()
            .all(|line| line.starts_with("error: pipeline.yaml:")),
        "{run:?}"
    );
}

#[test]
fn settings_of_a_built_in_target_and_unknown_plugins_are_told_at_their_place() {
    let place = Place::new();
    place.file(
        "pipeline.yaml",
        "version: 1
targets:
  a: { plugin: console, config: { stream: stdin } }
  b: { plugin: consle }
routes:
  - { logger: '**', to: [a, b] }
",
    );
    let run = place.run(["check"], "");
    assert_eq!(run.code, Some(2), "{run:?}");
    for part in [
        "pipeline.yaml:3:",
        "stdin",
        "pipeline.yaml:4:",
        "did you mean `console`?",
    ] {
        assert!(
            run.stderr.contains(part),
            "{part:?} is missing in\n{}",
            run.stderr
        );
    }
}

#[test]
fn a_missing_pipeline_is_named() {
    let run = Place::new().run(["check"], "");
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.starts_with("error: pipeline.yaml: "), "{run:?}");
}
