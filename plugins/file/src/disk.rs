//! The file itself.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{Access as May, access};

use crate::appender::Storage;
use crate::config::{Mode, Owner};
use crate::lock;
use crate::rotate::Ours;

/// An open file that is appended to.
#[derive(Debug)]
pub(crate) struct Disk {
    file: File,
    identity: (u64, u64),
    /// Whether it was not there before.
    made: bool,
    /// For what is no regular file and has no length: how much was written to it.
    length: Option<u64>,
}

/// Under which conditions a file is written to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    pub(crate) mode: Option<Mode>,
    pub(crate) owner: Option<Owner>,
    /// Whether a second process is kept out.
    pub(crate) lock: bool,
    /// Whether names that are made are brought to the disk.
    pub(crate) durable: bool,
}

impl Access {
    /// Whose files were made with it.
    pub(crate) fn ours(&self) -> Ours {
        Ours::given_to(self.owner.as_ref().and_then(Owner::user))
    }
}

impl Disk {
    /// Opens the file at `path`; makes it, and the folders on the way, when there is none.
    pub(crate) fn open(path: &Path, access: &Access) -> io::Result<Disk> {
        if let Ok(there) = fs::metadata(path) {
            refuse_unfit(&there)?;
        }
        let (file, made) = match open_or_make(path, access) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make_folders(path, access.durable)?;
                open_or_make(path, access)?
            }
            opened => opened?,
        };
        let data = file.metadata()?;
        refuse_unfit(&data)?;
        if made && access.durable {
            sync_folder_of(path)?;
        }
        let disk = Disk {
            made,
            length: (!data.is_file()).then_some(0),
            identity: identity(&data),
            file,
        };
        if data.is_file() {
            refuse_others(&data, access)?;
            disk.lock(access)?;
        }
        Ok(disk)
    }

    /// Makes sure, again, that no other process writes to the file: a lock ends when anything in this
    /// process closes the file.
    pub(crate) fn lock(&self, access: &Access) -> io::Result<()> {
        if access.lock && self.length.is_none() {
            lock::take(&self.file)?;
        }
        Ok(())
    }

    /// Whether it was not there before it was opened.
    pub(crate) fn is_made(&self) -> bool {
        self.made
    }

    /// When it was last written to.
    pub(crate) fn modified(&self) -> io::Result<SystemTime> {
        self.file.metadata()?.modified()
    }

    /// Whether it is a file that can be put aside, and no device.
    pub(crate) fn is_regular(&self) -> bool {
        self.length.is_none()
    }

    /// Whether `path` still leads to this file.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|data| identity(&data) == self.identity)
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
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

/// Brings the name of the file at `path` to the disk.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    sync(&File::open(folder_of(path))?)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn make_folders(path: &Path, durable: bool) -> io::Result<()> {
    let there = nearest_folder(path)?;
    let folder = folder_of(path);
    fs::create_dir_all(folder)?;
    if durable {
        let made = folder.ancestors().take_while(|made| *made != there);
        for made in made.filter(|made| !made.as_os_str().is_empty()) {
            sync_folder_of(made)?;
        }
    }
    Ok(())
}

/// Says, too, whether it was made.
fn open_or_make(path: &Path, access: &Access) -> io::Result<(File, bool)> {
    loop {
        let existing = File::options()
            .append(true)
            .read(true)
            .open(path)
            // What may be written may not have to be readable.
            .or_else(|_| File::options().append(true).open(path));
        match existing {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            opened => return Ok((opened?, false)),
        }
        let mut options = File::options();
        options.append(true).read(true).create_new(true);
        if let Some(mode) = access.mode {
            options.mode(mode.bits());
        }
        match options.open(path) {
            // Where a symbolic link leads to a file that is not there yet, this one makes it.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && is_dangling(path) => {
                let file = File::options()
                    .append(true)
                    .read(true)
                    .create(true)
                    .open(path)?;
                return dressed(file, path, access);
            }
            // Somebody made it meanwhile.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return dressed(made?, path, access),
        }
    }
}

fn is_dangling(path: &Path) -> bool {
    path.is_symlink() && !path.exists()
}

/// The file that was made at `path`, with its owner and its mode. Where it cannot have them there is none.
fn dressed(file: File, path: &Path, access: &Access) -> io::Result<(File, bool)> {
    let dressed = give(&file, access).and_then(|()| set_mode(&file, access));
    if let Err(error) = dressed {
        if let Err(left) = remove_made(&file, path) {
            ::log::warn!("cannot remove the empty {}: {left}", path.display());
        }
        return Err(error);
    }
    Ok((file, true))
}

/// Removes an empty file from where links lead, unless another is there by now.
fn remove_made(file: &File, path: &Path) -> io::Result<()> {
    let real = fs::canonicalize(path)?;
    let there = fs::metadata(&real)?;
    if there.len() == 0 && identity(&there) == identity(&file.metadata()?) {
        fs::remove_file(real)?;
    }
    Ok(())
}

/// Gives a file that was made to the owner that is asked for.
fn give(file: &File, access: &Access) -> io::Result<()> {
    let Some(owner) = &access.owner else {
        return Ok(());
    };
    let data = file.metadata()?;
    let Some(mismatch) = owner.mismatch(data.uid(), data.gid()) else {
        return Ok(());
    };
    let user = owner.user().filter(|user| *user != data.uid());
    let group = owner.group().filter(|group| *group != data.gid());
    std::os::unix::fs::fchown(file, user, group).map_err(|error| {
        let kind = match error.kind() {
            // A file system without owners, or a container that has no such user.
            ErrorKind::InvalidInput | ErrorKind::Unsupported => ErrorKind::PermissionDenied,
            kind => kind,
        };
        let remedy = match user {
            Some(_) => "run the process as that user, or leave the user out of `owner`",
            None => "make the process's user a member of the group, or leave the group out of `owner`",
        };
        let text = format!(
            "a file that is made there cannot be given to its `owner` ({error}): {mismatch}; {remedy}"
        );
        io::Error::new(kind, text)
    })
}

/// The process's mask takes bits away when a file is made.
fn set_mode(file: &File, access: &Access) -> io::Result<()> {
    match access.mode {
        Some(mode) => file.set_permissions(Permissions::from_mode(mode.bits())),
        None => Ok(()),
    }
}

/// Refuses a file that others could read or change against the settings.
fn refuse_others(data: &Metadata, access: &Access) -> io::Result<()> {
    let refused = |text| Err(io::Error::new(ErrorKind::PermissionDenied, text));
    let has = data.mode() & 0o777;
    if let Some(mode) = access.mode
        && has & !mode.bits() != 0
    {
        return refused(format!(
            "its mode is {has:04o}, which allows more than the `mode: {mode}` that is asked for"
        ));
    }
    let owner = access.owner.as_ref();
    match owner.and_then(|owner| owner.mismatch(data.uid(), data.gid())) {
        None => Ok(()),
        Some(text) => refused(text),
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
            access(path, May::WRITE_OK)?;
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let folder = nearest_folder(path)?;
            access(&folder, May::WRITE_OK | May::EXEC_OK)?;
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
