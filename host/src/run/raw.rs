//! Bytes of a file or of standard input, as they are.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::stop::{Stop, Waited};

/// Something that is open for reading, without a buffer: what poll says of it is the truth.
#[derive(Debug)]
pub(super) struct Raw {
    file: File,
    taken: Arc<AtomicU64>,
}

impl Raw {
    pub(super) fn file(file: File) -> Self {
        Raw {
            file,
            taken: Arc::default(),
        }
    }

    /// Standard input, beside the library's buffer for it, which nothing else here uses.
    pub(super) fn stdin() -> io::Result<Self> {
        #[cfg(unix)]
        let own = std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned()?;
        #[cfg(windows)]
        let own = std::os::windows::io::AsHandle::as_handle(&io::stdin()).try_clone_to_owned()?;
        Ok(Raw::file(File::from(own)))
    }

    /// Adds what is read to this number.
    pub(super) fn count(&mut self, taken: Arc<AtomicU64>) {
        self.taken = taken;
    }

    pub(super) fn wait(&self, stop: &Stop, most: Option<Duration>) -> io::Result<Waited> {
        stop.wait_for(&self.file, most)
    }

    /// Reads without asking whether that waits; an interrupted read is repeated.
    pub(super) fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.file.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(read) => {
                    self.taken.fetch_add(read as u64, Ordering::Relaxed);
                    return Ok(read);
                }
                error => return error,
            }
        }
    }

    /// Whether it is a file of a file system, which never waits.
    pub(super) fn is_file(&self) -> bool {
        self.file.metadata().is_ok_and(|data| data.is_file())
    }

    /// Whether a read would not wait now.
    #[cfg(unix)]
    pub(super) fn is_ready(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut ready = [PollFd::new(&self.file, PollFlags::IN)];
        matches!(poll(&mut ready, Some(&Timespec::default())), Ok(1))
    }

    /// Whether a read would not wait now.
    #[cfg(not(unix))]
    pub(super) fn is_ready(&self) -> bool {
        false
    }
}
