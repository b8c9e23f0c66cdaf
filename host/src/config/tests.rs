//! Whole pipelines, read as a service reads them.

use std::time::Duration;

use rolog_core::{Level, LevelRange, Threshold};

use super::*;

mod agreement;
mod corners;
mod keeping;
mod outlets;
mod plugins;
mod recovery;
mod reference;
mod substitution;

pub(super) fn read(yaml: &str) -> Result<PipelineSpec, Problems> {
    parse(yaml, "p.yaml", "/etc/shop", &Env::empty())
}

/// The problems of a pipeline, one line each.
pub(super) fn wrong(yaml: &str) -> Vec<String> {
    match read(yaml) {
        Ok(_) => panic!("accepted: {yaml}"),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

fn warnings(yaml: &str) -> Vec<String> {
    let spec = read(yaml).unwrap_or_else(|problems| panic!("{problems}"));
    spec.warnings().iter().map(ToString::to_string).collect()
}

const FULL: &str = "\
version: 1
plugins:
  search: [target/release, /usr/lib/rolog]
levels:
  '**': info
  shop.db: debug
  noisy: off
targets:
  app:
    plugin: file
    config:
      path: logs/app.jsonl
    queue: { max_records: 5000, max_bytes: 8MiB, overflow: { block: { max_wait: 200ms } } }
    flush:
      max_size: 100
      max_bytes: 2MiB
      interval: 500ms
      flush_on: off
      timeout: 10s
      concurrency: 2
      max_retries: 5
      retry_delay: 1.5s
      progressive_delay: false
      fallback: rescue
  rescue:
    plugin: file
    config: { path: logs/rescue.jsonl }
    queue: { overflow: { drop_below: warning } }
routes:
  - logger: shop.payments.**
    level: warning..
    to: [app, rescue]
    final: true
  - to: app
rings: { bytes: 32MiB, overflow: block }
max_record: 64KiB
";

#[test]
fn a_full_pipeline_is_read() {
    let spec = read(FULL).unwrap();
    assert_eq!(spec.search()[0], Path::new("/etc/shop/target/release"));
    assert_eq!(spec.search()[1], Path::new("/usr/lib/rolog"));
    assert_eq!(spec.levels()[1].pattern.to_string(), "shop.db.**");
    assert_eq!(spec.levels()[2].threshold, Threshold::Off);
    let app = spec.target("app").unwrap();
    assert_eq!(app.plugin.as_str(), "file");
    assert_eq!(app.config.value()["path"], "logs/app.jsonl");
    assert_eq!(app.queue.max_records.get(), 5000);
    let max_wait = MaxWait::new(Duration::from_millis(200)).unwrap();
    assert_eq!(app.queue.overflow, Overflow::Block { max_wait });
    assert_eq!(app.flush.max_size.unwrap().get(), 100);
    assert_eq!(app.flush.flush_on, None);
    assert_eq!(app.flush.retry_delay.get(), Duration::from_millis(1500));
    assert_eq!(app.flush.retry.kind, RetryKind::Constant);
    assert_eq!(app.flush.fallback[0].as_str(), "rescue");
    let rescue = spec.target("rescue").unwrap();
    assert_eq!(rescue.queue.overflow, Overflow::DropBelow(Level::Warning));
    assert_eq!(rescue.flush, FlushSpec::default());
    assert!(spec.routes()[0].is_final);
    assert_eq!(spec.routes()[0].level.least(), Level::Warning);
    assert!(spec.routes()[1].logger.is_all());
    assert_eq!(spec.routes()[1].level, LevelRange::ALL);
    assert!(matches!(spec.rings().overflow, RingsOverflow::Block { .. }));
    assert_eq!(spec.max_record().get(), 64 * 1024);
    assert_eq!(spec.warnings(), []);
}

#[test]
fn every_problem_is_reported_at_once_in_the_order_of_the_file() {
    let problems = wrong(
        "\
version: 2
level: {}
targets:
  app:
    plugin: ../file
    flush: { max_sise: 1, max_size: 0, interval: -1s, retry_delay: 10, flush_on: eror }
    queue: { overflow: drop_newst, max_bytes: 64M }
  'x ': { config: [] }
routes:
  - { logger: 'pay*', level: error..info, to: [ap, app, app], final: yes }
",
    );
    let expected = [
        "p.yaml:1:10: version: 2 is not a known version; expected `version: 1`, the one that this rolog reads",
        "p.yaml:2:1: level: unknown key; expected version, plugins, levels, targets, routes, recorder, rings, max_record, clock, backtraces, fields, redact, dead_letters, metrics, explain, control or last_good; did you mean `levels`?",
        "p.yaml:5:13: targets.app.plugin: `../file`: the name of a plugin has other characters than letters, digits, `_` and `-`; expected the name of a plugin: letters, digits, `_` and `-`, such as `file`",
        "p.yaml:6:14: targets.app.flush.max_sise: unknown key; expected max_size, max_bytes, interval, flush_on, timeout, concurrency, max_retries, retry_delay, progressive_delay, retry, breaker, hold, grace, quarantine_after or fallback; did you mean `max_size`?",
        "p.yaml:6:37: targets.app.flush.max_size: 0 is out of bounds; expected a number from 1 to 1000000",
        "p.yaml:6:50: targets.app.flush.interval: `-1s`: it is negative; expected a time from 1ms to 1d, such as `600ms`, `1s` or `1h30m`",
        "p.yaml:6:68: targets.app.flush.retry_delay: `10`: the time has no unit: `10ms`, `10s`?; expected a time from 0s to 1h, such as `600ms`, `1s` or `1h30m`",
        "p.yaml:6:82: targets.app.flush.flush_on: `eror` is not a level; expected trace, debug, info, warning, error, critical or off; did you mean `error`?",
        "p.yaml:7:24: targets.app.queue.overflow: `drop_newst` is not a policy; expected `drop_newest`, `drop_oldest`, `{ drop_below: <level> }`, `block`, or `{ block: { max_wait: 1s } }`; did you mean `drop_newest`?",
        "p.yaml:7:47: targets.app.queue.max_bytes: `64M`: `M` is not a unit of size; expected a size from 1KiB to 1TiB, such as `64MiB`, `1kB` or a number of bytes",
        "p.yaml:8:3: targets.\"x \": the name of a target has a space at an end; expected 1 to 100 bytes of printable text, such as `app`",
        "p.yaml:8:9: targets.\"x \": `plugin` is missing; expected the name of a plugin: letters, digits, `_` and `-`, such as `file`",
        "p.yaml:8:19: targets.\"x \".config: is a list; expected a map",
        "p.yaml:10:15: routes[0].logger: `pay*`: a `*` stands for a whole segment, never for a part; expected a name or a pattern such as `shop.payments.**`",
        "p.yaml:10:30: routes[0].level: `error..info`: the range error..info is empty: write info..error; expected a level or a range: `error` (only that), `info..`, `..warning`, `debug..warning`",
        "p.yaml:10:57: routes[0].to[2]: `app` stands in this list already; expected each target once",
        "p.yaml:10:70: routes[0].final: `yes` is text; expected true or false",
    ];
    assert_eq!(problems, expected);
}

#[test]
fn names_that_no_target_has_are_found_with_the_nearest() {
    let problems = wrong(
        "\
version: 1
targets:
  app: { plugin: memory, flush: { fallback: [rescu, app] } }
  rescue: { plugin: memory }
routes:
  - to: [ap]
  - { logger: x, to: [] }
",
    );
    assert_eq!(
        problems,
        [
            "p.yaml:3:46: targets.app.flush.fallback[0]: no target has the name `rescu`; expected app or rescue; did you mean `rescue`?",
            "p.yaml:3:53: targets.app.flush.fallback[1]: `app` falls back to itself; expected another target",
            "p.yaml:6:10: routes[0].to[0]: no target has the name `ap`; expected app or rescue; did you mean `app`?",
            "p.yaml:7:22: routes[1].to: names no target; expected a target, or `final: true` to discard",
        ]
    );
}

#[test]
fn circles_of_fallbacks_are_shown_whole_and_once() {
    let problems = wrong(
        "\
version: 1
targets:
  a: { plugin: null, flush: { fallback: b } }
  b: { plugin: null, flush: { fallback: [d, c] } }
  c: { plugin: null, flush: { fallback: a } }
  d: { plugin: null }
  e: { plugin: null, flush: { fallback: a } }
routes: [{ to: a }]
",
    );
    assert_eq!(
        problems,
        [
            "p.yaml:5:41: targets.c.flush.fallback: the fallbacks go round in a circle: a -> b -> c -> a; expected a chain that ends"
        ]
    );
}

#[test]
fn a_flood_of_problems_is_told_in_bounded_space() {
    let mut yaml = String::from("version: 1\ntargets:\n");
    for index in 0..3000 {
        yaml += &[
            "  t",
            &index.to_string(),
            ": { plugin: memory, flush: { fallback: t",
        ]
        .concat();
        yaml += &[&((index + 1) % 3000).to_string(), " } }\n"].concat();
    }
    yaml += "routes:\n";
    for index in 0..3000 {
        yaml += &["  - to: x", &index.to_string(), "\n"].concat();
    }
    let problems = wrong(&yaml);
    assert_eq!(
        problems.len(),
        102,
        "100 names, the rest of them, and the circle"
    );
    assert!(problems[0].contains("2900 more names"), "{}", problems[0]);
    let circle = problems
        .iter()
        .find(|line| line.contains("in a circle"))
        .unwrap();
    assert!(circle.contains(" -> … -> "), "{circle}");
    assert!(problems.iter().all(|line| line.len() < 600));
}

#[test]
fn what_is_hardly_meant_is_a_warning() {
    let unused = warnings(
        "\
version: 1
targets:
  app: { plugin: memory, flush: { fallback: rescue } }
  rescue: { plugin: memory, queue: { max_bytes: 100kB } }
  lone: { plugin: memory, flush: { fallback: rescue } }
routes:
  - { to: app, final: true }
  - { to: app }
",
    );
    assert_eq!(
        unused,
        [
            "p.yaml:4:49: warning: targets.rescue.queue.max_bytes: a record may be longer than the queue: 256KiB; expected at least `max_record`, or a lower `max_record`",
            "p.yaml:5:3: warning: targets.lone: no route leads here, nor any fallback of a routed target",
            "p.yaml:8:5: warning: routes[1]: no record comes here: routes[0] is final and takes them all; expected it before that route",
        ]
    );
    let routeless = warnings("version: 1\ntargets: { app: { plugin: memory } }");
    assert!(
        routeless[0].contains("there are no routes"),
        "{routeless:?}"
    );
    assert!(warnings("version: 1").is_empty());
}

#[test]
fn clock_and_backtraces_are_read_and_tell_pipelines_apart() {
    let yaml = |more: &str| {
        read(&format!(
            "version: 1\ntargets: {{ a: {{ plugin: memory }} }}\nroutes: [{{ to: a }}]\n{more}"
        ))
    };
    let plain = yaml("").unwrap();
    assert_eq!(
        (plain.clock(), plain.backtraces()),
        (ClockKind::Exact, None)
    );
    let both = yaml("clock: coarse\nbacktraces: error\n").unwrap();
    assert_eq!(both.clock(), ClockKind::Coarse);
    assert_eq!(both.backtraces(), Some(Level::Error));
    assert_ne!(plain.digest(), both.digest());
    let diff = plain.diff(&both);
    assert!(diff.clock && diff.backtraces && !diff.is_empty());
    let error = yaml("clock: course\n").unwrap_err().to_string();
    assert!(
        error.ends_with(
            "clock: `course` is no clock; expected exact or coarse; did you mean `coarse`?"
        ),
        "{error}"
    );
}

#[test]
fn formatting_and_order_do_not_count_as_a_change() {
    let old = read(
        "version: 1\ntargets: { a: { plugin: memory, config: { x: 1, y: [2] } } }\nroutes: [{ to: a }]",
    )
    .unwrap();
    let same = read(
        "# comment\nversion: 1\nroutes:\n  - to: [a]\ntargets:\n  a:\n    config:\n      y: [ 0x2 ]\n      x: 1\n    plugin: 'memory'\n    flush: { interval: 1000ms }\n",
    )
    .unwrap();
    assert_eq!(old.digest(), same.digest());
    assert!(old.diff(&same).is_empty());
    let new = read(
        "version: 1\ntargets:\n  a: { plugin: memory, config: { x: 1, y: [2] }, flush: { interval: 2s } }\n  b: { plugin: memory }\nroutes: [{ to: [a, b] }]",
    )
    .unwrap();
    let diff = old.diff(&new);
    assert_eq!(diff.targets["a"], TargetChange::Retuned);
    assert_eq!(diff.targets["b"], TargetChange::Added);
    assert!(diff.routes && !diff.levels && !diff.rings);
    let (before, after) = (old.targets["a"].digest(), new.targets["a"].digest());
    assert_eq!(before.instance, after.instance);
    assert_ne!(before.stage, after.stage);
    assert_ne!(old.digest(), new.digest());
    assert_eq!(new.diff(&old).targets["b"], TargetChange::Removed);
    let other = read("version: 1\ntargets: { a: { plugin: memory, config: { x: '1', y: [2] } } }\nroutes: [{ to: a }]").unwrap();
    assert_eq!(old.diff(&other).targets["a"], TargetChange::Replaced);
}

#[test]
fn a_pipeline_in_code_passes_the_same_checks() {
    let spec = PipelineSpec::builder()
        .base("/srv")
        .search("plugins")
        .level("noisy", Threshold::Off)
        .target("a", Target::of("memory").fallback(["b"]))
        .target("b", Target::of("memory"))
        .route(Route::from("**").level("info..").to(["a"]).last())
        .build()
        .unwrap();
    assert_eq!(spec.search(), [Path::new("/srv/plugins")]);
    assert_eq!(spec.warnings(), []);
    let problems = PipelineSpec::builder()
        .level("a*", Level::Debug)
        .target("a", Target::of("").fallback(["a"]))
        .target("a", Target::of("x").config(serde_json::json!(1)))
        .route(Route::from("**").level("eror").to(["b", "b"]))
        .build()
        .unwrap_err();
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 8, "{lines:#?}");
    for (line, part) in lines.iter().zip([
        "levels.\"a*\": `a*`: a `*` stands",
        "targets.a.plugin: the name of a plugin is empty",
        "targets.a.config: is no JSON object",
        "targets.a: a target of this name",
        "routes[0].level: `eror` is not a level",
        "routes[0].to[1]: `b` stands in this list already",
        "routes[0].to[0]: no target has the name `b`",
        "falls back to itself",
    ]) {
        assert!(line.contains(part), "{line}: {part}");
        assert!(line.starts_with("pipeline built in code: "), "{line}");
    }
}

#[test]
fn a_target_with_defaults_is_a_stage_with_defaults() {
    let spec = read("version: 1\ntargets: { a: { plugin: memory } }\nroutes: [{ to: a }]").unwrap();
    let settings = spec.targets["a"].stage_settings(None);
    assert_eq!(settings, crate::stage::StageSettings::default());
    assert_eq!(spec.targets["a"].stage_settings(Some(7)).batch.max_size, 7);
    let rings = spec.intake_config();
    assert_eq!(rings.bytes, 64 << 20);
    assert_eq!(rings.max_record, 256 << 10);
    assert_eq!(rings.flush_on, None);
    let full = read(&FULL.replace("flush_on: off", "flush_on: critical")).unwrap();
    assert_eq!(full.intake_config().flush_on, Some(Level::Critical));
    let app = full.targets["app"].stage_settings(Some(7));
    assert_eq!(app.batch.max_size, 100);
    assert_eq!(
        app.overflow,
        crate::stage::Overflow::Block(Duration::from_millis(200))
    );
    assert_eq!(app.retry.delay(3), Some(Duration::from_millis(1500)));
}

#[test]
fn whatever_the_file_may_say_a_stage_and_the_rings_take() {
    for (size, amount, time) in [("1", "1KiB", "1ms"), ("64", "1GiB", "1h")] {
        let yaml = format!(
            "version: 1
targets:
  a:
    plugin: memory
    queue: {{ max_records: {size}, max_bytes: {amount} }}
    flush:
      max_size: {size}
      max_bytes: {amount}
      interval: {time}
      timeout: {time}
      concurrency: {size}
      max_retries: {size}
      retry_delay: {time}
routes: [{{ to: a }}]
"
        );
        let spec = read(&yaml).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(spec.targets["a"].stage_settings(None).check(), Ok(()));
    }
    assert!(read("version: 1\nrings: { bytes: 64KiB }\nmax_record: 1KiB").is_ok());
    let tight = wrong("version: 1\nrings: { bytes: 1MiB }\n");
    assert!(
        tight[0].starts_with("p.yaml:2:8: rings: rings of 1048576 bytes are too small"),
        "{tight:?}"
    );
}

#[test]
fn the_table_lists_every_key_with_the_default_that_holds() {
    let rows = table();
    let row = |path: &str| rows.iter().find(|row| row.path == path).expect(path);
    assert_eq!(row("version").default, "required");
    assert_eq!(row("max_record").default, "256KiB");
    assert_eq!(row("rings.bytes").default, "64MiB");
    assert_eq!(row("targets.<name>.plugin").default, "required");
    assert_eq!(row("targets.<name>.queue.max_records").default, "100000");
    assert_eq!(row("targets.<name>.queue.overflow").default, "drop_newest");
    assert_eq!(row("targets.<name>.flush.max_size").default, "unset");
    assert_eq!(row("targets.<name>.flush.retry_delay").default, "600ms");
    assert_eq!(row("targets.<name>.flush.timeout").default, "30s");
    assert_eq!(row("targets.<name>.flush.fallback").default, "none");
    assert_eq!(row("routes[].logger").default, "**");
    let text = markdown();
    assert_eq!(text.lines().count(), rows.len() + 2);
    assert!(
        text.lines()
            .all(|line| line.matches(" | ").count() == 3 || line.starts_with("|---"))
    );
    assert_eq!(FlushSpec::default().batch_records(None).get(), 500);
    assert_eq!(FlushSpec::default().batch_records(Some(8)).get(), 8);
    assert_eq!(FlushSpec::default().batch_records(Some(0)).get(), 500);
}
