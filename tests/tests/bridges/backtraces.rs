//! Backtraces of errors.

use std::time::Duration;

use rolog_core::bridge::{log as log_bridge, tracing as tracing_bridge};
use rolog_core::{Level, critical, error, exception, info, warning};
use rolog_host::{Host, MemoryRecord};

use super::{alone, kept, spec};

const YAML: &str = "
levels: { \"**\": info }
targets:
  kept: { plugin: memory }
routes:
  - to: kept
";

fn host() -> Host {
    let builder = Host::builder().pipeline(spec(YAML));
    builder.backtraces(Level::Error).start().unwrap()
}

fn trace(record: &MemoryRecord) -> Option<&str> {
    record.error.as_ref()?.backtrace.as_deref()
}

#[inline(never)]
fn the_function_that_fails(work: impl FnOnce(std::io::Error)) {
    work(std::io::Error::other("full"));
    // Not a tail call, which would leave no frame.
    std::hint::black_box(());
}

#[test]
fn an_error_says_how_its_thread_came_there_from_its_level_on() {
    let host = host();
    let log = host.factory().get_logger("shop");
    the_function_that_fails(|error| exception!(log, error, "failed {n}", n = 7));
    the_function_that_fails(|error| warning!(log, "below", exception = error));
    the_function_that_fails(|error| log.record(Level::Critical, "built").error(&error).send());
    error!(log, "no error in it");
    // An error among the data is a value; only the error of a record has a backtrace.
    the_function_that_fails(|inner| {
        the_function_that_fails(|outer| {
            critical!(log, "two", exception = outer, cause = inner);
        });
    });
    host.factory().set_backtraces(None);
    the_function_that_fails(|error| exception!(log, error, "off"));

    let records = kept(&host);
    for at in [0, 2, 4] {
        let text = trace(&records[at]).unwrap();
        let first = text.lines().next().unwrap();
        assert!(text.contains("the_function_that_fails"), "{text}");
        assert!(text.contains(file!()), "{text}");
        assert!(
            first.starts_with("0: ") && !first.contains("rolog_core"),
            "{text}"
        );
        assert!(
            !text.contains('\u{1}') && !text.contains("rust_begin_short_backtrace"),
            "{text}"
        );
    }
    assert_eq!(records[0].message, "failed 7");
    for at in [1, 3, 5] {
        assert_eq!(trace(&records[at]), None);
    }
}

#[test]
fn the_pipeline_file_says_from_which_level_on_and_a_reload_changes_it() {
    let stated = |level: &str| spec(&format!("{YAML}{level}"));
    let host = Host::builder().pipeline(stated("backtraces: error\n"));
    let host = host.start().unwrap();
    let log = host.factory().get_logger("shop");
    let both = || {
        the_function_that_fails(|error| exception!(log, error, "error"));
        the_function_that_fails(|error| warning!(log, "warning", exception = error));
        let records = kept(&host);
        let traced = records
            .iter()
            .rev()
            .take(2)
            .map(|record| trace(record).is_some());
        traced.collect::<Vec<_>>()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let reload = |level| runtime.block_on(host.reconfigure(stated(level))).unwrap();
    assert_eq!(both(), [false, true]);
    reload("backtraces: warning\n");
    assert_eq!(both(), [true, true]);
    reload("");
    assert_eq!(both(), [false, false]);
}

#[test]
fn errors_of_the_facades_have_one_too() {
    let _alone = alone();
    let host = host();
    log_bridge::install(host.factory()).unwrap();
    tracing_bridge::install(host.factory()).unwrap();
    the_function_that_fails(|error| log::error!(error:err = error; "log"));
    the_function_that_fails(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "tracing");
    });
    for record in kept(&host) {
        assert!(
            trace(&record).unwrap().contains("the_function_that_fails"),
            "{record:?}"
        );
    }
}

#[test]
fn waiting_calls_and_records_at_their_bound_have_one_that_fits() {
    let host = host();
    let log = host.factory().get_logger("shop");
    the_function_that_fails(|error| {
        exception!(log.blocking(), error, "waited").unwrap();
    });
    let long = "x".repeat(1024 * 1024);
    the_function_that_fails(|error| exception!(log, error, "long", text = long));
    info!(log, "after");
    let records = kept(&host);
    assert!(
        trace(&records[0])
            .unwrap()
            .contains("the_function_that_fails")
    );
    assert_eq!(records[1].message, "long");
    assert!(trace(&records[1]).is_some());
    assert_eq!(records[2].message, "after");
    assert!(host.dispose_blocking(Duration::from_secs(30)).is_complete());
}
