//! The ring by itself: every size, every wrap, every step of growth, against a plain queue.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;

use proptest::prelude::*;

use super::{
    EntryHeader, HeapMemory, Memory, Producer, Reader, Refused, Segment, Shared, Sizes, barrier,
    footprint, ring,
};

const SIZES: Sizes = Sizes {
    first: 128,
    roomy: 1024,
    largest: 2048,
};

fn small(limit: usize) -> (Producer, Reader, Arc<Shared>, Arc<Memory>) {
    let memory = Memory::new(Box::new(HeapMemory), limit);
    let (producer, reader, shared) = ring(&memory, SIZES, 1);
    (producer, reader, shared, memory)
}

fn header(ticks: u64) -> EntryHeader {
    EntryHeader {
        ticks,
        ..EntryHeader::default()
    }
}

/// The bytes that belong to a number, so that a torn or shifted entry shows.
fn pattern(number: u64, len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (number as usize).wrapping_mul(31).wrapping_add(at) as u8)
        .collect()
}

fn push(producer: &Producer, number: u64, len: usize) -> bool {
    for _ in 0..3 {
        match producer.claim(len) {
            Ok(claim) => {
                claim.write(&header(number), |bytes| {
                    bytes.copy_from_slice(&pattern(number, len));
                });
                return true;
            }
            Err(Refused::Full) if producer.grow(len) => {}
            Err(Refused::Attention) if producer.resume() => {}
            Err(_) => return false,
        }
    }
    false
}

fn take(reader: &mut Reader) -> Option<(u64, Vec<u8>)> {
    reader
        .take_if(|_| true)
        .map(|(header, bytes)| (header.ticks, bytes.to_vec()))
}

fn reclaim(reader: &mut Reader, discard: bool) -> Option<u64> {
    let asked = reader.reclaim()?;
    asked.finish(barrier::heavy(), discard)
}

#[test]
fn a_ring_has_no_memory_before_its_first_entry() {
    let (producer, mut reader, _, memory) = small(1 << 16);
    assert!(take(&mut reader).is_none());
    assert_eq!((memory.used(), reader.capacity()), (0, 0));
    assert!(push(&producer, 1, 10));
    assert_eq!(memory.used(), Segment::cost(128));
}

#[test]
fn every_length_survives_every_offset() {
    let (producer, mut reader, shared, memory) = small(1 << 16);
    let mut number = 0;
    for len in (0..1500).chain((0..700).rev()) {
        for _ in 0..3 {
            assert!(push(&producer, number, len));
            assert_eq!(take(&mut reader).unwrap(), (number, pattern(number, len)));
            reader.release();
            number += 1;
        }
    }
    assert_eq!((shared.published(), reader.taken()), (number, number));
    assert_eq!(
        memory.used(),
        Segment::cost(2048),
        "only the last segment is left"
    );
}

#[test]
fn an_entry_of_exactly_the_capacity_fits() {
    let (producer, mut reader, ..) = small(1 << 16);
    let len = 128 - footprint(0);
    for number in 0..3 {
        assert!(push(&producer, number, len));
        assert_eq!(take(&mut reader).unwrap(), (number, pattern(number, len)));
        reader.release();
    }
    assert_eq!(reader.capacity(), 128);
}

#[test]
fn growth_doubles_and_ends_at_the_largest_size_or_the_budget() {
    let (producer, mut reader, _, memory) = small(1 << 12);
    let mut pushed = 0;
    while push(&producer, pushed, 8) {
        pushed += 1;
    }
    assert!(memory.used() <= 1 << 12);
    assert!(memory.take_short() && !memory.take_short());
    for number in 0..pushed {
        assert_eq!(take(&mut reader).unwrap().0, number);
    }
    reader.release();
    assert!(take(&mut reader).is_none());
    assert!(push(&producer, pushed, 8));
    assert!(!push(&producer, 0, 4096), "beyond the largest size");
}

#[test]
fn an_unwritten_claim_leaves_no_trace_and_a_second_one_is_refused() {
    let (producer, mut reader, shared, _) = small(1 << 16);
    assert!(push(&producer, 1, 8));
    {
        let _claim = producer.claim(8).ok().unwrap();
        assert!(shared.is_busy());
        assert_eq!(producer.claim(8).err(), Some(Refused::Nested));
    }
    assert!(!shared.is_busy());
    assert!(push(&producer, 2, 8));
    assert_eq!(take(&mut reader).unwrap().0, 1);
    assert_eq!(take(&mut reader).unwrap().0, 2);
    assert!(take(&mut reader).is_none());
}

#[test]
fn half_is_passed_once_on_the_way_up() {
    let (producer, mut reader, ..) = small(1 << 16);
    assert!(producer.grow(900));
    for _ in 0..4 {
        let passes: Vec<bool> = (0..1024 / 40)
            .map(|number| {
                let claim = producer.claim(8).ok().unwrap();
                claim.write(&header(number), |_| ())
            })
            .collect();
        assert_eq!(passes.iter().filter(|passed| **passed).count(), 1);
        while take(&mut reader).is_some() {}
        reader.release();
    }
}

#[test]
fn a_pump_that_read_on_and_left_more_than_half_is_due_once_more() {
    let (producer, mut reader, ..) = small(1 << 16);
    assert!(producer.grow(900));
    let fill = |from: u64| -> Vec<bool> {
        let claims = (from..).map_while(|number| Some((number, producer.claim(8).ok()?)));
        claims
            .map(|(number, claim)| claim.write(&header(number), |_| ()))
            .collect()
    };
    assert_eq!(fill(0).len(), 25, "all that fits");
    for number in 0..5 {
        assert_eq!(take(&mut reader).map(|(taken, _)| taken), Some(number));
    }
    reader.release();
    assert_eq!(fill(25), [true, false, false, false, false]);
    assert_eq!(fill(30), [false; 0], "it is full, and was said to be due");
}

#[test]
fn a_small_ring_grows_before_anybody_is_woken_unless_there_is_no_memory() {
    let passes = |memory: usize| {
        let (producer, ..) = small(memory);
        assert!(producer.grow(8));
        let mut passes = Vec::new();
        while let Ok(claim) = producer.claim(8) {
            passes.push(claim.write(&header(0), |_| ()));
        }
        passes.into_iter().any(|passed| passed)
    };
    assert!(!passes(1 << 16));
    assert!(passes(Segment::cost(128)));
}

#[test]
fn a_reserve_is_left_free() {
    let (producer, ..) = small(1 << 16);
    assert!(producer.grow(900));
    let mut taken = 0;
    while let Ok(claim) = producer.claim_leaving(8, 256) {
        claim.write(&header(0), |_| ());
        taken += 1;
    }
    assert_eq!(taken, (1024 - 256) / 40);
    assert!(producer.claim(8).is_ok());
}

#[test]
fn an_idle_ring_gives_its_memory_back_and_goes_on() {
    let (producer, mut reader, shared, memory) = small(1 << 16);
    assert!(reclaim(&mut reader, false).is_none(), "nothing to take");
    for round in 0..3 {
        assert!(push(&producer, round, 500));
        assert!(reclaim(&mut reader, false).is_none(), "an entry is left");
        assert!(push(&producer, round + 10, 8));
        assert_eq!(take(&mut reader).unwrap().0, round);
        assert_eq!(take(&mut reader).unwrap().0, round + 10);
        assert_eq!(reclaim(&mut reader, false), Some(0));
        assert_eq!(memory.used(), 0);
        assert!(take(&mut reader).is_none());
    }
    assert_eq!(shared.published(), 6);
}

#[test]
fn memory_stays_while_an_entry_is_being_written() {
    let (producer, mut reader, ..) = small(1 << 16);
    assert!(producer.grow(8));
    let claim = producer.claim(8).ok().unwrap();
    assert!(reclaim(&mut reader, true).is_none());
    claim.write(&header(3), |_| ());
    assert_eq!(take(&mut reader).unwrap().0, 3);
}

#[test]
fn a_reader_without_a_barrier_takes_nothing_away() {
    let (producer, mut reader, _, memory) = small(1 << 16);
    assert!(producer.grow(8));
    assert!(reader.reclaim().unwrap().finish(false, true).is_none());
    assert_ne!(memory.used(), 0);
    assert!(push(&producer, 1, 8));
}

#[test]
fn what_is_discarded_is_counted() {
    let (producer, mut reader, shared, memory) = small(1 << 16);
    for number in 0..20 {
        assert!(push(&producer, number, 100));
    }
    take(&mut reader);
    shared.close();
    assert_eq!(reclaim(&mut reader, true), Some(19));
    assert_eq!(memory.used(), 0);
    assert!(!push(&producer, 0, 8));
    assert!(reader.is_drained());
}

#[test]
fn a_ring_dropped_with_entries_frees_its_memory() {
    let (producer, reader, shared, memory) = small(1 << 16);
    for number in 0..50 {
        assert!(push(&producer, number, 100));
    }
    drop((producer, reader));
    assert!(shared.ended());
    drop(shared);
    assert_eq!(memory.used(), 0);
}

#[test]
fn two_threads_hand_over_every_entry_in_order() {
    const NUMBER: u64 = 200_000;
    let (producer, mut reader, shared, _) = small(1 << 14);
    let writer = thread::spawn(move || {
        for number in 0..NUMBER {
            let len = (number % 97) as usize;
            while !push(&producer, number, len) {
                thread::yield_now();
            }
        }
    });
    let mut next = 0;
    while next < NUMBER {
        if let Some((number, bytes)) = take(&mut reader) {
            assert_eq!(number, next);
            assert_eq!(bytes, pattern(number, (number % 97) as usize));
            next += 1;
        } else {
            reader.release();
            if next % 3 == 0 {
                reclaim(&mut reader, false);
            }
            thread::yield_now();
        }
    }
    writer.join().unwrap();
    assert!(shared.ended() && reader.is_drained());
}

#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    Take(usize),
    Release,
    Reclaim,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..600_usize).prop_map(Step::Push),
        3 => (1..12_usize).prop_map(Step::Take),
        2 => Just(Step::Release),
        1 => Just(Step::Reclaim),
    ]
}

proptest! {
    /// Whatever the order of events, the ring is a queue; it refuses only beyond its budget.
    #[test]
    fn the_ring_is_a_queue(steps in prop::collection::vec(step(), 1..300)) {
        let (producer, mut reader, shared, memory) = small(8 << 10);
        let mut model = VecDeque::new();
        let mut number = 0;
        for step in steps {
            match step {
                Step::Push(len) => {
                    if push(&producer, number, len) {
                        model.push_back((number, pattern(number, len)));
                    } else {
                        prop_assert!(!model.is_empty(), "an empty ring took nothing");
                    }
                    number += 1;
                }
                Step::Take(most) => {
                    for _ in 0..most {
                        prop_assert_eq!(reader.front_ticks(), model.front().map(|entry| entry.0));
                        prop_assert_eq!(take(&mut reader), model.pop_front());
                    }
                }
                Step::Release => {
                    reader.release();
                }
                Step::Reclaim => {
                    let done = reclaim(&mut reader, false).is_some();
                    prop_assert!(!done || model.is_empty());
                }
            }
            prop_assert_eq!(shared.published() - reader.taken(), model.len() as u64);
            prop_assert!(memory.used() <= 8 << 10);
        }
    }
}
