//! Where lines come from: files and standard input, read so that a signal can end the wait.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use super::stop::Stop;

/// The logger of text lines that come from standard input.
const STDIN: &str = "stdin";

/// One source of lines.
#[derive(Debug)]
pub struct Input {
    name: String,
    logger: String,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Stdin(io::Stdin),
    /// Opened when its turn comes, so that any number of files can be named.
    Waiting(PathBuf),
    File(File),
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
            source: Source::Stdin(io::stdin()),
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
        let kind = path.metadata().map_err(refuse)?.file_type();
        if kind.is_dir() {
            return Err(refuse(io::ErrorKind::IsADirectory.into()));
        }
        if kind.is_file() {
            // Not for a named pipe: whoever writes to it would see it closed.
            File::open(path).map_err(refuse)?;
        }
        let logger = path.file_name().map(OsStr::to_string_lossy);
        Ok(Input {
            name: path.display().to_string(),
            logger: logger.unwrap_or_default().into_owned(),
            source: Source::Waiting(path.to_owned()),
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
        match &self.source {
            Source::Stdin(stdin) => stdin.is_terminal(),
            Source::Waiting(_) | Source::File(_) => false,
        }
    }

    /// Waits for bytes and reads some; `None` when `stop` was asked for before there were any.
    ///
    /// # Errors
    /// Those of the read; an interrupted one is repeated.
    pub(super) fn read(&mut self, room: &mut [u8], stop: &Stop) -> io::Result<Option<usize>> {
        loop {
            let read = match &mut self.source {
                Source::Stdin(stdin) => {
                    if !stop.wait_for(&*stdin)? {
                        return Ok(None);
                    }
                    stdin.lock().read(room)
                }
                Source::Waiting(path) => {
                    self.source = Source::File(File::open(path)?);
                    continue;
                }
                Source::File(file) => {
                    if !stop.wait_for(&*file)? {
                        return Ok(None);
                    }
                    file.read(room)
                }
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read.map(Some),
            }
        }
    }

    /// Whether a read would not wait now.
    pub(super) fn is_ready(&self) -> bool {
        match &self.source {
            Source::Stdin(stdin) => is_ready(stdin),
            Source::Waiting(_) => false,
            Source::File(file) => is_ready(file),
        }
    }
}

#[cfg(unix)]
fn is_ready(input: &impl std::os::fd::AsFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut ready = [PollFd::new(input, PollFlags::IN)];
    matches!(poll(&mut ready, Some(&Timespec::default())), Ok(1))
}

#[cfg(not(unix))]
fn is_ready<T>(_: &T) -> bool {
    false
}
