//! Why a record is or is not there, told by what routes it.

#![allow(clippy::unwrap_used, reason = "a test that fails to unwrap has failed")]

use std::time::Duration;

use rolog_core::{Level, Threshold, error};
use rolog_host::config::{self, Env};
use rolog_host::explain::{Explanation, RouteAnswer, ThresholdSource};
use rolog_host::{Host, Memory};

const PIPELINE: &str = "
version: 1
levels:
  shop.db: debug
  shop.noise: off
targets:
  app: { plugin: memory }
  rescue: { plugin: memory }
routes:
  - { logger: shop.health, to: [], final: true }
  - { logger: shop.payments.**, level: warning.., to: [rescue], final: true }
  - { logger: shop.**, to: [app, rescue] }
";

fn explain(logger: &str, level: Level) -> Explanation {
    let spec = config::parse(PIPELINE, "shop.yaml", "/", &Env::empty()).unwrap();
    Explanation::of(&spec, logger, level)
}

#[test]
fn a_record_that_is_recorded_is_told_with_its_rule_its_routes_and_its_targets() {
    let told = explain("shop.db.pool", Level::Debug);
    assert!(told.is_recorded());
    assert_eq!(
        told.to_string(),
        "shop.db.pool at debug: goes to app, rescue

level
  debug and above, by `shop.db.**` under `levels` (shop.yaml:4:3)

routes
  1. `shop.health` trace..: other loggers (shop.yaml:10:5)
  2. `shop.payments.**` warning..: other loggers (shop.yaml:11:5)
  3. `shop.**` trace..: takes it to app, rescue (shop.yaml:12:5)

targets
  app: by route 3
  rescue: by route 3
"
    );
}

#[test]
fn each_reason_why_a_record_is_nowhere_has_its_words() {
    let first = |logger: &str, level| {
        let told = explain(logger, level);
        assert!(!told.is_recorded(), "{told}");
        told.to_string().lines().next().unwrap().to_owned()
    };
    for (logger, level, words) in [
        (
            "shop.api",
            Level::Debug,
            "not recorded, below the logger's level",
        ),
        (
            "shop.noise",
            Level::Critical,
            "not recorded, below the logger's level",
        ),
        (
            "shop.health",
            Level::Error,
            "discarded by a final route without targets",
        ),
        ("other", Level::Error, "goes nowhere, no route takes it"),
    ] {
        assert_eq!(
            first(logger, level),
            format!("{logger} at {level}: {words}")
        );
    }
    let ended = explain("shop.payments.card", Level::Error);
    assert_eq!(ended.routes[2].answer, RouteAnswer::Ended(2));
    let levels = explain("shop.payments.card", Level::Information);
    assert_eq!(levels.routes[1].answer, RouteAnswer::OtherLevel);
    assert_eq!(levels.threshold.source, ThresholdSource::Default);
}

#[test]
fn a_running_pipeline_adds_its_generation_its_own_targets_and_what_they_do() {
    let spec = config::parse(PIPELINE, "shop.yaml", "/", &Env::empty()).unwrap();
    let host = Host::builder().pipeline(spec).start().unwrap();
    let factory = host.factory();
    factory.add_target(Memory::default(), Level::Error).unwrap();
    error!(factory.get_logger("shop.api"), "one");
    assert_eq!(host.flush_blocking(Duration::from_secs(20)), 0);
    let told = host.explain("shop.api", Level::Warning);
    assert_eq!(told.generation, Some(1));
    let own = told.targets.iter().find(|t| t.route.is_none()).unwrap();
    assert!(!own.takes, "{told}");
    let app = &told.targets[0].state.as_ref().unwrap();
    assert!(app.is_well(), "{told}");
    assert_eq!((app.row.delivered, app.row.queued), (1, 0), "{told}");
    assert_eq!(
        told.threshold.least,
        Threshold::At(Level::Debug),
        "as in debug builds"
    );
    assert!(
        host.explain("shop.api", Level::Error)
            .targets
            .iter()
            .all(|t| t.takes)
    );
}
