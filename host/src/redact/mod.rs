//! Hiding what must not leave the process.
//!
//! Two kinds of rules: *names*, whose values are hidden wherever the name stands (as a key at any
//! depth, as a hole of a template, and before `=` or `:` inside a text), and *patterns*, which hide what
//! they match inside any text. What is hidden is masked, or hashed with a key so that equal values can
//! still be told to be equal.
//!
//! This folder knows names and texts; [`dress`](crate::dress) applies it to records, before the first
//! copy of one is made, and [`masked`](crate::masked) to what plugins say of their failures.
//!
//! Not looked at, because what stands there is written in the code: templates, names of loggers,
//! threads and source files. Numbers are hidden by their names only.

mod assigned;
mod cover;
mod names;
mod texts;

pub(crate) use cover::Cover;
pub(crate) use names::Names;
pub use names::{DEFAULT_NAMES, KeyPattern};
pub(crate) use texts::{CUT, Patterns, Tally};

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock};

/// The rules of one configuration, compiled.
#[derive(Debug)]
pub(crate) struct Redactor {
    names: Names,
    patterns: Patterns,
    cover: Cover,
}

impl Redactor {
    pub(crate) fn new(names: Names, patterns: Patterns, cover: Cover) -> Self {
        Redactor {
            names,
            patterns,
            cover,
        }
    }

    /// Whether a key's value is hidden.
    pub(crate) fn hides(&self, key: &[u8]) -> bool {
        self.names.hides(key)
    }

    pub(crate) fn cover(&self) -> &Cover {
        &self.cover
    }
}

/// The rules in force, for those that outlive a configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct InForce(Arc<RwLock<Option<Arc<Redactor>>>>);

impl InForce {
    pub(crate) fn set(&self, redactor: Option<Arc<Redactor>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = redactor;
    }

    /// The text without what the rules hide.
    pub(crate) fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let rules = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match &*rules {
            Some(rules) => rules.text(text),
            None => Cow::Borrowed(text),
        }
    }
}
