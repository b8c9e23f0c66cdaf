//! A parse that only knows places: which line and column each key and each value has.
//!
//! Values are decided elsewhere, by `serde_yaml`. This parse runs first and bounds what the file may
//! make of itself: how deep it nests, and how much its aliases unfold to.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::problem::Place;

/// How deep a pipeline may nest.
pub const MAX_DEPTH: usize = 64;
/// How many values a pipeline may have, with every alias unfolded.
pub const MAX_VALUES: usize = 100_000;

/// A position in [`Marks::nodes`].
pub(crate) type NodeId = usize;

/// The places of a whole document.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    nodes: Vec<Node>,
    root: Option<NodeId>,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) kind: NodeKind,
    /// Values below it and itself, aliases unfolded.
    weight: usize,
    /// Levels of nesting below it.
    height: usize,
}

#[derive(Debug)]
pub(crate) enum NodeKind {
    /// `plain` is whether it was written without quotes, in one piece.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Child>),
    Map(Vec<MapEntry>),
}

/// A key's text, `None` when it is no scalar; its place; its value.
pub(crate) type MapEntry = (Option<String>, Place, Child);

/// A value within another, perhaps by an alias.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Child {
    pub(crate) node: NodeId,
    /// Where it is used: its own place, or the alias's.
    pub(crate) place: Place,
}

/// A file that has no places, or too many.
#[derive(Debug)]
pub(crate) struct Unmarked {
    pub(crate) place: Place,
    pub(crate) what: String,
    pub(crate) expected: Option<String>,
    /// The syntax is wrong, rather than a bound exceeded.
    pub(crate) is_syntax: bool,
}

impl Marks {
    pub(crate) fn root(&self) -> Option<NodeId> {
        self.root
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// Every value that is written in the document, those below an alias once.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter()
    }

    /// What a map has: its own entries first, then those that are merged in and not overridden.
    pub(crate) fn entries(&self, map: NodeId) -> Vec<MapEntry> {
        let NodeKind::Map(entries) = &self.node(map).kind else {
            return Vec::new();
        };
        let is_merge = |entry: &MapEntry| entry.0.as_deref() == Some("<<");
        let mut found: Vec<MapEntry> = entries.iter().filter(|e| !is_merge(e)).cloned().collect();
        let Some((_, _, merge)) = entries.iter().find(|entry| is_merge(entry)) else {
            return found;
        };
        let mut seen: HashSet<String> = found.iter().filter_map(|(key, ..)| key.clone()).collect();
        for child in self.merged(*merge) {
            if let NodeKind::Map(entries) = &self.node(child.node).kind {
                for entry in entries {
                    if entry.0.as_ref().is_none_or(|key| seen.insert(key.clone())) {
                        found.push(entry.clone());
                    }
                }
            }
        }
        found
    }

    /// The maps that a `<<` brings in, the strongest first.
    pub(crate) fn merged(&self, merge: Child) -> Vec<Child> {
        match &self.node(merge.node).kind {
            NodeKind::List(items) => items.clone(),
            _ => vec![merge],
        }
    }
}

/// Parses a text for its places.
pub(crate) fn mark(text: &str) -> Result<Marks, Unmarked> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Unmarked {
            place: place_of(error.marker()),
            what: error.info().to_owned(),
            expected: None,
            is_syntax: true,
        })?;
        builder.event(event, place_of(&span.start))?;
    }
    Ok(builder.marks)
}

fn place_of(marker: &Marker) -> Place {
    Place {
        line: marker.line().max(1),
        column: marker.col() + 1,
    }
}

#[derive(Default)]
struct Builder {
    marks: Marks,
    open: Vec<Open>,
    anchors: HashMap<usize, NodeId>,
    documents: usize,
}

/// A list or map whose end has not come.
struct Open {
    place: Place,
    anchor: usize,
    weight: usize,
    height: usize,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Child>),
    Map {
        entries: Vec<MapEntry>,
        key: Option<(Option<String>, Place)>,
    },
}

impl Builder {
    fn event(&mut self, event: Event<'_>, place: Place) -> Result<(), Unmarked> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(refused(
                        place,
                        "a second document begins here",
                        "one document in one file",
                    ));
                }
                Ok(())
            }
            Event::Alias(anchor) => {
                let Some(&node) = self.anchors.get(&anchor) else {
                    return Err(refused(
                        place,
                        "this alias stands inside its own anchor",
                        "an alias of something that is complete",
                    ));
                };
                self.add(Child { node, place })
            }
            Event::Scalar(text, style, anchor, tag) => {
                check_tag(tag.as_deref(), place)?;
                let kind = NodeKind::Scalar {
                    text: text.into_owned(),
                    plain: style == ScalarStyle::Plain,
                };
                self.node(kind, place, anchor, 1, 0)
            }
            Event::SequenceStart(anchor, tag) => {
                check_tag(tag.as_deref(), place)?;
                self.begin(place, anchor, OpenKind::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                check_tag(tag.as_deref(), place)?;
                let kind = OpenKind::Map {
                    entries: Vec::new(),
                    key: None,
                };
                self.begin(place, anchor, kind)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else {
                    return Ok(());
                };
                let kind = match open.kind {
                    OpenKind::List(items) => NodeKind::List(items),
                    OpenKind::Map { entries, .. } => NodeKind::Map(entries),
                };
                self.node(kind, open.place, open.anchor, open.weight, open.height)
            }
        }
    }

    fn begin(&mut self, place: Place, anchor: usize, kind: OpenKind) -> Result<(), Unmarked> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(place));
        }
        self.open.push(Open {
            place,
            anchor,
            weight: 1,
            height: 0,
            kind,
        });
        Ok(())
    }

    fn node(
        &mut self,
        kind: NodeKind,
        place: Place,
        anchor: usize,
        weight: usize,
        height: usize,
    ) -> Result<(), Unmarked> {
        let node = self.marks.nodes.len();
        self.marks.nodes.push(Node {
            place,
            kind,
            weight,
            height,
        });
        if anchor != 0 {
            self.anchors.insert(anchor, node);
        }
        self.add(Child { node, place })
    }

    /// Puts a finished value where it belongs.
    fn add(&mut self, child: Child) -> Result<(), Unmarked> {
        let (weight, height) = {
            let node = &self.marks.nodes[child.node];
            (node.weight, node.height)
        };
        if self.open.len() + height >= MAX_DEPTH {
            return Err(too_deep(child.place));
        }
        let Some(open) = self.open.last_mut() else {
            self.marks.root = Some(child.node);
            return Ok(());
        };
        open.weight += weight;
        open.height = open.height.max(height + 1);
        if open.weight > MAX_VALUES {
            return Err(refused(
                child.place,
                format!("the file unfolds to more than {MAX_VALUES} values"),
                "fewer values, or fewer aliases of large ones",
            ));
        }
        match &mut open.kind {
            OpenKind::List(items) => items.push(child),
            OpenKind::Map { entries, key } => match key.take() {
                None => {
                    let text = match &self.marks.nodes[child.node].kind {
                        NodeKind::Scalar { text, .. } => Some(text.clone()),
                        _ => None,
                    };
                    *key = Some((text, child.place));
                }
                Some((text, place)) => entries.push((text, place, child)),
            },
        }
        Ok(())
    }
}

/// Only the tags that name YAML's own types: another one would change what a value means.
fn check_tag(tag: Option<&saphyr_parser::Tag>, place: Place) -> Result<(), Unmarked> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema() => Err(refused(
            place,
            format!("the tag `{tag}` has no meaning here"),
            "a value without a tag",
        )),
        _ => Ok(()),
    }
}

fn refused(place: Place, what: impl Into<String>, expected: &str) -> Unmarked {
    Unmarked {
        place,
        what: what.into(),
        expected: Some(expected.to_owned()),
        is_syntax: false,
    }
}

fn too_deep(place: Place) -> Unmarked {
    refused(
        place,
        format!("nested deeper than {MAX_DEPTH} levels"),
        "a flatter pipeline",
    )
}
