//! Batches into a file: what an instance's calls share with the threads that do its work.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rolog_core::render::Renderer;
use rolog_plugin::prelude::*;
use tokio::sync::Notify;

use crate::commits::{Commits, Synced};
use crate::config::Fsync;
use crate::log::{Log, Rules};
use crate::rotate::{Family, Keeper};
use crate::trouble;

/// Lines are written in pieces of at least this size.
const PIECE: usize = 256 * 1024;
/// Where the next batch could fill the file, so much of it is rendered before it is decided which
/// file it goes into.
const AHEAD: usize = 4 * 1024 * 1024;
/// A line is rarely so many times larger than the bytes of its record.
const SWELLING: u64 = 8;

/// Writes batches to files.
#[derive(Debug)]
pub(crate) struct Writer {
    rules: Arc<Rules>,
    keeper: Arc<Keeper>,
    /// Told of each batch that is written and not synced.
    unsynced: Notify,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    log: Log,
    renderer: Renderer,
    lines: Vec<u8>,
}

/// A batch that is written, and where it is to be synced.
struct Written {
    number: u64,
    commits: Arc<Commits>,
    file: io::Result<Option<fs::File>>,
}

impl Writer {
    pub(crate) fn new(
        path: &Path,
        rules: Arc<Rules>,
        keeper: Arc<Keeper>,
        renderer: Renderer,
    ) -> Self {
        Writer {
            keeper,
            unsynced: Notify::new(),
            state: Mutex::new(State {
                log: Log::new(path.to_path_buf(), Arc::clone(&rules)),
                renderer,
                lines: Vec::new(),
            }),
            rules,
        }
    }

    /// Appends a batch, or leaves the file as it was.
    pub(crate) fn append(&self, batch: &Batch, attempt: &Attempt) -> Outcome {
        let written = match self
            .state()
            .append(batch, attempt, &self.rules, &self.keeper)
        {
            Ok(written) => written,
            Err(outcome) => return outcome,
        };
        self.unsynced.notify_one();
        match written {
            Some(written) => self.sync_batch(written),
            None => Outcome::delivered(),
        }
    }

    /// The state is not held while the disk is at work, so that other batches can be written.
    fn sync_batch(&self, written: Written) -> Outcome {
        let file = match written.file {
            Ok(Some(file)) => file,
            // Closed since, and synced before that.
            Ok(None) => return Outcome::delivered(),
            Err(error) => return trouble::maybe_written(self.trouble("sync", &error)),
        };
        match written.commits.sync(written.number, &file) {
            Synced::Yes => Outcome::delivered(),
            Synced::Failed(error) => {
                let outcome = self.trouble("sync", &error);
                if self.state().log.undo() {
                    outcome
                } else {
                    trouble::maybe_written(outcome)
                }
            }
            Synced::Lost => {
                let error = io::Error::other("a sync failed that was for this batch too");
                trouble::maybe_written(self.trouble("sync", &error))
            }
        }
    }

    fn trouble(&self, doing: &str, error: &io::Error) -> Outcome {
        trouble::outcome(doing, self.state().log.path(), error)
    }

    /// Opens the file, and ends a torn line in it.
    pub(crate) fn open(&self) -> io::Result<()> {
        let mut state = self.state();
        state.log.begin(0)?;
        if let Some(family) = state.log.family() {
            self.keeper.look_after(family);
        }
        Ok(())
    }

    /// Lets go of the file.
    pub(crate) fn close(&self) {
        self.state().log.close();
    }

    /// Puts the file aside if it is time for that.
    pub(crate) fn turn(&self) {
        let aside = self.state().log.turn_if_due();
        self.aside(aside);
    }

    /// When that will be.
    pub(crate) fn next_turn(&self) -> Option<Timestamp> {
        self.state().log.next_turn()
    }

    fn aside(&self, family: Option<Family>) {
        if let Some(family) = family {
            self.keeper.look_after(family);
        }
    }

    /// Resolves when something was written and not synced.
    pub(crate) async fn unsynced(&self) {
        self.unsynced.notified().await;
    }

    /// Brings what was written to the disk, where that was asked for at all. The file can be
    /// written to meanwhile.
    pub(crate) fn sync(&self) -> io::Result<()> {
        if self.rules.fsync == Fsync::Never {
            return Ok(());
        }
        let (handle, commits) = {
            let state = self.state();
            if !state.log.commits().is_due() {
                return Ok(());
            }
            (state.log.handle()?, Arc::clone(state.log.commits()))
        };
        handle.map_or(Ok(()), |file| commits.sync_what_there_is(&file))
    }

    /// A panic while the state was held leaves at worst a tail, which the next batch cuts off.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a batch was not written to its end.
enum Stopped {
    Cancelled,
    Unreadable,
    By(&'static str, io::Error),
}

impl State {
    fn append(
        &mut self,
        batch: &Batch,
        attempt: &Attempt,
        rules: &Rules,
        keeper: &Keeper,
    ) -> Result<Option<Written>, Outcome> {
        let written = self.write(batch, attempt, keeper);
        // A record far larger than the others leaves no trace in memory.
        self.lines.clear();
        self.lines.shrink_to(2 * PIECE);
        let outcome = match written {
            Ok(()) => {
                let number = self.log.commit();
                return Ok((rules.fsync == Fsync::Batch).then(|| Written {
                    number,
                    commits: Arc::clone(self.log.commits()),
                    file: self.log.handle(),
                }));
            }
            Err(Stopped::Cancelled) => Outcome::retry(Failure::new(
                Class::Cancelled,
                "the attempt was cancelled, and what it had written was cut off again",
            )),
            Err(Stopped::Unreadable) => Outcome::refused(Failure::new(
                Class::Invalid,
                "the batch holds a record that this version cannot read",
            )),
            Err(Stopped::By(doing, error)) => trouble::outcome(doing, self.log.path(), &error),
        };
        Err(self.log.take_back(outcome))
    }

    fn write(&mut self, batch: &Batch, attempt: &Attempt, keeper: &Keeper) -> Result<(), Stopped> {
        let State {
            log,
            renderer,
            lines,
        } = self;
        let view = batch.view();
        let mut unread = view.len();
        let nearly_full = log.is_nearly_full(batch.bytes().len() as u64 * SWELLING);
        let piece = if nearly_full { AHEAD } else { PIECE };
        let mut begun = false;
        let mut write = |lines: &mut Vec<u8>| {
            if attempt.is_cancelled() {
                return Err(Stopped::Cancelled);
            }
            if !begun {
                begun = true;
                let aside = log.begin(lines.len() as u64);
                if let Some(family) = aside.map_err(|error| Stopped::By("open", error))? {
                    keeper.look_after(family);
                }
            }
            let written = log.put(lines);
            lines.clear();
            written.map_err(|error| Stopped::By("write to", error))
        };
        lines.clear();
        for record in view.records() {
            renderer.line(&record, lines);
            unread -= 1;
            if lines.len() >= piece {
                write(lines)?;
            }
        }
        match unread {
            0 => write(lines),
            _ => Err(Stopped::Unreadable),
        }
    }
}
