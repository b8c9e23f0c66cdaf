//! The file itself.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::appender::Storage;

/// An open file that is appended to.
#[derive(Debug)]
pub(crate) struct Disk {
    file: File,
    identity: (u64, u64),
    /// For what is no regular file and has no length: how much was written to it.
    length: Option<u64>,
}

impl Disk {
    /// Opens the file at `path`; makes it, and the folders on the way, when there is none.
    pub(crate) fn open(path: &Path) -> io::Result<Disk> {
        if let Ok(there) = fs::metadata(path) {
            refuse_unfit(&there)?;
        }
        let open = || {
            File::options()
                .append(true)
                .read(true)
                .create(true)
                .open(path)
                // What may be written may not have to be readable.
                .or_else(|_| File::options().append(true).create(true).open(path))
        };
        let file = match (open(), path.parent()) {
            (Err(error), Some(folder)) if error.kind() == ErrorKind::NotFound => {
                fs::create_dir_all(folder)?;
                open()?
            }
            (opened, _) => opened?,
        };
        let data = file.metadata()?;
        refuse_unfit(&data)?;
        Ok(Disk {
            length: (!data.is_file()).then_some(0),
            identity: identity(&data),
            file,
        })
    }

    /// Whether `path` still leads to this file.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|data| identity(&data) == self.identity)
    }

    /// Another handle, to sync the file while it is being written to.
    pub(crate) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

/// Brings what was written to the disk. What has no disk behind it is left alone.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    match file.sync_data() {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        result => result,
    }
}

impl Storage for Disk {
    fn len(&self) -> io::Result<u64> {
        match self.length {
            Some(written) => Ok(written),
            None => Ok(self.file.metadata()?.len()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        if let Some(length) = &mut self.length {
            *length += written as u64;
        }
        Ok(written)
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        match self.length {
            Some(_) => Err(ErrorKind::Unsupported.into()),
            None => self.file.set_len(len),
        }
    }

    fn byte_before(&self, end: u64) -> io::Result<u8> {
        let mut byte = [0];
        match self.file.read_exact_at(&mut byte, end - 1) {
            // A file that may only be written: as if torn, which costs an empty line at most.
            Err(error) if error.raw_os_error() == Some(EBADF) => Ok(0),
            read => read.map(|()| byte[0]),
        }
    }
}

/// What a read through a handle that may only write answers.
const EBADF: i32 = 9;

/// Checks, without any effect, that the file at `path` could be opened, or made.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(data) => {
            refuse_unfit(&data)?;
            access(path, Access::WRITE_OK)?;
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let folder = nearest_folder(path)?;
            access(&folder, Access::WRITE_OK | Access::EXEC_OK)?;
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// The nearest folder above `path` that exists.
fn nearest_folder(path: &Path) -> io::Result<PathBuf> {
    for folder in path.ancestors().skip(1) {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        match fs::metadata(folder) {
            Ok(data) if data.is_dir() => return Ok(folder.to_path_buf()),
            Ok(_) => return Err(ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::NotFound.into())
}

/// What is at `path`, where that can never take lines.
pub(crate) fn unfit(path: &Path) -> Option<&'static str> {
    fs::metadata(path).ok().as_ref().and_then(unfit_kind)
}

/// A pipe or a socket could block whoever opens it for ever, and a folder holds no lines.
fn unfit_kind(data: &Metadata) -> Option<&'static str> {
    let kind = data.file_type();
    match () {
        () if kind.is_dir() => Some("a folder"),
        () if kind.is_fifo() => Some("a pipe"),
        () if kind.is_socket() => Some("a socket"),
        () if kind.is_block_device() => Some("a disk"),
        () => None,
    }
}

fn refuse_unfit(data: &Metadata) -> io::Result<()> {
    match unfit_kind(data) {
        Some(what) => Err(io::Error::new(
            ErrorKind::IsADirectory,
            format!("it is {what}, and no file"),
        )),
        None => Ok(()),
    }
}

fn identity(data: &Metadata) -> (u64, u64) {
    (data.dev(), data.ino())
}
