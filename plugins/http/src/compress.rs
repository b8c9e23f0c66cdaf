//! Makes bodies smaller.

use std::io::Write;

use crate::config::{Compression, Config};

/// How bodies are compressed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compressor {
    kind: Compression,
    level: u8,
}

impl Compressor {
    /// As the settings have it.
    pub(crate) fn new(config: &Config) -> Self {
        // Compression costs more than all else that is done with a record; the fast levels take
        // nearly as much away from log lines as the slow ones.
        let level = config
            .compression_level
            .unwrap_or(match config.compression {
                Compression::None | Compression::Zstd => 1,
                Compression::Gzip => 3,
            });
        Compressor {
            kind: config.compression,
            level,
        }
    }

    /// The levels that there are.
    pub(crate) fn levels(kind: Compression) -> Option<std::ops::RangeInclusive<u8>> {
        match kind {
            Compression::None => None,
            Compression::Gzip => Some(1..=9),
            Compression::Zstd => Some(1..=19),
        }
    }

    /// The name of what it makes in `Content-Encoding`.
    pub(crate) fn encoding(self) -> Option<&'static str> {
        match self.kind {
            Compression::None => None,
            Compression::Gzip => Some("gzip"),
            Compression::Zstd => Some("zstd"),
        }
    }

    /// The body as it is sent.
    ///
    /// # Errors
    /// What the library says; there is no input for which it should.
    pub(crate) fn compress(self, body: Vec<u8>) -> std::io::Result<Vec<u8>> {
        match self.kind {
            Compression::None => Ok(body),
            Compression::Gzip => {
                let level = flate2::Compression::new(self.level.into());
                let out = Vec::with_capacity(body.len() / 4);
                let mut encoder = flate2::write::GzEncoder::new(out, level);
                encoder.write_all(&body)?;
                encoder.finish()
            }
            Compression::Zstd => zstd::bulk::compress(&body, self.level.into()),
        }
    }
}
