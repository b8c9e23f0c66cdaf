//! The pipeline as one tree in which every value knows its place.
//!
//! `serde_yaml` decides the values, the marked parse gives the places; both must read the file, or it
//! is refused. What they do with YAML's corners:
//!
//! - a key that occurs twice in one map is refused, each occurrence named;
//! - anchors and aliases work; a problem inside an alias is shown where the value is written;
//! - merge keys (`<<: *base`, `<<: [*a, *b]`) work at one level: the map's own keys win, then the
//!   earlier of the list. A map that is merged must not merge another;
//! - one document in one file; tags other than YAML's own are refused, as are keys that are no text,
//!   and `.nan` and `.inf`, which JSON has no form for;
//! - depth, size and the weight of unfolded aliases are bounded.
//!
//! A scalar that is one unquoted `${NAME}` becomes a number or a boolean where writing that number
//! gives the same text back, so that `port: ${PORT}` is a number; in quotes it stays text.

use std::sync::Arc;

use serde_yaml::Value;

use super::marks::{self, Child, Marks, NodeKind};
use super::path::{SettingPath, Step};
use super::problem::{Place, Problem, quoted};
use super::substitute::Resolver;
use super::syntax;

/// A value and its place.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) place: Place,
    pub(crate) kind: ItemKind,
    /// It came, wholly or partly, from a substitution.
    pub(crate) substituted: bool,
}

#[derive(Debug)]
pub(crate) enum ItemKind {
    /// `word` is whether `null` stands there, rather than nothing.
    Null {
        word: bool,
    },
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Item>),
    Map(Vec<Entry>),
    /// What it should be could not be found out, and that has been reported.
    Broken,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) item: Item,
}

impl Item {
    /// The value as a plugin gets it.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.kind {
            ItemKind::Null { .. } | ItemKind::Broken => serde_json::Value::Null,
            ItemKind::Bool(value) => (*value).into(),
            ItemKind::Number(number) => serde_json::Value::Number(number.clone()),
            ItemKind::Text(text) => text.clone().into(),
            ItemKind::List(items) => items.iter().map(Item::to_json).collect(),
            ItemKind::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.item.to_json()))
                .collect(),
        }
    }

    /// What kind of thing it is, for messages. Never the value, which may be a secret.
    pub(crate) fn describe(&self) -> &'static str {
        match &self.kind {
            ItemKind::Null { .. } => "nothing",
            ItemKind::Bool(_) => "a boolean",
            ItemKind::Number(_) => "a number",
            ItemKind::Text(_) => "text",
            ItemKind::List(_) => "a list",
            ItemKind::Map(_) => "a map",
            ItemKind::Broken => "something broken",
        }
    }
}

/// Parses a text into a tree. Problems that leave a tree are pushed to `problems`.
pub(crate) fn parse(
    text: &str,
    file: &Arc<str>,
    resolver: &mut Resolver<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Item> {
    let root = SettingPath::root();
    let problem = |what: String| Problem::new(Arc::clone(file), root.clone(), what);
    let marks = match marks::mark(text) {
        Ok(marks) => marks,
        Err(unmarked) => {
            problems.push(syntax::unreadable(text, unmarked, &problem));
            return None;
        }
    };
    let Some(top) = marks.root() else {
        problems.push(problem("the file is empty".to_owned()).expected("at least `version: 1`"));
        return None;
    };
    let before = problems.len();
    syntax::check_keys(&marks, file, problems);
    if problems.len() > before {
        return None;
    }
    let value = serde_yaml::from_str::<Value>(text).and_then(|mut value| {
        value.apply_merge()?;
        Ok(value)
    });
    let value = match value {
        Ok(value) => value,
        Err(error) => {
            problems.push(syntax::refused(text, &error, None, &problem));
            return None;
        }
    };
    let child = Child {
        node: top,
        place: marks.node(top).place,
    };
    let mut builder = Builder {
        marks: &marks,
        file,
        resolver,
        problems,
        path: SettingPath::root(),
    };
    Some(builder.item(value, Some(child), child.place))
}

struct Builder<'a, 'e> {
    marks: &'a Marks,
    file: &'a Arc<str>,
    resolver: &'a mut Resolver<'e>,
    problems: &'a mut Vec<Problem>,
    path: SettingPath,
}

impl Builder<'_, '_> {
    fn report(&mut self, place: Place, what: impl Into<String>, expected: &str) -> ItemKind {
        self.problems.push(
            Problem::new(Arc::clone(self.file), self.path.clone(), what)
                .at(Some(place))
                .expected(expected),
        );
        ItemKind::Broken
    }

    fn below<T>(&mut self, step: Step, build: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.path.clone();
        self.path.push(step);
        let built = build(self);
        self.path = outer;
        built
    }

    fn item(&mut self, value: Value, child: Option<Child>, outer: Place) -> Item {
        let place = child.map_or(outer, |child| child.place);
        let mut substituted = false;
        let kind = match value {
            Value::Null => ItemKind::Null {
                word: child.is_some_and(|child| self.is_plain(child, "null")),
            },
            Value::Bool(value) => ItemKind::Bool(value),
            Value::Number(number) => match json_number(&number) {
                Some(number) => ItemKind::Number(number),
                None => self.report(place, "the number is not finite", "a finite number"),
            },
            Value::String(text) => {
                let (kind, changed) = self.text(text, child, place);
                substituted = changed;
                kind
            }
            Value::Sequence(values) => ItemKind::List(self.list(values, child, place)),
            Value::Mapping(mapping) => ItemKind::Map(self.map(mapping, child, place)),
            Value::Tagged(tagged) => {
                let what = format!("the tag `{}` has no meaning here", tagged.tag);
                self.report(place, what, "a value without a tag")
            }
        };
        Item {
            place,
            kind,
            substituted,
        }
    }

    fn text(&mut self, text: String, child: Option<Child>, place: Place) -> (ItemKind, bool) {
        let resolved = match self.resolver.resolve(&text, is_opaque(&self.path)) {
            Ok(None) => return (ItemKind::Text(text), false),
            Ok(Some(resolved)) => resolved,
            Err(unresolved) => {
                let kind = self.report(place, unresolved.what, &unresolved.expected);
                return (kind, true);
            }
        };
        let plain = child.is_some_and(|child| self.is_plain(child, &text));
        let kind = if plain && resolved.whole_variable {
            typed(resolved.text)
        } else {
            ItemKind::Text(resolved.text)
        };
        (kind, true)
    }

    /// Whether a value was written as this text, without quotes.
    fn is_plain(&self, child: Child, written: &str) -> bool {
        matches!(
            &self.marks.node(child.node).kind,
            NodeKind::Scalar { plain: true, text } if text == written
        )
    }

    fn list(&mut self, values: Vec<Value>, child: Option<Child>, place: Place) -> Vec<Item> {
        let marks = self.marks;
        let children: &[Child] = match child.map(|child| &marks.node(child.node).kind) {
            Some(NodeKind::List(children)) => children,
            _ => &[],
        };
        values
            .into_iter()
            .enumerate()
            .map(|(index, value)| {
                let child = children.get(index).copied();
                self.below(Step::Index(index), |this| this.item(value, child, place))
            })
            .collect()
    }

    fn map(
        &mut self,
        mut mapping: serde_yaml::Mapping,
        child: Option<Child>,
        place: Place,
    ) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(mapping.len());
        let marked = child.map(|child| self.marks.entries(child.node));
        for (key, key_place, value_child) in marked.unwrap_or_default() {
            let value = key.as_ref().and_then(|key| mapping.remove(key.as_str()));
            let (Some(key), Some(value)) = (key, value) else {
                self.report(
                    key_place,
                    "a key that is not text",
                    "text, in quotes if need be",
                );
                continue;
            };
            if key.contains("${") {
                self.report(
                    key_place,
                    format!("the key {} is not substituted", quoted(&key)),
                    "substitution in values only",
                );
                continue;
            }
            let item = self.below(Step::Key(key.clone()), |this| {
                this.item(value, Some(value_child), key_place)
            });
            entries.push(Entry {
                key,
                place: key_place,
                item,
            });
        }
        // What only serde_yaml has seen still counts, at the place of the map.
        for (key, value) in mapping {
            let Value::String(key) = key else { continue };
            let item = self.below(Step::Key(key.clone()), |this| this.item(value, None, place));
            entries.push(Entry { key, place, item });
        }
        entries
    }
}

/// `targets.<name>.config` and below, and the key of hashes.
fn is_opaque(path: &SettingPath) -> bool {
    let key = |index: usize, name: &str| matches!(path.steps().get(index), Some(Step::Key(key)) if key == name);
    key(0, "targets") && key(2, "config") || key(0, "redact") && key(1, "key")
}

fn json_number(number: &serde_yaml::Number) -> Option<serde_json::Number> {
    if let Some(value) = number.as_u64() {
        Some(value.into())
    } else if let Some(value) = number.as_i64() {
        Some(value.into())
    } else {
        number.as_f64().and_then(serde_json::Number::from_f64)
    }
}

/// The number or boolean that this text is, if writing it gives the text back.
fn typed(text: String) -> ItemKind {
    match text.as_str() {
        "true" => return ItemKind::Bool(true),
        "false" => return ItemKind::Bool(false),
        _ => {}
    }
    let number = match (
        text.parse::<u64>(),
        text.parse::<i64>(),
        text.parse::<f64>(),
    ) {
        (Ok(value), _, _) => Some(value.into()),
        (_, Ok(value), _) => Some(value.into()),
        (_, _, Ok(value)) => serde_json::Number::from_f64(value),
        _ => None,
    };
    match number.filter(|number| number.to_string() == text) {
        Some(number) => ItemKind::Number(number),
        None => ItemKind::Text(text),
    }
}
