//! In the steady state neither a call nor a pass allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use rolog_core::intake::{EntryHeader, Intake, IntakeConfig};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn the_steady_state_allocates_nothing() {
    let intake = Intake::new(IntakeConfig::default()).unwrap();
    let mut consumer = intake.consumer().unwrap();
    let mut drained = 0;
    let mut round = |ticks: u64| {
        for _ in 0..1_000 {
            let header = EntryHeader {
                ticks,
                ..EntryHeader::default()
            };
            intake.publish(header, &[1; 100]).unwrap();
        }
        drained += consumer.drain(u64::MAX, usize::MAX, &mut |_| {}).records;
    };
    // The ring grows to what a round needs.
    (0..20).for_each(&mut round);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    (20..120).for_each(&mut round);
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0);
    assert_eq!(drained, 120_000);
    assert_eq!(intake.counts().overflowed, 0);
}
