//! What the suite has found.

use std::fmt;

/// What the suite has found. Its `Display` names everything that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    passed: Vec<&'static str>,
    skipped: Vec<(&'static str, &'static str)>,
    wrong: Vec<(&'static str, String)>,
}

impl Report {
    pub(super) fn add(&mut self, check: &'static str, result: Result<(), String>) {
        match result {
            Ok(()) => self.passed.push(check),
            Err(wrong) => self.wrong.push((check, wrong)),
        }
    }

    pub(super) fn skip(&mut self, check: &'static str, reason: &'static str) {
        self.skipped.push((check, reason));
    }

    /// Whether nothing is wrong. What was skipped is not.
    pub fn is_conformant(&self) -> bool {
        self.wrong.is_empty()
    }

    /// The checks that found nothing wrong.
    pub fn passed(&self) -> &[&'static str] {
        &self.passed
    }

    /// The checks that were not made, and what is missing for them.
    pub fn skipped(&self) -> &[(&'static str, &'static str)] {
        &self.skipped
    }

    /// The checks that failed, and what is wrong.
    pub fn wrong(&self) -> &[(&'static str, String)] {
        &self.wrong
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} skipped, {} wrong",
            self.passed.len(),
            self.skipped.len(),
            self.wrong.len()
        )?;
        for (check, what) in &self.wrong {
            write!(f, "\n{check}: {what}")?;
        }
        Ok(())
    }
}
