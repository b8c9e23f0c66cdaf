//! How settings are read from the tree and listed for the docs: one declaration serves both.
//!
//! A section (a map of settings) implements [`Keys`]: one line for each key, with its meaning and the
//! field that holds its default. The same lines read a file, refuse what is unknown, and make the
//! table of defaults, so that the three cannot differ.

use std::cell::RefCell;
use std::sync::Arc;

use super::path::SettingPath;
use super::problem::{Problem, quoted};
use super::recovery::OrOff;
use super::table::Row;
use super::tree::{Entry, Item, ItemKind};

/// Where problems are collected.
pub(crate) struct Sink {
    file: Arc<str>,
    problems: RefCell<Vec<Problem>>,
}

impl Sink {
    pub(crate) fn new(file: Arc<str>) -> Self {
        Sink {
            file,
            problems: RefCell::default(),
        }
    }

    pub(crate) fn push(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    pub(crate) fn len(&self) -> usize {
        self.problems.borrow().len()
    }

    /// What would have been right, for the problems after the first `from`.
    pub(crate) fn expect_instead(&self, from: usize, expected: &str) {
        for problem in &mut self.problems.borrow_mut()[from..] {
            problem.expected = Some(expected.to_owned());
        }
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }
}

/// A value in the tree, with the path that leads to it.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    pub(crate) item: &'a Item,
    pub(crate) path: SettingPath,
    pub(crate) sink: &'a Sink,
}

impl<'a> Cursor<'a> {
    /// Reports a problem at this value.
    pub(crate) fn refuse(&self, what: impl Into<String>, expected: impl Into<String>) {
        self.sink.push(self.problem(what).expected(expected));
    }

    /// A problem at this value that is not reported yet.
    pub(crate) fn problem(&self, what: impl Into<String>) -> Problem {
        Problem::new(Arc::clone(&self.sink.file), self.path.clone(), what).at(Some(self.item.place))
    }

    /// Reports that this value is of the wrong kind, unless it has been reported as broken.
    pub(crate) fn wrong_kind(&self, expected: impl Into<String>) {
        match self.item.kind {
            ItemKind::Broken => {}
            ItemKind::Null { .. } => self.refuse("has no value", expected),
            _ => self.refuse(format!("is {}", self.item.describe()), expected),
        }
    }

    /// Whether this value is the word `off`.
    pub(crate) fn is_off(&self) -> bool {
        matches!(&self.item.kind, ItemKind::Text(text) if text == "off")
    }

    /// The text of this value, or a report.
    pub(crate) fn text(&self, expected: impl Into<String>) -> Option<&'a str> {
        if let ItemKind::Text(text) = &self.item.kind {
            Some(text)
        } else {
            self.wrong_kind(expected);
            None
        }
    }

    /// The text of this value, parsed, or a report.
    pub(crate) fn parsed<T>(&self, expected: &str) -> Option<T>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        let text = self.text(expected)?;
        text.parse()
            .map_err(|error| self.refuse(format!("{}: {error}", quoted(text)), expected))
            .ok()
    }

    /// The entries of this map, or a report.
    pub(crate) fn entries(&self, expected: &str) -> Option<&'a [Entry]> {
        if let ItemKind::Map(entries) = &self.item.kind {
            Some(entries)
        } else {
            self.wrong_kind(expected);
            None
        }
    }

    /// The value of one of this map's entries.
    pub(crate) fn entry(&self, entry: &'a Entry) -> Cursor<'a> {
        Cursor {
            item: &entry.item,
            path: self.path.key(&entry.key),
            sink: self.sink,
        }
    }

    /// Reports a problem at the key of one of this map's entries.
    pub(crate) fn refuse_key(&self, entry: &Entry, what: impl Into<String>, expected: &str) {
        let path = self.path.key(&entry.key);
        self.sink.push(
            Problem::new(Arc::clone(&self.sink.file), path, what)
                .at(Some(entry.place))
                .expected(expected),
        );
    }

    /// The items of this list, or a report.
    pub(crate) fn items(&self, expected: &str) -> Option<Vec<Cursor<'a>>> {
        if let ItemKind::List(items) = &self.item.kind {
            let cursors = items.iter().enumerate().map(|(index, item)| Cursor {
                item,
                path: self.path.index(index),
                sink: self.sink,
            });
            Some(cursors.collect())
        } else {
            self.wrong_kind(expected);
            None
        }
    }
}

/// A value that one key sets.
pub(crate) trait Setting: Sized {
    /// What a reader may write, for messages and the table.
    fn expected() -> String;
    /// Reads it, or reports why not.
    fn read(cursor: &Cursor<'_>) -> Option<Self>;
    /// Its form in the table of defaults.
    fn show(&self) -> String;
}

/// A map of settings.
pub(crate) trait Keys {
    /// Declares each key, in the order of the docs.
    fn keys(&mut self, section: &mut Section<'_>);

    /// Reads a map into this section, which holds the defaults.
    fn fill(&mut self, cursor: &Cursor<'_>) {
        if let Some(entries) = cursor.entries("a map of settings") {
            let mut section = Section {
                mode: Mode::Read { cursor, entries },
                known: Vec::new(),
            };
            self.keys(&mut section);
            section.refuse_unknown();
        }
    }
}

/// A section while its keys are declared.
pub(crate) struct Section<'a> {
    mode: Mode<'a>,
    known: Vec<&'static str>,
}

enum Mode<'a> {
    Read {
        cursor: &'a Cursor<'a>,
        entries: &'a [Entry],
    },
    Describe {
        prefix: String,
        rows: &'a mut Vec<Row>,
    },
    Values {
        prefix: String,
        values: &'a mut Vec<(String, String)>,
    },
}

impl<'a> Section<'a> {
    pub(crate) fn describe(prefix: &str, rows: &'a mut Vec<Row>) -> Self {
        Section {
            mode: Mode::Describe {
                prefix: prefix.to_owned(),
                rows,
            },
            known: Vec::new(),
        }
    }

    /// Collects each key's path and value, as a file would have it.
    pub(crate) fn values(prefix: &str, values: &'a mut Vec<(String, String)>) -> Self {
        Section {
            mode: Mode::Values {
                prefix: prefix.to_owned(),
                values,
            },
            known: Vec::new(),
        }
    }

    /// A key that sets `field`, which holds its default.
    pub(crate) fn key<T: Setting>(
        &mut self,
        name: &'static str,
        meaning: &'static str,
        field: &mut T,
    ) {
        if let Some(cursor) = self.found(name) {
            if let Some(value) = T::read(&cursor) {
                *field = value;
            }
        } else {
            self.row(name, &T::expected(), field.show(), meaning);
            self.value(name, || field.show());
        }
    }

    /// A key without a default, which must be there.
    pub(crate) fn required<T: Setting>(
        &mut self,
        name: &'static str,
        meaning: &'static str,
        field: &mut Option<T>,
    ) {
        if let Some(cursor) = self.found(name) {
            *field = T::read(&cursor);
        } else if let Mode::Read { cursor, .. } = &self.mode {
            cursor.refuse(format!("`{name}` is missing"), T::expected());
        } else {
            self.row(name, &T::expected(), "required".to_owned(), meaning);
            if let Some(field) = field {
                self.value(name, || field.show());
            }
        }
    }

    /// A key whose value is a section itself.
    pub(crate) fn nested<T: Keys>(&mut self, name: &'static str, field: &mut T) {
        if let Some(cursor) = self.found(name) {
            field.fill(&cursor);
        } else if let Mode::Describe { prefix, rows } = &mut self.mode {
            let prefix = format!("{prefix}{name}.");
            field.keys(&mut Section::describe(&prefix, rows));
        } else if let Mode::Values { prefix, values } = &mut self.mode {
            let prefix = format!("{prefix}{name}.");
            field.keys(&mut Section::values(&prefix, values));
        }
    }

    /// A key whose value is a section itself, or `off`.
    pub(crate) fn nested_or_off<T: Keys + Default>(
        &mut self,
        name: &'static str,
        meaning: &'static str,
        field: &mut OrOff<T>,
    ) {
        const FORM: &str = "`off`, or a map of settings";
        if let Some(cursor) = self.found(name) {
            match cursor.item.kind {
                ItemKind::Map(_) => {
                    let mut value = T::default();
                    value.fill(&cursor);
                    *field = OrOff::On(value);
                }
                _ if cursor.is_off() => *field = OrOff::Off,
                _ => cursor.wrong_kind(FORM),
            }
            return;
        }
        self.value(name, || match field {
            OrOff::Off => "off".to_owned(),
            OrOff::On(field) => {
                let mut values = Vec::new();
                field.keys(&mut Section::values("", &mut values));
                let values = values.iter().map(|(key, value)| format!("{key}: {value}"));
                format!("{{ {} }}", values.collect::<Vec<_>>().join(", "))
            }
        });
        let default = if field.is_off() {
            "off"
        } else {
            "the settings below"
        };
        self.row(name, FORM, default.to_owned(), meaning);
        self.describe_each(name, T::default());
    }

    /// A key whose value the caller reads; `values` and `default` are for the table.
    pub(crate) fn own(
        &mut self,
        name: &'static str,
        meaning: &'static str,
        values: &str,
        default: &str,
    ) -> Option<Cursor<'a>> {
        let found = self.found(name);
        if found.is_none() {
            self.row(name, values, default.to_owned(), meaning);
        }
        found
    }

    /// Lists the keys of a section that occurs many times under free names.
    pub(crate) fn describe_each<T: Keys>(&mut self, name: &str, mut example: T) {
        if let Mode::Describe { prefix, rows } = &mut self.mode {
            let prefix = format!("{prefix}{name}.");
            example.keys(&mut Section::describe(&prefix, rows));
        }
    }

    fn found(&mut self, name: &'static str) -> Option<Cursor<'a>> {
        self.known.push(name);
        match self.mode {
            Mode::Read { cursor, entries } => entries
                .iter()
                .find(|entry| entry.key == name)
                .map(|entry| cursor.entry(entry)),
            Mode::Describe { .. } | Mode::Values { .. } => None,
        }
    }

    fn value(&mut self, name: &str, value: impl FnOnce() -> String) {
        if let Mode::Values { prefix, values } = &mut self.mode {
            values.push((format!("{prefix}{name}"), value()));
        }
    }

    fn row(&mut self, name: &str, values: &str, default: String, meaning: &'static str) {
        if let Mode::Describe { prefix, rows } = &mut self.mode {
            rows.push(Row {
                path: format!("{prefix}{name}"),
                values: values.to_owned(),
                default,
                meaning,
            });
        }
    }

    fn refuse_unknown(&self) {
        let Mode::Read { cursor, entries } = &self.mode else {
            return;
        };
        for entry in *entries {
            if self.known.contains(&entry.key.as_str()) {
                continue;
            }
            let path = cursor.path.key(&entry.key);
            cursor.sink.push(
                Problem::new(Arc::clone(&cursor.sink.file), path, "unknown key")
                    .at(Some(entry.place))
                    .expected(one_of(self.known.iter().copied()))
                    .nearest_of(&entry.key, self.known.iter().copied()),
            );
        }
    }
}

/// `a, b or c`
pub(crate) fn one_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.into_iter().collect();
    let Some(last) = names.pop() else {
        return "nothing".to_owned();
    };
    if names.is_empty() {
        return last.to_owned();
    }
    format!("{} or {last}", names.join(", "))
}
