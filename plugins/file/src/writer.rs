//! Batches into files: what an instance's calls share with the threads that do its work.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rolog_core::render::Renderer;
use rolog_plugin::prelude::*;
use tokio::sync::Notify;

use crate::batching::{Part, State, Way};
use crate::commits::{Commits, Synced};
use crate::config::Fsync;
use crate::log::Rules;
use crate::logs::Logs;
use crate::rotate::Keeper;
use crate::trouble;

/// Writes batches to files.
#[derive(Debug)]
pub(crate) struct Writer {
    rules: Arc<Rules>,
    keeper: Arc<Keeper>,
    /// Told of each batch that is written and not synced.
    unsynced: Notify,
    state: Mutex<State>,
}

/// A part of a batch that is written, and where it is to be synced.
pub(crate) struct Written {
    pub(crate) number: u64,
    pub(crate) commits: Arc<Commits>,
    pub(crate) file: io::Result<Option<fs::File>>,
    pub(crate) path: PathBuf,
}

impl Writer {
    pub(crate) fn new(
        way: Way,
        most_open: usize,
        rules: Arc<Rules>,
        keeper: Arc<Keeper>,
        renderer: Renderer,
    ) -> Self {
        let logs = Logs::new(Arc::clone(&rules), most_open);
        Writer {
            keeper,
            unsynced: Notify::new(),
            state: Mutex::new(State::new(way, logs, renderer)),
            rules,
        }
    }

    /// Appends a batch. Each file gets all of its records or none.
    pub(crate) fn append(&self, batch: &Batch, attempt: &Attempt) -> Outcome {
        let parts = self.state().append(batch, attempt, &self.keeper);
        self.unsynced.notify_one();
        if self.rules.fsync != Fsync::Batch {
            return together(
                parts
                    .into_iter()
                    .map(|part| (part.records, part.written.err())),
            );
        }
        let synced = parts.into_iter().map(|part| {
            let trouble = match part.written {
                Ok(written) => self.sync_part(written).err(),
                Err(outcome) => Some(outcome),
            };
            (part.records, trouble)
        });
        together(synced)
    }

    /// The state is not held while the disk is at work, so that other batches can be written.
    fn sync_part(&self, written: Written) -> Result<(), Outcome> {
        let trouble = |error: &io::Error| trouble::outcome("sync", &written.path, error);
        let file = match written.file {
            Ok(Some(file)) => file,
            // Closed since, and synced before that.
            Ok(None) => return Ok(()),
            Err(error) => return Err(trouble::maybe_written(trouble(&error))),
        };
        match written.commits.sync(written.number, &file) {
            Synced::Yes => Ok(()),
            Synced::Failed(error) => {
                let nothing_left = self.state().logs().undo(&written.commits);
                Err(if nothing_left {
                    trouble(&error)
                } else {
                    trouble::maybe_written(trouble(&error))
                })
            }
            Synced::Lost => {
                let error = io::Error::other("a sync failed that was for this batch too");
                Err(trouble::maybe_written(trouble(&error)))
            }
        }
    }

    /// Opens the file where there is only one, and ends a torn line in it.
    pub(crate) fn open(&self) -> io::Result<()> {
        self.state().open(&self.keeper)
    }

    /// Lets go of all files.
    pub(crate) fn close(&self) {
        self.state().logs().close();
    }

    /// Puts aside the files for which it is time.
    pub(crate) fn turn(&self) {
        let aside = self.state().logs().turn();
        for family in aside {
            self.keeper.look_after(family);
        }
    }

    /// When that will be.
    pub(crate) fn next_turn(&self) -> Option<Timestamp> {
        self.state().logs().next_turn()
    }

    /// Resolves when something was written and not synced.
    pub(crate) async fn unsynced(&self) {
        self.unsynced.notified().await;
    }

    /// Brings what was written to the disk, where that was asked for at all. The files can be
    /// written to meanwhile.
    pub(crate) fn sync(&self) -> io::Result<()> {
        if self.rules.fsync == Fsync::Never {
            return Ok(());
        }
        let due: Vec<_> = {
            let mut state = self.state();
            let logs = state.logs().iter().filter(|log| log.commits().is_due());
            logs.map(|log| (log.handle(), Arc::clone(log.commits())))
                .collect()
        };
        let mut result = Ok(());
        for (handle, commits) in due {
            let synced = match handle {
                Ok(Some(file)) => commits.sync_what_there_is(&file),
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            result = result.and(synced);
        }
        result
    }

    /// A panic while the state was held leaves at worst a tail, which the next batch cuts off.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a batch whose parts had this trouble, or none. The first trouble is told; the
/// records of all that had any remain.
fn together(parts: impl Iterator<Item = (Part, Option<Outcome>)>) -> Outcome {
    let mut told = None;
    let mut remaining = Vec::new();
    let mut whole = false;
    let mut maybe = false;
    for (part, trouble) in parts {
        let Some(trouble) = trouble else { continue };
        maybe |= trouble
            .failure()
            .is_some_and(|failure| failure.maybe_written);
        told.get_or_insert(trouble);
        match part {
            Part::Whole => whole = true,
            Part::Records(records) => remaining.extend(records),
        }
    }
    let Some(told) = told else {
        return Outcome::delivered();
    };
    let told = if maybe {
        trouble::maybe_written(told)
    } else {
        told
    };
    if whole {
        return told;
    }
    remaining.sort_unstable();
    told.only(remaining)
}
