//! The intake with real threads at full speed: exact sets of records, exact orders.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails the test")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rolog_core::clock::ticks;
use rolog_core::intake::{
    Consumer, DropReason, EntryHeader, Intake, IntakeConfig, RingOverflow, capture_guard,
};

const WINDOW: u64 = 1_000_000;

fn intake(bytes: usize, overflow: RingOverflow) -> (Arc<Intake>, Consumer) {
    let intake = Intake::new(IntakeConfig {
        bytes,
        max_record: 1 << 10,
        overflow,
        flush_on: None,
    })
    .unwrap();
    let consumer = intake.consumer().unwrap();
    (intake, consumer)
}

fn header() -> EntryHeader {
    EntryHeader {
        ticks: ticks(),
        level: 20,
        ..EntryHeader::default()
    }
}

/// Publishes numbers, some of them as if a value logged them; returns those that were taken.
fn produce(intake: &Intake, lane: u32, numbers: u64) -> Vec<u64> {
    let mut taken = Vec::new();
    for number in 0..numbers {
        let mut payload = vec![lane as u8; (number % 120) as usize + 12];
        payload[..4].copy_from_slice(&lane.to_le_bytes());
        payload[4..12].copy_from_slice(&number.to_le_bytes());
        let guard = (number % 50 == 7).then(capture_guard);
        if intake.publish(header(), &payload).is_ok() {
            taken.push(number);
        }
        drop(guard);
    }
    taken
}

#[derive(Default)]
struct Seen {
    by_lane: HashMap<u32, Vec<u64>>,
    last_ticks: u64,
    disorder: u64,
}

impl Seen {
    fn drain(&mut self, consumer: &mut Consumer, cutoff: u64) -> usize {
        let drained = consumer.drain(cutoff, 10_000, &mut |entry| {
            let payload = entry.payload;
            let lane = u32::from_le_bytes(payload[..4].try_into().unwrap());
            let number = u64::from_le_bytes(payload[4..12].try_into().unwrap());
            assert_eq!(payload.len() as u64, number % 120 + 12);
            assert!(payload[12..].iter().all(|byte| *byte == lane as u8));
            self.by_lane.entry(lane).or_default().push(number);
            if entry.header.ticks < self.last_ticks {
                assert!(entry.late, "out of order, and not marked");
                self.disorder += 1;
            }
            self.last_ticks = self.last_ticks.max(entry.header.ticks);
        });
        drained.records
    }
}

/// Runs producers beside a pump, and holds what arrived against what was taken, per thread and in
/// order.
fn run(intake: &Arc<Intake>, consumer: &mut Consumer, lanes: u32, numbers: u64) {
    let producers: Vec<_> = (0..lanes)
        .map(|lane| {
            let intake = intake.clone();
            thread::spawn(move || produce(&intake, lane, numbers))
        })
        .collect();
    let mut seen = Seen::default();
    while !producers.iter().all(thread::JoinHandle::is_finished) {
        if seen.drain(consumer, ticks().saturating_sub(WINDOW)) == 0 {
            thread::yield_now();
        }
    }
    let mut all = 0;
    let taken: Vec<_> = producers.into_iter().map(|p| p.join().unwrap()).collect();
    while seen.drain(consumer, u64::MAX) > 0 {}
    for (lane, taken) in taken.into_iter().enumerate() {
        all += taken.len() as u64;
        let arrived = seen.by_lane.remove(&(lane as u32)).unwrap_or_default();
        assert!(arrived == taken, "lane {lane} differs");
    }
    let counts = intake.counts();
    assert_eq!(counts.emitted, u64::from(lanes) * numbers);
    assert_eq!((counts.published, counts.drained), (all, all));
    assert_eq!(counts.late, seen.disorder);
    assert_eq!((counts.rings, counts.in_rings), (0, 0));
    assert!(counts.is_balanced());
}

#[test]
fn every_record_arrives_in_order_when_there_is_room() {
    let (intake, mut consumer) = intake(64 << 20, RingOverflow::DropNewest);
    run(&intake, &mut consumer, 4, 50_000);
    assert_eq!(intake.counts().dropped_total(), 0);
    assert_eq!(intake.counts().overflowed, 4 * 50_000 / 50);
}

#[test]
fn what_was_taken_arrives_when_the_budget_is_too_small() {
    let (intake, mut consumer) = intake(64 << 10, RingOverflow::DropNewest);
    run(&intake, &mut consumer, 4, 50_000);
}

#[test]
fn callers_that_wait_lose_nothing() {
    let patient = RingOverflow::Block {
        max_wait: Duration::from_mins(1),
    };
    let (intake, mut consumer) = intake(64 << 10, patient);
    run(&intake, &mut consumer, 4, 50_000);
    assert_eq!(intake.counts().dropped_total(), 0);
}

#[test]
fn a_close_under_fire_cuts_cleanly() {
    for _ in 0..50 {
        let (intake, mut consumer) = intake(1 << 20, RingOverflow::DropNewest);
        let started = Arc::new(AtomicBool::new(false));
        let producers: Vec<_> = (0..3)
            .map(|_| {
                let (intake, started) = (intake.clone(), started.clone());
                thread::spawn(move || {
                    let mut taken = 0_u64;
                    loop {
                        match intake.publish(header(), b"x") {
                            Ok(()) => taken += 1,
                            Err(dropped) if dropped.0 == DropReason::Disposed => return taken,
                            Err(dropped) => assert_eq!(dropped.0, DropReason::Ring),
                        }
                        started.store(true, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        while !started.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        intake.close();
        let published = intake.counts().published;
        let mut drained = 0;
        while !consumer.is_idle() {
            drained += consumer.drain(u64::MAX, 1_000, &mut |_| {}).records as u64;
        }
        let taken: u64 = producers.into_iter().map(|p| p.join().unwrap()).sum();
        assert_eq!((taken, drained), (published, published));
        assert!(intake.counts().is_balanced());
    }
}

#[test]
fn many_hosts_and_many_short_threads_at_once() {
    let hosts: Vec<_> = (0..3)
        .map(|_| {
            thread::spawn(|| {
                for _ in 0..20 {
                    let (intake, mut consumer) = intake(256 << 10, RingOverflow::DropNewest);
                    for wave in 0..5 {
                        let threads: Vec<_> = (0..10)
                            .map(|_| {
                                let intake = intake.clone();
                                thread::spawn(move || produce(&intake, wave, 20).len() as u64)
                            })
                            .collect();
                        let mut seen = Seen::default();
                        seen.drain(&mut consumer, u64::MAX);
                        let taken: u64 = threads.into_iter().map(|t| t.join().unwrap()).sum();
                        while seen.drain(&mut consumer, u64::MAX) > 0 {}
                        assert_eq!(seen.by_lane[&wave].len() as u64, taken);
                    }
                    assert_eq!(intake.counts().rings, 0);
                    assert!(intake.counts().is_balanced());
                }
            })
        })
        .collect();
    for host in hosts {
        host.join().unwrap();
    }
}
