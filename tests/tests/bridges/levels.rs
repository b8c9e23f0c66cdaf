//! Levels that are set while the pipeline runs.

use std::time::{Duration, Instant};

use rolog_core::bridge::{log as log_bridge, tracing as tracing_bridge};
use rolog_core::{Level, Threshold, debug, info};

use super::{LONG, alone, keeping, kept, messages, spec};

#[test]
fn a_level_holds_for_a_subtree_and_the_best_match_and_a_reload_leaves_it() {
    let host = keeping("{ \"**\": info }");
    let levels = host.levels();
    let factory = host.factory();
    let (shop, db, other) = (
        factory.get_logger("shop"),
        factory.get_logger("shop::db::pool"),
        factory.get_logger("other"),
    );
    levels.set("shop", Level::Debug).unwrap();
    levels.set("shop.db", Level::Error).unwrap();
    assert!(shop.is_enabled(Level::Debug));
    assert!(!db.is_enabled(Level::Warning) && db.is_enabled(Level::Error));
    assert!(!other.is_enabled(Level::Debug));
    assert_eq!(levels.level_of("shop.db.new"), Some(Level::Error));
    debug!(shop, "as was set");
    assert_eq!(messages(&host), ["as was set"]);

    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let reloaded = spec(
        "levels: { \"**\": warning }\ntargets:\n  kept: { plugin: memory }\nroutes:\n  - to: kept\n",
    );
    runtime.block_on(host.reconfigure(reloaded)).unwrap();
    assert!(shop.is_enabled(Level::Debug));
    assert!(!other.is_enabled(Level::Information));

    levels.set("**", Threshold::Off).unwrap();
    assert!(!other.is_enabled(Level::Critical) && shop.is_enabled(Level::Debug));
    let set: Vec<String> = levels.list().iter().map(ToString::to_string).collect();
    assert_eq!(set, ["shop: debug", "shop.db: error", "**: off"]);
    assert!(levels.restore("shop").unwrap());
    assert!(!levels.restore("shop").unwrap());
    assert!(!shop.is_enabled(Level::Critical));
    assert_eq!(levels.restore_all(), 2);
    assert!(shop.is_enabled(Level::Warning) && !shop.is_enabled(Level::Information));
}

#[test]
fn what_is_no_pattern_no_time_or_one_too_many_is_refused() {
    let host = keeping("{ \"**\": info }");
    let levels = host.levels();
    for logger in ["", "a..b", "shop.d*b"] {
        let error = levels.set(logger, Level::Debug).unwrap_err();
        assert!(
            error.is_level() && error.to_string().contains(logger),
            "{error}"
        );
    }
    for time in [Duration::ZERO, Duration::MAX] {
        assert!(
            levels
                .set_for("a", Level::Debug, time)
                .unwrap_err()
                .is_level()
        );
    }
    for n in 0..256 {
        levels.set(&format!("logger.{n}"), Level::Debug).unwrap();
    }
    assert!(levels.set("one.more", Level::Debug).unwrap_err().is_level());
    // One that is there already can be changed.
    levels.set("logger.7", Level::Error).unwrap();
    assert_eq!(levels.list().len(), 256);
}

#[test]
fn a_level_that_was_set_for_a_time_ends_by_itself_and_not_a_later_one() {
    let host = keeping("{ \"**\": info }");
    let levels = host.levels();
    let log = host.factory().get_logger("shop");
    levels
        .set_for("shop", Level::Debug, Duration::from_millis(20))
        .unwrap();
    assert!(levels.list()[0].until.is_some());
    let end = Instant::now() + LONG;
    while !levels.list().is_empty() {
        assert!(Instant::now() < end);
        std::thread::park_timeout(Duration::from_millis(1));
    }
    assert!(!log.is_enabled(Level::Debug));

    // The end of the first must not end the second, which was set in its place.
    levels
        .set_for("shop", Level::Debug, Duration::from_millis(1))
        .unwrap();
    levels.set("shop", Level::Trace).unwrap();
    levels
        .set_for("other", Level::Debug, Duration::from_millis(20))
        .unwrap();
    while levels.list().len() > 1 {
        assert!(Instant::now() < end);
        std::thread::park_timeout(Duration::from_millis(1));
    }
    assert!(log.is_enabled(Level::Trace));
    assert_eq!(levels.list()[0].until, None);
}

#[test]
fn the_facades_follow_it() {
    let _alone = alone();
    let host = keeping("{ \"**\": warning }");
    log_bridge::install(host.factory()).unwrap();
    tracing_bridge::install(host.factory()).unwrap();
    let say = || {
        log::debug!(target: "shop::db", "log");
        tracing::debug!(target: "shop::db", "tracing");
        let own = host.factory().get_logger("shop.db");
        info!(own, "macro");
    };
    say();
    host.levels().set("shop", Level::Debug).unwrap();
    assert_eq!(log::max_level(), log::LevelFilter::Debug);
    say();
    assert_eq!(messages(&host), ["log", "tracing", "macro"]);
    host.levels().restore_all();
    assert_eq!(log::max_level(), log::LevelFilter::Warn);
    say();
    assert_eq!(kept(&host).len(), 3);
}
