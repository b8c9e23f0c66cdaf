//! Where lines come from: files and standard input, read so that a signal can end the wait.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::packed::{self, Packed};
use super::raw::Raw;
use super::stop::{Stop, Waited};

/// The logger of text lines that come from standard input.
const STDIN: &str = "stdin";

/// One source of lines.
///
/// What is compressed with gzip or zstd is found out from its first bytes, and read as what it was.
#[derive(Debug)]
pub struct Input {
    name: String,
    logger: String,
    source: Source,
    /// Its length when it was named, where it is a file.
    size: Option<u64>,
    taken: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Source {
    Stdin,
    /// Opened when its turn comes, so that any number of files can be named.
    File(PathBuf),
    /// Its first bytes decide what it is.
    Opened {
        raw: Raw,
        head: Vec<u8>,
    },
    /// `head[given..]` was read before, and comes first.
    Plain {
        raw: Raw,
        head: Vec<u8>,
        given: usize,
    },
    Packed(Packed),
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// So many bytes; 0 at the end.
    Bytes(usize),
    /// Nothing for so long.
    Idle,
    /// The stop was asked for.
    Stopped,
}

/// A file that cannot be read, and why.
#[derive(Debug)]
pub struct InputError {
    path: PathBuf,
    error: io::Error,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read {}", self.path.display())?;
        if self.error.kind() == io::ErrorKind::IsADirectory {
            return f.write_str(": it is a folder; name the files in it");
        }
        write!(f, ": {}", self.error)
    }
}

impl std::error::Error for InputError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl Input {
    /// Standard input.
    pub fn stdin() -> Self {
        Input {
            name: "standard input".to_owned(),
            logger: STDIN.to_owned(),
            source: Source::Stdin,
            size: None,
            taken: Arc::default(),
        }
    }

    /// A file; `-` is standard input. Whether it can be read is seen to now, it is opened later.
    ///
    /// # Errors
    /// A file that is missing, may not be read, or is a folder.
    pub fn file(path: &Path) -> Result<Self, InputError> {
        if path == "-" {
            return Ok(Self::stdin());
        }
        let refuse = |error| InputError {
            path: path.to_owned(),
            error,
        };
        let metadata = path.metadata().map_err(refuse)?;
        if metadata.is_dir() {
            return Err(refuse(io::ErrorKind::IsADirectory.into()));
        }
        if metadata.is_file() {
            // Not for a named pipe: whoever writes to it would see it closed.
            File::open(path).map_err(refuse)?;
        }
        let logger = path.file_name().map(OsStr::to_string_lossy);
        Ok(Input {
            name: path.display().to_string(),
            logger: logger.unwrap_or_default().into_owned(),
            source: Source::File(path.to_owned()),
            size: metadata.is_file().then_some(metadata.len()),
            taken: Arc::default(),
        })
    }

    /// What to call it in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The logger of its lines that name none: `stdin`, or the file's name without its folder.
    pub fn logger(&self) -> &str {
        &self.logger
    }

    /// Whether somebody would have to type what is read.
    pub fn is_terminal(&self) -> bool {
        matches!(self.source, Source::Stdin) && io::stdin().is_terminal()
    }

    /// Whether it is a file, which can grow.
    pub fn can_be_followed(&self) -> bool {
        self.size.is_some()
    }

    /// The file to follow, unless it is compressed: such a file is read, and has an end.
    pub(super) fn path(&self) -> Option<&Path> {
        let Source::File(path) = &self.source else {
            return None;
        };
        let mut head = Vec::new();
        let file = File::open(path).and_then(|file| file.take(4).read_to_end(&mut head));
        let packed = file.is_ok() && packed::kind(&head).is_some();
        (self.can_be_followed() && !packed).then_some(path)
    }

    /// How many bytes there were when it was named; `None` where that says nothing.
    pub(super) fn size(&self) -> Option<u64> {
        self.size
    }

    /// Counts the bytes that are read from it, before they are unpacked.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Waits for bytes and reads some. Waits no longer than `most`, where the input is plain.
    ///
    /// # Errors
    /// Those of the read, and compressed data that is damaged or cut short.
    pub(super) fn read(
        &mut self,
        room: &mut [u8],
        stop: &Stop,
        most: Option<Duration>,
    ) -> io::Result<Taken> {
        loop {
            match &mut self.source {
                Source::Stdin => self.open(Raw::stdin()?),
                Source::File(path) => {
                    let raw = Raw::file(File::open(path)?);
                    self.open(raw);
                }
                Source::Opened { raw, head } => {
                    match raw.wait(stop, most)? {
                        Waited::Ready => {}
                        Waited::Idle => return Ok(Taken::Idle),
                        Waited::Stopped => return Ok(Taken::Stopped),
                    }
                    let read = raw.read(room)?;
                    head.extend_from_slice(&room[..read]);
                    if read == 0 || !packed::may_begin(head) {
                        self.decide(stop)?;
                    }
                }
                Source::Plain { head, given, .. } if *given < head.len() => {
                    let count = room.len().min(head.len() - *given);
                    room[..count].copy_from_slice(&head[*given..*given + count]);
                    *given += count;
                    return Ok(Taken::Bytes(count));
                }
                Source::Plain { raw, .. } => {
                    return match raw.wait(stop, most)? {
                        Waited::Ready => raw.read(room).map(Taken::Bytes),
                        Waited::Idle => Ok(Taken::Idle),
                        Waited::Stopped => Ok(Taken::Stopped),
                    };
                }
                Source::Packed(packed) => return packed.read(room),
            }
        }
    }

    fn open(&mut self, mut raw: Raw) {
        raw.count(Arc::clone(&self.taken));
        let head = Vec::new();
        self.source = Source::Opened { raw, head };
    }

    /// The first bytes are known.
    fn decide(&mut self, stop: &Stop) -> io::Result<()> {
        let Source::Opened { raw, head } = std::mem::replace(&mut self.source, Source::Stdin)
        else {
            return Ok(());
        };
        self.source = match packed::kind(&head) {
            Some(kind) => Source::Packed(Packed::new(kind, head, raw, stop.clone())?),
            None => Source::Plain {
                raw,
                head,
                given: 0,
            },
        };
        Ok(())
    }

    /// Whether a read would not wait now.
    pub(super) fn is_ready(&self) -> bool {
        match &self.source {
            Source::Stdin | Source::File(_) | Source::Opened { .. } => false,
            Source::Plain { raw, head, given } => *given < head.len() || raw.is_ready(),
            Source::Packed(packed) => packed.is_file(),
        }
    }
}
