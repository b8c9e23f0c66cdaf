//! A service's last words. A program of its own: the panic hook is the whole process'.

#![allow(clippy::unwrap_used, reason = "a test that fails to unwrap has failed")]

use std::fmt;
use std::time::Duration;

use rolog_core::delivery::Outcome;
use rolog_core::frame::Batch;
use rolog_core::{Level, LogTarget, info};
use rolog_host::{Host, Memory};

struct Panics;

impl fmt::Display for Panics {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("within a value")
    }
}

struct PanickingTarget;

impl LogTarget for PanickingTarget {
    async fn log(&self, _: &Batch<'_>) -> Outcome {
        panic!("within a target")
    }
}

#[test]
fn a_panic_is_recorded_and_delivered_before_the_thread_goes_on() {
    let host = Host::builder().min_level(Level::Debug).start().unwrap();
    let memory = Memory::default();
    host.factory()
        .add_target(memory.clone(), Level::Debug)
        .unwrap();
    host.flush_on_panic(Duration::from_secs(20));
    let log = host.factory().get_logger("a");

    info!(log, "before");
    let panicking = std::thread::Builder::new()
        .name("worker".to_owned())
        .spawn(|| panic!("out of {}", "luck"));
    panicking.unwrap().join().unwrap_err();
    // Delivered already, without a flush.
    let records = memory.take();
    assert_eq!(records[0].message, "before");
    let last = records
        .iter()
        .find(|record| record.logger == "panic")
        .unwrap();
    assert_eq!(last.level, Level::Critical);
    assert_eq!(
        last.field("panic").unwrap().to_string(),
        "panicked: out of luck"
    );
    assert_eq!(last.field("panicked_thread").unwrap().to_string(), "worker");
    assert!(
        last.field("panic_file")
            .unwrap()
            .to_string()
            .ends_with("panic_hook.rs")
    );

    // A value's panic is caught by the log call, and is no panic of the service's.
    info!(log, "bad", value = %Panics);
    host.flush_blocking(Duration::from_secs(20));
    assert!(memory.take().iter().all(|record| record.logger != "panic"));

    // A target's panic is on a thread of the pipeline: recorded, and nobody waits for anybody.
    host.factory()
        .add_target(PanickingTarget, Level::Error)
        .unwrap();
    rolog_core::error!(log, "to the target that panics");
    assert!(memory.wait_for(2, Duration::from_secs(20)));
    let report = host.dispose_blocking(Duration::from_secs(2));
    assert!(report.ledger.balances(), "{report}");
}
