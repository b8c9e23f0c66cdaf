//! Rotation: a file is put aside under a [name](name) of its own, and a new one begun.
//!
//! The steps, each of which leaves every line that was delivered in exactly one file:
//!
//! 1. the file is brought to the disk (unless `fsync: never`), then renamed, never over another;
//! 2. the next batch finds nothing at the path and makes the new file;
//! 3. beside the writing, the [keeper] lets go of what is beyond `keep`, and [packs](compress) the
//!    rest.
//!
//! A crash between any two of them is made good when the next instance starts. A rotation that is
//! refused (the folder may not be written to) is said and tried again later; records go on into the
//! old file meanwhile. So is trouble with a folder of a template, which stops no other folder's files.

mod compress;
mod keep;
mod keeper;
mod name;
mod notes;
mod schedule;
mod told;
mod tree;

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

pub(crate) use keeper::{AT_WORK, Keeper};
pub(crate) use name::{Family, Ours, is_rotated_name};
pub(crate) use notes::Notes;
pub(crate) use schedule::Schedule;

use name::Stamp;

/// Puts the file at `path` aside, and says under which name.
pub(crate) fn put_aside(path: &Path, ours: Ours) -> io::Result<PathBuf> {
    let family = Family::of(path);
    let newest = family.members(ours)?.last().map(|member| member.stamp);
    let mut stamp = Stamp::now().behind(newest);
    loop {
        let aside = family.rotated(stamp);
        match rename_to_free(path, &aside) {
            // Of a kind or an owner that is not ours.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                stamp = stamp.behind(Some(stamp));
            }
            renamed => return renamed.map(|()| aside),
        }
    }
}

fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that cannot do both in one step.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => match to.symlink_metadata() {
            Ok(_) => Err(ErrorKind::AlreadyExists.into()),
            Err(_) => std::fs::rename(from, to),
        },
        renamed => renamed.map_err(io::Error::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_put_aside_sorts_behind_what_was_and_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        let mut names = Vec::new();
        for n in 0..50 {
            fs::write(&path, n.to_string()).unwrap();
            names.push(put_aside(&path, Ours::default()).unwrap());
        }
        assert!(names.is_sorted());
        for (n, name) in names.iter().enumerate() {
            assert_eq!(fs::read_to_string(name).unwrap(), n.to_string());
        }
        assert!(!path.exists());
        assert!(put_aside(&path, Ours::default()).is_err());
    }

    #[test]
    fn a_name_that_is_taken_by_something_else_is_left_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        let taken = folder.path().join("taken");
        fs::write(&path, "mine").unwrap();
        fs::create_dir(&taken).unwrap();
        let error = rename_to_free(&path, &taken).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    }
}
