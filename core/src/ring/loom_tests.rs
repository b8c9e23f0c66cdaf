//! The ring under loom: every interleaving within small bounds.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p rolog-core --release --lib loom`

use loom::thread;

use super::sync::Arc;
use super::{EntryHeader, HeapMemory, Memory, Producer, Reader, Refused, Shared, Sizes, barrier};

/// Room for one entry of eight bytes, then for three, then for six.
const SIZES: Sizes = Sizes {
    first: 64,
    roomy: 0,
    largest: 256,
};

fn ring() -> (Producer, Reader, Arc<Shared>) {
    let memory = Memory::new(Box::new(HeapMemory), 1 << 16);
    super::ring(&memory, SIZES, 1)
}

fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check(run);
}

/// Publishes a number; false when the ring is closed.
fn push(producer: &Producer, number: u64) -> bool {
    let header = EntryHeader {
        ticks: number,
        ..EntryHeader::default()
    };
    loop {
        match producer.claim(8) {
            Ok(claim) => {
                claim.write(&header, |bytes| {
                    bytes.copy_from_slice(&number.to_le_bytes())
                });
                return true;
            }
            Err(Refused::Full) => assert!(producer.grow(8)),
            Err(Refused::Attention) if producer.resume() => {}
            Err(_) => return false,
        }
    }
}

fn take(reader: &mut Reader, into: &mut Vec<u64>) {
    while let Some((header, bytes)) = reader.take_if(|_| true) {
        assert_eq!(bytes, header.ticks.to_le_bytes());
        into.push(header.ticks);
    }
    reader.release();
}

#[test]
fn loom_entries_arrive_whole_and_in_order_while_the_ring_grows() {
    model(|| {
        let (producer, mut reader, _) = ring();
        let writer = thread::spawn(move || {
            for number in 0..3 {
                assert!(push(&producer, number));
            }
        });
        let mut seen = Vec::new();
        thread::yield_now();
        take(&mut reader, &mut seen);
        thread::yield_now();
        take(&mut reader, &mut seen);
        writer.join().unwrap();
        take(&mut reader, &mut seen);
        assert_eq!(seen, [0, 1, 2]);
    });
}

#[test]
fn loom_room_that_was_released_is_written_again() {
    model(|| {
        let (producer, mut reader, _) = ring();
        // 128 bytes: three entries of 40 fit, the fourth starts over.
        assert!(push(&producer, 0) && push(&producer, 1));
        let mut seen = Vec::new();
        take(&mut reader, &mut seen);
        let writer = thread::spawn(move || {
            for number in 2..6 {
                assert!(push(&producer, number));
            }
        });
        thread::yield_now();
        take(&mut reader, &mut seen);
        thread::yield_now();
        take(&mut reader, &mut seen);
        writer.join().unwrap();
        take(&mut reader, &mut seen);
        assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
    });
}

#[test]
fn loom_the_published_count_never_promises_more_than_there_is() {
    model(|| {
        let (producer, mut reader, shared) = ring();
        let writer = thread::spawn(move || {
            assert!(push(&producer, 0) && push(&producer, 1));
        });
        // loom tries the writer first only where this side gives way.
        thread::yield_now();
        let promised = shared.published();
        let mut seen = Vec::new();
        take(&mut reader, &mut seen);
        assert!(seen.len() as u64 >= promised);
        writer.join().unwrap();
        take(&mut reader, &mut seen);
        assert_eq!(seen, [0, 1]);
    });
}

#[test]
fn loom_memory_is_taken_away_only_from_a_producer_that_knows() {
    model(|| {
        let (producer, mut reader, _) = ring();
        assert!(push(&producer, 0));
        let mut seen = Vec::new();
        take(&mut reader, &mut seen);
        let writer = thread::spawn(move || {
            assert!(push(&producer, 1) && push(&producer, 2));
        });
        thread::yield_now();
        if let Some(reclaim) = reader.reclaim() {
            let barrier = barrier::heavy();
            let _ = reclaim.finish(barrier, false);
        }
        take(&mut reader, &mut seen);
        writer.join().unwrap();
        take(&mut reader, &mut seen);
        assert_eq!(seen, [0, 1, 2]);
    });
}

#[test]
fn loom_a_closed_ring_that_is_not_busy_stays_as_it_is() {
    model(|| {
        let (producer, mut reader, shared) = ring();
        assert!(push(&producer, 0));
        let writer = thread::spawn(move || push(&producer, 1));
        thread::yield_now();
        shared.close();
        assert!(barrier::heavy());
        let at_rest = (!shared.is_busy()).then(|| shared.published());
        let pushed = writer.join().unwrap();
        if let Some(published) = at_rest {
            assert_eq!(shared.published(), published);
        }
        let mut seen = Vec::new();
        take(&mut reader, &mut seen);
        assert_eq!(seen.len(), 1 + usize::from(pushed));
    });
}
