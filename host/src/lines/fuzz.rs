//! The reader of lines, for fuzzing: any bytes, in reads of any size, under any limit.

use std::sync::Arc;

use rolog_core::Level;
use rolog_core::frame::{Batch, BatchBuilder, FrameMeta, LoggerRef, Origin, RecordId, ThreadRef};
use rolog_core::value::Timestamp;

use super::{Format, Join, LineReader, MAX_LOGGER, Options, Parser, Splitter};

/// Reads `data` as a log: its first byte decides the limit of a line and the format, the second how
/// many bytes each read brings.
///
/// # Panics
/// Where a line breaks what this module promises: a record larger than the limit, one that is no
/// valid frame, a line that is neither counted nor a record.
pub fn fuzz(data: &[u8]) {
    let (head, mut input) = data.split_at(data.len().min(2));
    let limit = 1 << (head.first().unwrap_or(&0) % 13);
    let step = usize::from(*head.get(1).unwrap_or(&0)) + 1;
    let formats = 13 * Format::ALL.len() as u8;
    let choice = head.first().unwrap_or(&0);
    let options = Arc::new(Options {
        format: Format::ALL[usize::from(choice % formats / 13)].1,
        join: if choice / formats == 1 {
            Join::Times
        } else {
            Join::Traces
        },
        zone: (choice / formats == 2).then(|| "UTC".parse().expect("UTC is a zone")),
        ..Options::default()
    });
    let lines = count_lines(limit, input);
    let mut reader = LineReader::new(limit, options);
    let mut batch = BatchBuilder::new(1);
    loop {
        reader.each(&mut |record| {
            assert!(record.message.len() + record.fields.len() <= limit);
            assert!(
                record
                    .logger
                    .is_none_or(|name| (1..=MAX_LOGGER).contains(&name.len()))
            );
            let mut payload = Vec::new();
            let flags = record.encode("fuzz", &mut payload);
            let sequence = batch.len() as u64;
            batch.push(&frame(sequence, record.time, record.level, flags), &payload);
        });
        if reader.is_finished() {
            break;
        }
        let room = reader.room();
        let (now, later) = input.split_at(step.min(room.len()).min(input.len()));
        room[..now.len()].copy_from_slice(now);
        input = later;
        reader.filled(now.len());
    }
    let counts = reader.counts();
    assert_eq!(counts.records() + counts.joined + counts.empty, lines);
    assert_eq!(counts.records(), batch.len() as u64);
    let bytes = batch.finish();
    let batch = Batch::parse(&bytes).expect("what the parser encodes is a valid frame");
    let fields: usize = batch.records().map(|record| record.fields().count()).sum();
    assert!(fields <= data.len());
}

/// How many lines the splitter sees, and that each is within the limit and has its number.
fn count_lines(limit: usize, mut input: &[u8]) -> u64 {
    let mut lines = Splitter::new(limit);
    let mut parser = Parser::new(limit);
    let mut seen = 0;
    while !lines.is_finished() {
        let room = lines.room();
        let (now, later) = input.split_at(room.len().min(input.len()));
        room[..now.len()].copy_from_slice(now);
        input = later;
        lines.filled(now.len());
        while let Some(line) = lines.next_line() {
            seen += 1;
            assert!(line.bytes.len() <= limit && line.number == seen);
            parser.parse(line);
        }
    }
    let counts = parser.counts();
    assert_eq!(counts.records() + counts.empty, seen);
    seen
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
