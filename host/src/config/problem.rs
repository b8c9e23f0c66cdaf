//! What is wrong with a pipeline: where, what, what was expected, and the nearest valid name.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::path::SettingPath;
use super::substitute::NamedFiles;

/// A position in the pipeline file. Both numbers start at 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
}

/// Whether a problem refuses the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The pipeline is refused.
    Error,
    /// The pipeline works, and is hardly what was meant.
    Warning,
}

/// One thing that is wrong with a pipeline.
///
/// Displayed as one line:
/// ```text
/// pipeline.yaml:9:7: targets.app.flush.max_sise: unknown key; expected max_size or …; did you mean `max_size`?
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether it refuses the pipeline.
    pub severity: Severity,
    /// The file as it was named, or what stands for it.
    pub file: Arc<str>,
    /// Where in the file; `None` for a pipeline built in code.
    pub place: Option<Place>,
    /// The setting that it is about; empty for the file as a whole.
    pub path: SettingPath,
    /// What is wrong, secrets masked.
    pub what: String,
    /// What would be right.
    pub expected: Option<String>,
    /// The nearest valid name.
    pub nearest: Option<String>,
}

impl Problem {
    /// An error about a setting; the place and what was expected can be added.
    pub fn new(file: Arc<str>, path: SettingPath, what: impl Into<String>) -> Self {
        Problem {
            severity: Severity::Error,
            file,
            place: None,
            path,
            what: what.into(),
            expected: None,
            nearest: None,
        }
    }

    /// At this place of the file.
    #[must_use]
    pub fn at(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }

    /// With what would be right.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// With the candidate that is nearest to what was written, if one is near at all.
    #[must_use]
    pub fn nearest_of<'a>(
        mut self,
        written: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        self.nearest = nearest(written, candidates).map(str::to_owned);
        self
    }

    /// As a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Whether it refuses the pipeline.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&self.file))?;
        if let Some(place) = self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        f.write_str(": ")?;
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&one_line(&self.what))?;
        if let Some(expected) = &self.expected {
            write!(f, "; expected {}", one_line(expected))?;
        }
        if let Some(nearest) = &self.nearest {
            write!(f, "; did you mean `{}`?", one_line(nearest))?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a pipeline, in the order of the file. Displayed as one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    problems: Vec<Problem>,
    /// A change of these may mend them too.
    files: NamedFiles,
}

impl Problems {
    /// Sorts them by place.
    pub fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.place);
        Problems {
            problems,
            files: NamedFiles::default(),
        }
    }

    /// In a pipeline that names these files.
    pub(crate) fn with_files(mut self, files: NamedFiles) -> Self {
        self.files = files;
        self
    }

    /// The files that the pipeline names, as far as it could be read.
    pub(crate) fn files(&self) -> &NamedFiles {
        &self.files
    }

    /// The problems themselves.
    pub fn into_vec(self) -> Vec<Problem> {
        self.problems
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Problems::new(vec![problem])
    }
}

impl std::ops::Deref for Problems {
    type Target = [Problem];

    fn deref(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The candidate that was probably meant: within a third of the letters, by insertions, deletions,
/// replacements and swaps.
pub(crate) fn nearest<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    const LONGEST: usize = 128;
    if written.len() > LONGEST {
        return None;
    }
    let lower = written.to_lowercase();
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| {
            let distance = strsim::osa_distance(&lower, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, candidate)| {
            let letters = candidate.chars().count().max(lower.chars().count());
            *distance <= (letters / 3).max(1) && *distance < letters
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Keeps a text on one line and a terminal unharmed: control characters are escaped.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// A written value in a message: short, on one line, in backquotes.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("`{}…`", one_line(&text[..end])),
        None => format!("`{}`", one_line(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line_whatever_it_quotes() {
        let path = SettingPath::root().key("targets").key("a\nb");
        let problem = Problem::new("p.yaml".into(), path, "bad \u{1b}[31m value\n")
            .at(Some(Place { line: 3, column: 7 }))
            .expected("a\ttab")
            .nearest_of("max_sise", ["max_size", "max_bytes"]);
        assert_eq!(
            problem.to_string(),
            "p.yaml:3:7: targets.\"a\\nb\": bad \\u{1b}[31m value\\n; expected a\\ttab; did you mean `max_size`?"
        );
    }

    #[test]
    fn the_nearest_name_is_near() {
        let names = ["interval", "flush_on", "timeout"];
        assert_eq!(nearest("intervall", names), Some("interval"));
        assert_eq!(nearest("Timeout", names), Some("timeout"));
        assert_eq!(nearest("fulsh_on", names), Some("flush_on"));
        assert_eq!(nearest("banana", names), None);
        assert_eq!(nearest("a", ["b"]), None);
        assert_eq!(nearest(&"x".repeat(10_000), names), None);
    }
}
