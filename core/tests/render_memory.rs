//! The renderers' promise to allocate nothing once they have seen a call site.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use rolog_core::call_site::CallSite;
use rolog_core::frame::{Batch, BatchBuilder, FrameMeta, LoggerRef, Origin, RecordId, ThreadRef};
use rolog_core::level::Level;
use rolog_core::render::{Format, Renderer};
use rolog_core::value::{Encoder, Timestamp};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches a thread-local that
// needs no allocation and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.update(|n| n + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.with(|count| count.update(|n| n + 1));
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static SITE: CallSite = CallSite::new(
    "order {id} of {} takes {span}",
    1,
    &["id", "span", "total", "level", "nested"],
    "shop",
    "shop.rs",
    7,
);

fn batch(records: u64) -> Vec<u8> {
    SITE.register();
    let mut payload = Vec::new();
    let mut values = Encoder::new(&mut payload);
    values.str("Ada \"L.\" \u{9b}\n ä");
    values.u64(42);
    values.duration(std::time::Duration::from_millis(1500));
    values.f64(19.99);
    values.bytes(b"bytes");
    values.map(|map| {
        map.key("list").list(|list| {
            list.f64(f64::NAN);
            list.i128(i128::MAX);
            list.timestamp(Timestamp::from_nanos(1));
            list.error("E", "text", ["source"], None);
        });
    });
    values.key("dynamic").f64(1e300);
    let mut batch = BatchBuilder::new(1);
    for sequence in 0..records {
        let meta = FrameMeta {
            id: RecordId { epoch: 1, sequence },
            time: Timestamp::from_nanos(sequence as i64 * 300_000_000),
            observed: Some(Timestamp::from_nanos(0)),
            level: Level::Warning,
            generation: 1,
            flags: 0,
            call_site: Some(&SITE),
            logger: LoggerRef { id: 1, name: "a.b" },
            thread: ThreadRef { id: 1, name: "t" },
            origin: Origin::SERVICE,
        };
        batch.push(&meta, &payload);
    }
    batch.finish()
}

#[test]
fn a_renderer_that_has_seen_a_call_site_allocates_nothing() {
    for format in [Format::Json, Format::Text] {
        let mut renderer = Renderer::new(format);
        let bytes = batch(100);
        let mut out = Vec::with_capacity(1 << 20);
        let mut counts = Vec::with_capacity(2);
        for _ in 0..2 {
            // Another batch of the same process, as it comes next.
            let batch = Batch::parse(&bytes).unwrap();
            out.clear();
            let before = COUNT.get();
            for record in batch.records() {
                renderer.line(&record, &mut out);
            }
            counts.push(COUNT.get() - before);
        }
        assert!(counts[0] > 0, "the counter counts");
        assert_eq!(counts[1], 0, "{format:?}");
        assert_eq!(out.split_inclusive(|byte| *byte == b'\n').count(), 100);
    }
}
