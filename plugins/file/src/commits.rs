//! One sync for all batches that wait for one.
//!
//! Batches are written one after the other, and each gets a number. Whoever wants its batch on the
//! disk syncs the file, unless somebody is doing that; then it waits, and what that one began too
//! early for is done by the next. So however many batches are written while the disk is at work, they
//! cost one sync together.
//!
//! A sync that failed takes all batches with it that it was for, since nobody knows which of their
//! bytes the disk has: they are cut off again, and fail.

use std::fs::File;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::disk;

/// What is written to a file and what is synced.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    state: Mutex<State>,
    turned: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the last batch that was written, and up to where the file is whole since.
    written: u64,
    length: u64,
    /// The same for the last one that was synced.
    synced: u64,
    synced_length: u64,
    /// Counts the files: lengths in one mean nothing in the next.
    file: u64,
    syncing: bool,
    /// Batches whose fate nobody has asked for yet.
    awaited: usize,
    /// Numbers behind the first, up to the second, whose sync failed.
    failed: Vec<(u64, u64)>,
}

/// What became of a batch's sync.
#[derive(Debug)]
pub(crate) enum Synced {
    Yes,
    /// This caller's own sync failed: it has to [undo](Commits::undo) what was not synced.
    Failed(io::Error),
    /// Another's failed.
    Lost,
}

impl Commits {
    /// A batch was written; the file is whole up to `length`. Gives the batch's number, for
    /// [`Commits::sync`] to be called with where it is `awaited`.
    pub(crate) fn written(&self, length: u64, awaited: bool) -> u64 {
        let mut state = self.state();
        state.written += 1;
        state.length = length;
        state.awaited += usize::from(awaited);
        state.written
    }

    /// A file was opened that is whole up to `length`.
    pub(crate) fn opened(&self, length: u64) {
        let mut state = self.state();
        state.file += 1;
        state.synced = state.written;
        state.length = length;
        state.synced_length = length;
    }

    /// Whether something is written and not synced.
    pub(crate) fn is_due(&self) -> bool {
        let state = self.state();
        state.written > state.synced
    }

    /// Everything that was written is on the disk; the file is let go of.
    pub(crate) fn all_synced(&self) {
        let mut state = self.state();
        state.synced = state.written;
        state.synced_length = state.length;
        self.turned.notify_all();
    }

    /// Waits until this batch is on the disk, or brings it there. Once for each batch that is awaited.
    pub(crate) fn sync(&self, batch: u64, file: &File) -> Synced {
        self.sync_by(batch, || disk::sync(file))
    }

    /// Brings everything to the disk that is written by now.
    pub(crate) fn sync_what_there_is(&self, file: &File) -> io::Result<()> {
        let (written, length, number) = {
            let state = self.state();
            (state.written, state.length, state.file)
        };
        disk::sync(file)?;
        let mut state = self.state();
        if state.file == number {
            state.synced = state.synced.max(written);
            state.synced_length = length;
        }
        Ok(())
    }

    fn sync_by(&self, batch: u64, sync: impl FnOnce() -> io::Result<()>) -> Synced {
        let mut state = self.state();
        while state.syncing && state.fate(batch).is_none() {
            state = self
                .turned
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let synced = if let Some(synced) = state.fate(batch) {
            synced
        } else {
            state.syncing = true;
            let (written, length, file) = (state.written, state.length, state.file);
            drop(state);
            let result = sync();
            state = self.state();
            match result {
                Ok(()) => {
                    state.syncing = false;
                    state.synced = state.synced.max(written);
                    if state.file == file {
                        state.synced_length = length;
                    }
                    Synced::Yes
                }
                // Nobody else tries before what may be lost is undone: a second sync could well
                // succeed, and would not tell of the first.
                Err(error) => Synced::Failed(error),
            }
        };
        state.awaited = state.awaited.saturating_sub(1);
        if state.awaited == 0 {
            state.failed.clear();
        }
        drop(state);
        self.turned.notify_all();
        synced
    }

    /// Gives up what was written and not synced: `cut` gets the length to cut the file to. To be called
    /// while nothing is written.
    pub(crate) fn undo<R>(&self, cut: impl FnOnce(u64) -> R) -> R {
        let mut state = self.state();
        let span = (state.synced, state.written);
        if state.awaited > 0 {
            state.failed.push(span);
        }
        state.syncing = false;
        // Nothing of it will be synced any more; what comes next is counted from here.
        state.synced = state.written;
        state.length = state.synced_length;
        let result = cut(state.synced_length);
        drop(state);
        self.turned.notify_all();
        result
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fate(&self, batch: u64) -> Option<Synced> {
        let lost = |(behind, last): &(u64, u64)| *behind < batch && batch <= *last;
        if self.failed.iter().any(lost) {
            Some(Synced::Lost)
        } else {
            (self.synced >= batch).then_some(Synced::Yes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    #[test]
    fn batches_that_are_written_while_the_disk_is_at_work_share_the_next_sync() {
        const WRITERS: usize = 8;
        let commits = Commits::default();
        commits.opened(0);
        let syncs = AtomicUsize::new(0);
        let first = commits.written(10, true);
        let begun = Barrier::new(2);
        let go_on = Barrier::new(2);
        let (commits, syncs, begun, go_on) = (&commits, &syncs, &begun, &go_on);
        thread::scope(|scope| {
            scope.spawn(move || {
                let synced = commits.sync_by(first, || {
                    syncs.fetch_add(1, Ordering::Relaxed);
                    begun.wait();
                    go_on.wait();
                    Ok(())
                });
                assert!(matches!(synced, Synced::Yes));
            });
            begun.wait();
            // All of these are written before any of them can be synced.
            let numbers: Vec<_> = (0..WRITERS).map(|_| commits.written(20, true)).collect();
            let count = || {
                syncs.fetch_add(1, Ordering::Relaxed);
                Ok(())
            };
            for number in numbers {
                scope.spawn(move || {
                    assert!(matches!(commits.sync_by(number, count), Synced::Yes));
                });
            }
            go_on.wait();
        });
        assert_eq!(syncs.load(Ordering::Relaxed), 2);
        assert!(!commits.is_due());
    }

    #[test]
    fn a_sync_that_fails_takes_those_that_waited_and_not_those_that_were_through() {
        let commits = Commits::default();
        commits.opened(100);
        let through = commits.written(110, true);
        let failing = commits.written(120, true);
        // The first sync is for both, and a third is written while it runs.
        let mut late = 0;
        let synced = commits.sync_by(failing, || {
            late = commits.written(130, true);
            Err(io::Error::other("the disk is gone"))
        });
        assert!(matches!(synced, Synced::Failed(_)));
        assert_eq!(commits.undo(|length| length), 100);
        let next = commits.written(105, true);
        assert!(matches!(commits.sync_by(next, || Ok(())), Synced::Yes));
        for lost in [through, late] {
            assert!(matches!(commits.sync_by(lost, || Ok(())), Synced::Lost));
        }
        let after = commits.written(115, true);
        assert!(matches!(
            commits.sync_by(after, || Err(io::ErrorKind::Other.into())),
            Synced::Failed(_)
        ));
        assert_eq!(commits.undo(|length| length), 105);
    }

    #[test]
    fn what_was_synced_before_its_file_was_put_aside_is_not_asked_for_again() {
        let commits = Commits::default();
        commits.opened(0);
        let old = commits.written(10, true);
        commits.all_synced();
        commits.opened(0);
        let never = || panic!("it is synced already");
        assert!(matches!(commits.sync_by(old, never), Synced::Yes));
    }
}
