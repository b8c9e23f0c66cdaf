//! A record to fill holes from.

use jiff::Timestamp;
use rolog_core::frame::{Batch, BatchBuilder, FrameMeta, LoggerRef, Record, RecordId};
use rolog_core::level::Level;
use rolog_core::value::{Encoder, OwnedValue};

/// What `then` makes of a warning of this logger.
pub(super) fn record<R>(
    logger: &str,
    time: Timestamp,
    field: Option<(&str, &OwnedValue)>,
    then: impl FnOnce(&Record<'_>) -> R,
) -> R {
    let mut payload = Vec::new();
    Encoder::new(&mut payload).key("message");
    if let Some((key, value)) = field {
        Encoder::new(&mut payload).key(key).owned(value);
    }
    let meta = FrameMeta::literal(
        RecordId {
            epoch: 1,
            sequence: 1,
        },
        rolog_core::value::Timestamp::from_nanos(time.as_nanosecond() as i64),
        Level::Warning,
        LoggerRef {
            id: 1,
            name: logger,
        },
    );
    let mut batch = BatchBuilder::new(1);
    batch.push(&meta, &payload);
    let bytes = batch.finish();
    let batch = Batch::parse(&bytes).unwrap();
    let record = batch.records().next().unwrap();
    then(&record)
}
