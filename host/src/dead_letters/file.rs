//! Writing dead letters, within a bound.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rolog_core::delivery::{Class, Failure, chain};

use super::letter::LetterWriter;
use crate::instance::BoxFuture;
use crate::stage::{DeadLetters, Letters};

/// Where dead letters go, and how much of them is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterSettings {
    /// The file; its predecessors lie beside it.
    pub path: PathBuf,
    /// Bound on all of them together, in bytes.
    pub max_bytes: u64,
}

impl DeadLetterSettings {
    /// A file with the default bound, 256 MiB.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        DeadLetterSettings {
            path: path.into(),
            max_bytes: 256 << 20,
        }
    }
}

/// Keeps dead letters in a bounded set of files. Shared by all targets of a pipeline.
#[derive(Clone)]
pub struct DeadLetterFile {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    max_bytes: AtomicU64,
    /// `None` once the file is closed.
    writer: Mutex<Option<Writer>>,
    discarded: AtomicU64,
}

struct Writer {
    file: File,
    len: u64,
    /// Closed predecessors: number and length, the oldest first.
    closed: Vec<(u64, u64)>,
    letters: LetterWriter,
}

impl DeadLetterFile {
    /// Opens the file, or makes it, its folder included.
    ///
    /// # Errors
    /// It cannot be opened, or another process writes to it.
    pub fn open(settings: DeadLetterSettings) -> io::Result<Self> {
        let writer = Writer::open(&settings.path)?;
        Ok(DeadLetterFile {
            inner: Arc::new(Inner {
                path: settings.path,
                max_bytes: AtomicU64::new(settings.max_bytes),
                writer: Mutex::new(Some(writer)),
                discarded: AtomicU64::new(0),
            }),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Keeps so many bytes from the next burial on.
    pub fn set_max_bytes(&self, max_bytes: u64) {
        self.inner.max_bytes.store(max_bytes, Ordering::Relaxed);
    }

    /// Lets go of the file, so that it can be replayed; nothing is buried any more.
    pub fn close(&self) {
        drop(self.inner.lock().take());
    }

    /// Records that were buried and have been discarded since, to stay within the bound.
    pub fn discarded(&self) -> u64 {
        self.inner.discarded.load(Ordering::Relaxed)
    }
}

impl DeadLetters for DeadLetterFile {
    fn bury(&self, letters: Letters) -> BoxFuture<'_, Result<(), Failure>> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            // Disks block; the stage's task does not.
            tokio::task::spawn_blocking(move || inner.bury(&letters))
                .await
                .unwrap_or_else(|error| Err(Failure::new(Class::Internal, error.to_string())))
        })
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bury(&self, letters: &Letters) -> Result<(), Failure> {
        let mut writer = self.lock();
        let Some(writer) = writer.as_mut() else {
            let message = "the dead letters are closed: the pipeline has ended";
            return Err(Failure::new(Class::Unavailable, message));
        };
        let lines = writer.letters.lines(letters)?;
        let failed = |error: io::Error| {
            let path = self.path.display();
            let class = match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Class::Full,
                io::ErrorKind::PermissionDenied => Class::Auth,
                _ => Class::Io,
            };
            Failure::new(class, format!("cannot write {path}: {}", chain(&error)))
        };
        let max = self.max_bytes.load(Ordering::Relaxed);
        if lines.len() as u64 > max {
            let message = format!(
                "{} bytes of dead letters at once are more than the {} that are kept",
                lines.len(),
                max
            );
            return Err(Failure::new(Class::TooLarge, message));
        }
        writer.keep_to(&self.path).map_err(failed)?;
        self.make_room(writer, lines.len() as u64, max)
            .map_err(failed)?;
        writer.append(&lines).map_err(failed)
    }

    /// Closes the file when it is large enough, and discards the oldest while all are too large.
    fn make_room(&self, writer: &mut Writer, more: u64, max: u64) -> io::Result<()> {
        if writer.len > 0 && writer.len + more > max / 4 {
            let number = writer.closed.last().map_or(1, |(number, _)| number + 1);
            std::fs::rename(&self.path, numbered(&self.path, number))?;
            writer.closed.push((number, writer.len));
            // If that fails, the next burial finds that the path does not lead to the file.
            writer.file = open_and_lock(&self.path)?;
            writer.len = 0;
        }
        let total = |writer: &Writer| {
            let closed: u64 = writer.closed.iter().map(|(_, len)| len).sum();
            closed + writer.len + more
        };
        while total(writer) > max && !writer.closed.is_empty() {
            let (number, _) = writer.closed[0];
            let path = numbered(&self.path, number);
            match std::fs::read(&path) {
                Ok(bytes) => {
                    let records = memchr::memchr_iter(b'\n', &bytes).count();
                    std::fs::remove_file(&path)?;
                    self.discarded.fetch_add(records as u64, Ordering::Relaxed);
                }
                // Somebody has taken it away, or replayed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            writer.closed.remove(0);
        }
        Ok(())
    }
}

impl Writer {
    fn open(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder_of(path))?;
        let file = open_and_lock(path)?;
        Ok(Writer {
            len: close_torn_line(&file)?,
            file,
            closed: predecessors(path)?,
            letters: LetterWriter::new(),
        })
    }

    /// Opens what is behind the path now, or makes it, where that is no longer the file: somebody has
    /// moved or deleted it, and nobody would find there what is buried. The old one is let go of.
    fn keep_to(&mut self, path: &Path) -> io::Result<()> {
        if !leads_to(path, &self.file)? {
            // The predecessors too are others, where the file was given the name of one.
            *self = Writer::open(path)?;
        }
        Ok(())
    }

    /// Appends all of it, on disk, or none.
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let written = self
            .file
            .write_all(lines)
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // If that fails as well, the torn line is closed off at the next start.
            self.file.set_len(self.len)?;
            return Err(error);
        }
        self.len += lines.len() as u64;
        Ok(())
    }
}

/// The name of a closed predecessor.
fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// The closed predecessors of a file: number and length, the oldest first.
fn predecessors(path: &Path) -> io::Result<Vec<(u64, u64)>> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder_of(path))? {
        let entry = entry?;
        let entry_name = entry.file_name();
        let number = entry_name
            .to_str()
            .and_then(|other| other.strip_prefix(name)?.strip_prefix('.')?.parse().ok());
        if let Some(number) = number {
            found.push((number, entry.metadata()?.len()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Where a file lies.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The file, readable by its owner only: letters hold whatever was logged.
fn open_and_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    file.try_lock().map_err(|error| match error {
        std::fs::TryLockError::WouldBlock => io::Error::new(
            io::ErrorKind::ResourceBusy,
            format!("{} is in use by another pipeline", path.display()),
        ),
        std::fs::TryLockError::Error(error) => error,
    })?;
    // A new file is on disk only when its name is.
    #[cfg(unix)]
    File::open(folder_of(path))?.sync_all()?;
    Ok(file)
}

/// Whether this path is still that of the open file.
#[cfg(unix)]
fn leads_to(path: &Path, file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |data: &std::fs::Metadata| (data.dev(), data.ino());
    let open = identity(&file.metadata()?);
    Ok(std::fs::metadata(path).is_ok_and(|found| identity(&found) == open))
}

/// Whether there is a file at the path: what it is cannot be told.
#[cfg(not(unix))]
fn leads_to(path: &Path, _: &File) -> io::Result<bool> {
    path.try_exists()
}

/// Ends a line that a crash left torn; the length of the file then.
fn close_torn_line(mut file: &File) -> io::Result<u64> {
    let len = file.metadata()?.len();
    if len == 0 {
        return Ok(0);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(len - 1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok(len);
    }
    file.write_all(b"\n")?;
    Ok(len + 1)
}
