//! Folders of servers, and whose they are.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Who a server runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// Whoever runs the test.
    Current,
    /// Somebody else, as only root can have it.
    Other {
        /// The user's id.
        uid: u32,
        /// The id of the user's group.
        gid: u32,
    },
}

impl User {
    /// For servers that refuse to run as root: the first of these users that there is, when root
    /// runs the test; otherwise whoever does.
    ///
    /// # Panics
    /// When root runs the test, and none of the users exists.
    pub fn unprivileged(names: &[&str]) -> User {
        if !rustix::process::geteuid().is_root() {
            return User::Current;
        }
        let known = fs::read_to_string("/etc/passwd").expect("the list of users can be read");
        let find = |name: &&str| known.lines().find_map(|line| ids(line, name));
        let (uid, gid) = names
            .iter()
            .find_map(find)
            .unwrap_or_else(|| panic!("none of the users {names:?} exists"));
        User::Other { uid, gid }
    }
}

/// The user's and the group's id, where a line of the list of users is this user's.
fn ids(line: &str, name: &str) -> Option<(u32, u32)> {
    let mut parts = line.split(':');
    if parts.next() != Some(name) {
        return None;
    }
    let uid = parts.nth(1)?.parse().ok()?;
    Some((uid, parts.next()?.parse().ok()?))
}

/// A temporary folder that a server may write to; removed with its value.
#[derive(Debug)]
pub struct Folder {
    folder: TempDir,
    user: User,
}

impl Folder {
    /// A new one, for this user. Its path is short enough for Unix sockets in it.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new(user: User) -> Folder {
        let folder = TempDir::with_prefix("rolog-").expect("a folder can be made");
        let new = Folder { folder, user };
        new.give(new.path());
        new
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Who it belongs to.
    pub fn user(&self) -> User {
        self.user
    }

    /// Writes a file that belongs to the folder's user, and says where it is.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.give(&path);
        path
    }

    /// Makes a folder in it that belongs to the same user, and says where it is.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn make(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.give(&path);
        path
    }

    fn give(&self, path: &Path) {
        if let User::Other { uid, gid } = self.user {
            chown(path, Some(uid), Some(gid)).expect("root can give files away");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_the_whole_name() {
        let line = "postgres:x:101:104:PostgreSQL administrator:/var/lib/postgresql:/bin/bash";
        assert_eq!(ids(line, "postgres"), Some((101, 104)));
        assert_eq!(ids(line, "post"), None);
    }
}
