//! One file, one batch at a time: what an instance's calls share with the threads that do its work.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rolog_core::render::Renderer;
use rolog_plugin::prelude::*;
use tokio::sync::Notify;

use crate::appender::{Appender, End};
use crate::config::Fsync;
use crate::disk::{self, Disk};
use crate::trouble;

/// Lines are written in pieces of at least this size.
const PIECE: usize = 256 * 1024;

/// A file, and what renders its lines.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    fsync: Fsync,
    /// Told of each batch that is written and not synced.
    unsynced: Notify,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: Option<Appender<Disk>>,
    renderer: Renderer,
    lines: Vec<u8>,
}

impl Log {
    pub(crate) fn new(path: PathBuf, fsync: Fsync, renderer: Renderer) -> Self {
        Log {
            path,
            fsync,
            unsynced: Notify::new(),
            state: Mutex::new(State {
                file: None,
                renderer,
                lines: Vec::new(),
            }),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a batch, or leaves the file as it was.
    pub(crate) fn append(&self, batch: &Batch, attempt: &Attempt) -> Outcome {
        let mut state = self.state();
        let State {
            file,
            renderer,
            lines,
        } = &mut *state;
        let file = match self.begin(file) {
            Ok(file) => file,
            Err(error) => return trouble::outcome("open", &self.path, &error),
        };
        let outcome = match write(file, renderer, lines, batch, attempt) {
            Ok(()) if self.fsync == Fsync::Batch => {
                match file.storage().handle().and_then(|file| disk::sync(&file)) {
                    Ok(()) => Outcome::delivered(),
                    Err(error) => trouble::outcome("sync", &self.path, &error),
                }
            }
            Ok(()) => Outcome::delivered(),
            Err(Stopped::Cancelled) => Outcome::retry(Failure::new(
                Class::Cancelled,
                "the attempt was cancelled, and what it had written was cut off again",
            )),
            Err(Stopped::Unreadable) => Outcome::refused(Failure::new(
                Class::Invalid,
                "the batch holds a record that this version cannot read",
            )),
            Err(Stopped::By(error)) => trouble::outcome("write to", &self.path, &error),
        };
        if outcome.is_delivered() {
            file.commit();
            self.unsynced.notify_one();
            return outcome;
        }
        match file.take_back() {
            Ok(true) => outcome,
            Ok(false) => maybe_written(outcome),
            Err(error) => {
                ::log::warn!(
                    "cannot cut off what was written of a batch to {}: {error}",
                    self.path.display()
                );
                maybe_written(outcome)
            }
        }
    }

    /// Makes sure that the file at the path is open and whole.
    fn begin<'f>(
        &self,
        file: &'f mut Option<Appender<Disk>>,
    ) -> io::Result<&'f mut Appender<Disk>> {
        if let Some(old) = file
            && !old.storage().is_at(&self.path)
        {
            ::log::warn!(
                "{} was moved or deleted; going on in a new one",
                self.path.display()
            );
            if self.fsync != Fsync::Never
                && let Err(error) = old.storage().handle().and_then(|old| disk::sync(&old))
            {
                ::log::error!(
                    "cannot sync the old file of {}: {error}",
                    self.path.display()
                );
            }
            *file = None;
        }
        let file = match file {
            Some(file) => file,
            none => none.insert(Appender::new(Disk::open(&self.path)?)),
        };
        if file.begin()? == End::Torn {
            ::log::warn!(
                "{} ended in a torn line, which is ended now",
                self.path.display()
            );
        }
        Ok(file)
    }

    /// Opens the file, and ends a torn line in it.
    pub(crate) fn open(&self) -> io::Result<()> {
        self.begin(&mut self.state().file).map(drop)
    }

    /// Lets go of the file.
    pub(crate) fn close(&self) {
        self.state().file = None;
    }

    /// Resolves when something was written and not synced.
    pub(crate) async fn unsynced(&self) {
        self.unsynced.notified().await;
    }

    /// Brings what was written to the disk, where that was asked for at all. The file can be
    /// written to meanwhile.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let handle = match &self.state().file {
            Some(file) if self.fsync != Fsync::Never => file.storage().handle()?,
            _ => return Ok(()),
        };
        disk::sync(&handle)
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
    By(io::Error),
}

fn write(
    file: &mut Appender<Disk>,
    renderer: &mut Renderer,
    lines: &mut Vec<u8>,
    batch: &Batch,
    attempt: &Attempt,
) -> Result<(), Stopped> {
    lines.clear();
    let batch = batch.view();
    let mut unread = batch.len();
    for record in batch.records() {
        renderer.line(&record, lines);
        unread -= 1;
        if lines.len() >= PIECE {
            if attempt.is_cancelled() {
                return Err(Stopped::Cancelled);
            }
            file.put(lines).map_err(Stopped::By)?;
            lines.clear();
        }
    }
    if unread > 0 {
        return Err(Stopped::Unreadable);
    }
    if attempt.is_cancelled() {
        return Err(Stopped::Cancelled);
    }
    file.put(lines).map_err(Stopped::By)?;
    // A record far larger than the others leaves no trace in memory.
    lines.clear();
    lines.shrink_to(2 * PIECE);
    Ok(())
}

fn maybe_written(outcome: Outcome) -> Outcome {
    let verdict = outcome.verdict();
    match outcome.failure() {
        Some(failure) => Outcome::failed(verdict, failure.clone().maybe_written()),
        None => outcome,
    }
}
