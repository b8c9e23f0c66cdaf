//! Names for a file that are the same whichever way a configuration writes them.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// As many symbolic links as the kernel follows.
const MOST_LINKS: usize = 40;

/// The names of the folder at `path`, below which a target writes.
pub(crate) fn folder_resources(path: &Path) -> io::Result<Vec<String>> {
    let real = real_path(path)?;
    Ok(vec![format!("folder:{}", real.display())])
}

/// The names of the file at `path`: where it really is (or will be), and which file it is (hard
/// links have different places and are one file).
pub(crate) fn resources(path: &Path) -> io::Result<Vec<String>> {
    let real = real_path(path)?;
    let mut names = vec![format!("file:{}", real.display())];
    if let Ok(data) = fs::metadata(&real) {
        names.push(format!("inode:{}:{}", data.dev(), data.ino()));
    }
    Ok(names)
}

/// Where `path` leads when every link is followed, whether or not there is a file yet.
pub(crate) fn real_path(path: &Path) -> io::Result<PathBuf> {
    let mut real = PathBuf::new();
    // What is still to be walked, the next step last.
    let mut steps = steps_of(&std::path::absolute(path)?);
    let mut links = 0;
    while let Some(step) = steps.pop() {
        if step == ".." {
            real.pop();
            continue;
        }
        real.push(&step);
        if let Ok(target) = fs::read_link(&real) {
            links += 1;
            if links > MOST_LINKS {
                return Err(io::Error::other("too many symbolic links"));
            }
            real.pop();
            steps.extend(steps_of(&target));
        }
    }
    Ok(real)
}

/// Refuses a `path` that lies out of `base` once every link on the way is followed.
pub(crate) fn refuse_outside(base: &Path, path: &Path) -> io::Result<()> {
    let (base, real) = (real_path(base)?, real_path(path)?);
    if real.starts_with(&base) {
        return Ok(());
    }
    Err(io::Error::new(
        ErrorKind::PermissionDenied,
        format!(
            "a link leads to {}, out of {}",
            real.display(),
            base.display()
        ),
    ))
}

fn steps_of(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter(|part| *part != Component::CurDir)
        .map(|part| part.as_os_str().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn names(path: impl AsRef<Path>) -> Vec<String> {
        resources(path.as_ref()).unwrap()
    }

    #[test]
    fn one_file_has_one_name_before_it_exists_and_after() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("logs")).unwrap();
        symlink("logs", at("link")).unwrap();
        symlink("logs/app.jsonl", at("dangling")).unwrap();
        symlink(at("link/app.jsonl"), at("chain")).unwrap();
        let ways = [
            "logs/app.jsonl",
            "logs/./../logs/app.jsonl",
            "link/app.jsonl",
            "dangling",
            "chain",
        ];
        for way in ways {
            assert_eq!(names(at(way)), names(at("logs/app.jsonl")), "{way}");
        }
        assert_ne!(names(at("logs/other")), names(at("logs/app.jsonl")));
        let before = names(at("chain"));
        fs::write(at("logs/app.jsonl"), "").unwrap();
        for way in ways {
            let names = names(at(way));
            assert_eq!((names.len(), &names[0]), (2, &before[0]), "{way}");
        }
    }

    #[test]
    fn a_hard_link_is_found_out() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        fs::write(&one, "").unwrap();
        fs::hard_link(&one, &other).unwrap();
        assert_eq!(names(&one)[1], names(&other)[1]);
    }

    #[test]
    fn folders_that_do_not_exist_yet_and_links_in_a_ring() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert_eq!(names(at("new/deep/app")), names(at("new/./deep//app")));
        symlink("ring", at("ring")).unwrap();
        assert!(resources(&at("ring")).is_err());
    }
}
