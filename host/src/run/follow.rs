//! Several files at once, as they grow.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use notify::{EventKind, RecursiveMode, Watcher};

use super::stop::{Stop, Waited};

/// Files are looked at this often even if nothing is heard of them: a folder that cannot be watched,
/// one on another machine, one that was replaced.
const GLANCE: Duration = Duration::from_secs(1);

/// Hears of changes of files.
pub(super) struct Ear {
    /// Readable once something was heard.
    heard: PipeReader,
    bell: Arc<Bell>,
    /// Dropped, it hears nothing.
    _watcher: Option<notify::RecommendedWatcher>,
}

struct Bell {
    /// Rung, and not heard yet: there is one byte in the pipe at most, so ringing never waits.
    rung: AtomicBool,
    pipe: PipeWriter,
}

impl Bell {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // The other end lives as long as the watcher that rings.
            drop((&self.pipe).write_all(b"!"));
        }
    }
}

impl Ear {
    /// For these files, whether they exist or not.
    ///
    /// # Errors
    /// When the process has no file descriptors left.
    pub(super) fn new<'a>(files: impl IntoIterator<Item = &'a Path>) -> io::Result<Self> {
        let (heard, pipe) = io::pipe()?;
        let bell = Arc::new(Bell {
            rung: AtomicBool::new(false),
            pipe,
        });
        let (mut folders, mut names) = (BTreeSet::new(), BTreeSet::new());
        for file in files {
            // Where a link leads, too: what is written happens there.
            for file in [std::path::absolute(file), file.canonicalize()] {
                let Ok(file) = file else { continue };
                names.extend(file.file_name().map(ToOwned::to_owned));
                folders.extend(file.parent().map(ToOwned::to_owned));
            }
        }
        Ok(Ear {
            heard,
            _watcher: watch(&folders, names, Arc::clone(&bell)),
            bell,
        })
    }

    /// Waits until something may have changed, or for `most`.
    pub(super) fn wait(&mut self, stop: &Stop, most: Option<Duration>) -> io::Result<Waited> {
        let most = most.map_or(GLANCE, |most| most.min(GLANCE));
        let waited = stop.wait_for(&self.heard, Some(most))?;
        if waited == Waited::Ready {
            self.heard.read_exact(&mut [0])?;
            self.bell.rung.store(false, Ordering::Release);
        }
        Ok(waited)
    }
}

/// Without a watcher, the files are looked at now and then.
fn watch(
    folders: &BTreeSet<PathBuf>,
    names: BTreeSet<OsString>,
    bell: Arc<Bell>,
) -> Option<notify::RecommendedWatcher> {
    let heard = move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else {
            return bell.ring();
        };
        let of_ours = |path: &PathBuf| path.file_name().is_some_and(|name| names.contains(name));
        let read = matches!(event.kind, EventKind::Access(_));
        if !read && (event.need_rescan() || event.paths.iter().any(of_ours)) {
            bell.ring();
        }
    };
    let mut watcher = notify::recommended_watcher(heard).ok()?;
    for folder in folders {
        // One that cannot be watched is looked at now and then.
        drop(watcher.watch(folder, RecursiveMode::NonRecursive));
    }
    Some(watcher)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_happens_to_a_file_is_heard_and_what_happens_beside_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let ours = folder.path().join("ours");
        let (stop, stopper) = Stop::new().unwrap();
        let mut ear = Ear::new([ours.as_path()]).unwrap();
        let moment = Some(Duration::from_millis(50));
        fs::write(folder.path().join("other"), "x").unwrap();
        assert_eq!(ear.wait(&stop, moment).unwrap(), Waited::Idle);
        for change in 0..3 {
            fs::write(&ours, format!("{change}")).unwrap();
            // GLANCE would end the wait as idle.
            assert_eq!(ear.wait(&stop, None).unwrap(), Waited::Ready);
            // The rest of what one write makes heard.
            while ear.wait(&stop, moment).unwrap() == Waited::Ready {}
        }
        stopper.ask("test");
        assert_eq!(ear.wait(&stop, None).unwrap(), Waited::Stopped);
    }
}
