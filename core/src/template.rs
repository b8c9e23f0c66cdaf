//! Message templates: text with named holes.
//!
//! A hole is `{name}`: letters, digits, `_`, `.`, `-`, or nothing. `{{` and `}}` are braces. A hole
//! whose name is a key of the record's data takes that value, one that is a number the positional
//! argument at that place (from 0), any other the next positional argument in order. Numbers do not
//! count for that order: `{0} {}` shows the first argument twice. A hole that nothing fills stays as it
//! is, so that the mistake can be seen.

/// A piece of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text to take over as it is.
    Text(&'a str),
    /// A place for a value: its name.
    Hole(&'a str),
}

/// The pieces of a template, in order. Adjacent texts are not joined.
pub fn pieces(template: &str) -> impl Iterator<Item = Piece<'_>> + Clone {
    Pieces { rest: template }
}

#[derive(Clone)]
struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let rest = self.rest;
        let Some(at) = rest.find(['{', '}']) else {
            self.rest = "";
            return (!rest.is_empty()).then_some(Piece::Text(rest));
        };
        if at > 0 {
            self.rest = &rest[at..];
            return Some(Piece::Text(&rest[..at]));
        }
        let after = &rest[1..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            self.rest = &rest[2..];
            return Some(Piece::Text(&rest[..1]));
        }
        if rest.starts_with('{')
            && let Some(end) = after.find(|c: char| !is_name(c))
            && after[end..].starts_with('}')
        {
            self.rest = &after[end + 1..];
            return Some(Piece::Hole(&after[..end]));
        }
        self.rest = after;
        Some(Piece::Text(&rest[..1]))
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(template: &str) -> Vec<Piece<'_>> {
        pieces(template).collect()
    }

    #[test]
    fn holes_texts_and_escapes() {
        use Piece::{Hole, Text};
        assert_eq!(split(""), []);
        assert_eq!(split("plain"), [Text("plain")]);
        assert_eq!(
            split("a {b}{}c"),
            [Text("a "), Hole("b"), Hole(""), Text("c")]
        );
        assert_eq!(split("{{x}}"), [Text("{"), Text("x"), Text("}")]);
        assert_eq!(split("{http.status}"), [Hole("http.status")]);
    }

    #[test]
    fn what_is_not_a_hole_stays_text() {
        for template in ["{", "}", "{a b}", "{total:.2}", "{unclosed", "a}b", "{ä b"] {
            let text: String = pieces(template)
                .map(|piece| match piece {
                    Piece::Text(text) => text,
                    Piece::Hole(name) => panic!("{name} is no hole of {template}"),
                })
                .collect();
            assert_eq!(text, template);
        }
    }
}
