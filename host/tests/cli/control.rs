//! `rolog status` and the others, asked of a service that runs in this process.

use std::fs;
use std::time::Duration;

use rolog_core::info;
use rolog_host::Host;

use crate::support::{Outcome, Place};

const LONG: Duration = Duration::from_secs(30);

fn yaml(more: &str, to: &str) -> String {
    format!(
        "version: 1
control: rolog.sock
targets:
  app: {{ plugin: memory{more} }}
routes: [{{ to: {to} }}]
"
    )
}

fn service(place: &Place) -> Host {
    let file = place.file("pipeline.yaml", yaml("", "app"));
    let host = Host::builder().file(file).watch(false).start().unwrap();
    info!(host.factory().get_logger("a"), "one");
    assert_eq!(host.flush_blocking(LONG), 0);
    host
}

fn said(outcome: &Outcome, parts: &[&str]) {
    for part in parts {
        assert!(
            outcome.stdout.contains(part) || outcome.stderr.contains(part),
            "{part:?} in {outcome:#?}"
        );
    }
}

#[test]
fn a_running_service_says_how_it_is_and_takes_changes() {
    let place = Place::new();
    let host = service(&place);
    let status = place.run(["status"], "");
    assert_eq!(status.code, Some(0), "{status:?}");
    said(
        &status,
        &[
            "generation 1 since ",
            "(started): 1 started (app)",
            "reloads: 0 applied, 0 unchanged, 0 refused\n",
            "target  plugin  doing   queued  delivered  fell back  dead-lettered  lost\n",
            "app     memory  active       0          1          0              0     0\n",
        ],
    );
    let json = place.run(["status", "--control", "rolog.sock", "--json"], "");
    let answer: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(answer["targets"][0]["delivered"], 1);

    said(
        &place.run(["reload"], ""),
        &["nothing has changed; generation 1 goes on"],
    );
    place.file("pipeline.yaml", yaml(", queue: { max_records: 7 }", "app"));
    let planned = ["plan", "--control", "rolog.sock"];
    let plan = place.run(planned.into_iter().chain(["--exit-code"]), "");
    assert_eq!(plan.code, Some(1), "{plan:?}");
    said(&plan, &["app: retuned", "  queue.max_records: 100000 -> 7"]);
    let reload = place.run(["reload"], "");
    assert_eq!(reload.code, Some(0), "{reload:?}");
    said(
        &reload,
        &["generation 2 since ", "(asked for): 1 retuned (app)"],
    );
    said(
        &place.run(["rollback"], ""),
        &["generation 3 since ", "(rolled back): 1 retuned (app)"],
    );
    said(
        &place.run(["reload-plugins"], ""),
        &["nothing has changed; generation 3 goes on"],
    );
    let generations = place.run(["generations"], "");
    assert_eq!(generations.stdout.lines().count(), 3, "{generations:?}");
    let plugins = place.run(["plugins", "--control", "rolog.sock"], "");
    said(&plugins, &["no plugin is loaded"]);

    place.file("pipeline.yaml", yaml("", "ap"));
    let refused = place.run(["reload", "--control", "rolog.sock"], "");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    said(
        &refused,
        &["pipeline.yaml:5:16: routes[0].to: no target has the name `ap`"],
    );
    assert_eq!(host.generations().len(), 3);
}

#[test]
fn a_running_service_sends_its_dead_letters_again_itself() {
    let place = Place::new();
    let host = service(&place);
    let buried = crate::replay::bury(&place.path().join("dead"), "app", &["late", "later"]);
    let replay = ["replay", "--control", "rolog.sock", "dead"];
    let replay = place.run(replay, "");
    assert_eq!(replay.code, Some(0), "{replay:?}");
    said(&replay, &["2 delivered and taken out, 0 left"]);
    let records = host.memory("app").unwrap().records();
    let ids: Vec<String> = records.iter().map(|record| record.id.to_string()).collect();
    assert_eq!(ids[1..], buried);
    assert!(!place.path().join("dead").exists());
    assert_eq!(host.ledger().target("app").unwrap().replayed, 2);
}

#[test]
fn where_no_service_answers_it_is_said_how_one_would() {
    let place = Place::new();
    place.file("pipeline.yaml", yaml("", "app"));
    let nobody = place.run(["status"], "");
    assert_eq!(nobody.code, Some(2), "{nobody:?}");
    said(
        &nobody,
        &["no service answers at ", "rolog.sock: No such file"],
    );
    let unnamed = yaml("", "app").replace("control: rolog.sock\n", "");
    fs::write(place.path().join("pipeline.yaml"), unnamed).unwrap();
    let unnamed = place.run(["reload"], "");
    assert_eq!(unnamed.code, Some(2), "{unnamed:?}");
    said(
        &unnamed,
        &["names no control socket: add `control: <path>`"],
    );
    let both = ["plan", "--control", "x", "a", "b"];
    assert_eq!(place.run(both, "").code, Some(2));
    assert_eq!(place.run(["plan", "a"], "").code, Some(2));
}

#[test]
fn levels_are_set_listed_and_restored() {
    let place = Place::new();
    let host = service(&place);
    let log = host.factory().get_logger("shop.db");
    let none = place.run(["levels"], "");
    assert_eq!(none.code, Some(0), "{none:?}");
    said(&none, &["no level is set"]);

    let set = place.run(["levels", "shop", "error"], "");
    said(&set, &["logger  level  until\n", "shop    error  -\n"]);
    assert!(!log.is_enabled(rolog_core::Level::Warning));
    let set = place.run(["levels", "shop.db", "trace", "--for", "10m"], "");
    assert_eq!(set.code, Some(0), "{set:?}");
    assert!(log.is_enabled(rolog_core::Level::Trace));
    assert!(host.levels().list()[1].until.is_some());

    let restored = place.run(["levels", "shop.db", "--restore"], "");
    assert_eq!(restored.code, Some(0), "{restored:?}");
    assert!(!log.is_enabled(rolog_core::Level::Warning));
    assert_eq!(place.run(["levels", "--restore"], "").code, Some(0));
    assert!(log.is_enabled(rolog_core::Level::Warning));

    for (args, why) in [
        (&["levels", "shop", "loud"][..], "`loud` is not a level"),
        (&["levels", "a..b", "debug"], "is no pattern of loggers"),
        (&["levels", "shop", "debug", "--for", "soon"], "soon"),
        (
            &["levels", "shop", "--restore"],
            "no level was set for `shop`",
        ),
    ] {
        let refused = place.run(args.iter().copied(), "");
        assert_eq!(refused.code, Some(1), "{refused:?}");
        said(&refused, &[why]);
    }
    let unsaid = place.run(["levels", "shop"], "");
    assert_eq!(unsaid.code, Some(2), "{unsaid:?}");
    said(&unsaid, &["Say a LEVEL to set, or --restore"]);
}

#[test]
fn a_logger_is_explained_from_the_file_and_from_a_service() {
    let place = Place::new();
    let host = service(&place);
    let file = place.run(["explain", "shop.db", "info"], "");
    assert_eq!(file.code, Some(0), "{file:?}");
    said(
        &file,
        &["shop.db at info: goes to app\n", "  app: by route 1\n"],
    );
    let asked = place.run(
        ["explain", "shop.db", "info", "--control", "rolog.sock"],
        "",
    );
    assert_eq!(asked.code, Some(0), "{asked:?}");
    said(
        &asked,
        &[
            "goes to app (generation 1)\n",
            "  app: by route 1; active, 1 delivered, 0 queued\n",
        ],
    );
    let below = place.run(
        ["explain", "shop.db", "trace", "--control", "rolog.sock"],
        "",
    );
    assert_eq!(below.code, Some(1), "{below:?}");
    said(&below, &["not recorded, below the logger's level"]);
    let id = "00000000000000000000000000000007-0000000000000001";
    let record = place.run(["explain", "--record", id, "--control", "rolog.sock"], "");
    assert_eq!(record.code, Some(1), "{record:?}");
    said(&record, &["not known: another process made it"]);
    let nowhere = place.run(["explain", "--record", id], "");
    assert_eq!(nowhere.code, Some(2), "{nowhere:?}");
    let no_id = place.run(["explain", "--record", "x", "--control", "rolog.sock"], "");
    assert_eq!(no_id.code, Some(2), "{no_id:?}");
    let no_level = place.run(["explain", "shop.db"], "");
    assert_eq!(no_level.code, Some(2), "{no_level:?}");
    let wrong = place.run(["explain", "shop.db", "loud"], "");
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    drop(host);
}
