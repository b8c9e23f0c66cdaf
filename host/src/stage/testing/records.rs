//! Records that are told apart by their number.

use std::sync::Arc;

use rolog_core::frame::{Batch, BatchBuilder, FrameMeta, LoggerRef, RecordId};
use rolog_core::level::Level;
use rolog_core::value::Timestamp;

use super::EPOCH;
use crate::stage::fallback::Journey;
use crate::stage::group::Sealed;
use crate::stage::{Append, Stage};

/// The frame data of record `number`.
pub(crate) fn meta(number: u64, level: Level) -> FrameMeta<'static> {
    FrameMeta::literal(
        RecordId {
            epoch: EPOCH,
            sequence: number,
        },
        Timestamp::from_nanos(number.cast_signed()),
        level,
        LoggerRef {
            id: 1,
            name: "test",
        },
    )
}

/// A literal message as a payload.
pub(crate) fn payload(text: &str) -> Vec<u8> {
    let mut payload = (text.len() as u32).to_le_bytes().to_vec();
    payload.extend_from_slice(text.as_bytes());
    payload
}

/// Appends records with these numbers, at one level, each with its number as its receipt slot.
pub(crate) fn append(
    stage: &Stage,
    numbers: impl IntoIterator<Item = u64>,
    level: Level,
) -> Vec<Append> {
    let mut guard = stage.open();
    numbers
        .into_iter()
        .map(|n| guard.append(&meta(n, level), &payload("hi"), n))
        .collect()
}

/// Appends records of level information that all have to be accepted.
pub(crate) fn accept(stage: &Stage, numbers: impl IntoIterator<Item = u64>) {
    let results = append(stage, numbers, Level::Information);
    assert!(
        results.iter().all(|r| *r == Append::Accepted),
        "{results:?}"
    );
}

/// The numbers of the records of a batch.
pub(crate) fn numbers(bytes: &[u8]) -> Vec<u64> {
    let batch = Batch::parse(bytes).unwrap();
    batch.records().map(|r| r.id().sequence).collect()
}

pub(in crate::stage) fn journey() -> Arc<Journey> {
    Journey::start("target".into())
}

/// The bytes of a batch of records with these numbers, and how many they are.
pub(crate) fn batch(records: &[(u64, Level)]) -> (Vec<u8>, u32) {
    let sealed = sealed(records);
    (sealed.bytes, sealed.len)
}

/// A sealed batch of records with these numbers and levels.
pub(in crate::stage) fn sealed(records: &[(u64, Level)]) -> Sealed {
    let mut builder = BatchBuilder::new(EPOCH);
    let mut levels = [0; 6];
    for (number, level) in records {
        builder.push(&meta(*number, *level), &payload("hi"));
        levels[level.index()] += 1;
    }
    Sealed {
        bytes: builder.finish(),
        len: records.len() as u32,
        slots: Vec::new(),
        levels,
    }
}
