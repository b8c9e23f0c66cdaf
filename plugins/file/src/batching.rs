//! A batch into one file, or each of its records into the file that a template names.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rolog_core::render::Renderer;
use rolog_plugin::prelude::*;

use crate::log::Log;
use crate::logs::Logs;
use crate::path::Expander;
use crate::rotate::Keeper;
use crate::trouble;
use crate::writer::Written;

/// Lines are written in pieces of at least this size.
const PIECE: usize = 256 * 1024;
/// Where the next batch could fill the file, so much of it is rendered before it is decided which
/// file it goes into.
const AHEAD: usize = 4 * 1024 * 1024;
/// A line is rarely so many times larger than the bytes of its record.
const SWELLING: u64 = 8;

/// Which way records go.
#[derive(Debug)]
pub(crate) enum Way {
    /// All into this file.
    One(PathBuf),
    /// Each into its own.
    Many(Expander),
}

/// What is needed to write a batch.
#[derive(Debug)]
pub(crate) struct State {
    way: Way,
    logs: Logs,
    renderer: Renderer,
    lines: Vec<u8>,
}

/// Which records of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    Records(Vec<u32>),
}

/// What became of some records of a batch.
pub(crate) struct Share {
    pub(crate) records: Part,
    pub(crate) written: Result<Written, Outcome>,
}

/// Why a batch was not written to its end.
enum Stopped {
    Cancelled,
    Unreadable,
    By(&'static str, io::Error),
}

impl State {
    pub(crate) fn new(way: Way, logs: Logs, renderer: Renderer) -> Self {
        State {
            way,
            logs,
            renderer,
            lines: Vec::new(),
        }
    }

    pub(crate) fn logs(&mut self) -> &mut Logs {
        &mut self.logs
    }

    /// Opens the file where there is only one.
    pub(crate) fn open(&mut self, keeper: &Keeper) -> io::Result<()> {
        match &self.way {
            Way::One(path) => {
                let log = self.logs.at(path);
                log.begin(0)?;
                if let Some(family) = log.family() {
                    keeper.look_after(family);
                }
                Ok(())
            }
            Way::Many(expander) => {
                std::fs::create_dir_all(expander.base())?;
                keeper.wake();
                Ok(())
            }
        }
    }

    pub(crate) fn append(
        &mut self,
        batch: &Batch,
        attempt: &Attempt,
        keeper: &Keeper,
    ) -> Vec<Share> {
        let shares = match &mut self.way {
            Way::One(path) => {
                let log = self.logs.at(path);
                let written = one(
                    log,
                    &mut self.renderer,
                    &mut self.lines,
                    batch,
                    attempt,
                    keeper,
                );
                vec![Share {
                    records: Part::Whole,
                    written: finish(log, written),
                }]
            }
            Way::Many(expander) => many(
                expander,
                &mut self.logs,
                &mut self.renderer,
                batch,
                attempt,
                keeper,
            ),
        };
        // A record far larger than the others leaves no trace in memory.
        self.lines.clear();
        self.lines.shrink_to(2 * PIECE);
        shares
    }
}

fn one(
    log: &mut Log,
    renderer: &mut Renderer,
    lines: &mut Vec<u8>,
    batch: &Batch,
    attempt: &Attempt,
    keeper: &Keeper,
) -> Result<(), Stopped> {
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
            begin(log, lines.len(), keeper)?;
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

fn many(
    expander: &mut Expander,
    logs: &mut Logs,
    renderer: &mut Renderer,
    batch: &Batch,
    attempt: &Attempt,
    keeper: &Keeper,
) -> Vec<Share> {
    let mut groups: Vec<(PathBuf, Vec<u8>, Vec<u32>)> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut path = String::new();
    let mut unread = batch.view().len();
    for (index, record) in (0..).zip(batch.view().records()) {
        unread -= 1;
        expander.expand(&record, &mut path);
        let at = known.get(&path).copied().unwrap_or_else(|| {
            groups.push((expander.base().join(&path), Vec::new(), Vec::new()));
            known.insert(path.clone(), groups.len() - 1);
            groups.len() - 1
        });
        let (_, lines, records) = &mut groups[at];
        renderer.line(&record, lines);
        records.push(index);
    }
    if unread > 0 {
        let outcome = failed(Stopped::Unreadable, expander.base());
        return vec![Share {
            records: Part::Whole,
            written: Err(outcome),
        }];
    }
    let share = |(path, lines, records): (PathBuf, Vec<u8>, Vec<u32>)| {
        let written = if attempt.is_cancelled() {
            Err(failed(Stopped::Cancelled, &path))
        } else {
            let log = logs.at(&path);
            let written = begin(log, lines.len(), keeper).and_then(|()| {
                log.put(&lines)
                    .map_err(|error| Stopped::By("write to", error))
            });
            finish(log, written)
        };
        Share {
            records: Part::Records(records),
            written,
        }
    };
    groups.into_iter().map(share).collect()
}

fn begin(log: &mut Log, bytes: usize, keeper: &Keeper) -> Result<(), Stopped> {
    let aside = log.begin(bytes as u64);
    if let Some(family) = aside.map_err(|error| Stopped::By("open", error))? {
        keeper.look_after(family);
    }
    Ok(())
}

/// Commits what was written to a file, or takes it back.
fn finish(log: &mut Log, written: Result<(), Stopped>) -> Result<Written, Outcome> {
    match written {
        Ok(()) => Ok(Written {
            number: log.commit(),
            commits: Arc::clone(log.commits()),
            file: log.handle_if_awaited(),
            path: log.path().to_path_buf(),
        }),
        Err(stopped) => {
            let outcome = failed(stopped, log.path());
            Err(log.take_back(outcome))
        }
    }
}

fn failed(stopped: Stopped, path: &Path) -> Outcome {
    match stopped {
        Stopped::Cancelled => Outcome::retry(Failure::new(
            Class::Cancelled,
            "the attempt was cancelled, and what it had written was cut off again",
        )),
        Stopped::Unreadable => Outcome::refused(Failure::new(
            Class::Invalid,
            "the batch holds a record that this version cannot read",
        )),
        Stopped::By(doing, error) => trouble::outcome(doing, path, &error),
    }
}
