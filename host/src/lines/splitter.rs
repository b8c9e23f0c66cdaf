//! Bytes in chunks to lines, in bounded memory.

use memchr::memchr;

/// How many bytes one read may bring at most.
const CHUNK: usize = 64 * 1024;

/// One line, without its ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawLine<'a> {
    /// The line's bytes; its first ones if it was longer than the limit.
    pub bytes: &'a [u8],
    /// Whether the line was longer than the limit, so that its rest is missing.
    pub truncated: bool,
    /// The line's number in its input, from 1.
    pub number: u64,
}

/// Cuts an input into lines.
///
/// It holds one line and one chunk at most, whatever the input is: of a line that is longer than the
/// limit the first bytes are given out and the rest is passed over. A line ends at LF or CRLF, the
/// last one also at the end of the input. NUL bytes before a line are passed over too: a log that
/// was truncated under its writer has a hole of them there, however long.
///
/// ```
/// use rolog_host::lines::Splitter;
///
/// let mut lines = Splitter::new(1024);
/// let mut input: &[u8] = b"first\r\nlast";
/// let mut seen = Vec::new();
/// loop {
///     while let Some(line) = lines.next_line() {
///         seen.push(String::from_utf8_lossy(line.bytes).into_owned());
///     }
///     if lines.is_finished() {
///         break;
///     }
///     let read = std::io::Read::read(&mut input, lines.room()).unwrap();
///     lines.filled(read);
/// }
/// assert_eq!(seen, ["first", "last"]);
/// ```
#[derive(Debug)]
pub struct Splitter {
    buffer: Vec<u8>,
    limit: usize,
    /// `buffer[start..end]` has not been given out.
    start: usize,
    end: usize,
    /// `buffer[start..searched]` contains no line end.
    searched: usize,
    /// The rest of a line that was cut is being passed over.
    skipping: bool,
    ended: bool,
    number: u64,
    nul_bytes: u64,
    cut_bytes: u64,
}

impl Splitter {
    /// Lines of at most `limit` bytes (at least 1).
    pub fn new(limit: usize) -> Self {
        let limit = limit.max(1);
        Splitter {
            // One byte more than the limit decides whether a line is longer; CRLF is two.
            buffer: vec![0; limit + 2 + CHUNK],
            limit,
            start: 0,
            end: 0,
            searched: 0,
            skipping: false,
            ended: false,
            number: 0,
            nul_bytes: 0,
            cut_bytes: 0,
        }
    }

    /// Whether there is room for another read before lines are taken.
    pub fn has_room(&self) -> bool {
        self.buffer.len() - (self.end - self.start) >= CHUNK
    }

    /// Room for the next read. Never empty while it [has room](Splitter::has_room), as it has once
    /// [`next_line`](Splitter::next_line) has given all there is.
    pub fn room(&mut self) -> &mut [u8] {
        if self.buffer.len() - self.end < CHUNK {
            self.buffer.copy_within(self.start..self.end, 0);
            self.searched -= self.start;
            self.end -= self.start;
            self.start = 0;
        }
        let end = self.buffer.len().min(self.end + CHUNK);
        &mut self.buffer[self.end..end]
    }

    /// So many bytes of the room were filled; 0 ends the input.
    ///
    /// # Panics
    /// More bytes than there was room.
    pub fn filled(&mut self, bytes: usize) {
        assert!(bytes <= self.buffer.len() - self.end, "more than the room");
        self.end += bytes;
        self.ended |= bytes == 0;
    }

    /// Whether the input has ended; some of its lines may be left.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the input has ended and every line of it was given out.
    pub fn is_finished(&self) -> bool {
        self.ended && self.start == self.end
    }

    /// The next line, if it is complete; otherwise more input is wanted, or none is left.
    pub fn next_line(&mut self) -> Option<RawLine<'_>> {
        loop {
            self.pass_over_nul();
            if let Some(found) = memchr(b'\n', &self.buffer[self.searched..self.end]) {
                let (start, newline) = (self.start, self.searched + found);
                self.start = newline + 1;
                self.searched = self.start;
                if std::mem::take(&mut self.skipping) {
                    self.cut_bytes += (newline - start) as u64;
                    continue;
                }
                return Some(self.line(start, newline));
            }
            self.searched = self.end;
            if self.skipping {
                self.cut_bytes += (self.end - self.start) as u64;
                self.start = self.end;
                return None;
            }
            if self.end - self.start > self.limit + 1 {
                let start = self.start;
                self.start = self.end;
                self.skipping = true;
                return Some(self.line(start, self.end));
            }
            if self.ended && self.start < self.end {
                let start = self.start;
                self.start = self.end;
                return Some(self.line(start, self.end));
            }
            return None;
        }
    }

    /// NUL bytes passed over before lines.
    pub fn nul_bytes(&self) -> u64 {
        self.nul_bytes
    }

    /// Bytes passed over because their line was longer than the limit, a CR at its end included.
    pub fn cut_bytes(&self) -> u64 {
        self.cut_bytes
    }

    fn line(&mut self, start: usize, end: usize) -> RawLine<'_> {
        self.number += 1;
        let line = &self.buffer[start..end];
        let bytes = line.strip_suffix(b"\r").unwrap_or(line);
        let truncated = self.skipping || bytes.len() > self.limit;
        let bytes = if truncated {
            self.cut_bytes += (line.len() - self.limit) as u64;
            &line[..self.limit]
        } else {
            bytes
        };
        RawLine {
            bytes,
            truncated,
            number: self.number,
        }
    }

    fn pass_over_nul(&mut self) {
        if self.skipping || self.searched != self.start {
            return;
        }
        let unread = &self.buffer[self.start..self.end];
        let run = unread.iter().take_while(|byte| **byte == 0).count();
        self.start += run;
        self.searched = self.start;
        self.nul_bytes += run as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out when the input arrives in reads of these sizes, over and over.
    fn split(input: &[u8], limit: usize, reads: &[usize]) -> (Vec<(Vec<u8>, bool)>, Splitter) {
        let mut lines = Splitter::new(limit);
        let mut out = Vec::new();
        let mut rest = input;
        let mut sizes = reads.iter().cycle();
        loop {
            while let Some(line) = lines.next_line() {
                assert_eq!(line.number, out.len() as u64 + 1);
                out.push((line.bytes.to_vec(), line.truncated));
            }
            if lines.is_finished() {
                return (out, lines);
            }
            let room = lines.room();
            let size = room.len().min(rest.len()).min(*sizes.next().unwrap());
            room[..size].copy_from_slice(&rest[..size]);
            rest = &rest[size..];
            lines.filled(size);
        }
    }

    fn whole(lines: &[&str]) -> Vec<(Vec<u8>, bool)> {
        lines
            .iter()
            .map(|line| (line.as_bytes().to_vec(), false))
            .collect()
    }

    #[test]
    fn line_ends_are_lf_crlf_and_the_end_of_the_input() {
        for reads in [&[1][..], &[2, 3], &[4096]] {
            let (lines, _) = split(b"one\r\n\ntwo\rmore\nlast", 100, reads);
            assert_eq!(lines, whole(&["one", "", "two\rmore", "last"]));
            assert_eq!(split(b"", 100, reads).0, whole(&[]));
            assert_eq!(split(b"\n", 100, reads).0, whole(&[""]));
            assert_eq!(split(b"a\n", 100, reads).0, whole(&["a"]));
        }
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_whole_and_one_byte_more_is_cut() {
        for reads in [&[1][..], &[3], &[4096]] {
            for end in ["\n", "\r\n", ""] {
                let (lines, at) = split(format!("abcd{end}").as_bytes(), 4, reads);
                assert_eq!(lines, whole(&["abcd"]));
                assert_eq!(at.cut_bytes(), 0);
                let (lines, over) = split(format!("abcde{end}").as_bytes(), 4, reads);
                assert_eq!(lines, [(b"abcd".to_vec(), true)]);
                let cut = 1 + u64::from(end == "\r\n");
                assert_eq!(over.cut_bytes(), cut, "{reads:?} {end:?}");
            }
        }
    }

    #[test]
    fn a_50_mb_line_is_cut_in_bounded_memory_and_the_next_line_is_whole() {
        let limit = 256 * 1024;
        let mut lines = Splitter::new(limit);
        let mut left = 50_000_000;
        let mut seen = Vec::new();
        loop {
            while let Some(line) = lines.next_line() {
                seen.push((line.bytes.len(), line.truncated));
            }
            if lines.is_finished() {
                break;
            }
            let room = lines.room();
            let size = room.len().min(left);
            room[..size].fill(b'x');
            left -= size;
            if left == 0 && size > 5 {
                room[size - 6..size].copy_from_slice(b"\nnext\n");
            }
            lines.filled(size);
        }
        assert_eq!(seen, [(limit, true), (4, false)]);
        assert_eq!(lines.cut_bytes() as usize, 50_000_000 - 6 - limit);
        assert!(lines.buffer.capacity() <= limit + 2 + CHUNK);
    }

    #[test]
    fn a_hole_of_nul_bytes_before_a_line_is_passed_over_and_counted() {
        let mut input = vec![0; 300_000];
        input.extend_from_slice(b"{\"a\":\0}\n\0\0\nend\0");
        for reads in [&[1000][..], &[100_000]] {
            let (lines, splitter) = split(&input, 64, reads);
            assert_eq!(lines, whole(&["{\"a\":\0}", "", "end\0"]));
            assert_eq!(splitter.nul_bytes(), 300_002);
        }
    }
}
