//! What is hidden inside a text.

use std::borrow::Cow;
use std::ops::Range;

use regex::bytes::{Regex, RegexSet};

use super::Redactor;
use super::assigned::assigned;

/// The group of a pattern that is hidden in the place of the whole match.
pub(crate) const GROUP: &str = "secret";

/// What a text that was cut ends with, behind the number of bytes that it had.
pub(crate) const CUT: &[u8] = b" bytes in all]";

/// So many bytes before a cut are hidden at least where there are patterns: the beginning of what one
/// would have matched may stand there.
const BEFORE_CUT: usize = 64;

/// How much was hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// By names.
    pub(crate) names: u64,
    /// By patterns.
    pub(crate) patterns: u64,
}

/// Patterns of what is hidden in texts.
#[derive(Debug, Default)]
pub(crate) struct Patterns(Option<Compiled>);

#[derive(Debug)]
struct Compiled {
    set: RegexSet,
    each: Vec<(Regex, Option<usize>)>,
}

impl Patterns {
    /// # Errors
    /// Patterns that are too large together.
    pub(crate) fn new(patterns: &[Regex]) -> Result<Self, regex::Error> {
        if patterns.is_empty() {
            return Ok(Patterns(None));
        }
        let set = RegexSet::new(patterns.iter().map(Regex::as_str))?;
        let group = |pattern: &Regex| pattern.capture_names().position(|name| name == Some(GROUP));
        let each = patterns.iter().map(|p| (p.clone(), group(p))).collect();
        Ok(Patterns(Some(Compiled { set, each })))
    }

    fn match_in(&self, text: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|all| all.set.is_match(text))
    }

    fn each(&self, text: &[u8], mut hit: impl FnMut(Range<usize>)) {
        let Some(all) = &self.0 else {
            return;
        };
        for index in all.set.matches(text) {
            let (pattern, group) = &all.each[index];
            match group {
                None => pattern.find_iter(text).for_each(|found| hit(found.range())),
                Some(group) => pattern
                    .captures_iter(text)
                    .filter_map(|found| found.get(*group))
                    .for_each(|found| hit(found.range())),
            }
        }
    }
}

impl Redactor {
    /// Whether something in the text is to be hidden. `cut`: the text's record was cut.
    pub(crate) fn touches(&self, text: &[u8], cut: bool) -> bool {
        let mut found = false;
        if !self.names.is_empty() {
            assigned(text, &self.names, |range| {
                found = !self.cover.is_own(&text[range]);
                found
            });
        }
        found || self.patterns.match_in(text) || cut && self.before_cut(text).is_some()
    }

    /// The values in a text that a hidden name stands before.
    pub(crate) fn assigned(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        assigned(text.as_bytes(), &self.names, |range| {
            found.push(range);
            false
        });
        found
    }

    /// Whether a value that is bytes is to be hidden.
    pub(crate) fn touches_bytes(&self, bytes: &[u8]) -> bool {
        self.patterns.match_in(bytes)
    }

    /// Whether something in a key is to be hidden. Names in it are no assignments.
    pub(crate) fn touches_key(&self, key: &[u8]) -> bool {
        self.patterns.match_in(key)
    }

    /// The bytes of the text that are to be hidden, in order and apart.
    pub(crate) fn hits(&self, text: &[u8], cut: bool, tally: &mut Tally) -> Vec<Range<usize>> {
        let mut hits = Vec::new();
        if !self.names.is_empty() {
            assigned(text, &self.names, |range| {
                hits.push(range);
                tally.names += 1;
                false
            });
        }
        self.patterns.each(text, |range| {
            if !range.is_empty() {
                hits.push(range);
                tally.patterns += 1;
            }
        });
        if cut {
            hits.extend(self.before_cut(text));
        }
        joined(text, hits)
    }

    /// The end of a text that was cut, before the mark that says so.
    fn before_cut(&self, text: &[u8]) -> Option<Range<usize>> {
        self.patterns.0.as_ref()?;
        let mark = "[… ".as_bytes();
        let end = memchr::memmem::rfind(text.strip_suffix(CUT)?, mark)?;
        let from = end.saturating_sub(BEFORE_CUT);
        let word = text[..from].iter().rposition(u8::is_ascii_whitespace);
        let range = word.map_or(0, |space| space + 1)..end;
        (!range.is_empty() && !self.cover.is_own(&text[range.clone()])).then_some(range)
    }

    /// Appends the text without what is to be hidden.
    pub(crate) fn put_text(&self, text: &[u8], cut: bool, out: &mut Vec<u8>, tally: &mut Tally) {
        self.put_without(text, self.hits(text, cut, tally), out);
    }

    /// Appends a key without what patterns hide in it.
    pub(crate) fn put_key(&self, key: &[u8], out: &mut Vec<u8>, tally: &mut Tally) {
        let mut hits = Vec::new();
        self.patterns.each(key, |range| {
            if !range.is_empty() {
                hits.push(range);
                tally.patterns += 1;
            }
        });
        self.put_without(key, joined(key, hits), out);
    }

    fn put_without(&self, text: &[u8], hits: Vec<Range<usize>>, out: &mut Vec<u8>) {
        let mut copied = 0;
        for hit in hits {
            out.extend_from_slice(&text[copied..hit.start]);
            let hidden = &text[hit.clone()];
            if self.cover.is_own(hidden) {
                out.extend_from_slice(hidden);
            } else {
                self.cover.put(hidden, out);
            }
            copied = hit.end;
        }
        out.extend_from_slice(&text[copied..]);
    }

    /// A text that is not in a record, without what is to be hidden.
    pub(crate) fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !self.touches(text.as_bytes(), false) {
            return Cow::Borrowed(text);
        }
        let mut out = Vec::with_capacity(text.len());
        self.put_text(text.as_bytes(), false, &mut out, &mut Tally::default());
        Cow::Owned(String::from_utf8_lossy(&out).into_owned())
    }
}

/// Ranges in order, those that touch or overlap as one, widened to whole characters: a pattern may be
/// about bytes, and a text stays one.
fn joined(text: &[u8], mut hits: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
    for hit in &mut hits {
        while hit.start > 0 && inside(hit.start) {
            hit.start -= 1;
        }
        while inside(hit.end) {
            hit.end += 1;
        }
    }
    hits.sort_unstable_by_key(|hit| hit.start);
    let mut apart: Vec<Range<usize>> = Vec::with_capacity(hits.len());
    for hit in hits {
        match apart.last_mut() {
            Some(last) if hit.start < last.end => last.end = last.end.max(hit.end),
            _ => apart.push(hit),
        }
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::super::cover::Cover;
    use super::super::names::{KeyPattern, Names};
    use super::*;

    fn redactor(names: &[&str], patterns: &[&str]) -> Redactor {
        let names: Vec<KeyPattern> = names.iter().map(|name| name.parse().unwrap()).collect();
        let patterns: Vec<Regex> = patterns.iter().map(|p| Regex::new(p).unwrap()).collect();
        Redactor::new(
            Names::new(&names, []),
            Patterns::new(&patterns).unwrap(),
            Cover::mask("***"),
        )
    }

    #[test]
    fn patterns_hide_what_they_match_or_their_group() {
        let rules = redactor(&[], &[r"\b\d{4}(?: ?\d{4}){3}\b", r"id-(?<secret>\w+)"]);
        assert_eq!(
            rules.text("card 4111 1111 1111 1111, id-abc id-é"),
            "card ***, id-*** id-***"
        );
        assert!(matches!(rules.text("card 4111"), Cow::Borrowed(_)));
    }

    #[test]
    fn overlaps_are_hidden_once_and_whole_characters_go() {
        let rules = redactor(&["token"], &["abc+", "cd", r"(?-u:\xC3)"]);
        assert_eq!(rules.text("xabccd"), "x***");
        assert_eq!(rules.text("token=abcd é"), "token=*** ***");
    }

    #[test]
    fn what_is_hidden_already_is_left_alone() {
        let hash = Redactor::new(
            Names::new(&["token".parse().unwrap()], []),
            Patterns::default(),
            Cover::hash(b"0123456789abcdef"),
        );
        let once = hash.text("token=abc").into_owned();
        assert!(once.starts_with("token=hash:"), "{once}");
        assert_eq!(hash.text(&once), once);
        let mask = redactor(&["token"], &[]);
        assert!(matches!(mask.text("token=***"), Cow::Borrowed(_)));
    }

    #[test]
    fn the_end_of_a_cut_text_goes_where_there_are_patterns() {
        let rules = redactor(&[], &["secret-[a-z]{20}"]);
        let text = format!("a b {}[… 900 bytes in all]", "secret-abcdefgh");
        let mut out = Vec::new();
        rules.put_text(text.as_bytes(), true, &mut out, &mut Tally::default());
        assert_eq!(String::from_utf8(out).unwrap(), "***[… 900 bytes in all]");
        let long = format!(
            "{} {}[… 900 bytes in all]",
            "word ".repeat(40),
            "x".repeat(300)
        );
        let mut out = Vec::new();
        rules.put_text(long.as_bytes(), true, &mut out, &mut Tally::default());
        let kept = format!("{} ***[… 900 bytes in all]", "word ".repeat(40));
        assert_eq!(String::from_utf8(out).unwrap(), kept);
        assert!(
            !redactor(&["token"], &[]).touches(text.as_bytes(), true),
            "names need no more"
        );
    }
}
