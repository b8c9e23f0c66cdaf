//! One file that grows, is rotated, and goes on.

use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::lines::LineReader;

/// A file that was renamed away may still be written to, until its writer opens the new one: it is
/// left when nothing has come from it for so long.
const LEFT_ALONE: Duration = Duration::from_secs(1);

/// It is left after this time in any case, since the new one waits meanwhile.
const LONGEST: Duration = Duration::from_mins(1);

/// How many successors of a file may wait; more than that are found when it is their turn.
const SUCCESSORS: usize = 16;

/// How many bytes before the place of reading must be what they were, or the file was written anew.
const REMEMBERED: usize = 256;

/// A path, and the files that were and are behind it, read one after the other.
///
/// A file that is renamed is read to its end, and then the one that has taken its name; a file that
/// is cut to nothing and written anew is read from its start. Nothing is missed, unless it was
/// written and cut off again between two looks. What cannot be opened or read is tried again with
/// each look, and what is open is read on meanwhile.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    current: Option<Open>,
    /// Whether a file has been behind the path, by now or before.
    was_there: bool,
    trouble: Option<io::Error>,
    successors: VecDeque<Open>,
    /// When it was seen that there is a successor.
    rotated: Option<Instant>,
    /// When there was something to read, last.
    pub(super) grew: Instant,
    room: Vec<u8>,
}

#[derive(Debug)]
struct Open {
    file: File,
    id: (u64, u64),
    at: u64,
    /// What was read last.
    before: Vec<u8>,
    /// Length and time of change at the last look.
    seen: Option<(u64, SystemTime)>,
}

impl Open {
    fn new(path: &Path) -> io::Result<Option<Open>> {
        match File::open(path) {
            Ok(file) => {
                let id = id(&file.metadata()?);
                Ok(Some(Open {
                    file,
                    id,
                    at: 0,
                    before: Vec::new(),
                    seen: None,
                }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether what was read is no longer what stands before the place of reading.
    fn was_rewritten(&mut self, length: u64) -> io::Result<bool> {
        if length < self.at {
            return Ok(true);
        }
        let mut now = vec![0; self.before.len()];
        self.file
            .seek(SeekFrom::Start(self.at - now.len() as u64))?;
        match self.file.read_exact(&mut now) {
            Ok(()) => Ok(now != self.before),
            // It was cut this moment.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn remember(&mut self, bytes: &[u8]) {
        self.at += bytes.len() as u64;
        let keep = bytes.len().min(REMEMBERED);
        let old = (self.before.len() + keep).saturating_sub(REMEMBERED);
        self.before.drain(..old.min(self.before.len()));
        self.before.extend_from_slice(&bytes[bytes.len() - keep..]);
    }
}

/// What a look at the file brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// So many bytes are in the reader.
    Grew(usize),
    /// The file ends here; the reader was told, and the next look is at another one.
    Ended,
    /// Nothing.
    Same,
}

impl Tail {
    pub(super) fn new(path: &Path) -> Self {
        Tail {
            path: path.to_owned(),
            current: None,
            was_there: false,
            trouble: None,
            successors: VecDeque::new(),
            rotated: None,
            grew: Instant::now(),
            room: Vec::new(),
        }
    }

    /// Why what is behind the path cannot be opened or read for now. What was open goes on meanwhile.
    pub(super) fn trouble(&self) -> Option<&io::Error> {
        self.trouble.as_ref()
    }

    /// Reads some of what there is, as far as the reader has room.
    ///
    /// # Errors
    /// The first file cannot be opened. With one that follows, that is a trouble: the next look tries
    /// again.
    pub(super) fn look(&mut self, reader: &mut LineReader) -> io::Result<Look> {
        if self.current.is_none() {
            let found = self.find_successor();
            self.current = self.successors.pop_front();
            self.was_there |= self.current.is_some();
            self.rotated = None;
            if self.current.is_none() {
                match found {
                    Err(error) if self.was_there => self.trouble = Some(error),
                    found => found?,
                }
                return Ok(Look::Same);
            }
        }
        let read = self.read_on(reader);
        if let Ok(Some(look)) = read {
            return Ok(look);
        }
        let found = self.find_successor();
        self.trouble = read.and(found).err();
        if self.successors.is_empty() {
            return Ok(Look::Same);
        }
        let rotated = *self.rotated.get_or_insert_with(Instant::now);
        if rotated.max(self.grew).elapsed() < LEFT_ALONE && rotated.elapsed() < LONGEST {
            return Ok(Look::Same);
        }
        self.current = None;
        reader.filled(0);
        Ok(Look::Ended)
    }

    /// Reads some of the file that is open; `None` when there is nothing new in it.
    fn read_on(&mut self, reader: &mut LineReader) -> io::Result<Option<Look>> {
        let Some(current) = &mut self.current else {
            return Ok(None);
        };
        let now = current.file.metadata()?;
        let seen = Some((now.len(), now.modified()?));
        if current.seen == seen && now.len() == current.at {
            return Ok(None);
        }
        // Seen once it is read: if that fails, the next look does not pass it over.
        current.seen = None;
        if current.was_rewritten(now.len())? {
            current.at = 0;
            current.before.clear();
            current.seen = seen;
            reader.filled(0);
            return Ok(Some(Look::Ended));
        }
        current.file.seek(SeekFrom::Start(current.at))?;
        let room = reader.room();
        let count = current.file.read(room)?;
        current.seen = seen;
        if count == 0 {
            return Ok(None);
        }
        self.room.clear();
        self.room.extend_from_slice(&room[..count]);
        current.remember(&self.room);
        self.grew = Instant::now();
        reader.filled(count);
        Ok(Some(Look::Grew(count)))
    }

    /// Opens what has the name now, if that is another file than the last one.
    fn find_successor(&mut self) -> io::Result<()> {
        let last = self.successors.back().or(self.current.as_ref());
        let now = match self.path.metadata() {
            // To open a pipe would wait for its other end.
            Ok(now) if !now.is_file() => return Err(io::Error::other("it is not a file")),
            Ok(now) => id(&now),
            // It will be there again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if last.is_some_and(|last| last.id == now) || self.successors.len() == SUCCESSORS {
            return Ok(());
        }
        if let Some(open) = Open::new(&self.path)?
            && last.is_none_or(|last| last.id != open.id)
        {
            self.successors.push_back(open);
        }
        Ok(())
    }
}

#[cfg(unix)]
fn id(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn id(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::sync::Arc;

    use super::*;

    struct Place {
        folder: tempfile::TempDir,
        tail: Tail,
        reader: LineReader,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            Place {
                tail: Tail::new(&folder.path().join("log")),
                reader: LineReader::new(1024, Arc::default()),
                folder,
            }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn append(&self, name: &str, text: &str) {
            let mut options = fs::OpenOptions::new();
            let file = options.create(true).append(true).open(self.path(name));
            file.unwrap().write_all(text.as_bytes()).unwrap();
        }

        /// All that comes until nothing does.
        fn read(&mut self) -> Vec<String> {
            let mut out = Vec::new();
            loop {
                let look = self.tail.look(&mut self.reader).unwrap();
                let mut take = |record: &crate::lines::ParsedLine<'_>| {
                    out.push(record.message.to_owned());
                };
                self.reader.each(&mut take);
                match look {
                    Look::Grew(_) => {}
                    Look::Ended => self.reader.restart(),
                    Look::Same => {
                        self.reader.stop_waiting(&mut take);
                        return out;
                    }
                }
            }
        }

        fn look(&mut self) -> io::Result<Look> {
            self.tail.look(&mut self.reader)
        }

        /// As if nothing had come from the old file for long enough.
        fn wait(&mut self) {
            for time in [&mut self.tail.grew]
                .into_iter()
                .chain(&mut self.tail.rotated)
            {
                *time = time.checked_sub(LEFT_ALONE).unwrap();
            }
        }
    }

    #[test]
    fn a_file_may_come_later_and_grow_by_parts_of_lines() {
        let mut place = Place::new();
        assert!(place.read().is_empty());
        place.append("log", "one\ntw");
        assert_eq!(place.read(), ["one"]);
        place.append("log", "o\n");
        assert_eq!(place.read(), ["two"]);
        assert!(place.read().is_empty());
    }

    #[test]
    fn a_renamed_file_is_read_to_its_end_before_the_new_one() {
        let mut place = Place::new();
        place.append("log", "a\n");
        assert_eq!(place.read(), ["a"]);
        fs::rename(place.path("log"), place.path("log.1")).unwrap();
        place.append("log.1", "b\n");
        place.append("log", "d\n");
        assert_eq!(place.read(), ["b"]);
        // Its writer has not opened the new one yet.
        place.append("log.1", "c without an end");
        assert!(place.read().is_empty());
        // Another rotation meanwhile: both wait.
        fs::rename(place.path("log"), place.path("log.2")).unwrap();
        place.append("log", "e\n");
        assert!(place.read().is_empty());
        place.wait();
        assert_eq!(place.read(), ["c without an end", "d"]);
        place.wait();
        assert_eq!(place.read(), ["e"]);
    }

    #[cfg(unix)]
    #[test]
    fn what_waits_is_read_while_the_path_leads_nowhere() {
        let mut place = Place::new();
        place.append("log", "a\n");
        assert_eq!(place.read(), ["a"]);
        fs::rename(place.path("log"), place.path("log.1")).unwrap();
        place.append("log", "b\n");
        assert!(place.read().is_empty(), "the first one is left alone first");
        fs::rename(place.path("log"), place.path("log.2")).unwrap();
        std::os::unix::fs::symlink("log", place.path("log")).unwrap();
        place.wait();
        assert_eq!(place.look().unwrap(), Look::Ended);
        place.reader.restart();
        assert_eq!(place.look().unwrap(), Look::Grew(2));
        assert_eq!(place.look().unwrap(), Look::Same);
        assert!(place.tail.trouble().is_some());
        place.append("log.2", "c\n");
        assert_eq!(place.look().unwrap(), Look::Grew(2));
        assert!(
            place.tail.trouble().is_some(),
            "the path leads nowhere still"
        );
        fs::remove_file(place.path("log")).unwrap();
        fs::create_dir(place.path("log")).unwrap();
        assert_eq!(place.look().unwrap(), Look::Same);
        let trouble = place.tail.trouble().unwrap();
        assert!(trouble.to_string().contains("not a file"), "{trouble}");
        fs::remove_dir(place.path("log")).unwrap();
        fs::rename(place.path("log.2"), place.path("log")).unwrap();
        assert_eq!(place.read(), ["b", "c"]);
        assert!(place.tail.trouble().is_none());
    }

    #[test]
    fn a_file_that_is_cut_is_read_from_its_start_even_when_it_has_grown_past_the_place() {
        let mut place = Place::new();
        place.append("log", "first\nsecond\nhal");
        assert_eq!(place.read(), ["first", "second"]);
        fs::write(place.path("log"), "new\n").unwrap();
        assert_eq!(place.read(), ["hal", "new"]);
        fs::write(place.path("log"), "longer than it was\nand more\n").unwrap();
        assert_eq!(place.read(), ["longer than it was", "and more"]);
        // A writer that keeps its place leaves a hole.
        let mut hole = vec![0; 27];
        hole.extend_from_slice(b"after\n");
        fs::write(place.path("log"), hole).unwrap();
        assert_eq!(place.read(), ["after"]);
    }
}
