//! What a message contains.

mod frame;
mod json;
mod otlp;

use rolog_core::frame::Record;

use crate::config::{Config, Format};

/// Writes records as the content of messages.
pub(crate) enum Encoder {
    Json(json::Json),
    Otlp(otlp::Otlp),
    Frame(Box<frame::Frame>),
}

impl Encoder {
    pub(crate) fn new(config: &Config) -> Self {
        match config.format {
            Format::Json => Encoder::Json(json::Json::new(config.source)),
            Format::Otlp => Encoder::Otlp(otlp::Otlp::new(config.source, &config.resource)),
            Format::Frame => Encoder::Frame(Box::new(frame::Frame::new())),
        }
    }

    /// Appends the content of the message for `record`.
    pub(crate) fn write(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        match self {
            Encoder::Json(json) => json.write(record, out),
            Encoder::Otlp(otlp) => otlp.write(record, out),
            Encoder::Frame(frame) => frame.write(record, out),
        }
    }
}
