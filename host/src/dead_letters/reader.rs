//! Reading dead letters back, and taking out those that have arrived.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::letter::Letter;

/// A file of dead letters that is being replayed. As long as it exists, no pipeline writes to it.
#[derive(Debug)]
pub struct LetterFile {
    path: PathBuf,
    file: File,
}

/// A line that is not a dead letter. It stays in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// From 1.
    pub line: u64,
    /// What is wrong with it.
    pub message: String,
}

impl LetterFile {
    /// Opens a file for replay.
    ///
    /// # Errors
    /// It cannot be opened, or a pipeline writes to it: its closed predecessors (`NAME.1`, …) can be
    /// replayed at any time.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        file.try_lock().map_err(|error| match error {
            std::fs::TryLockError::WouldBlock => io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!(
                    "{} is in use by a running pipeline: replay its closed predecessors ({}.1, …), \
                     or stop the pipeline first",
                    path.display(),
                    path.display()
                ),
            ),
            std::fs::TryLockError::Error(error) => error,
        })?;
        Ok(LetterFile { path, file })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every letter, in the order of their burial; lines that are none as such.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn letters(
        &self,
    ) -> io::Result<impl Iterator<Item = io::Result<Result<Letter, Unreadable>>> + '_> {
        let lines = self.lines()?.zip(1..);
        Ok(lines.filter_map(|(line, number)| match line {
            Ok(line) if line.trim_ascii().is_empty() => None,
            Ok(line) => Some(Ok(Letter::read(&line, number).map_err(|message| {
                Unreadable {
                    line: number,
                    message,
                }
            }))),
            Err(error) => Some(Err(error)),
        }))
    }

    /// Takes the letters on these lines out. Everything else stays as it is, and the file is either
    /// the old one or the new one, whatever happens meanwhile.
    ///
    /// Returns how many lines were taken out.
    ///
    /// # Errors
    /// The file cannot be read, or the new one not be written; nothing has changed then.
    pub fn take_out(self, arrived: &HashSet<u64>) -> io::Result<u64> {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".replayed");
        let beside = PathBuf::from(name);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut taken = 0;
        let mut kept = 0;
        let mut out = BufWriter::new(options.open(&beside)?);
        for (line, number) in self.lines()?.zip(1..) {
            let line = line?;
            if arrived.contains(&number) {
                taken += 1;
            } else {
                out.write_all(&line)?;
                kept += 1;
            }
        }
        out.flush()?;
        out.get_ref().sync_all()?;
        drop(out);
        if kept == 0 {
            // An empty file is nothing to replay; the next burial makes a new one.
            std::fs::remove_file(&beside)?;
            std::fs::remove_file(&self.path)?;
        } else {
            std::fs::rename(&beside, &self.path)?;
        }
        Ok(taken)
    }

    /// The lines with their ends.
    fn lines(&self) -> io::Result<impl Iterator<Item = io::Result<Vec<u8>>> + '_> {
        let mut start = &self.file;
        start.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::new(&self.file);
        Ok(std::iter::from_fn(move || {
            let mut line = Vec::new();
            match reader.read_until(b'\n', &mut line) {
                Ok(0) => None,
                Ok(_) => Some(Ok(line)),
                Err(error) => Some(Err(error)),
            }
        }))
    }
}
