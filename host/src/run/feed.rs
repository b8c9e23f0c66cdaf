//! Inputs to lines, lines to records, records to the pipeline: one after the other, on one thread.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::follow::Ear;
use super::input::{Input, Taken as Read};
use super::stop::{Stop, Waited};
use super::tail::{Look, Tail};
use crate::lines::{LineCounts, LineReader, Oddity, Options, ParsedLine};

/// How long a record of text waits to see whether the next line belongs to it.
const NEXT_LINE: Duration = Duration::from_millis(250);

/// Where records go.
pub trait Sink {
    /// Takes a record, `logger` being the name for one that says none. Waits as long as there is no
    /// room for it, so that what was read is never dropped for want of room.
    fn take(&mut self, record: &ParsedLine<'_>, logger: &str) -> Taken;
}

/// What a sink did with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is on its way to its targets.
    Routed,
    /// Its logger does not record its level.
    BelowLevel,
    /// No route takes it.
    NoRoute,
    /// The pipeline has ended, and takes nothing any more.
    Refused,
}

/// What was read, and where it went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fed {
    /// What the lines were.
    pub lines: LineCounts,
    /// Where something unusual was met first, as `NAME:LINE`.
    pub firsts: Vec<(Oddity, String)>,
    /// NUL bytes passed over before lines.
    pub nul_bytes: u64,
    /// Bytes read, before they were unpacked.
    pub bytes: u64,
    /// Records that went to a target, however many targets they went to.
    pub routed: u64,
    /// Records below the level of their logger.
    pub below_level: u64,
    /// Records that no route takes.
    pub no_route: u64,
    /// Records that the pipeline did not take any more.
    pub refused: u64,
    /// Inputs that could not be read to their end, and why.
    pub unread: Vec<String>,
    /// The stop came before the end of the inputs.
    pub stopped: bool,
}

/// Inputs on their way to a sink.
pub struct Feed<'a> {
    /// What is read, in this order.
    pub inputs: Vec<Input>,
    /// Whether files are read on as they grow, all at once, until the stop.
    pub follow: bool,
    /// How lines are read.
    pub options: Arc<Options>,
    /// Where lines are cut, in bytes.
    pub limit: usize,
    /// Ends the reading.
    pub stop: &'a Stop,
    /// How far it is, up to date after each read.
    pub progress: &'a Mutex<Fed>,
    /// Told when a file that is followed cannot be read for now, and when it can again.
    pub tell: &'a dyn Fn(&str),
    /// Called once all there is has been read, while the last of it may still wait for room.
    pub at_end: &'a dyn Fn(),
}

impl Feed<'_> {
    /// Feeds every line to `sink` until the inputs end or the stop is asked for.
    ///
    /// When it is stopped, what has been read already is still taken, a last line without its end
    /// included. An input that fails is noted, and the next one is read; a file that is followed is
    /// tried again, once it has been opened, and noted if it still fails at the stop.
    pub fn run(mut self, sink: &mut dyn Sink) {
        let mut fed = Fed::default();
        let inputs = std::mem::take(&mut self.inputs);
        let (grow, end) = inputs
            .into_iter()
            .partition::<VecDeque<_>, _>(|input| self.follow && input.path().is_some());
        let mut inputs = end;
        while let Some(input) = inputs.pop_front() {
            if self.stop.is_asked() {
                fed.stopped = true;
                break;
            }
            let is_last = inputs.is_empty() && grow.is_empty();
            self.read(input, is_last, &mut fed, sink);
        }
        if !grow.is_empty() && !fed.stopped {
            self.follow(&Vec::from(grow), &mut fed, sink);
        }
        self.publish(&fed);
    }

    /// Reads an input to its end.
    fn read(&self, mut input: Input, is_last: bool, fed: &mut Fed, sink: &mut dyn Sink) {
        let mut reader = LineReader::new(self.limit, Arc::clone(&self.options));
        let before = Before::of(fed);
        while !reader.is_finished() {
            let brought = self.fill(&mut input, &mut reader, fed);
            if is_last && reader.has_ended() {
                (self.at_end)();
            }
            fed.drain(&mut reader, input.logger(), !brought, sink);
            before.restore(fed);
            fed.count(&reader, input.name());
            fed.bytes += input.taken();
            self.publish(fed);
        }
    }

    /// Waits for bytes, and reads on as long as there are more at once. So the end of a short input
    /// is seen before its lines wait for room. `false` when nothing came in time for the record that
    /// waits for its next line.
    fn fill(&self, input: &mut Input, reader: &mut LineReader, fed: &mut Fed) -> bool {
        let mut most = reader.is_waiting().then_some(NEXT_LINE);
        loop {
            let read = match input.read(reader.room(), self.stop, most) {
                Ok(Read::Bytes(read)) => read,
                Ok(Read::Idle) => return false,
                Ok(Read::Stopped) => {
                    fed.stopped = true;
                    0
                }
                Err(error) => {
                    fed.unread.push(format!("{}: {error}", input.name()));
                    0
                }
            };
            reader.filled(read);
            if reader.has_ended() || !reader.has_room() || !input.is_ready() {
                return true;
            }
            most = None;
        }
    }

    /// Reads files as they grow, until the stop.
    fn follow(&self, inputs: &[Input], fed: &mut Fed, sink: &mut dyn Sink) {
        let before = Before::of(fed);
        let paths: Vec<_> = inputs.iter().filter_map(Input::path).collect();
        let mut ear = match Ear::new(paths.iter().copied()) {
            Ok(ear) => ear,
            Err(error) => {
                fed.unread.push(format!("the files to follow: {error}"));
                return;
            }
        };
        let mut files: Vec<_> = inputs
            .iter()
            .zip(paths)
            .map(|(input, path)| Followed {
                input,
                tail: Tail::new(path),
                reader: LineReader::new(self.limit, Arc::clone(&self.options)),
                bytes: 0,
                failed: false,
                troubled: false,
            })
            .collect();
        loop {
            let mut grew = false;
            for file in &mut files {
                grew |= file.read(fed, sink, self.tell);
            }
            self.told(&before, &files, fed);
            let waiting = files.iter().any(|file| file.reader.is_waiting());
            let most = waiting.then_some(NEXT_LINE);
            if files.iter().all(|file| file.failed) || self.stop.is_asked() {
                break;
            }
            if grew {
                continue;
            }
            match ear.wait(self.stop, most) {
                Ok(Waited::Stopped) => break,
                Ok(Waited::Ready | Waited::Idle) => {}
                Err(error) => {
                    fed.unread.push(format!("the files to follow: {error}"));
                    break;
                }
            }
        }
        (self.at_end)();
        fed.stopped = self.stop.is_asked();
        for file in &mut files {
            file.end(fed, sink);
        }
        self.told(&before, &files, fed);
    }

    fn told(&self, before: &Before, files: &[Followed<'_>], fed: &mut Fed) {
        before.restore(fed);
        for file in files {
            fed.count(&file.reader, file.input.name());
            fed.bytes += file.bytes;
        }
        self.publish(fed);
    }

    fn publish(&self, fed: &Fed) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.clone_from(fed);
    }
}

/// What was counted before an input.
#[derive(Clone, Copy)]
struct Before {
    lines: LineCounts,
    nul_bytes: u64,
    bytes: u64,
}

impl Before {
    fn of(fed: &Fed) -> Self {
        Before {
            lines: fed.lines,
            nul_bytes: fed.nul_bytes,
            bytes: fed.bytes,
        }
    }

    fn restore(&self, fed: &mut Fed) {
        fed.lines = self.lines;
        fed.nul_bytes = self.nul_bytes;
        fed.bytes = self.bytes;
    }
}

/// A file that is followed.
struct Followed<'a> {
    input: &'a Input,
    tail: Tail,
    reader: LineReader,
    bytes: u64,
    /// It could not be read from the start.
    failed: bool,
    /// It was told that it cannot be read for now.
    troubled: bool,
}

impl Followed<'_> {
    /// Reads some; whether there was anything.
    fn read(&mut self, fed: &mut Fed, sink: &mut dyn Sink, tell: &dyn Fn(&str)) -> bool {
        if self.failed {
            return false;
        }
        let name = self.input.name();
        let look = match self.tail.look(&mut self.reader) {
            Ok(look) => look,
            Err(error) => {
                fed.unread.push(format!("{name}: {error}"));
                self.failed = true;
                self.reader.filled(0);
                Look::Ended
            }
        };
        match self.tail.trouble() {
            Some(error) if !self.troubled => {
                tell(&format!(
                    "{name} cannot be read, and is tried again: {error}"
                ));
            }
            None if self.troubled => tell(&format!("{name} is followed again")),
            _ => {}
        }
        self.troubled = self.tail.trouble().is_some();
        let late = look == Look::Same && self.tail.grew.elapsed() >= NEXT_LINE;
        fed.drain(&mut self.reader, self.input.logger(), late, sink);
        match look {
            Look::Grew(bytes) => self.bytes += bytes as u64,
            Look::Ended => self.reader.restart(),
            Look::Same => return false,
        }
        true
    }

    /// What was read and waits for its end has none.
    fn end(&mut self, fed: &mut Fed, sink: &mut dyn Sink) {
        if let Some(error) = self.tail.trouble() {
            fed.unread.push(format!("{}: {error}", self.input.name()));
        }
        self.reader.filled(0);
        fed.drain(&mut self.reader, self.input.logger(), true, sink);
    }
}

impl Fed {
    /// Takes the records that are complete, and when the next line is late the one that waits for it.
    fn drain(&mut self, reader: &mut LineReader, logger: &str, late: bool, sink: &mut dyn Sink) {
        let mut take = |record: &ParsedLine<'_>| match sink.take(record, logger) {
            Taken::Routed => self.routed += 1,
            Taken::BelowLevel => self.below_level += 1,
            Taken::NoRoute => self.no_route += 1,
            Taken::Refused => self.refused += 1,
        };
        reader.each(&mut take);
        if late {
            reader.stop_waiting(&mut take);
        }
    }

    /// Adds what the lines of an input were.
    fn count(&mut self, reader: &LineReader, name: &str) {
        let counts = reader.counts();
        self.lines += counts;
        self.nul_bytes += reader.nul_bytes();
        for oddity in Oddity::ALL {
            if counts.of(oddity) > 0 && !self.firsts.iter().any(|(other, _)| *other == oddity) {
                let line = reader.first(oddity).unwrap_or_default();
                self.firsts.push((oddity, format!("{name}:{line}")));
            }
        }
    }
}

#[cfg(test)]
mod tests;
