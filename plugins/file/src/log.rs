//! One file that is appended to, over all the files that its path comes to lead to.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rolog_plugin::prelude::Outcome;

use crate::appender::{Appender, End};
use crate::commits::Commits;
use crate::config::Fsync;
use crate::disk::{self, Access, Disk};
use crate::path::refuse_outside;
use crate::rotate::{self, Family, Notes, Schedule};
use crate::trouble;

/// How long a rotation is left alone that was refused.
const REFUSED_FOR: Duration = Duration::from_secs(10);

/// How the files of an instance are treated.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) access: Access,
    /// Where every file has to lie, whatever links there are on the way.
    pub(crate) base: Option<PathBuf>,
    pub(crate) fsync: Fsync,
    /// A file that a batch would make larger is put aside first.
    pub(crate) size: Option<u64>,
    /// When files are put aside.
    pub(crate) schedule: Option<Schedule>,
    /// Where files are noted that are made, so that they are put aside when they are closed by then.
    pub(crate) notes: Option<Notes>,
}

/// A file, by its path.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    rules: Arc<Rules>,
    commits: Arc<Commits>,
    open: Option<Open>,
    /// When a rotation that was refused is tried again.
    refused_until: Option<Instant>,
}

#[derive(Debug)]
struct Open {
    file: Appender<Disk>,
    /// Where it lies, every symbolic link followed.
    real: PathBuf,
    /// When it is put aside.
    turn: Option<Timestamp>,
    /// When that was reckoned.
    since: Timestamp,
}

impl Log {
    pub(crate) fn new(path: PathBuf, rules: Arc<Rules>) -> Self {
        Log {
            path,
            rules,
            commits: Arc::default(),
            open: None,
            refused_until: None,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn commits(&self) -> &Arc<Commits> {
        &self.commits
    }

    /// Makes sure that the file at the path is open and whole, and that there is room in it for so many
    /// bytes. Says whose file was put aside for that.
    pub(crate) fn begin(&mut self, bytes: u64) -> io::Result<Option<Family>> {
        self.find()?;
        let open = self.open.as_ref().expect("it was just opened");
        let len = open.file.whole();
        let full = self.rules.size.is_some_and(|size| len + bytes > size);
        let mut aside = None;
        if len > 0 && (full || is_past(open.turn)) {
            aside = self.turn();
        }
        if aside.is_some() {
            self.find()?;
        }
        Ok(aside)
    }

    /// Whether a batch of about so many bytes could make it necessary to put the file aside first.
    pub(crate) fn is_nearly_full(&self, bytes: u64) -> bool {
        let whole = self.open.as_ref().map_or(0, |open| open.file.whole());
        self.rules.size.is_some_and(|size| whole + bytes > size)
    }

    /// Puts the file aside if it is time for that and there is something in it.
    pub(crate) fn turn_if_due(&mut self) -> Option<Family> {
        let due = |open: &Open| {
            is_past(open.turn) && open.file.whole() > 0 && open.file.storage().is_at(&self.path)
        };
        if !self.open.as_ref().is_some_and(due) {
            return None;
        }
        if self.rules.notes.is_some() {
            // Records will not come this way again where it is their date that led here.
            return self.turn();
        }
        self.begin(0).unwrap_or_else(|error| {
            ::log::warn!("cannot go on in {}: {error}", self.path.display());
            None
        })
    }

    /// When the file is put aside next, at the latest.
    pub(crate) fn next_turn(&self) -> Option<Timestamp> {
        self.open.as_ref().and_then(|open| open.turn)
    }

    /// The files that this one was and will be rotated into. `None` for what is no regular file.
    pub(crate) fn family(&self) -> Option<Family> {
        let open = self.open.as_ref()?;
        let regular = open.file.storage().is_regular();
        regular.then(|| Family::of(&open.real))
    }

    /// Appends to the batch.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.open
            .as_mut()
            .expect("a batch was begun")
            .file
            .put(bytes)
    }

    /// The batch is whole. Gives its number.
    pub(crate) fn commit(&mut self) -> u64 {
        let open = self.open.as_mut().expect("a batch was begun");
        open.file.commit();
        let awaited = self.rules.fsync == Fsync::Batch;
        self.commits.written(open.file.whole(), awaited)
    }

    /// Cuts off what was written of the batch, and completes the outcome of its attempt.
    pub(crate) fn take_back(&mut self, outcome: Outcome) -> Outcome {
        let Some(open) = &mut self.open else {
            return outcome;
        };
        match open.file.take_back() {
            Ok(true) => outcome,
            Ok(false) => trouble::maybe_written(outcome),
            Err(error) => {
                ::log::warn!(
                    "cannot cut off what was written of a batch to {}: {error}",
                    self.path.display()
                );
                trouble::maybe_written(outcome)
            }
        }
    }

    /// Cuts off the batches whose sync failed. Says whether nothing of them is left.
    pub(crate) fn undo(&mut self) -> bool {
        let commits = Arc::clone(&self.commits);
        commits.undo(|len| match &mut self.open {
            Some(open) => open.file.rewind(len).unwrap_or(false),
            None => false,
        })
    }

    /// Another handle of the file, to sync it while it is being written to.
    pub(crate) fn handle(&self) -> io::Result<Option<fs::File>> {
        let open = self.open.as_ref();
        open.map(|open| open.file.storage().handle()).transpose()
    }

    /// The same, where somebody waits for the sync of each batch.
    pub(crate) fn handle_if_awaited(&self) -> io::Result<Option<fs::File>> {
        match self.rules.fsync {
            Fsync::Batch => self.handle(),
            Fsync::Never | Fsync::Interval => Ok(None),
        }
    }

    /// Brings what was written to the disk, where that was asked for at all.
    pub(crate) fn sync(&self) -> io::Result<()> {
        if self.rules.fsync != Fsync::Never
            && self.commits.is_due()
            && let Some(open) = &self.open
        {
            disk::sync(open.file.storage().file())?;
        }
        self.commits.all_synced();
        Ok(())
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Lets go of the file.
    pub(crate) fn close(&mut self) {
        self.open = None;
    }

    /// Lets go of the file once everything is on the disk that has to be there.
    pub(crate) fn close_synced(&mut self) {
        if let Err(error) = self.sync() {
            ::log::error!(
                "cannot sync the old file of {}: {error}",
                self.path.display()
            );
            self.commits.undo(|_| ());
        }
        self.close();
    }

    /// Opens what is at the path, unless it is open.
    fn find(&mut self) -> io::Result<()> {
        if let Some(open) = &self.open
            && !open.file.storage().is_at(&self.path)
        {
            ::log::warn!(
                "{} was moved or deleted; going on in a new one",
                self.path.display()
            );
            self.close_synced();
        }
        let access = &self.rules.access;
        let (open, new) = match &mut self.open {
            Some(open) => {
                open.file.storage().lock(access)?;
                (open, false)
            }
            none => {
                // Each time: a folder may have become a link since.
                if let Some(base) = &self.rules.base {
                    refuse_outside(base, &self.path)?;
                }
                let open = Open {
                    file: Appender::new(Disk::open(&self.path, access)?),
                    real: fs::canonicalize(&self.path)?,
                    turn: None,
                    since: Timestamp::now(),
                };
                (none.insert(open), true)
            }
        };
        let empty = open.file.whole() == 0;
        if open.file.begin()? == End::Torn {
            ::log::warn!(
                "{} ended in a torn line, which is ended now",
                self.path.display()
            );
        }
        if new {
            self.commits.opened(open.file.whole());
            if let Some(notes) = &self.rules.notes
                && open.file.storage().is_made()
                && let Err(error) = notes.add(&self.path)
            {
                ::log::warn!("cannot note that {} was made: {error}", self.path.display());
            }
        }
        // What is in the file belongs to the time in which it was last written to; an empty one's
        // begins now. What was reckoned at a time that has not come yet, since the clock was set back,
        // is reckoned anew.
        let now = Timestamp::now();
        if (new || empty || now < open.since)
            && let Some(schedule) = &self.rules.schedule
            && open.file.storage().is_regular()
        {
            let modified = match open.file.whole() {
                0 => None,
                _ => Timestamp::try_from(open.file.storage().modified()?).ok(),
            };
            open.since = now;
            open.turn = schedule.after(modified.unwrap_or(now).min(now));
        }
        Ok(())
    }

    /// Puts the file aside, unless that is refused.
    fn turn(&mut self) -> Option<Family> {
        let open = self.open.as_ref()?;
        let refused = self
            .refused_until
            .is_some_and(|until| Instant::now() < until);
        if refused || !open.file.storage().is_regular() {
            return None;
        }
        let (real, ours) = (open.real.clone(), self.rules.access.ours());
        match self.sync().and_then(|()| rotate::put_aside(&real, ours)) {
            Ok(_) => {
                if self.rules.access.durable
                    && let Err(error) = disk::sync_folder_of(&real)
                {
                    ::log::warn!("cannot sync the folder of {}: {error}", real.display());
                }
                self.refused_until = None;
                self.close();
                Some(Family::of(&real))
            }
            Err(error) => {
                self.refused_until = Some(Instant::now() + REFUSED_FOR);
                ::log::warn!(
                    "cannot rotate {}, going on in it for now: {error}",
                    self.path.display()
                );
                None
            }
        }
    }
}

fn is_past(turn: Option<Timestamp>) -> bool {
    turn.is_some_and(|turn| turn <= Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Every;
    use crate::zone::Zone;

    #[test]
    fn a_clock_that_is_set_back_brings_the_next_turn_back_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let rules = Rules {
            access: Access::default(),
            base: None,
            fsync: Fsync::Never,
            size: None,
            schedule: Some(Schedule::new(Every::Day, Zone::default())),
            notes: None,
        };
        let mut log = Log::new(folder.path().join("app.log"), Arc::new(rules));
        log.begin(0).unwrap();
        log.put(b"line\n").unwrap();
        log.commit();
        // As it is after a day began while the clock was far ahead.
        let ahead: Timestamp = "2098-01-01T00:00:00Z".parse().unwrap();
        let open = log.open.as_mut().unwrap();
        (open.since, open.turn) = (ahead, Some(ahead));
        log.begin(0).unwrap();
        let turn = log.next_turn().unwrap();
        assert!(
            turn.duration_since(Timestamp::now()).as_hours() < 24,
            "{turn}"
        );
    }
}
