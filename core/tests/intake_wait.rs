//! Who waits, for what, and how long: callers for room, the pump for records.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails the test")]

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use rolog_core::Level;
use rolog_core::intake::{
    Consumer, DropReason, Dropped, EntryHeader, Intake, IntakeConfig, Refusal, RingOverflow, Woken,
    no_wait_guard,
};

fn intake(overflow: RingOverflow) -> (Arc<Intake>, Consumer) {
    let intake = Intake::new(IntakeConfig {
        bytes: 64 << 10,
        max_record: 1 << 10,
        overflow,
        flush_on: Some(Level::Error),
    })
    .unwrap();
    let consumer = intake.consumer().unwrap();
    (intake, consumer)
}

const INFO: EntryHeader = EntryHeader {
    call_site: 0,
    logger: 0,
    flags: 0,
    level: 20,
    ticks: 1,
    slot: 0,
};

fn fill(intake: &Intake) -> u64 {
    let mut taken = 0;
    while intake.try_publish_waiting(INFO, &[7; 300]).is_ok() {
        taken += 1;
    }
    taken
}

fn drain(consumer: &mut Consumer) -> usize {
    consumer.drain(u64::MAX, usize::MAX, &mut |_| {}).records
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

#[test]
fn full_counts_nothing_and_tells_the_pump() {
    let (intake, mut consumer) = intake(RingOverflow::DropNewest);
    let taken = fill(&intake);
    let counts = intake.counts();
    assert_eq!((counts.emitted, counts.published), (taken, taken));
    assert_eq!(counts.dropped_total(), 0);
    assert_eq!(consumer.wait(None), Woken::Rung);
    assert_eq!(drain(&mut consumer) as u64, taken);
    assert_eq!(intake.try_publish_waiting(INFO, &[7; 300]), Ok(()));
}

#[test]
fn a_wait_that_began_before_the_room_was_made_ends() {
    let (intake, mut consumer) = intake(RingOverflow::DropNewest);
    fill(&intake);
    let (on_thread, in_async) = (intake.room(), intake.room());
    drain(&mut consumer);
    assert!(on_thread.wait(None));
    block_on(in_async);
    let until = Instant::now() + Duration::from_millis(20);
    assert!(
        !intake.room().wait(Some(until)),
        "nothing was drained since"
    );
    assert!(Instant::now() >= until);
}

#[test]
fn async_callers_are_served_as_room_comes() {
    let (intake, mut consumer) = intake(RingOverflow::DropNewest);
    let taken = fill(&intake);
    let callers: Vec<_> = (0..3)
        .map(|_| {
            let intake = intake.clone();
            thread::spawn(move || {
                for _ in 0..500 {
                    block_on(intake.publish_waiting(INFO, &[8; 300])).unwrap();
                }
            })
        })
        .collect();
    let mut drained = 0;
    while drained < taken + 1500 {
        consumer.wait(None);
        drained += drain(&mut consumer) as u64;
    }
    for caller in callers {
        caller.join().unwrap();
    }
    assert_eq!(intake.counts().emitted, taken + 1500);
    assert!(intake.counts().is_balanced());
}

#[test]
fn callers_on_threads_are_served_as_room_comes_or_told_at_their_deadline() {
    let (intake, mut consumer) = intake(RingOverflow::DropNewest);
    let taken = fill(&intake);
    let soon = Some(Instant::now() + Duration::from_millis(20));
    let refused = intake.publish_blocking(INFO, &[8; 300], soon);
    assert_eq!(refused, Err(Refusal::Full));
    assert_eq!(intake.counts().emitted, taken);
    let caller = intake.clone();
    let caller = thread::spawn(move || {
        for _ in 0..500 {
            caller.publish_blocking(INFO, &[8; 300], None).unwrap();
        }
    });
    let mut drained = 0;
    while drained < taken + 500 {
        consumer.wait(None);
        drained += drain(&mut consumer) as u64;
    }
    caller.join().unwrap();
}

#[test]
fn a_dropped_wait_leaves_nothing_behind() {
    let (intake, mut consumer) = intake(RingOverflow::DropNewest);
    fill(&intake);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    {
        let mut wait = pin!(intake.publish_waiting(INFO, &[8; 300]));
        let mut context = Context::from_waker(&waker);
        assert!(wait.as_mut().poll(&mut context).is_pending());
        assert!(wait.as_mut().poll(&mut context).is_pending());
    }
    let before = intake.counts().emitted;
    drain(&mut consumer);
    assert_eq!(intake.counts().emitted, before);
    drop(waker);
}

#[test]
fn waits_end_when_the_intake_is_closed() {
    let (intake, _consumer) = intake(RingOverflow::DropNewest);
    fill(&intake);
    let caller = intake.clone();
    let caller = thread::spawn(move || block_on(caller.publish_waiting(INFO, &[8; 300])));
    intake.close();
    assert_eq!(caller.join().unwrap(), Err(Dropped(DropReason::Disposed)));
}

#[test]
fn a_policy_that_waits_keeps_its_bound() {
    let max_wait = Duration::from_millis(50);
    let (intake, _consumer) = intake(RingOverflow::Block { max_wait });
    fill(&intake);
    let start = Instant::now();
    let dropped = intake.publish(INFO, &[8; 300]);
    assert_eq!(dropped, Err(Dropped(DropReason::Ring)));
    assert!(start.elapsed() >= max_wait);
    assert_eq!(intake.counts().slow_path, 1);
}

#[test]
fn a_thread_of_the_pipeline_never_waits() {
    let (intake, mut consumer) = intake(RingOverflow::Block {
        max_wait: Duration::from_hours(1),
    });
    fill(&intake);
    let guard = no_wait_guard();
    assert_eq!(
        intake.publish(INFO, &[8; 300]),
        Err(Dropped(DropReason::Ring))
    );
    drop(guard);
    // The sink of a drain is on such a thread as well. Room is given back after the pass.
    let mut refused = 0;
    consumer.drain(u64::MAX, 1, &mut |_| {
        refused += u64::from(intake.publish(INFO, &[8; 300]).is_err());
    });
    assert_eq!(refused, 1);
    assert_eq!(intake.counts().slow_path, 0);
    intake.set_overflow(RingOverflow::DropNewest);
    assert!(intake.counts().is_balanced());
}

#[test]
fn an_urgent_record_and_a_ring_that_runs_out_of_room_wake_the_pump_and_others_do_not() {
    let (intake, mut consumer) = intake(RingOverflow::DropNewest);
    intake.publish(INFO, b"in its own time").unwrap();
    assert_eq!(consumer.wait(None), Woken::Timer);
    intake
        .publish(EntryHeader { level: 40, ..INFO }, b"urgent")
        .unwrap();
    assert_eq!(consumer.wait(None), Woken::Rung);
    intake.set_flush_on(None);
    intake
        .publish(EntryHeader { level: 50, ..INFO }, b"not urgent")
        .unwrap();
    assert_eq!(consumer.wait(None), Woken::Timer);
    // The first 16 KiB: the ring grows to the 32 that the budget has for it, and wakes nobody.
    for _ in 0..16 {
        intake.publish(INFO, &[0; 1000]).unwrap();
    }
    assert_eq!(consumer.wait(None), Woken::Timer);
    for _ in 0..16 {
        intake.publish(INFO, &[0; 1000]).unwrap();
    }
    assert_eq!(consumer.wait(None), Woken::Rung);
    assert_eq!(drain(&mut consumer), 35);
    intake.wake();
    assert_eq!(consumer.wait(None), Woken::Rung);
    assert_eq!(intake.counts().wakes, 0, "the pump was never asleep");
}

#[test]
fn an_idle_pump_sleeps_through_and_gives_memory_back() {
    let (intake, mut consumer) = intake(RingOverflow::DropNewest);
    for _ in 0..20 {
        intake.publish(INFO, &[0; 1000]).unwrap();
    }
    drain(&mut consumer);
    assert!(intake.counts().bytes > 20_000, "the ring has grown");
    let end = Instant::now() + Duration::from_millis(1_800);
    let mut waits = Vec::new();
    while Instant::now() < end {
        let start = Instant::now();
        consumer.wait(Some(end));
        waits.push(start.elapsed());
    }
    assert!(
        waits.len() <= 105,
        "{} looks in a second and the sleep",
        waits.len()
    );
    assert!(
        waits.last().unwrap() > &Duration::from_millis(500),
        "the last was one sleep"
    );
    assert_eq!(
        intake.counts().bytes,
        0,
        "the memory of the idle ring is back"
    );
    // A record ends the sleep, and the ring works on.
    let sender = intake.clone();
    let sender = thread::spawn(move || sender.publish(INFO, b"good morning").unwrap());
    let mut seen = 0;
    while seen == 0 {
        consumer.wait(None);
        seen = drain(&mut consumer);
    }
    sender.join().unwrap();
    intake.publish(INFO, b"and another").unwrap();
    assert_eq!(drain(&mut consumer), 1);
    assert!(intake.counts().wakes <= 1);
}
