//! Records of the `log` crate.

use std::fmt;

use log::{Level as Theirs, LevelFilter, Record};
use rolog_core::Level;
use rolog_core::bridge::log::install;
use rolog_core::value::OwnedValue;

use super::{alone, keeping, kept, messages, spec, text};

#[test]
fn a_record_keeps_its_level_target_message_and_key_values() {
    let _alone = alone();
    let host = keeping("{ \"**\": trace }");
    install(host.factory()).unwrap();
    let cause = "x".parse::<u8>().unwrap_err();
    log::warn!(
        target: "shop::db",
        order = 42, ratio = 0.5, name = "north", gone:? = None::<u8>, big = u128::MAX, error:err = cause;
        "stored {} of {}", 1, 2
    );
    log::trace!("plain");
    let records = kept(&host);
    let record = &records[0];
    assert_eq!(
        (record.level, record.logger.as_str()),
        (Level::Warning, "shop::db")
    );
    assert_eq!(record.message, "stored 1 of 2");
    assert_eq!(record.template, None);
    assert_eq!(
        record.fields,
        [
            ("order".to_owned(), OwnedValue::I64(42)),
            ("ratio".to_owned(), OwnedValue::F64(0.5)),
            ("name".to_owned(), text("north")),
            ("gone".to_owned(), text("None")),
            ("big".to_owned(), OwnedValue::U128(u128::MAX)),
        ]
    );
    assert_eq!(
        record.error.as_ref().unwrap().text,
        "invalid digit found in string"
    );
    assert_eq!(records[1].level, Level::Trace);
    assert_eq!(records[1].logger, module_path!());
}

#[test]
fn levels_of_the_pipeline_are_those_of_the_facade_reload_included() {
    let _alone = alone();
    let levels = |levels: &str| {
        format!("levels: {levels}\ntargets:\n  kept: {{ plugin: memory }}\nroutes:\n  - to: kept\n")
    };
    let host = keeping("{ \"**\": warning }");
    install(host.factory()).unwrap();
    assert_eq!(log::max_level(), LevelFilter::Warn);
    log::info!("no");
    log::warn!("yes");
    assert_eq!(messages(&host), ["yes"]);

    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let debug = spec(&levels("{ \"**\": error, quiet.shop: debug }"));
    runtime.block_on(host.reconfigure(debug)).unwrap();
    assert_eq!(log::max_level(), LevelFilter::Debug);
    assert!(log::log_enabled!(target: "quiet::shop::db", Theirs::Debug));
    assert!(!log::log_enabled!(target: "quiet::other", Theirs::Warn));
    log::debug!(target: "quiet::shop", "now");
    log::warn!("not any more");
    assert_eq!(messages(&host), ["yes", "now"]);

    runtime
        .block_on(host.reconfigure(spec(&levels("{ \"**\": off }"))))
        .unwrap();
    assert_eq!(log::max_level(), LevelFilter::Off);
    log::error!("off");
    assert_eq!(messages(&host), ["yes", "now"]);
}

#[test]
fn a_second_installation_leads_to_the_second_pipeline() {
    let _alone = alone();
    let first = keeping("{ \"**\": info }");
    install(first.factory()).unwrap();
    log::info!("one");
    let second = keeping("{ \"**\": debug }");
    install(second.factory()).unwrap();
    log::info!("two");
    log::debug!("three");
    assert_eq!(messages(&first), ["one"]);
    assert_eq!(messages(&second), ["two", "three"]);
}

#[test]
fn names_without_end_fill_neither_the_loggers_nor_the_call_sites() {
    const NAMES: usize = 10_000;
    let _alone = alone();
    let host = keeping("{ \"**\": info }");
    install(host.factory()).unwrap();
    let sites = rolog_core::call_site::CallSite::since(0).len();
    let loggers = host.factory().registry().since(0).len();
    for n in 0..NAMES {
        let target = format!("tenant::{n}");
        log::logger().log(
            &Record::builder()
                .args(format_args!("{n}"))
                .level(Theirs::Info)
                .target(&target)
                .file(Some(&target))
                .line(Some(n as u32))
                .build(),
        );
    }
    let records = kept(&host);
    assert_eq!(records.len(), NAMES);
    assert_eq!(
        records.last().unwrap().logger,
        format!("tenant::{}", NAMES - 1)
    );
    assert_eq!(rolog_core::call_site::CallSite::since(0).len(), sites);
    let made = host.factory().registry().since(0).len() - loggers;
    assert!(made <= 4096, "{made} loggers");
}

#[test]
fn a_value_that_panics_or_logs_itself_is_counted_and_hurts_nobody() {
    struct Panics;
    impl fmt::Display for Panics {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("in a value")
        }
    }
    struct Logs;
    impl fmt::Display for Logs {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            log::info!(target: "inner", "from within");
            f.write_str("outer")
        }
    }
    struct Circles;
    impl fmt::Display for Circles {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            log::info!("{Circles}");
            Ok(())
        }
    }
    let _alone = alone();
    let host = keeping("{ \"**\": info }");
    install(host.factory()).unwrap();
    log::info!("{Panics}");
    log::info!("{Logs}");
    assert_eq!(messages(&host), ["from within", "outer"]);
    log::info!("{Circles}");
    assert_eq!(host.flush_blocking(super::LONG), 0);
    let source = host.ledger().source;
    let dropped = |reason| {
        source
            .dropped
            .iter()
            .find(|(own, _)| *own == reason)
            .map(|(_, n)| *n)
    };
    assert_eq!(
        (dropped("panicked"), dropped("reentrant")),
        (Some(1), Some(1))
    );
}
