//! Records for the tests beside the code.

use rolog_core::frame::{BatchBuilder, FrameMeta, LoggerRef, RecordId};
use rolog_core::level::Level;
use rolog_core::value::{Encoder, Timestamp};
use rolog_plugin::Batch;

/// A batch of this many records, each with the fields `n`, `tenant` and `where`.
pub(crate) fn batch(count: u64, message: impl Fn(u64) -> String) -> Batch {
    let mut batch = BatchBuilder::new(1);
    for n in 0..count {
        let mut payload = Vec::new();
        let mut encoder = Encoder::new(&mut payload);
        encoder.key(&message(n));
        encoder.key("n").u64(n);
        encoder
            .key("tenant")
            .str(if n % 2 == 0 { "north" } else { "so/uth" });
        encoder.key("where");
        encoder.map(|map| map.key("city").str("Oslo"));
        let meta = FrameMeta::literal(
            RecordId {
                epoch: 1,
                sequence: n,
            },
            Timestamp::from_nanos(1_795_346_100_123_456_789 + n as i64),
            Level::Information,
            LoggerRef {
                id: 1,
                name: "shop.orders",
            },
        );
        batch.push(&meta, &payload);
    }
    Batch::parse(batch.finish()).expect("what was built is a batch")
}
