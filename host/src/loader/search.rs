//! Which file a plugin's name means.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fs;
use std::path::{Path, PathBuf};

/// The file of the plugin `name`: `librolog_<name>.so`, `.dylib`, or `rolog_<name>.dll`. As Cargo
/// does, `-` becomes `_`.
pub fn file_name(name: &str) -> String {
    format!("{DLL_PREFIX}rolog_{}{DLL_SUFFIX}", name.replace('-', "_"))
}

/// The first folder that has the plugin.
pub(super) fn find(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    if !is_name(name) {
        return None;
    }
    folders
        .iter()
        .map(|folder| folder.join(file_name(name)))
        .find(|path| path.exists())
}

/// Every file that is named like a plugin, in the order in which they would be found. A folder that
/// does not exist has none.
pub(super) fn all(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in folders {
        let mut files: Vec<_> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| is_named_like_one(path))
            .collect();
        files.sort();
        found.extend(files);
    }
    found
}

/// Whether it can be part of a file's name, and of nothing else.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
}

fn is_named_like_one(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| name.strip_prefix(DLL_PREFIX))
        .and_then(|name| name.strip_prefix("rolog_"))
        .is_some_and(|name| name.ends_with(DLL_SUFFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_folder_wins_and_a_name_is_no_path() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        for place in [&one, &two] {
            fs::create_dir(place).unwrap();
            fs::write(place.join(file_name("my-own")), "").unwrap();
        }
        fs::write(one.join("notes.txt"), "").unwrap();
        let missing = folder.path().join("missing");
        let folders = [missing, one.clone(), two.clone()];
        assert_eq!(
            find("my-own", &folders),
            Some(one.join(file_name("my_own")))
        );
        assert_eq!(find("other", &folders), None);
        assert_eq!(find("../two/my-own", &folders), None);
        assert_eq!(
            all(&folders),
            [one.join(file_name("my-own")), two.join(file_name("my-own"))]
        );
    }
}
