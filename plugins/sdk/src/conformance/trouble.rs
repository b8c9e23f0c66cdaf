//! What an author can make go wrong.

use std::fmt;

use rolog_core::delivery::{Class, Verdict};
use serde_json::Value;

use super::Hook;

/// Trouble at the destination that the author can provoke, and what the target answers to it.
///
/// ```
/// use rolog_plugin::conformance::Trouble;
/// use rolog_plugin::prelude::*;
///
/// # fn close_port(_: usize) {}
/// # fn open_port(_: usize) {}
/// let refused = Trouble::answered("nobody listens", Verdict::Retry)
///     .class(Class::Connection)
///     .cause(|n| close_port(n))
///     .mend(|n| open_port(n));
/// # drop(refused);
/// ```
#[must_use = "give it to `Suite::trouble`"]
pub struct Trouble {
    pub(super) name: String,
    /// What is answered; nothing where the destination hangs.
    pub(super) verdict: Option<Verdict>,
    pub(super) class: Option<Class>,
    pub(super) config: Option<Hook<Value>>,
    pub(super) cause: Hook<()>,
    pub(super) mend: Option<Hook<()>>,
    pub(super) messages: Option<Vec<String>>,
}

impl Trouble {
    /// Trouble to which the target answers by itself. For rejected records the verdict is
    /// [`Verdict::Reject`], whether the target names them or refuses the batch.
    pub fn answered(name: impl Into<String>, verdict: Verdict) -> Self {
        Trouble {
            name: name.into(),
            verdict: Some(verdict),
            class: None,
            config: None,
            cause: Box::new(|_| {}),
            mend: None,
            messages: None,
        }
    }

    /// Trouble in which an attempt goes on until it is cancelled: a destination that accepts and
    /// never answers.
    pub fn hangs(name: impl Into<String>) -> Self {
        Trouble {
            verdict: None,
            ..Self::answered(name, Verdict::Retry)
        }
    }

    /// The class of the failure that has to be given.
    pub fn class(mut self, class: Class) -> Self {
        self.class = Some(class);
        self
    }

    /// Settings that bring the trouble about, in place of the suite's.
    pub fn config(mut self, config: impl Fn(usize) -> Value + Send + Sync + 'static) -> Self {
        self.config = Some(Box::new(config));
        self
    }

    /// Brings the trouble about at a destination, once its instance has been activated.
    pub fn cause(mut self, cause: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.cause = Box::new(cause);
        self
    }

    /// Ends the trouble at a destination. Where it can be ended, the target has to deliver then.
    pub fn mend(mut self, mend: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.mend = Some(Box::new(mend));
        self
    }

    /// The messages of the batch that meets the trouble, where that matters.
    pub fn messages<M: Into<String>>(mut self, messages: impl IntoIterator<Item = M>) -> Self {
        self.messages = Some(messages.into_iter().map(Into::into).collect());
        self
    }
}

impl fmt::Debug for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trouble")
            .field("name", &self.name)
            .field("verdict", &self.verdict)
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}

/// A call of a target, as in [`Target`](crate::Target).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Call {
    /// `validate`
    Validate,
    /// `create`
    Create,
    /// `activate`
    Activate,
    /// `deliver`
    Deliver,
    /// `flush`
    Flush,
    /// `call`
    Call,
    /// `shutdown`
    Shutdown,
}
