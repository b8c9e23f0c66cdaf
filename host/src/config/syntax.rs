//! What is wrong with a file before any setting is looked at: its syntax, its keys and its merges.

use std::collections::HashMap;
use std::sync::Arc;

use super::marks::{self, Marks, NodeKind, Unmarked};
use super::path::SettingPath;
use super::problem::{Place, Problem, quoted};

/// The marked parse has failed: on a bound, or on the syntax, which `serde_yaml` explains better.
pub(super) fn unreadable(
    text: &str,
    unmarked: Unmarked,
    problem: &dyn Fn(String) -> Problem,
) -> Problem {
    if unmarked.is_syntax
        && brackets(text) <= marks::MAX_DEPTH
        && let Err(error) = serde_yaml::from_str::<serde::de::IgnoredAny>(text)
    {
        return refused(text, &error, Some(unmarked.place), problem);
    }
    let mut found = problem(unmarked.what).at(Some(unmarked.place));
    found.expected = unmarked.expected;
    if unmarked.is_syntax {
        found.what = format!("not YAML: {}", found.what);
    }
    found
}

/// How deep the brackets of a text nest at most, those in quotes and comments counted too.
///
/// The scanner below `serde_yaml` looks at every open bracket for every token: half a megabyte of `[`
/// keeps it busy for hours.
fn brackets(text: &str) -> usize {
    let (mut open, mut most) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

/// An error of `serde_yaml` in this house's form: its own place is in front, not at the end.
pub(super) fn refused(
    text: &str,
    error: &serde_yaml::Error,
    place: Option<Place>,
    problem: &dyn Fn(String) -> Problem,
) -> Problem {
    let place = error.location().map_or(place, |location| {
        Some(Place {
            line: location.line(),
            column: location.column(),
        })
    });
    let mut message = error.to_string();
    if let Some(place) = place {
        let suffix = format!(" at line {} column {}", place.line, place.column);
        message = message.replacen(&suffix, "", 1);
    }
    let mut found = problem(format!("not YAML: {message}")).at(place);
    let line = place.and_then(|place| text.lines().nth(place.line.saturating_sub(1)));
    if let Some(line) = line {
        if line.contains("${") && line.contains(['{', '[']) {
            found.expected =
                Some("quotes around a value with `${…}` that stands within { } or [ ]".to_owned());
        } else if line.trim_start_matches(' ').starts_with('\t') {
            found.expected = Some("spaces: YAML does not indent by tabs".to_owned());
        }
    }
    found
}

/// Keys that occur twice, merges that the two parsers would take differently.
pub(super) fn check_keys(marks: &Marks, file: &Arc<str>, problems: &mut Vec<Problem>) {
    let mut report = |place: Place, what: String, expected: &str| {
        problems.push(
            Problem::new(Arc::clone(file), SettingPath::root(), what)
                .at(Some(place))
                .expected(expected),
        );
    };
    for node in marks.nodes() {
        let NodeKind::Map(entries) = &node.kind else {
            continue;
        };
        let mut seen: HashMap<&str, Place> = HashMap::new();
        for (key, place, child) in entries {
            let Some(key) = key else { continue };
            let first = *seen.entry(key).or_insert(*place);
            if first != *place {
                report(
                    *place,
                    format!(
                        "the key {} is already at {}:{}",
                        quoted(key),
                        first.line,
                        first.column
                    ),
                    "each key once",
                );
            }
            if key == "<<" {
                for merged in marks.merged(*child) {
                    match &marks.node(merged.node).kind {
                        NodeKind::Map(inner) => {
                            if inner.iter().any(|(key, _, _)| key.as_deref() == Some("<<")) {
                                report(
                                    merged.place,
                                    "a map that is merged merges another one".to_owned(),
                                    "one level of `<<`",
                                );
                            }
                        }
                        _ => report(
                            merged.place,
                            "`<<` merges something that is no map".to_owned(),
                            "an alias of a map, or a list of such aliases",
                        ),
                    }
                }
            }
        }
    }
}
