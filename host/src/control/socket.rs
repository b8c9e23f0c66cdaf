//! Taking a path for a Unix socket, and giving it back.
//!
//! The socket is made beside its path, with mode 0600 before anybody can connect, and moved there in
//! one step: over what a killed process left behind, if nobody listens at that. The folder is locked
//! meanwhile, so that two processes cannot both find the path free.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// How long another process may take to take or give back a path in the same folder.
const PATIENCE: Duration = Duration::from_secs(2);

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 16;

/// A path at which this process listens; it is given back by the drop.
#[derive(Debug)]
pub(super) struct Taken {
    path: PathBuf,
    /// Device and number of the socket.
    identity: (u64, u64),
}

impl Taken {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // Somebody else may have taken the path since. Without the lock that is as good as certain.
        let _lock = lock(folder_of(&self.path));
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.identity);
        if ours {
            // What is left behind is replaced by the next one.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens at `path`, whose folder is made where it is missing.
///
/// # Errors
/// Another process listens there; there is something else; the folder cannot be written to.
pub(super) fn listen(path: &Path) -> io::Result<(UnixListener, Taken)> {
    let folder = folder_of(path);
    fs::create_dir_all(folder)?;
    let _lock = lock(folder)?;
    check_free(path)?;
    let beside = name_beside(path);
    // Of a process with the same number that was killed between two steps.
    let _ = fs::remove_file(&beside);
    let listener = bind(&beside)?;
    let placed = fs::set_permissions(&beside, fs::Permissions::from_mode(0o600))
        .and_then(|()| fs::symlink_metadata(&beside))
        .and_then(|made| fs::rename(&beside, path).map(|()| made));
    match placed {
        Ok(made) => {
            let taken = Taken {
                path: path.to_owned(),
                identity: (made.dev(), made.ino()),
            };
            Ok((listener, taken))
        }
        Err(error) => {
            let _ = fs::remove_file(&beside);
            Err(error)
        }
    }
}

/// Whether nobody listens at `path`, and nothing else is there.
fn check_free(path: &Path) -> io::Result<()> {
    let in_use = |what: &str| io::Error::new(io::ErrorKind::AddrInUse, what.to_owned());
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(in_use(
                "there is something else than a socket; remove it, or take another path",
            ));
        }
        Ok(_) => {}
    }
    let socket = socket()?;
    match rustix::net::connect(&socket, &SocketAddrUnix::new(path)?) {
        Err(rustix::io::Errno::CONNREFUSED | rustix::io::Errno::NOENT) => Ok(()),
        // A full queue of connections is one that somebody has.
        Ok(()) | Err(rustix::io::Errno::AGAIN) => Err(in_use(
            "another process listens there; is this pipeline running already?",
        )),
        Err(error) => Err(io::Error::from(error)),
    }
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    let socket = socket()?;
    // On Linux the file has the mode of the socket, so that there is no moment with another one.
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(UnixListener::from(socket))
}

fn socket() -> io::Result<std::os::fd::OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    Ok(socket)
}

/// A name in the same folder that is no longer than the shortest path that is refused for its length.
fn name_beside(path: &Path) -> PathBuf {
    let number = std::process::id() % 100_000;
    folder_of(path).join(format!(".{number}~"))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn lock(folder: &Path) -> io::Result<File> {
    let until = Instant::now() + PATIENCE;
    let file = File::open(folder)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => {
                let what = format!("{} is locked by another process", folder.display());
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, what));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}
