//! The table of all settings and their defaults, made from what reads them.

use std::fmt::Write as _;

use super::read::{Keys, Section};
use super::sections::Draft;

/// One line of the table of defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The setting, such as `targets.<name>.flush.interval`.
    pub path: String,
    /// What may be written.
    pub values: String,
    /// What holds without it.
    pub default: String,
    /// What it does.
    pub meaning: &'static str,
}

/// Every setting with its default, in the order of the docs.
pub fn table() -> Vec<Row> {
    let mut rows = Vec::new();
    Draft::default().keys(&mut Section::describe("", &mut rows));
    rows
}

/// The table as Markdown, for the docs.
pub fn markdown() -> String {
    let mut text = String::from("| setting | values | default | meaning |\n|---|---|---|---|\n");
    for row in table() {
        let cell = |text: &str| text.replace('|', "\\|");
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            row.path,
            cell(&row.values),
            cell(&row.default),
            cell(row.meaning)
        );
    }
    text
}
