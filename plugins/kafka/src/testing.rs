//! Records for unit tests.

use rolog_core::frame::{BatchBuilder, FrameMeta, LoggerRef, RecordId};
use rolog_core::level::Level;
use rolog_core::value::{Encoder, Timestamp};

/// How many data the record has.
pub(crate) const FIELDS: usize = 7;

/// A batch of one record with data of several kinds.
pub(crate) fn one_of_each() -> Vec<u8> {
    let mut payload = Vec::new();
    let mut fields = Encoder::new(&mut payload);
    fields.key("order accepted");
    fields.key("user").str("Ada");
    fields.key("count").i64(-7);
    fields.key("large").u64(u64::MAX);
    fields.key("nothing").null();
    fields.key("level").str("high");
    fields
        .key("trace_id")
        .str("000102030405060708090a0b0c0d0e0f");
    fields.key("bytes").bytes(&[1, 2, 3]);
    let meta = FrameMeta::literal(
        RecordId {
            epoch: 0xab,
            sequence: 5,
        },
        Timestamp::from_nanos(1_000_000_007),
        Level::Warning,
        LoggerRef {
            id: 1,
            name: "shop.db",
        },
    );
    let mut batch = BatchBuilder::new(0xab);
    batch.push(&meta, &payload);
    batch.finish()
}
