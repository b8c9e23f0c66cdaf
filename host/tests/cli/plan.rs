//! `rolog plan`, as a user meets it.

use crate::support::Place;

const OLD: &str = "
version: 1
targets:
  a: { plugin: console, config: { format: json } }
  b: { plugin: 'null' }
  c: { plugin: 'null', flush: { interval: 1s } }
  d: { plugin: 'null' }
routes:
  - { logger: '**', to: [a, b, c, d] }
";

#[test]
fn each_target_that_changes_is_told_with_the_reason() {
    let place = Place::new();
    place.file("old.yaml", OLD);
    let new = OLD
        .replace("format: json", "format: text")
        .replace("interval: 1s", "interval: 2s")
        .replace("  d:", "  e:")
        .replace(", d]", ", e]");
    place.file("new.yaml", new);
    let run = place.run(["plan", "old.yaml", "new.yaml"], "");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    for part in [
        "a: replaced: its queue stays, a new instance takes over\n  config.format: \"json\" -> \"text\"\n",
        "c: retuned: its instance and queue stay\n  flush",
        "d: drained, then removed\n",
        "e: started\n",
        "routes: changed\n",
    ] {
        assert!(run.stdout.contains(part), "{part:?} is missing in\n{run:?}");
    }
    assert!(run.stdout.ends_with("\n1 kept\n"), "{run:?}");

    let run = place.run(["plan", "--exit-code", "old.yaml", "new.yaml"], "");
    assert_eq!(run.code, Some(1), "{run:?}");
}

#[test]
fn a_file_elsewhere_that_says_the_same_changes_nothing() {
    let place = Place::new();
    place.file("old.yaml", OLD);
    std::fs::create_dir(place.path().join("proposed")).unwrap();
    let new = OLD.replace("version: 1\n", "# a comment\nversion: 1\n\n");
    place.file("proposed/new.yaml", new);
    let run = place.run(["plan", "--exit-code", "old.yaml", "proposed/new.yaml"], "");
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(run.stdout, "nothing changes: 4 kept\n");
}

#[test]
fn secrets_are_masked_and_their_change_still_shows() {
    let place = Place::new();
    let yaml = |file: &str| {
        format!(
            "version: 1
targets:
  a: {{ plugin: web, config: {{ token: '${{file:{file}}}', url: 'http://me:${{PLAN_TEST_KEY}}@logs', path: '${{PLAN_TEST_ONLY:-x}}' }} }}
routes: [{{ to: a }}]
"
        )
    };
    place.file("old.yaml", yaml("one.txt"));
    place.file(
        "new.yaml",
        yaml("two.txt").replace("@logs", "@logs.example"),
    );
    place.file("one.txt", "first-token\n");
    place.file("two.txt", "second-token\n");
    let mut command = place.command(["plan", "old.yaml", "new.yaml"]);
    command.env("PLAN_TEST_KEY", "hunter22");
    let run = crate::support::finish(command.spawn().unwrap(), b"");
    assert_eq!(run.code, Some(0), "{run:?}");
    for part in [
        "a: replaced",
        "  config.token: \"***\" -> \"***\"\n",
        "  config.url: \"http://me:***@logs\" -> \"http://me:***@logs.example\"\n",
    ] {
        assert!(run.stdout.contains(part), "{part:?} is missing in\n{run:?}");
    }
    let all = run.stdout + &run.stderr;
    for secret in ["first-token", "second-token", "hunter22"] {
        assert!(!all.contains(secret), "{secret} shows in\n{all}");
    }
}

#[test]
fn what_a_running_pipeline_refuses_is_told_by_words_and_status() {
    let place = Place::new();
    place.file("old.yaml", OLD);
    place.file("new.yaml", format!("{OLD}max_record: 64KiB\n"));
    let run = place.run(["plan", "old.yaml", "new.yaml"], "");
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(
        run.stdout
            .starts_with("refused: max_record cannot change while the pipeline runs\n"),
        "{run:?}"
    );
}

#[test]
fn everything_wrong_with_either_file_is_told_at_its_place() {
    let place = Place::new();
    place.file("good.yaml", OLD);
    place.file("old.yaml", OLD.replace("version: 1", "version: 2"));
    place.file("new.yaml", OLD.replace("to: [a,", "to: [z,"));
    for (args, parts) in [
        (
            ["plan", "old.yaml", "new.yaml"],
            &["error: old.yaml:2:10: ", "error: new.yaml:9:26: "][..],
        ),
        (["plan", "good.yaml", "new.yaml"], &["new.yaml:9:26: "]),
        (["plan", "old.yaml", "good.yaml"], &["old.yaml:2:10: "]),
        (["plan", "good.yaml", "none.yaml"], &["error: none.yaml: "]),
    ] {
        let run = place.run(args, "");
        assert_eq!(run.code, Some(2), "{args:?}: {run:?}");
        assert!(run.stdout.is_empty(), "{args:?}: {run:?}");
        for part in parts {
            assert!(run.stderr.contains(part), "{part:?} is missing in\n{run:?}");
        }
    }
    let run = place.run(["plan", "good.yaml"], "");
    assert_eq!(run.code, Some(2), "{run:?}");
}
