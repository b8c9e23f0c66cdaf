//! Makes bodies smaller.

use std::fmt;

use flate2::{Compress, FlushCompress, Status};
use zstd::zstd_safe;

use crate::config::{Compression, Config};

/// How bodies are compressed, and what that takes: to be used for one body after the other.
pub(crate) struct Compressor {
    kind: Compression,
    level: u8,
    engine: Option<Engine>,
}

/// What the libraries work with, which costs time to set up.
enum Engine {
    Gzip(Box<Compress>),
    Zstd(zstd::bulk::Compressor<'static>),
}

/// Above this level zstd takes tens of megabytes, which are not kept.
const KEPT: u8 = 9;
/// The largest window that gzip can have.
const WINDOW: u8 = 15;

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
            engine: None,
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
    pub(crate) fn encoding(kind: Compression) -> Option<&'static str> {
        match kind {
            Compression::None => None,
            Compression::Gzip => Some("gzip"),
            Compression::Zstd => Some("zstd"),
        }
    }

    /// Puts the body as it is sent into `out`, which is empty; says whether it is another.
    ///
    /// # Errors
    /// What the library says; there is no input for which it should.
    pub(crate) fn compress(&mut self, body: &[u8], out: &mut Vec<u8>) -> std::io::Result<bool> {
        let made = match (self.kind, self.engine.take()) {
            (Compression::None, _) => return Ok(false),
            (_, Some(engine)) => engine,
            (Compression::Gzip, None) => {
                let level = flate2::Compression::new(self.level.into());
                Engine::Gzip(Box::new(Compress::new_gzip(level, WINDOW)))
            }
            (Compression::Zstd, None) => {
                Engine::Zstd(zstd::bulk::Compressor::new(self.level.into())?)
            }
        };
        let engine = self.engine.insert(made);
        match engine {
            Engine::Gzip(gzip) => {
                gzip.reset();
                out.reserve(body.len() / 4 + 64);
                loop {
                    let rest = &body[gzip.total_in() as usize..];
                    if gzip.compress_vec(rest, out, FlushCompress::Finish)? == Status::StreamEnd {
                        break;
                    }
                    out.reserve(out.len() / 2);
                }
            }
            Engine::Zstd(zstd) => {
                out.reserve(zstd_safe::compress_bound(body.len()));
                zstd.compress_to_buffer(body, out)?;
                if self.level > KEPT {
                    self.engine = None;
                }
            }
        }
        Ok(true)
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.kind, self.level)
    }
}
