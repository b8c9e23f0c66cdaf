//! The forms that wait, and when there is nothing to wait for.

use std::thread;

use rolog_core::frame::flags;
#[cfg(unix)]
use rolog_core::intake::DropReason;
use rolog_core::{Level, Logger, feedback, info};

use crate::bench::{Bench, at_once};
#[cfg(unix)]
use crate::child::in_child;

#[test]
fn the_waiting_forms_publish_with_their_slot() {
    let mut bench = Bench::new();
    let log = bench.log();
    at_once(info!(log.wait(), "waits {n}", n = 1)).unwrap();
    let receipt = at_once(info!(log.receipt(), "answers")).unwrap();
    assert!(at_once(receipt).is_unrouted());
    info!(log.blocking(), "blocks").unwrap();
    at_once(log.record(Level::Error, "built").wait()).unwrap();
    let mut slots = Vec::new();
    bench.consumer.drain(u64::MAX, usize::MAX, &mut |entry| {
        slots.push((entry.header.slot, entry.header.flags & flags::RESERVED != 0));
    });
    assert_eq!(slots, [(7, true); 4]);
    bench.intake.close();
    assert!(
        at_once(info!(log.wait(), "late"))
            .unwrap_err()
            .is_disposed()
    );
}

#[test]
fn what_a_targets_thread_logs_takes_the_way_of_own_records_in_every_form() {
    let bench = Bench::new();
    let log = bench.log();
    let spoken = thread::scope(|scope| {
        let logs = scope.spawn(|| {
            feedback::mark_thread(Some("its-own"));
            info!(log, "goes on");
            info!(log.blocking(), "blocks").unwrap();
            log.record(Level::Warning, "built").block().unwrap();
            let receipt = at_once(info!(log.receipt(), "answers")).unwrap();
            assert!(at_once(receipt).is_unrouted(), "nobody waits for its end");
            drop(info!(log.wait(), "taken back"));
            info!(log.wait(), "polled elsewhere")
        });
        at_once(logs.join().unwrap()).unwrap();
        bench.spoken()
    });
    let messages: Vec<_> = spoken
        .iter()
        .map(|own| (own.target.as_deref(), own.level))
        .collect();
    let informed = (Some("its-own"), Level::Information);
    let warned = (Some("its-own"), Level::Warning);
    assert_eq!(messages, [informed, informed, warned, informed, informed]);
    assert_eq!(bench.asked(), 0, "own records never wait");
    assert_eq!(bench.intake.counts().emitted, 0);
}

#[test]
fn own_records_of_a_pipeline_that_is_gone_are_refused_in_the_waiting_forms() {
    let mut bench = Bench::new();
    let log = bench.log();
    bench.dispose();
    let refused = thread::spawn(move || {
        feedback::mark_thread(None);
        let blocked = info!(log.blocking(), "late").unwrap_err();
        blocked.is_disposed()
            && at_once(info!(log.wait(), "late"))
                .unwrap_err()
                .is_disposed()
    });
    assert!(refused.join().unwrap());
}

/// Logs in every form, for the service and for the pipeline itself; how many of the calls fail.
#[cfg(unix)]
fn log_in_every_form(log: &Logger) -> usize {
    info!(log, "goes on");
    info!(log, "asked first, {value}", value = %"value");
    let blocks = |log: &Logger| info!(log.blocking(), "blocks").is_err();
    let failed = [
        blocks(log),
        at_once(info!(log.wait(), "waits")).is_err(),
        at_once(info!(log.receipt(), "answers")).is_err(),
        log.record(Level::Warning, "built").block().is_err(),
    ];
    feedback::mark_thread(None);
    info!(log, "own");
    let failed = failed.into_iter().chain([blocks(log)]);
    failed.filter(|failed| *failed).count()
}

#[cfg(unix)]
#[test]
fn a_child_asks_nothing_of_the_pipeline_that_stayed_in_its_parent() {
    let bench = Bench::new();
    let log = bench.log();
    // As while a target with `overflow: block` is full.
    log.gate().set_blocked(true);
    // Its calls are known before the fork, which may find the lock of their table held.
    let failed = thread::scope(|scope| scope.spawn(|| log_in_every_form(&log)).join());
    assert_eq!(failed.unwrap(), 0);
    assert_eq!((bench.asked(), bench.spoken().len()), (6, 2));
    let held = in_child(|| {
        let failed = log_in_every_form(&log);
        let counts = bench.intake.counts();
        let dropped = counts.dropped(DropReason::Forked);
        failed == 5 && dropped == 8 && bench.asked() == 6 && bench.spoken().is_empty()
    });
    assert!(held);
}
