//! What is known of a call site's records before the first one comes.

use rolog_core::call_site::CallSite;
use rolog_core::template::{Piece, pieces};

use super::fields::{Fields, Set};
use crate::redact::Redactor;

/// The verdict on a call site, for one configuration.
#[derive(Debug, Default)]
pub(crate) struct Site {
    /// Of its arguments and then its keys: whether the value is hidden.
    pub(crate) hidden: Box<[bool]>,
    pub(crate) any_hidden: bool,
    pub(crate) arguments: usize,
    keys: &'static [&'static str],
    /// Which of the fields it has itself.
    pub(crate) own: Set,
    /// The holes of its template, if one that shows something hidden may be filled by an argument or a
    /// field that only the record knows.
    pub(crate) holes: Option<Holes>,
}

/// The names of a template's holes, and whether what fills them is hidden.
#[derive(Debug)]
pub(crate) struct Holes(Box<[(&'static str, bool)]>);

impl Site {
    pub(crate) fn new(site: &'static CallSite, fields: &Fields, rules: Option<&Redactor>) -> Self {
        let (arguments, keys) = (usize::from(site.arguments()), site.keys());
        let own = keys
            .iter()
            .fold(0, |own, key| own | fields.named(key.as_bytes()));
        let mut hidden = vec![false; arguments + keys.len()];
        let mut holes = None;
        if let Some(rules) = rules {
            for (key, hidden) in keys.iter().zip(&mut hidden[arguments..]) {
                *hidden = rules.hides(key.as_bytes());
            }
            let all = Holes::of(site.template(), rules);
            all.filled_by(
                arguments,
                |name| keys.contains(&name),
                |filled| match filled {
                    Filled::Argument(index) => hidden[index] = true,
                    Filled::Field(name) => {
                        if let Some(index) = keys.iter().position(|key| *key == name) {
                            hidden[arguments + index] = true;
                        }
                    }
                },
            );
            let open = |(name, hidden): &(&str, bool)| *hidden && !keys.contains(name);
            holes = all.0.iter().any(open).then_some(all);
        }
        Site {
            any_hidden: hidden.contains(&true),
            hidden: hidden.into(),
            arguments,
            keys,
            own,
            holes,
        }
    }

    /// What a record's own fields change: the arguments that are hidden in this record, and the names
    /// of those fields that are because of the template.
    pub(crate) fn with_fields<'k>(&self, fields: &[&'k [u8]]) -> (Vec<usize>, Vec<&'k [u8]>) {
        let (mut arguments, mut names) = (Vec::new(), Vec::new());
        if let Some(holes) = &self.holes {
            let dynamic = |name: &str| fields.iter().find(|key| **key == name.as_bytes()).copied();
            let is_field = |name: &str| self.keys.contains(&name) || dynamic(name).is_some();
            holes.filled_by(self.arguments, is_field, |filled| match filled {
                Filled::Argument(index) => arguments.push(index),
                Filled::Field(name) => names.extend(dynamic(name)),
            });
        }
        (arguments, names)
    }
}

/// What fills a hole.
enum Filled {
    Argument(usize),
    Field(&'static str),
}

impl Holes {
    /// A hole is hidden by its own name, and by one in the text before it, as in `password={}`.
    fn of(template: &'static str, rules: &Redactor) -> Self {
        let (mut text, mut holes) = (String::new(), Vec::new());
        for piece in pieces(template) {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Hole(name) => {
                    holes.push((name, text.len()));
                    // Stands for whatever will fill it.
                    text.push('x');
                }
            }
        }
        let assigned = rules.assigned(&text);
        let holes = holes.into_iter().map(|(name, at)| {
            let behind_a_name = assigned.iter().any(|range| range.contains(&at));
            (name, behind_a_name || rules.hides(name.as_bytes()))
        });
        Holes(holes.collect())
    }

    /// Calls `hide` with what fills the holes that are hidden, by the rule of
    /// [`rolog_core::template`].
    fn filled_by(
        &self,
        arguments: usize,
        is_field: impl Fn(&str) -> bool,
        mut hide: impl FnMut(Filled),
    ) {
        let mut next = 0;
        for (name, hidden) in &*self.0 {
            let index = if !name.is_empty() && is_field(name) {
                if *hidden {
                    hide(Filled::Field(name));
                }
                continue;
            } else if let Ok(index) = name.parse() {
                index
            } else {
                next += 1;
                next - 1
            };
            if *hidden && index < arguments {
                hide(Filled::Argument(index));
            }
        }
    }
}
