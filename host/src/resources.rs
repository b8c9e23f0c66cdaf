//! What only one target may use at a time, by the names that plugins give it.
//!
//! A name is compared as it is written, except that a folder (`folder:/var/log`) is a resource with all
//! that lies in it: a file (`file:/var/log/app.jsonl`) or another folder.

use std::path::Path;

/// How two resources are in each other's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overlap {
    /// They are one.
    Same,
    /// The first lies in the second.
    In,
    /// The second lies in the first.
    Around,
}

/// Whether two resources are in each other's way, and how.
pub(crate) fn overlap(one: &str, other: &str) -> Option<Overlap> {
    if one == other {
        Some(Overlap::Same)
    } else if lies_in(one, other) {
        Some(Overlap::In)
    } else if lies_in(other, one) {
        Some(Overlap::Around)
    } else {
        None
    }
}

/// Whether two users of these would be in each other's way.
pub(crate) fn any_shared(one: &[String], other: &[String]) -> bool {
    let shared = |one: &String| other.iter().any(|other| overlap(one, other).is_some());
    one.iter().any(shared)
}

fn lies_in(inner: &str, outer: &str) -> bool {
    let Some(folder) = outer.strip_prefix("folder:") else {
        return false;
    };
    let inner = inner
        .strip_prefix("file:")
        .or_else(|| inner.strip_prefix("folder:"));
    inner.is_some_and(|path| Path::new(path).starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_shared_by_whoever_uses_what_lies_in_it() {
        for (one, other, how) in [
            ("file:/a/b", "file:/a/b", Some(Overlap::Same)),
            ("sqlite:/a:t", "sqlite:/a:t", Some(Overlap::Same)),
            ("file:/a/b", "folder:/a", Some(Overlap::In)),
            ("folder:/a/b/c", "folder:/a", Some(Overlap::In)),
            ("folder:/", "file:/a/b", Some(Overlap::Around)),
            ("folder:/a", "folder:/a", Some(Overlap::Same)),
            ("file:/a/b", "file:/a", None),
            ("file:/ab", "folder:/a", None),
            ("folder:/a", "folder:/ab", None),
            ("inode:1:2", "folder:/a", None),
            ("other:/a/b", "folder:/a", None),
        ] {
            assert_eq!(overlap(one, other), how, "{one} {other}");
            let lists = [one, other].map(|name| vec![name.to_owned(), "x".to_owned() + name]);
            assert_eq!(any_shared(&lists[0], &lists[1]), how.is_some());
        }
    }
}
