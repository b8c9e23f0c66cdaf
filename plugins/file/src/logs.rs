//! The files that an instance has open: no more than a bound, and the least used goes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::commits::Commits;
use crate::log::{Log, Rules};
use crate::rotate::Family;

/// Open files by path.
#[derive(Debug)]
pub(crate) struct Logs {
    rules: Arc<Rules>,
    /// At least one.
    most: usize,
    /// Counts uses.
    now: u64,
    by_path: HashMap<PathBuf, (u64, Log)>,
}

impl Logs {
    pub(crate) fn new(rules: Arc<Rules>, most: usize) -> Self {
        Logs {
            rules,
            most: most.max(1),
            now: 0,
            by_path: HashMap::new(),
        }
    }

    /// The log at `path`, whose file is opened when a batch is begun.
    pub(crate) fn at(&mut self, path: &Path) -> &mut Log {
        self.now += 1;
        if !self.by_path.contains_key(path) {
            while self.by_path.len() >= self.most {
                self.close_least_used();
            }
            let log = Log::new(path.to_path_buf(), Arc::clone(&self.rules));
            self.by_path.insert(path.to_path_buf(), (self.now, log));
        }
        let (used, log) = self
            .by_path
            .get_mut(path)
            .expect("it was there or was inserted");
        *used = self.now;
        log
    }

    fn close_least_used(&mut self) {
        let least = self.by_path.iter().min_by_key(|(_, (used, _))| *used);
        if let Some(path) = least.map(|(path, _)| path.clone())
            && let Some((_, mut log)) = self.by_path.remove(&path)
        {
            log.close_synced();
        }
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Log> {
        self.by_path.values().map(|(_, log)| log)
    }

    /// Puts aside the files for which it is time.
    pub(crate) fn turn(&mut self) -> Vec<Family> {
        let logs = self.by_path.values_mut();
        let mut aside: Vec<_> = logs.filter_map(|(_, log)| log.turn_if_due()).collect();
        self.by_path.retain(|_, (_, log)| log.is_open());
        if let (Some(notes), Some(schedule)) = (&self.rules.notes, &self.rules.schedule) {
            match notes.put_aside(schedule, |path| self.by_path.contains_key(path)) {
                Ok(more) => aside.extend(more),
                Err(error) => ::log::warn!("cannot put aside files of earlier times: {error}"),
            }
        }
        aside
    }

    /// When the next file is put aside.
    pub(crate) fn next_turn(&self) -> Option<Timestamp> {
        self.iter().filter_map(Log::next_turn).min()
    }

    /// Cuts off the batches of a sync that failed. Says whether nothing of them is left.
    pub(crate) fn undo(&mut self, commits: &Arc<Commits>) -> bool {
        let mut logs = self.by_path.values_mut();
        match logs.find(|(_, log)| Arc::ptr_eq(log.commits(), commits)) {
            Some((_, log)) => log.undo(),
            None => commits.undo(|_| false),
        }
    }

    /// Lets go of all files.
    pub(crate) fn close(&mut self) {
        self.by_path.clear();
    }
}
