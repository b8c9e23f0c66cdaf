//! The intake from outside: order, late records, what goes where and how it is counted.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails the test")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use rolog_core::intake::{
    Consumer, DropReason, Dropped, EntryHeader, Intake, IntakeConfig, Refusal, RingOverflow,
    capture_guard,
};

const ERROR: u8 = 40;
const INFO: u8 = 20;

fn intake(bytes: usize, max_record: usize) -> (Arc<Intake>, Consumer) {
    let intake = Intake::new(IntakeConfig {
        bytes,
        max_record,
        overflow: RingOverflow::DropNewest,
        flush_on: None,
    })
    .unwrap();
    let consumer = intake.consumer().unwrap();
    (intake, consumer)
}

fn small() -> (Arc<Intake>, Consumer) {
    intake(64 << 10, 1 << 10)
}

fn at(ticks: u64) -> EntryHeader {
    EntryHeader {
        ticks,
        level: INFO,
        ..EntryHeader::default()
    }
}

fn drain_to(consumer: &mut Consumer, cutoff: u64) -> Vec<(u64, String, bool)> {
    let mut seen = Vec::new();
    consumer.drain(cutoff, usize::MAX, &mut |entry| {
        let text = String::from_utf8(entry.payload.to_vec()).unwrap();
        seen.push((entry.header.ticks, text, entry.late));
    });
    seen
}

fn texts(seen: &[(u64, String, bool)]) -> Vec<&str> {
    seen.iter().map(|(_, text, _)| text.as_str()).collect()
}

#[test]
fn a_record_arrives_with_its_header_and_thread() {
    let (intake, mut consumer) = small();
    let header = EntryHeader {
        call_site: 7,
        logger: 9,
        flags: 3,
        level: INFO,
        ticks: 11,
        slot: 13,
    };
    let sender = intake.clone();
    thread::Builder::new()
        .name("sender".into())
        .spawn(move || sender.publish(header, b"hello").unwrap())
        .unwrap()
        .join()
        .unwrap();
    let mut seen = 0;
    let drained = consumer.drain(u64::MAX, 10, &mut |entry| {
        seen += 1;
        assert_eq!(entry.header, header);
        assert_eq!(entry.payload, b"hello");
        assert_eq!(entry.thread.name, "sender");
        assert_ne!(entry.thread.id, 0);
        assert!(!entry.late);
    });
    assert_eq!((seen, drained.records, drained.more), (1, 1, false));
}

#[test]
fn there_is_one_consumer() {
    let (intake, _consumer) = small();
    assert!(intake.consumer().is_none());
}

#[test]
fn threads_are_merged_by_time() {
    let (intake, mut consumer) = small();
    for thread in 0..3 {
        let intake = intake.clone();
        thread::spawn(move || {
            for step in 0..50_u64 {
                let ticks = step * 3 + thread;
                intake
                    .publish(at(ticks), ticks.to_string().as_bytes())
                    .unwrap();
            }
        })
        .join()
        .unwrap();
    }
    let seen = drain_to(&mut consumer, u64::MAX);
    let expected: Vec<u64> = (0..150).collect();
    assert_eq!(
        seen.iter().map(|entry| entry.0).collect::<Vec<_>>(),
        expected
    );
    assert!(
        seen.iter()
            .all(|(ticks, text, late)| *text == ticks.to_string() && !late)
    );
}

#[test]
fn what_is_newer_than_the_cutoff_stays_and_is_announced() {
    let (intake, mut consumer) = small();
    for ticks in [10, 20, 30] {
        intake.publish(at(ticks), b"").unwrap();
    }
    let mut seen = Vec::new();
    let drained = consumer.drain(20, usize::MAX, &mut |entry| seen.push(entry.header.ticks));
    assert_eq!(seen, [10, 20]);
    assert_eq!((drained.more, drained.next), (false, Some(30)));
    assert_eq!(intake.counts().in_rings, 1);
    assert!(!consumer.is_idle());
    assert_eq!(drain_to(&mut consumer, 30).len(), 1);
    assert!(consumer.is_idle());
}

#[test]
fn the_limit_ends_a_pass_and_says_that_there_is_more() {
    let (intake, mut consumer) = small();
    for ticks in 0..10 {
        intake.publish(at(ticks), b"").unwrap();
    }
    let mut seen = Vec::new();
    let first = consumer.drain(u64::MAX, 4, &mut |entry| seen.push(entry.header.ticks));
    assert!(first.more && first.records == 4);
    let second = consumer.drain(u64::MAX, 6, &mut |entry| seen.push(entry.header.ticks));
    assert!(!second.more && second.records == 6);
    assert_eq!(seen, (0..10).collect::<Vec<_>>());
}

#[test]
fn a_late_record_goes_out_at_once_and_is_counted() {
    let (intake, mut consumer) = small();
    intake.publish(at(100), b"first").unwrap();
    assert!(!drain_to(&mut consumer, u64::MAX)[0].2);
    intake.publish(at(50), b"late").unwrap();
    intake.publish(at(100), b"as old as the last").unwrap();
    let seen = drain_to(&mut consumer, u64::MAX);
    assert_eq!(seen[0], (50, "late".into(), true));
    assert!(!seen[1].2);
    assert_eq!(intake.counts().late, 1);
}

#[test]
fn a_thread_keeps_its_order_across_ring_and_shared_queue_at_equal_ticks() {
    let (intake, mut consumer) = small();
    let mut expected = Vec::new();
    for step in 0..100_u32 {
        let text = step.to_string();
        // In a value that logs, a record takes the shared queue.
        let guard = (step % 3 == 1).then(capture_guard);
        intake.publish(at(5), text.as_bytes()).unwrap();
        drop(guard);
        expected.push(text);
        if step % 7 == 0 {
            let seen = drain_to(&mut consumer, u64::MAX);
            assert_eq!(texts(&seen), expected);
            expected.clear();
        }
    }
    assert_eq!(texts(&drain_to(&mut consumer, u64::MAX)), expected);
    assert_eq!(intake.counts().overflowed, 33);
    assert!(intake.counts().is_balanced());
}

#[test]
fn a_value_that_logs_while_it_is_written_takes_the_shared_queue() {
    let (intake, mut consumer) = small();
    intake
        .publish_with(at(1), 5, |bytes| {
            intake.publish(at(2), b"inner").unwrap();
            bytes.copy_from_slice(b"outer");
        })
        .unwrap();
    assert_eq!(
        texts(&drain_to(&mut consumer, u64::MAX)),
        ["outer", "inner"]
    );
    assert_eq!(intake.counts().overflowed, 1);
}

#[test]
fn a_panic_while_writing_publishes_nothing_and_is_counted() {
    let (intake, mut consumer) = small();
    for nested in [false, true] {
        let guard = nested.then(capture_guard);
        let result = catch_unwind(AssertUnwindSafe(|| {
            intake.publish_with(at(1), 5, |_| panic!("a bad value"))
        }));
        assert!(result.is_err());
        drop(guard);
    }
    intake.publish(at(2), b"next").unwrap();
    assert_eq!(texts(&drain_to(&mut consumer, u64::MAX)), ["next"]);
    let counts = intake.counts();
    assert_eq!(counts.dropped(DropReason::Panicked), 2);
    assert_eq!((counts.emitted, counts.published), (3, 1));
    assert!(counts.is_balanced());
}

#[test]
fn a_record_beyond_the_largest_is_refused() {
    let (intake, mut consumer) = small();
    let refused = intake.publish(at(1), &[b'x'; 1025]);
    assert_eq!(refused, Err(Dropped(DropReason::TooLarge)));
    intake.publish(at(1), &[b'x'; 1024]).unwrap();
    assert_eq!(drain_to(&mut consumer, u64::MAX).len(), 1);
    assert!(intake.counts().is_balanced());
}

#[test]
fn without_room_the_newest_is_dropped_and_errors_have_a_reserve() {
    let (intake, mut consumer) = small();
    let payload = [b'x'; 500];
    let mut taken = 0;
    while intake.publish(at(taken), &payload).is_ok() {
        taken += 1;
        assert!(taken < 1000, "64 KiB do not hold this");
    }
    assert!(
        intake.counts().overflowed > 0,
        "the shared queue came before the drop"
    );
    let error = EntryHeader {
        level: ERROR,
        ..at(taken)
    };
    intake.publish(error, b"an error").unwrap();
    assert_eq!(
        intake.publish(at(0), &payload),
        Err(Dropped(DropReason::Ring))
    );
    let counts = intake.counts();
    assert!(counts.bytes <= 64 << 10);
    assert_eq!(counts.dropped(DropReason::Ring), 2);
    let seen = drain_to(&mut consumer, u64::MAX);
    assert_eq!(seen.len() as u64, taken + 1);
    assert_eq!(seen.last().unwrap().1, "an error");
    assert!(intake.counts().is_balanced());
    intake.publish(at(0), &payload).unwrap();
}

#[test]
fn a_closed_intake_drops_what_comes_and_keeps_what_was_there() {
    let (intake, mut consumer) = small();
    intake.publish(at(1), b"before").unwrap();
    intake.close();
    assert_eq!(
        intake.publish(at(2), b"after"),
        Err(Dropped(DropReason::Disposed))
    );
    let guard = capture_guard();
    assert_eq!(
        intake.publish(at(2), b"after"),
        Err(Dropped(DropReason::Disposed))
    );
    drop(guard);
    let waiting = intake.try_publish_waiting(at(2), b"after");
    assert_eq!(
        waiting,
        Err(Refusal::Dropped(Dropped(DropReason::Disposed)))
    );
    let other = intake.clone();
    thread::spawn(move || {
        assert_eq!(
            other.publish(at(3), b""),
            Err(Dropped(DropReason::Disposed))
        );
    })
    .join()
    .unwrap();
    assert_eq!(texts(&drain_to(&mut consumer, u64::MAX)), ["before"]);
    let counts = intake.counts();
    assert_eq!(counts.dropped(DropReason::Disposed), 4);
    assert!(counts.is_balanced());
}

#[test]
fn what_a_consumer_leaves_behind_is_counted_as_dropped() {
    let (intake, consumer) = small();
    intake.publish(at(1), b"in the ring").unwrap();
    let guard = capture_guard();
    intake.publish(at(2), b"in the queue").unwrap();
    drop(guard);
    drop(consumer);
    let counts = intake.counts();
    assert_eq!((counts.drained, counts.in_rings), (0, 0));
    assert_eq!(counts.dropped(DropReason::Disposed), 2);
    assert_eq!(counts.bytes, 0, "nobody needs the memory any more");
    assert!(counts.is_balanced());
    assert!(intake.publish(at(3), b"").is_err());
}

#[test]
fn a_sink_that_panics_loses_its_own_record_only() {
    let (intake, mut consumer) = small();
    for ticks in 0..3 {
        intake.publish(at(ticks), b"").unwrap();
    }
    let result = catch_unwind(AssertUnwindSafe(|| {
        consumer.drain(u64::MAX, 10, &mut |entry| assert_ne!(entry.header.ticks, 1));
    }));
    assert!(result.is_err());
    let seen = drain_to(&mut consumer, u64::MAX);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].0, 2);
    assert_eq!(intake.counts().drained, 3);
}

#[test]
fn several_intakes_in_turn_use_their_own_rings() {
    let mut all: Vec<_> = (0..5).map(|_| small()).collect();
    for round in 0..20_u64 {
        for (number, (intake, _)) in all.iter().enumerate() {
            intake
                .publish(at(round), number.to_string().as_bytes())
                .unwrap();
        }
    }
    for (number, (intake, consumer)) in all.iter_mut().enumerate() {
        let seen = drain_to(consumer, u64::MAX);
        assert_eq!(seen.len(), 20);
        assert!(seen.iter().all(|(_, text, _)| *text == number.to_string()));
        assert_eq!(intake.counts().rings, 1);
    }
}

#[test]
fn many_short_lived_intakes_leave_nothing_on_a_thread() {
    for _ in 0..2_000 {
        let (intake, mut consumer) = small();
        intake.publish(at(1), b"x").unwrap();
        assert_eq!(drain_to(&mut consumer, u64::MAX).len(), 1);
        drop(consumer);
        assert_eq!(intake.counts().bytes, 0);
    }
}

#[test]
fn rings_of_ended_threads_go_and_their_counts_stay() {
    let (intake, mut consumer) = small();
    let threads = 2_000;
    for number in 0..threads {
        let intake = intake.clone();
        thread::spawn(move || intake.publish(at(number), b"one").unwrap())
            .join()
            .unwrap();
        if number % 2 == 0 {
            drain_to(&mut consumer, u64::MAX);
        }
    }
    drain_to(&mut consumer, u64::MAX);
    let counts = intake.counts();
    assert_eq!(counts.rings, 0);
    assert_eq!(
        (counts.emitted, counts.published, counts.drained),
        (threads, threads, threads)
    );
    assert_eq!(counts.overflowed, 0);
    assert_eq!(counts.bytes, 0);
}

#[test]
fn a_log_call_in_a_thread_local_destructor_takes_the_shared_queue() {
    struct LogsAtTheEnd(Arc<Intake>);
    impl Drop for LogsAtTheEnd {
        fn drop(&mut self) {
            self.0.publish(at(2), b"at the end").unwrap();
        }
    }
    thread_local! {
        static LAST: std::cell::RefCell<Option<LogsAtTheEnd>> = const { std::cell::RefCell::new(None) };
    }
    let (intake, mut consumer) = small();
    let sender = intake.clone();
    thread::spawn(move || {
        // Destructors run in the order of first use reversed or not, by platform; both work.
        LAST.with(|last| *last.borrow_mut() = Some(LogsAtTheEnd(sender.clone())));
        sender.publish(at(1), b"alive").unwrap();
    })
    .join()
    .unwrap();
    assert_eq!(
        texts(&drain_to(&mut consumer, u64::MAX)),
        ["alive", "at the end"]
    );
    assert!(intake.counts().is_balanced());
}

#[test]
fn records_counted_elsewhere_balance() {
    let (intake, _consumer) = small();
    intake.count_dropped(DropReason::Panicked);
    intake.count_slow_path();
    let counts = intake.counts();
    assert_eq!(
        (counts.emitted, counts.dropped_total(), counts.slow_path),
        (1, 1, 1)
    );
    assert!(counts.is_balanced());
}

#[test]
fn reasons_have_distinct_names() {
    let names: std::collections::BTreeSet<_> = DropReason::ALL.iter().map(|r| r.name()).collect();
    assert_eq!(names.len(), DropReason::ALL.len());
    assert_eq!(
        Dropped(DropReason::Ring).to_string(),
        "the record was dropped: ring"
    );
}
