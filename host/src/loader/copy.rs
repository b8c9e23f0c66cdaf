//! The copy of a library that is digested, looked at and opened.
//!
//! The file itself may be written to at any moment, by a build or a deployment; mapped into this
//! process it would change under the running code. So it is read once, and never touched again.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use super::Cause;

/// No plugin comes near it, and a mistaken path must not fill the memory.
const MOST_BYTES: u64 = 512 << 20;

/// What tells one build of a library from another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Where copies are opened from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Copies {
    /// In memory; in a folder of mode 0700 below the one for temporary files where the system has
    /// no such thing.
    #[default]
    Memory,
    /// In folders of mode 0700 below this one.
    Below(PathBuf),
}

/// Reads a library's file, as it is now.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Cause> {
    let unreadable = |error: io::Error| Cause::Unreadable {
        reason: error.to_string(),
    };
    // Before it is opened: to open a pipe would wait for its other end.
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Cause::NotAFile);
    }
    let too_large = |bytes| Err(Cause::TooLarge { bytes });
    if metadata.len() > MOST_BYTES {
        return too_large(metadata.len());
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    let mut file = File::open(path).map_err(unreadable)?.take(MOST_BYTES + 1);
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MOST_BYTES {
        return too_large(bytes.len() as u64);
    }
    Ok(bytes)
}

/// The digest of a library's bytes.
pub(super) fn digest(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// A copy that can be opened by its path.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) path: PathBuf,
    folder: Option<PathBuf>,
    /// Open for ever, unless it is given back: the dynamic linker knows libraries by path, and would
    /// take a later one under the same number for this one.
    memory: ManuallyDrop<Option<File>>,
}

impl Placed {
    /// Gives back what the copy takes. Only for one that the dynamic linker has refused: it knows no
    /// library by this path then.
    pub(super) fn give_back(mut self) {
        drop(self.memory.take());
    }
}

impl Drop for Placed {
    /// What was opened stays mapped without its name.
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// Puts the bytes where they can be opened.
pub(super) fn place(bytes: &[u8], name: &str, copies: &Copies) -> Result<Placed, Cause> {
    match copies {
        Copies::Memory => match in_memory(bytes, name) {
            Ok(placed) => Ok(placed),
            Err(_) => in_folder(bytes, name, &std::env::temp_dir()),
        },
        Copies::Below(folder) => in_folder(bytes, name, folder),
    }
}

#[cfg(target_os = "linux")]
fn in_memory(bytes: &[u8], name: &str) -> io::Result<Placed> {
    /// Since Linux 6.3; says that the file is meant to be run.
    const MFD_EXEC: libc::c_uint = 0x10;

    let label = std::ffi::CString::new(format!("rolog_{name}"))?;
    let create = |flags| {
        // SAFETY: `label` is a string with its end, alive during the call.
        let number = unsafe { libc::memfd_create(label.as_ptr(), flags) };
        if number < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call succeeded, and nobody else has this descriptor.
        Ok(unsafe { File::from_raw_fd(number) })
    };
    let mut file =
        create(libc::MFD_CLOEXEC | MFD_EXEC).or_else(|error| match error.raw_os_error() {
            Some(libc::EINVAL) => create(libc::MFD_CLOEXEC),
            _ => Err(error),
        })?;
    file.write_all(bytes)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    if !path.exists() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(Placed {
        path,
        folder: None,
        memory: ManuallyDrop::new(Some(file)),
    })
}

#[cfg(not(target_os = "linux"))]
fn in_memory(_: &[u8], _: &str) -> io::Result<Placed> {
    Err(io::ErrorKind::Unsupported.into())
}

fn in_folder(bytes: &[u8], name: &str, below: &Path) -> Result<Placed, Cause> {
    /// No path is used twice, for the same reason.
    static COUNT: AtomicU64 = AtomicU64::new(0);

    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = below.join(format!("rolog-{}-{count}", std::process::id()));
    let no_copy = |error: io::Error| Cause::NoCopy {
        reason: format!("{}: {error}", below.display()),
    };
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .map_err(no_copy)?;
    let placed = Placed {
        path: folder.join(super::search::file_name(name)),
        folder: Some(folder),
        memory: ManuallyDrop::new(None),
    };
    fs::write(&placed.path, bytes).map_err(no_copy)?;
    if forbids_code(&placed.path) {
        return Err(Cause::NoExec {
            folder: below.to_path_buf(),
        });
    }
    Ok(placed)
}

#[cfg(unix)]
fn forbids_code(path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;

    let Ok(path) = std::ffi::CString::new(path.as_os_str().as_bytes()) else {
        return false;
    };
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: a string with its end and room for the answer, both alive during the call.
    if unsafe { libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: the call succeeded, so the answer is complete.
    unsafe { stat.assume_init() }.f_flag & libc::ST_NOEXEC != 0
}
