//! Where each setting stands, kept after the file has been read: for what is found out later, such as
//! a plugin's refusal.

use std::fmt;
use std::sync::Arc;

use super::path::{SettingPath, Step};
use super::problem::Place;
use super::tree::{Item, ItemKind};

/// The places of a pipeline's settings. Empty for a pipeline built in code.
#[derive(Clone)]
pub struct Places {
    file: Arc<str>,
    root: Option<Arc<Mark>>,
}

struct Mark {
    /// The key's place, for an entry of a map; else the value's.
    key: Place,
    value: Place,
    below: Below,
}

enum Below {
    Nothing,
    List(Vec<Mark>),
    Map(Vec<(String, Mark)>),
}

impl Places {
    pub(crate) fn of(file: Arc<str>, root: &Item) -> Self {
        Places {
            file,
            root: Some(Arc::new(mark(root, root.place))),
        }
    }

    pub(crate) fn none(file: Arc<str>) -> Self {
        Places { file, root: None }
    }

    /// The file as it was named, or what stands for it.
    pub fn file(&self) -> &str {
        &self.file
    }

    pub(crate) fn shared_file(&self) -> Arc<str> {
        Arc::clone(&self.file)
    }

    /// Where the value of a setting stands; of one that is not there, that of what it would be in.
    pub fn value(&self, path: &SettingPath) -> Option<Place> {
        self.find(path).map(|mark| mark.value)
    }

    /// Where the key of a setting stands; of one that is not there, that of what it would be in.
    pub fn key(&self, path: &SettingPath) -> Option<Place> {
        self.find(path).map(|mark| mark.key)
    }

    /// Where the key of an entry of a map stands, by the entry's number in the file, from 0.
    pub(crate) fn nth_key(&self, path: &SettingPath, index: usize) -> Option<Place> {
        match &self.find(path)?.below {
            Below::Map(entries) => entries.get(index).map(|(_, mark)| mark.key),
            Below::List(_) | Below::Nothing => None,
        }
    }

    fn find(&self, path: &SettingPath) -> Option<&Mark> {
        let mut mark = self.root.as_deref()?;
        for step in path.steps() {
            let below = match (&mark.below, step) {
                (Below::List(items), Step::Index(index)) => items.get(*index),
                (Below::Map(entries), Step::Key(key)) => {
                    entries.iter().find(|(name, _)| name == key).map(|(_, m)| m)
                }
                _ => None,
            };
            match below {
                Some(below) => mark = below,
                None => break,
            }
        }
        Some(mark)
    }

    /// The path of an item of a list of names, which may also be written as one name.
    pub(crate) fn list_item(&self, list: &SettingPath, index: usize) -> SettingPath {
        let item = list.index(index);
        if self.root.is_none() || self.exact(&item).is_some() {
            item
        } else {
            list.clone()
        }
    }

    /// Completes `from` by a path that a plugin wrote, such as `tls.certs[0].path` or the JSON
    /// pointer `/tls/certs/0/path`. Keys that contain dots are found by what the file has. Steps that
    /// the file does not have are taken as they are written.
    pub(crate) fn resolve(&self, from: &SettingPath, written: &str) -> SettingPath {
        let mut path = from.clone();
        let mut mark = self.exact(from);
        let pointer = written.starts_with('/');
        let mut rest = written.trim_start_matches(['.', '$', '/']);
        while !rest.is_empty() {
            let (step, after) = match mark.map(|mark| &mark.below) {
                Some(Below::Map(entries)) => longest_key(entries, rest, pointer),
                _ => None,
            }
            .unwrap_or_else(|| next_step(rest, pointer));
            mark = mark.and_then(|mark| match (&mark.below, &step) {
                (Below::List(items), Step::Index(index)) => items.get(*index),
                (Below::Map(entries), Step::Key(key)) => {
                    entries.iter().find(|(name, _)| name == key).map(|(_, m)| m)
                }
                _ => None,
            });
            path.push(step);
            rest = after;
        }
        path
    }

    /// Whether the file has this setting.
    pub(crate) fn has(&self, path: &SettingPath) -> bool {
        self.exact(path).is_some()
    }

    fn exact(&self, path: &SettingPath) -> Option<&Mark> {
        let mut mark = self.root.as_deref()?;
        for step in path.steps() {
            mark = match (&mark.below, step) {
                (Below::List(items), Step::Index(index)) => items.get(*index)?,
                (Below::Map(entries), Step::Key(key)) => {
                    &entries.iter().find(|(name, _)| name == key)?.1
                }
                _ => return None,
            };
        }
        Some(mark)
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Places({})", self.file)
    }
}

fn mark(item: &Item, key: Place) -> Mark {
    let below = match &item.kind {
        ItemKind::List(items) => {
            Below::List(items.iter().map(|item| mark(item, item.place)).collect())
        }
        ItemKind::Map(entries) => Below::Map(
            entries
                .iter()
                .map(|entry| (entry.key.clone(), mark(&entry.item, entry.place)))
                .collect(),
        ),
        _ => Below::Nothing,
    };
    Mark {
        key,
        value: item.place,
        below,
    }
}

/// The longest key of a map with which a written path goes on.
fn longest_key<'w>(
    entries: &[(String, Mark)],
    rest: &'w str,
    pointer: bool,
) -> Option<(Step, &'w str)> {
    entries
        .iter()
        .filter_map(|(key, _)| {
            let after = rest.strip_prefix(key.as_str())?;
            let ends = if pointer {
                after.is_empty() || after.starts_with('/')
            } else {
                after.is_empty() || after.starts_with(['.', '['])
            };
            (ends && !key.is_empty()).then_some((key, after))
        })
        .max_by_key(|(key, _)| key.len())
        .map(|(key, after)| (Step::Key(key.clone()), skip_separator(after)))
}

/// One step of a written path, whatever the file has.
fn next_step(rest: &str, pointer: bool) -> (Step, &str) {
    if !pointer
        && let Some(inner) = rest.strip_prefix('[')
        && let Some((index, after)) = inner.split_once(']')
        && let Ok(index) = index.parse()
    {
        return (Step::Index(index), skip_separator(after));
    }
    let separators: &[char] = if pointer { &['/'] } else { &['.', '['] };
    // At least one character, so that every step makes the rest shorter.
    let first = rest.chars().next().map_or(0, char::len_utf8);
    let end = rest[first..]
        .find(separators)
        .map_or(rest.len(), |at| first + at);
    let (text, after) = rest.split_at(end);
    let step = match text.parse() {
        Ok(index) if pointer => Step::Index(index),
        _ => Step::Key(text.to_owned()),
    };
    (step, skip_separator(after))
}

fn skip_separator(after: &str) -> &str {
    after.strip_prefix(['.', '/']).unwrap_or(after)
}
