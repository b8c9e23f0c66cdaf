//! Noticing that a file changed, however it was changed.
//!
//! What is watched is the folder of each file, and the folder of what a link in the file's path
//! points to: editors rename a new file over the old one, `ConfigMap`s swap a link to a folder, and
//! a file may be gone for a while or appear only later. Whatever happens in those folders, the files'
//! content decides: a change is told when it has been still for a moment and differs from what was
//! seen before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecursiveMode, Watcher};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

/// How long the files must be left alone before they are looked at.
const STILL: Duration = Duration::from_millis(50);

/// How long they are waited for at most: something else in their folder, such as a log, may never be
/// left alone.
const STIRRING: Duration = Duration::from_millis(500);

/// How often the files are looked at without an event: a folder that was replaced, or that cannot be
/// watched, is found again.
const GLANCE: Duration = Duration::from_secs(2);

/// No file that is read is larger: not a pipeline's, and no library either.
const MOST_BYTES: u64 = 512 << 20;

/// Watches files until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    /// `None` once it is to end.
    orders: Option<Sender<Order>>,
}

enum Order {
    /// Something happened in a folder.
    Stirred,
    /// Watch these from now on, of which some were not to be had.
    Files(BTreeSet<PathBuf>, BTreeSet<PathBuf>),
}

impl Watch {
    /// Watches `files`, which need not exist, and sends through `changes` when one of them differs
    /// from what it was. A send that finds the channel full is as good as the one that is in it.
    pub(crate) fn start(
        files: BTreeSet<PathBuf>,
        changes: mpsc::Sender<()>,
    ) -> Result<Watch, std::io::Error> {
        let (orders, inbox) = channel();
        let stirred = orders.clone();
        thread::Builder::new()
            .name("rolog-watch".to_owned())
            .spawn(move || {
                let mut eyes = Eyes::new(files, stirred);
                loop {
                    match inbox.recv_timeout(GLANCE) {
                        Ok(Order::Files(files, missed)) => {
                            eyes.look_at(files, &missed);
                            continue;
                        }
                        Ok(Order::Stirred) => {
                            // Until nothing has stirred for a moment.
                            let end = Instant::now() + STIRRING;
                            while let Ok(order) = inbox.recv_timeout(STILL) {
                                if let Order::Files(files, missed) = order {
                                    eyes.look_at(files, &missed);
                                }
                                if Instant::now() >= end {
                                    break;
                                }
                            }
                        }
                        Err(RecvTimeoutError::Timeout) => {}
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                    if changes.is_closed() {
                        return;
                    }
                    if eyes.has_changed() {
                        // Full: the reader has not yet looked at the change before, and will see both.
                        let _ = changes.try_send(());
                    }
                }
            })?;
        Ok(Watch {
            orders: Some(orders),
        })
    }

    /// Watches these files from now on. Those in `missed` could not be read when they were wanted: that
    /// they can be read is a change, whatever is in them.
    pub(crate) fn set_files(&self, files: BTreeSet<PathBuf>, missed: BTreeSet<PathBuf>) {
        if let Some(orders) = &self.orders {
            // The thread ends only when its reader is gone.
            let _ = orders.send(Order::Files(files, missed));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.orders = None;
    }
}

/// What is seen of the files.
struct Eyes {
    /// And the digest of what was in them.
    files: BTreeMap<PathBuf, Option<[u8; 32]>>,
    folders: BTreeSet<PathBuf>,
    watcher: Option<notify::RecommendedWatcher>,
    stirred: Sender<Order>,
}

impl Eyes {
    fn new(files: BTreeSet<PathBuf>, stirred: Sender<Order>) -> Self {
        let mut eyes = Eyes {
            files: BTreeMap::new(),
            folders: BTreeSet::new(),
            watcher: None,
            stirred,
        };
        eyes.look_at(files, &BTreeSet::new());
        eyes
    }

    /// A file that is new here counts as changed at the next look: it may have changed between the
    /// moment when the configuration was read and this one. Reading once more for nothing is cheap. So
    /// does one that was missed, and may be there by now.
    fn look_at(&mut self, files: BTreeSet<PathBuf>, missed: &BTreeSet<PathBuf>) {
        let mut seen = std::mem::take(&mut self.files);
        for file in files {
            let content = seen.remove(&file).filter(|_| !missed.contains(&file));
            if content.is_none() {
                // The thread that looks is this one.
                let _ = self.stirred.send(Order::Stirred);
            }
            self.files.insert(file, content.flatten());
        }
        self.watch_folders();
    }

    /// Whether a file differs from what it was at the last look. A file that is gone is waited for:
    /// it differs when it is there again with another content.
    fn has_changed(&mut self) -> bool {
        self.watch_folders();
        let mut changed = false;
        for (file, content) in &mut self.files {
            let now = read(file);
            if now.is_some() && now != *content {
                *content = now;
                changed = true;
            }
        }
        changed
    }

    /// Watches the folders in which something may happen to the files, as they are by now.
    fn watch_folders(&mut self) {
        let folders: BTreeSet<PathBuf> = self.files.keys().flat_map(|file| folders(file)).collect();
        if folders == self.folders && self.watcher.is_some() {
            return;
        }
        let stirred = self.stirred.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // To look at a file is an event too, and must not lead to the next look.
            if event.is_ok_and(|event| is_look(event.kind)) {
                return;
            }
            // Whatever else it was, the files are looked at; the thread that looks may have ended.
            let _ = stirred.send(Order::Stirred);
        });
        // Without a watcher, or for a folder that it refuses, the glances remain.
        self.watcher = watcher.ok().map(|mut watcher| {
            for folder in &folders {
                let _ = watcher.watch(folder, RecursiveMode::NonRecursive);
            }
            watcher
        });
        self.folders = folders;
    }
}

/// The digest of what is in a file. Of a pipe, whose reader waits for a writer, and of what is far
/// larger than any file that is meant, it is none, as if they were not there.
fn read(file: &Path) -> Option<[u8; 32]> {
    let data = std::fs::metadata(file).ok()?;
    if !data.is_file() || data.len() > MOST_BYTES {
        return None;
    }
    let content = std::fs::read(file).ok()?;
    Some(Sha256::digest(content).into())
}

/// Whether nothing can have changed by it.
fn is_look(kind: EventKind) -> bool {
    let wrote = AccessKind::Close(AccessMode::Write);
    matches!(kind, EventKind::Access(access) if access != wrote)
}

/// The folder of a file, and those that links on its way lead to; the nearest that exists, where it
/// does not.
fn folders(file: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut next = Some(file.to_path_buf());
    for _ in 0..16 {
        let Some(path) = next.take() else {
            break;
        };
        let folder = path.parent().unwrap_or(Path::new("/"));
        let exists = folder.ancestors().find(|folder| folder.is_dir());
        found.extend(exists.map(Path::to_path_buf));
        // The link itself, or one of the folders above it.
        next = path.ancestors().find_map(|part| {
            let target = std::fs::read_link(part).ok()?;
            let rest = path.strip_prefix(part).ok()?;
            Some(
                part.parent()
                    .unwrap_or(Path::new("/"))
                    .join(target)
                    .join(rest),
            )
        });
    }
    found
}
