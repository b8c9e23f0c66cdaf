//! Which files of a template the target made, so that those nobody writes to any more are found.
//!
//! A file that is open is put aside when its time has come. One that was closed to make room for
//! others, or that a process left when it ended, is not open; and a file that merely lies where the
//! template leads may be another program's. So each file that is made is noted in `.rolog-files` in the
//! base directory, a path on a line, and no other is ever put aside without being written to. Where the
//! notes are lost, files stay.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::told::{Told, Troubles};
use super::{Family, Ours, Schedule, put_aside};
use crate::lock;
use crate::path::{Template, refuse_outside};

const NAME: &str = ".rolog-files";

/// The notes of a base directory.
#[derive(Debug)]
pub(crate) struct Notes {
    template: Template,
    ours: Ours,
    told: Told,
}

impl Notes {
    pub(crate) fn new(template: Template, ours: Ours) -> Self {
        Notes {
            template,
            ours,
            told: Told::default(),
        }
    }

    fn path(&self) -> PathBuf {
        self.template.base().join(NAME)
    }

    /// Notes that the file at `path` was made.
    pub(crate) fn add(&self, path: &Path) -> io::Result<()> {
        let Some(noted) = path
            .strip_prefix(self.template.base())
            .ok()
            .and_then(Path::to_str)
        else {
            return Ok(());
        };
        let mut notes = File::options()
            .append(true)
            .create(true)
            .open(self.path())?;
        // In one piece; a line that a crash cut short leads nowhere.
        notes.write_all(format!("{noted}\n").as_bytes())
    }

    /// Puts aside the noted files whose time has come and that are not `open`, and forgets those that
    /// are gone. What cannot be put aside is said, and stays noted. To be called while no file is made.
    pub(crate) fn put_aside(
        &self,
        schedule: &Schedule,
        open: impl Fn(&Path) -> bool,
    ) -> io::Result<Vec<Family>> {
        let text = match fs::read_to_string(self.path()) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            text => text?,
        };
        let noted: BTreeSet<&str> = text.lines().collect();
        let mut left = BTreeSet::new();
        let mut aside = Vec::new();
        let mut troubles = Troubles::default();
        for line in noted {
            if !self.template.matches(line.split('/')) {
                continue;
            }
            let path = self.template.base().join(line);
            if open(&path) {
                left.insert(line);
                continue;
            }
            match self.put_aside_if_past(&path, schedule) {
                Ok(Noted::Gone) => {}
                Ok(Noted::Current) => {
                    left.insert(line);
                }
                Ok(Noted::Aside) => aside.push(Family::of(&path)),
                Err(error) => {
                    let folder = path.parent().unwrap_or(self.template.base());
                    let path = path.display().to_string();
                    troubles.met("put aside", folder, &path, &error);
                    left.insert(line);
                }
            }
        }
        self.told.tell(troubles);
        if left.len() != text.lines().count() {
            self.rewrite(&left)?;
        }
        Ok(aside)
    }

    fn put_aside_if_past(&self, path: &Path, schedule: &Schedule) -> io::Result<Noted> {
        Ok(match is_past(path, self.ours, schedule)? {
            None => Noted::Gone,
            Some(false) => Noted::Current,
            Some(true) => {
                refuse_outside(self.template.base(), path)?;
                put_aside(path, self.ours)?;
                Noted::Aside
            }
        })
    }

    fn rewrite(&self, lines: &BTreeSet<&str>) -> io::Result<()> {
        let text: String = lines.iter().flat_map(|line| [*line, "\n"]).collect();
        let next = self.template.base().join(format!("{NAME}.part"));
        fs::write(&next, text)?;
        fs::rename(&next, self.path())
    }
}

/// What became of a noted file.
enum Noted {
    /// There is none of ours.
    Gone,
    /// Its time has not come.
    Current,
    Aside,
}

/// Whether a file was last written to before the last turn. `None` where there is none of ours.
fn is_past(path: &Path, ours: Ours, schedule: &Schedule) -> io::Result<Option<bool>> {
    let data = match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        data => data?,
    };
    if !ours.has(&data) {
        return Ok(None);
    }
    let modified = Timestamp::try_from(data.modified()?).map_err(io::Error::other)?;
    let past = schedule
        .after(modified)
        .is_some_and(|turn| turn <= Timestamp::now());
    // Another process that writes to it has it locked.
    Ok(Some(
        past && lock::take(&File::options().append(true).open(path)?).is_ok(),
    ))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::config::Every;
    use crate::zone::Zone;

    #[test]
    fn only_noted_files_whose_time_has_come_and_that_are_not_open_are_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().to_path_buf();
        let template = Template::read("logs/{logger}/{date}.log").unwrap().unwrap();
        let notes = Notes::new(template.below(base.clone()), Ours::default());
        let schedule = Schedule::new(Every::Day, Zone::default());
        assert_eq!(notes.put_aside(&schedule, |_| false).unwrap(), []);
        let old = SystemTime::now() - Duration::from_hours(48);
        let make = |name: &str, modified: SystemTime| {
            let path = base.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "line\n").unwrap();
            let file = File::options().write(true).open(&path).unwrap();
            file.set_modified(modified).unwrap();
            path
        };
        for (name, modified) in [
            ("shop/2026-11-20.log", old),
            ("shop/2026-11-21.log", old),
            ("shop/2026-11-22.log", SystemTime::now()),
            ("shop/other.txt", old),
        ] {
            notes.add(&make(name, modified)).unwrap();
        }
        notes.add(&base.join("shop/2026-11-01.log")).unwrap();
        let stranger = make("web/2026-11-20.log", old);
        let open = base.join("shop/2026-11-21.log");
        let aside = notes.put_aside(&schedule, |path| path == open).unwrap();
        assert_eq!(aside, [Family::of(&base.join("shop/2026-11-20.log"))]);
        assert_eq!(aside[0].members(Ours::default()).unwrap().len(), 1);
        assert!(stranger.exists() && base.join("shop/other.txt").exists());
        let left = fs::read_to_string(notes.path()).unwrap();
        assert_eq!(left, "shop/2026-11-21.log\nshop/2026-11-22.log\n");
        // What a link that came since leads to is not ours.
        let outside = tempfile::tempdir().unwrap();
        let strange = outside.path().join("2026-11-21.log");
        fs::rename(base.join("shop"), base.join("moved")).unwrap();
        std::os::unix::fs::symlink(outside.path(), base.join("shop")).unwrap();
        fs::copy(base.join("moved/2026-11-21.log"), &strange).unwrap();
        let file = File::options().write(true).open(&strange).unwrap();
        file.set_modified(old).unwrap();
        assert_eq!(notes.put_aside(&schedule, |_| false).unwrap(), []);
        assert!(strange.exists());
        fs::remove_file(base.join("shop")).unwrap();
        fs::rename(base.join("moved"), base.join("shop")).unwrap();
        let aside = notes.put_aside(&schedule, |_| false).unwrap();
        assert_eq!(aside, [Family::of(&open)]);
    }
}
