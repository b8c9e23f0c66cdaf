//! What bodies look like, one file for each kind of service.
//!
//! A new service is a `Format` of its own: how a record is written, how written records become a
//! body, and what an answer says of them. Requests, statuses, compression and limits are the same
//! for all of them, and not its business.

pub mod elasticsearch;
pub mod envelope;
mod lines;
pub mod loki;
pub mod otlp;

use std::collections::HashMap;

use rolog_core::frame::Record;

use crate::config::{Config, Format as Name};

/// Writes records as bodies, and reads what a service says of them.
pub(crate) trait Format: Send {
    /// What the body is said to be.
    fn content_type(&self) -> &str;

    /// Begins a batch: forgets the one before, and appends what a body begins with.
    fn begin(&mut self, out: &mut Vec<u8>) {
        let _ = out;
    }

    /// Appends what stands for a record, and says which stream of the batch it belongs to.
    ///
    /// # Errors
    /// Why the record cannot be written for this service.
    fn record(&mut self, record: &Record<'_>, out: &mut Vec<u8>) -> Result<Stream, String>;

    /// Bytes that a stream adds to a body beside its records.
    fn stream_cost(&self, stream: Stream) -> usize {
        let _ = stream;
        0
    }

    /// Appends the body of these records.
    fn body(&self, written: &Written, which: &[u32], out: &mut Vec<u8>);

    /// Makes what is written the body of all records, where no record has to be moved for that. Says
    /// where it begins.
    fn complete(&self, written: &mut Vec<u8>) -> Option<usize> {
        let _ = written;
        None
    }
}

/// Reads what a service says of the records of a request that it answers with success.
pub(crate) type ReadAnswer = fn(answer: &[u8], json: bool, records: usize) -> Reading;

/// Records that stand together in a body, by a number that the format gives them.
pub(crate) type Stream = u32;

/// The records of a batch, written one after the other.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub bytes: Vec<u8>,
    /// Where the first begins.
    start: usize,
    /// Where each ends, and its stream.
    parts: Vec<(usize, Stream)>,
    /// How many streams there are.
    streams: Stream,
}

impl Written {
    /// Forgets the records; the next begins behind what the bytes hold.
    pub(crate) fn begin(&mut self) {
        self.start = self.bytes.len();
        self.parts.clear();
        self.streams = 0;
    }

    /// A record of this stream has been written.
    #[inline]
    pub(crate) fn end(&mut self, stream: Stream) {
        self.parts.push((self.bytes.len(), stream));
        self.streams = self.streams.max(stream + 1);
    }

    /// Forgets what was written since the last record.
    pub(crate) fn undo(&mut self) {
        let end = self.parts.last().map_or(self.start, |(end, _)| *end);
        self.bytes.truncate(end);
    }

    /// How many records there are.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.parts.len() as u32
    }

    pub(crate) fn streams(&self) -> impl Iterator<Item = Stream> + use<> {
        0..self.streams
    }

    pub(crate) fn get(&self, index: u32) -> &[u8] {
        let start = match index.checked_sub(1) {
            Some(before) => self.parts[before as usize].0,
            None => self.start,
        };
        &self.bytes[start..self.parts[index as usize].0]
    }

    pub(crate) fn stream(&self, index: u32) -> Stream {
        self.parts[index as usize].1
    }

    /// These records by stream, the streams in the order of their first record, and within a stream
    /// in the order given.
    fn by_stream(&self, which: &[u32]) -> Vec<(Stream, Vec<u32>)> {
        let mut streams: Vec<(Stream, Vec<u32>)> = Vec::new();
        let mut places: HashMap<Stream, usize> = HashMap::new();
        for &index in which {
            let stream = self.stream(index);
            if let Some((last, records)) = streams.last_mut()
                && *last == stream
            {
                records.push(index);
                continue;
            }
            let place = *places.entry(stream).or_insert_with(|| {
                streams.push((stream, Vec::new()));
                streams.len() - 1
            });
            streams[place].1.push(index);
        }
        streams
    }

    /// Appends these records with something between them.
    fn join(&self, which: &[u32], between: &[u8], out: &mut Vec<u8>) {
        for (at, &index) in which.iter().enumerate() {
            if at > 0 {
                out.extend_from_slice(between);
            }
            out.extend_from_slice(self.get(index));
        }
    }
}

/// What a service says of the records of a request, beside success.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// By position in the request; in order.
    pub troubles: Vec<(u32, Trouble)>,
    /// How many records were refused, where it does not say which.
    pub refused: u64,
    /// What it has to remark.
    pub warning: Option<String>,
    /// The answer cannot be read, so nothing is known.
    pub unreadable: bool,
}

/// What a service says of one record.
#[derive(Debug, PartialEq)]
pub(crate) struct Trouble {
    /// As if the request with this record alone had been answered so.
    pub status: u16,
    pub text: String,
}

/// The writer for the settings; they have been checked.
pub(crate) fn writer(config: &Config) -> Box<dyn Format> {
    match config.format {
        Name::Ndjson => Box::new(lines::Lines::ndjson(config.source)),
        Name::Json => Box::new(lines::Lines::json(config.source)),
        Name::Envelope => Box::new(envelope::Envelope::new(config)),
        Name::Otlp => otlp::writer(config),
        Name::Loki => Box::new(loki::Loki::new(config)),
        Name::Elasticsearch => Box::new(elasticsearch::Bulk::new(config)),
    }
}

/// The path of a preset, for a URL without one.
pub(crate) fn path(format: Name) -> Option<&'static str> {
    match format {
        Name::Ndjson | Name::Json | Name::Envelope => None,
        Name::Otlp => Some(otlp::PATH),
        Name::Loki => Some(loki::PATH),
        Name::Elasticsearch => Some(elasticsearch::PATH),
    }
}

/// How to read the answers to a preset's requests; `None` where their status says all.
pub(crate) fn reader(format: Name) -> Option<ReadAnswer> {
    match format {
        Name::Ndjson | Name::Json | Name::Envelope | Name::Loki => None,
        Name::Otlp => Some(otlp::read),
        Name::Elasticsearch => Some(elasticsearch::read),
    }
}

/// A parameter that a preset adds to the URL, unless it is there.
pub(crate) fn parameter(format: Name) -> Option<(&'static str, &'static str)> {
    (format == Name::Elasticsearch).then_some(elasticsearch::QUERY)
}

/// Appends a text as a JSON string.
fn quoted(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("any text is a JSON string, and memory takes it");
}
