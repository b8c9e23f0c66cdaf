//! The reader of lines, for fuzzing: any bytes, in reads of any size, under any limit.

use rolog_core::Level;
use rolog_core::frame::{Batch, BatchBuilder, FrameMeta, LoggerRef, Origin, RecordId, ThreadRef};
use rolog_core::value::Timestamp;

use super::{MAX_LOGGER, Parser, Splitter};

/// Reads `data` as a log: its first byte decides the limit of a line, the second how many bytes each
/// read brings.
///
/// # Panics
/// Where a line breaks what this module promises: a record larger than the limit, one that is no
/// valid frame, a line that is neither counted nor a record.
pub fn fuzz(data: &[u8]) {
    let (head, mut input) = data.split_at(data.len().min(2));
    let limit = 1 << (head.first().unwrap_or(&0) % 13);
    let step = usize::from(*head.get(1).unwrap_or(&0)) + 1;
    let mut lines = Splitter::new(limit);
    let mut parser = Parser::new(limit);
    let mut batch = BatchBuilder::new(1);
    let mut seen = 0;
    loop {
        while let Some(line) = lines.next_line() {
            seen += 1;
            assert!(line.bytes.len() <= limit && line.number == seen);
            let Some(record) = parser.parse(line) else {
                continue;
            };
            assert!(record.message.len() + record.fields.len() <= limit);
            assert!(
                record
                    .logger
                    .is_none_or(|name| (1..=MAX_LOGGER).contains(&name.len()))
            );
            let mut payload = Vec::new();
            let flags = record.encode("fuzz", &mut payload);
            batch.push(&frame(seen, record.time, record.level, flags), &payload);
        }
        if lines.is_finished() {
            break;
        }
        let room = lines.room();
        let (now, later) = input.split_at(step.min(room.len()).min(input.len()));
        room[..now.len()].copy_from_slice(now);
        input = later;
        lines.filled(now.len());
    }
    let counts = parser.counts();
    assert_eq!(counts.records() + counts.empty, seen);
    assert_eq!(counts.records(), batch.len() as u64);
    let bytes = batch.finish();
    let batch = Batch::parse(&bytes).expect("what the parser encodes is a valid frame");
    let fields: usize = batch.records().map(|record| record.fields().count()).sum();
    assert!(fields <= data.len());
}

fn frame(
    sequence: u64,
    time: Option<Timestamp>,
    level: Option<Level>,
    flags: u16,
) -> FrameMeta<'static> {
    FrameMeta {
        id: RecordId { epoch: 1, sequence },
        time: time.unwrap_or_default(),
        observed: Some(Timestamp::default()),
        level: level.unwrap_or(Level::Information),
        generation: 0,
        flags,
        call_site: None,
        logger: LoggerRef { id: 0, name: "" },
        thread: ThreadRef { id: 0, name: "" },
        origin: Origin::SERVICE,
    }
}
