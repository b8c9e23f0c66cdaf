//! Records as JSON objects, on lines or in an array.

use rolog_core::frame::Record;
use rolog_core::render::JsonLine;

use super::{Format, Stream, Written};

/// Writes records one after the other, with something before, between and behind them.
pub(crate) struct Lines {
    content_type: &'static str,
    renderer: JsonLine,
    /// Behind each record, as the frame has it.
    behind: u8,
    frame: Frame,
}

/// What stands around records.
pub(super) struct Frame {
    pub open: Vec<u8>,
    /// Behind each record but the last.
    pub between: Vec<u8>,
    pub close: Vec<u8>,
}

impl Lines {
    pub(super) fn ndjson(source: bool) -> Self {
        Lines::new("application/x-ndjson", source, [b"", b"\n"], b'\n')
    }

    pub(super) fn json(source: bool) -> Self {
        Lines::new("application/json", source, [b"[", b"]"], b',')
    }

    fn new(
        content_type: &'static str,
        source: bool,
        [open, close]: [&[u8]; 2],
        behind: u8,
    ) -> Self {
        Lines {
            content_type,
            renderer: JsonLine::new().with_source(source),
            behind,
            frame: Frame {
                open: open.to_vec(),
                between: vec![behind],
                close: close.to_vec(),
            },
        }
    }
}

impl Format for Lines {
    fn content_type(&self) -> &str {
        self.content_type
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.frame.open);
    }

    fn record(&mut self, record: &Record<'_>, out: &mut Vec<u8>) -> Result<Stream, String> {
        self.renderer.line(record, out);
        // In place of the line feed.
        if let Some(last) = out.last_mut() {
            *last = self.behind;
        }
        Ok(0)
    }

    fn body(&self, written: &Written, which: &[u32], out: &mut Vec<u8>) {
        self.frame.body(written, which, out);
    }

    fn complete(&self, written: &mut Vec<u8>) -> Option<usize> {
        self.frame.end(written);
        Some(0)
    }
}

/// Works on records that were each written with `between` behind them, the first behind `open`.
impl Frame {
    pub(super) fn body(&self, written: &Written, which: &[u32], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.open);
        for &index in which {
            out.extend_from_slice(written.get(index));
        }
        self.end(out);
    }

    /// What is written up to here is all.
    pub(super) fn end(&self, out: &mut Vec<u8>) {
        if out.len() > self.open.len() {
            out.truncate(out.len() - self.between.len());
        }
        out.extend_from_slice(&self.close);
    }
}
