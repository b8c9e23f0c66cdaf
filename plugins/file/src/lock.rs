//! One process a file.
//!
//! Two processes that append to one file tear each other's batches apart when one of them is cut short,
//! and rotate the file from under each other. So the process that writes holds an advisory lock, of the
//! kind that belongs to a process rather than to an open file: a successor in the same process, made by
//! a reload, is not kept out, and the one who is kept out can be told by whom.

use std::fs::File;
use std::io::{self, ErrorKind};

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;
use rustix::process::{Flock, FlockType, fcntl_getlk};

/// Takes the lock, or says who has it. What cannot be locked where it lies is not.
pub(crate) fn take(file: &File) -> io::Result<()> {
    match fcntl_lock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::ACCESS | Errno::AGAIN) => Err(io::Error::new(
            ErrorKind::ResourceBusy,
            format!(
                "another process{} writes to it; give each process a file of its own, or set `lock: false`",
                holder(file)
            ),
        )),
        Err(Errno::INVAL | Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(()),
        taken => taken.map_err(io::Error::from),
    }
}

fn holder(file: &File) -> String {
    match fcntl_getlk(file, &Flock::from(FlockType::WriteLock)) {
        Ok(Some(Flock { pid: Some(pid), .. })) => format!(" ({})", pid.as_raw_nonzero()),
        _ => String::new(),
    }
}
