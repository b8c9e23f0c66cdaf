//! Bytes to records: lines cut, read, and joined.

use std::sync::Arc;

use super::counts::{LineCounts, Oddity};
use super::join::Joiner;
use super::options::Options;
use super::parser::{Kind, ParsedLine, Parser};
use super::splitter::Splitter;

/// Reads one input: its bytes come in as they are there, its records come out.
///
/// What it holds is bounded by the limit of a line: a chunk of input, one line, and one record of
/// text that may go on.
///
/// ```
/// use rolog_host::lines::LineReader;
///
/// let mut reader = LineReader::new(1024, Default::default());
/// let input = b"error: it broke\n  here\nand then\n";
/// reader.room()[..input.len()].copy_from_slice(input);
/// reader.filled(input.len());
/// reader.filled(0); // the end
/// let mut messages = Vec::new();
/// reader.each(&mut |record| messages.push(record.message.to_owned()));
/// assert_eq!(messages, ["error: it broke\n  here", "and then"]);
/// ```
#[derive(Debug)]
pub struct LineReader {
    limit: usize,
    options: Arc<Options>,
    lines: Splitter,
    parser: Parser,
    joiner: Joiner,
    /// Of inputs before a restart.
    nul_bytes: u64,
}

impl LineReader {
    /// Lines and records of at most `limit` bytes.
    pub fn new(limit: usize, options: Arc<Options>) -> Self {
        LineReader {
            limit,
            lines: Splitter::new(limit),
            parser: Parser::with(limit, Arc::clone(&options)),
            joiner: Joiner::new(limit),
            options,
            nul_bytes: 0,
        }
    }

    /// Whether there is room for another read before records are taken.
    pub fn has_room(&self) -> bool {
        self.lines.has_room()
    }

    /// Room for the next read, as [`Splitter::room`] has it.
    pub fn room(&mut self) -> &mut [u8] {
        self.lines.room()
    }

    /// So many bytes of the room were filled; 0 ends the input.
    ///
    /// # Panics
    /// More bytes than there was room.
    pub fn filled(&mut self, bytes: usize) {
        self.lines.filled(bytes);
    }

    /// Whether the input has ended; some of its records may be left.
    pub fn has_ended(&self) -> bool {
        self.lines.has_ended()
    }

    /// Whether the input has ended and every record of it was given out.
    pub fn is_finished(&self) -> bool {
        self.lines.is_finished() && !self.is_waiting()
    }

    /// Whether a record waits to see whether the next line belongs to it.
    pub fn is_waiting(&self) -> bool {
        self.joiner.is_waiting()
    }

    /// Gives out the records that are complete; at the end of the input, all there are.
    pub fn each(&mut self, take: &mut dyn FnMut(&ParsedLine<'_>)) {
        while let Some(line) = self.lines.next_line() {
            match self.parser.parse(line) {
                None => self.joiner.blank(),
                Some(record) if record.kind == Kind::Text => {
                    if self.joiner.add(&record, &self.options.join, take) {
                        let counts = &mut self.parser.tally_mut().counts;
                        counts.text -= 1;
                        counts.joined += 1;
                    }
                }
                Some(record) => {
                    self.joiner.flush(take);
                    take(&record);
                }
            }
        }
        if self.lines.is_finished() {
            self.joiner.flush(take);
        }
    }

    /// Gives out the record that waits, for nothing came that belongs to it.
    pub fn stop_waiting(&mut self, take: &mut dyn FnMut(&ParsedLine<'_>)) {
        self.joiner.flush(take);
    }

    /// Begins another input, with line 1; what was counted stays. To be called when it
    /// [is finished](LineReader::is_finished).
    pub fn restart(&mut self) {
        self.nul_bytes += self.lines.nul_bytes();
        self.lines = Splitter::new(self.limit);
    }

    /// What the lines were so far.
    pub fn counts(&self) -> LineCounts {
        self.parser.counts()
    }

    /// The number of the first line that had this about it.
    pub fn first(&self, oddity: Oddity) -> Option<u64> {
        self.parser.first(oddity)
    }

    /// NUL bytes passed over before lines.
    pub fn nul_bytes(&self) -> u64 {
        self.nul_bytes + self.lines.nul_bytes()
    }
}
