//! A child process must neither hang nor write into its parent's rings.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a helper of tests fails the test")]

mod child;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rolog_core::call_site::CallSite;
use rolog_core::clock::Clock;
use rolog_core::intake::{
    Consumer, DropReason, Dropped, EntryHeader, Intake, IntakeConfig, Refusal, RingOverflow,
    capture_guard,
};

use crate::child::in_child;

const FORKED: Dropped = Dropped(DropReason::Forked);

fn intake() -> (Arc<Intake>, Consumer) {
    let intake = Intake::new(IntakeConfig {
        overflow: RingOverflow::Block {
            max_wait: std::time::Duration::from_hours(1),
        },
        ..IntakeConfig::default()
    })
    .unwrap();
    let consumer = intake.consumer().unwrap();
    (intake, consumer)
}

fn header(ticks: u64) -> EntryHeader {
    EntryHeader {
        ticks,
        level: 40,
        ..EntryHeader::default()
    }
}

#[test]
fn a_child_drops_what_goes_to_its_parents_pipeline_and_can_have_its_own() {
    let (intake, mut consumer) = intake();
    intake.publish(header(1), b"parent").unwrap();

    // Threads that log all the time, so that the fork finds locks held and rings half written.
    let stop = Arc::new(AtomicBool::new(false));
    let noise: Vec<_> = (0..2)
        .map(|_| {
            let (intake, stop) = (intake.clone(), stop.clone());
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let guard = capture_guard();
                    let _ = intake.try_publish_waiting(header(2), b"noise");
                    drop(guard);
                    let _ = intake.try_publish_waiting(header(2), b"noise");
                    intake.counts();
                }
            })
        })
        .collect();

    for round in 0..20 {
        let (mut intake, mut consumer) = (Some(intake.clone()), Some(&mut consumer));
        let held = in_child(move || {
            let intake = intake.take().unwrap();
            let mut held = intake.is_forked();
            held &= intake.publish(header(3), b"child") == Err(FORKED);
            let guard = capture_guard();
            held &= intake.publish(header(3), b"child") == Err(FORKED);
            drop(guard);
            held &= intake.try_publish_waiting(header(3), b"") == Err(Refusal::Dropped(FORKED));
            let other = intake.clone();
            held &= thread::spawn(move || other.publish(header(3), b"") == Err(FORKED))
                .join()
                .unwrap();
            held &= intake.counts().dropped(DropReason::Forked) == 4;
            intake.wake();
            intake.close();
            drop(intake);
            consumer.take();

            let (own, mut pump) = self::intake();
            own.publish(header(1), b"own").unwrap();
            let mut seen = Vec::new();
            pump.drain(u64::MAX, 9, &mut |entry| seen.push(entry.payload.to_vec()));
            held &= seen == [b"own"];
            drop(pump);
            held & own.counts().is_balanced()
        });
        assert!(held, "round {round}");
        assert!(!self::intake().0.is_forked(), "the parent is no child");
    }

    stop.store(true, Ordering::Relaxed);
    for thread in noise {
        thread.join().unwrap();
    }
    intake.publish(header(u64::MAX), b"still here").unwrap();
    let mut child = 0;
    while consumer
        .drain(u64::MAX, 100_000, &mut |entry| {
            child += usize::from(entry.payload == b"child");
        })
        .more
    {}
    assert_eq!(child, 0);
    let counts = intake.counts();
    assert_eq!(counts.dropped(DropReason::Forked), 0);
    assert!(counts.is_balanced());
}

#[test]
fn a_child_finds_no_lock_of_the_process_held_for_ever() {
    let _watched = intake();
    let stop = Arc::new(AtomicBool::new(false));
    let looks = || {
        Clock::system();
        CallSite::since(0);
    };
    let busy: Vec<_> = (0..2)
        .map(|_| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    looks();
                }
            })
        })
        .collect();
    for _ in 0..200 {
        assert!(in_child(|| {
            looks();
            true
        }));
    }
    stop.store(true, Ordering::Relaxed);
    for thread in busy {
        thread.join().unwrap();
    }
}
