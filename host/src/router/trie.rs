//! Many globs at once: a tree of their segments, walked with the set of places reached so far.
//!
//! The walk takes one step for each segment of the name and each place reached; a name that no glob
//! begins like costs one look-up, however many globs there are.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::pattern::{LoggerGlob, Segment};

/// A tree of globs, each with a number.
#[derive(Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    literal: HashMap<Box<str>, usize>,
    /// What follows a `*`.
    one: Option<usize>,
    /// What follows a `**`, itself a place that every segment stays at.
    any: Option<usize>,
    stays: bool,
    /// The globs that end here.
    ends: Vec<usize>,
}

impl Default for Trie {
    fn default() -> Self {
        Trie {
            nodes: vec![Node::default()],
        }
    }
}

impl Trie {
    /// Adds a glob under a number.
    pub(super) fn insert(&mut self, glob: &LoggerGlob, number: usize) {
        let mut at = 0;
        for segment in glob.segments() {
            let fresh = self.nodes.len();
            let node = &mut self.nodes[at];
            at = match segment {
                Segment::Literal(text) => *node.literal.entry(text.clone()).or_insert(fresh),
                Segment::One => *node.one.get_or_insert(fresh),
                Segment::Any => *node.any.get_or_insert(fresh),
            };
            if at == fresh {
                self.nodes.push(Node {
                    stays: *segment == Segment::Any,
                    ..Node::default()
                });
            }
        }
        self.nodes[at].ends.push(number);
    }

    /// Tells the number of each glob that matches, once.
    pub(super) fn matches(&self, name: &[&str], mut found: impl FnMut(usize)) {
        let mut places = Vec::new();
        let mut next = Vec::new();
        self.reach(&mut places, 0);
        for segment in name {
            for &place in &places {
                let node = &self.nodes[place];
                if node.stays {
                    self.reach(&mut next, place);
                }
                if let Some(&below) = node.literal.get(*segment) {
                    self.reach(&mut next, below);
                }
                if let Some(below) = node.one {
                    self.reach(&mut next, below);
                }
            }
            std::mem::swap(&mut places, &mut next);
            next.clear();
        }
        for place in places {
            self.nodes[place].ends.iter().copied().for_each(&mut found);
        }
    }

    /// Adds a place, and the one behind a `**` that needs no segment.
    fn reach(&self, places: &mut Vec<usize>, place: usize) {
        if places.contains(&place) {
            return;
        }
        places.push(place);
        // Two `**` never follow one another, so this ends after one step.
        if let Some(below) = self.nodes[place].any {
            self.reach(places, below);
        }
    }
}

/// The order of patterns from the most to the least specific, as the module of the router states it.
pub(super) fn rank(glob: &LoggerGlob) -> impl Ord + use<> {
    let count = |wanted: fn(&Segment) -> bool| glob.segments().iter().filter(|s| wanted(s)).count();
    let named = count(|segment| *segment != Segment::Any);
    let literal = count(|segment| matches!(segment, Segment::Literal(_)));
    let open = named < glob.segments().len();
    let leftmost: Vec<u8> = glob
        .segments()
        .iter()
        .map(|segment| match segment {
            Segment::Literal(_) => 0,
            Segment::One => 1,
            Segment::Any => 2,
        })
        .collect();
    (Reverse(named), Reverse(literal), open, leftmost)
}
