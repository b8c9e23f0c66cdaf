//! Trouble with rotated files, each said once.
//!
//! Everything is looked at anew every few minutes, and after each rotation. A folder in trouble stops
//! no other; it is told when it is first met, and again only when it is other trouble, or comes back.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What could not be done, and in which folder: of several files there the first stands for all.
type Place = (&'static str, PathBuf);

/// The trouble that one look met.
#[derive(Debug, Default)]
pub(super) struct Troubles(BTreeMap<Place, String>);

impl Troubles {
    /// `doing` this with something at `path`, in `folder`, has failed.
    pub(super) fn met(
        &mut self,
        doing: &'static str,
        folder: &Path,
        path: &str,
        error: &io::Error,
    ) {
        let place = (doing, folder.to_path_buf());
        let text =
            || format!("cannot {doing} {path}: {error}; it is tried again, and the rest goes on");
        self.0.entry(place).or_insert_with(text);
    }
}

/// The trouble that the last look met.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<Troubles>);

impl Told {
    /// Says what of it is new.
    pub(super) fn tell(&self, troubles: Troubles) {
        for text in self.news(troubles) {
            ::log::warn!("{text}");
        }
    }

    fn news(&self, troubles: Troubles) -> Vec<String> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = troubles.0.iter();
        let news = all.filter(|(place, text)| known.0.get(*place) != Some(*text));
        let news = news.map(|(_, text)| text.clone()).collect();
        *known = troubles;
        news
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn trouble_is_said_once_until_it_changes_or_comes_back() {
        let told = Told::default();
        let look = |met: &[(&'static str, &str, ErrorKind)]| {
            let mut troubles = Troubles::default();
            for (doing, path, kind) in met {
                let folder = Path::new(path).parent().unwrap();
                troubles.met(doing, folder, path, &(*kind).into());
            }
            told.news(troubles)
        };
        let denied = ErrorKind::PermissionDenied;
        let first = ("remove", "a/1", denied);
        let said = look(&[first, ("remove", "a/2", denied)]);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("cannot remove a/1: permission denied; "));
        assert!(look(&[first]).is_empty());
        assert_eq!(look(&[first, ("compress", "a/1", denied)]).len(), 1);
        assert_eq!(
            look(&[("remove", "a/1", ErrorKind::ReadOnlyFilesystem)]).len(),
            1
        );
        assert!(look(&[]).is_empty());
        assert_eq!(look(&[first, ("remove", "b/1", denied)]).len(), 2);
    }
}
