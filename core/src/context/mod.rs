//! Fields that belong to what is going on, not to one record: a request's id, a tenant, a job.
//!
//! They are set once, for a thread by a guard or for a task by a wrapper around its future, and every
//! record that is made within gets them.
//!
//! ```
//! use rolog_core::context::{Context, InContext as _};
//! use rolog_core::{context, info};
//!
//! # fn example(log: rolog_core::Logger) {
//! let _entered = context!(request = 42, tenant = "north").enter();
//! info!(log, "accepted");                     // has `request` and `tenant`
//! # async fn work() {}
//! # fn spawn(_: impl Future) {}
//!
//! // A task has the context that it is given, wherever and whenever it is polled.
//! spawn(work().in_context(Context::current()));
//! spawn(async { info!(log, "on its own"); }.in_context(context!(job = "sweep")));
//! # }
//! ```
//!
//! **What wins.** A record's own keys, then what was entered last. A [`Context`] is complete in
//! itself: [`context!`](crate::context!) starts from the current one and adds to it, so contexts nest,
//! and entering one puts it in the place of the one before until the guard is dropped. Spans of
//! `tracing` that the thread is in are merged as well, when the `bridge` is installed,
//! inner spans before outer ones.
//!
//! **What it costs.** A record pays a look at one word of its thread. Only where that says that there
//! is a context does it take the slower way, through a buffer.
//!
//! **Never.** A context does not change levels or routes, and does not follow a new thread or task by
//! itself.

mod macros;
mod stack;

#[cfg(feature = "tracing")]
pub(crate) use stack::{Span, append_with_span, enter_span, exit_span};
pub use stack::{TraceIds, set_trace_ids};
pub(crate) use stack::{append_current, has_voice, set_voice};

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use serde::Serialize;

use crate::capture::{Captured, SerdeArg};
use crate::value::{self, Encoder, Map, Value};

/// A set of fields for the records of a thread or of a task. Cheap to clone, never changed once it
/// was made.
#[derive(Clone, Default)]
pub struct Context {
    /// Pairs of key and value, no key twice; `None` for no fields.
    pairs: Option<Arc<[u8]>>,
}

impl Context {
    /// No fields. Entered, it hides those of the context before.
    pub const fn new() -> Self {
        Context { pairs: None }
    }

    /// The context that this thread, or the task that it polls, is in.
    pub fn current() -> Self {
        stack::current().unwrap_or_default()
    }

    /// The same with a further field, in the place of one with that key.
    #[must_use]
    pub fn with(&self, key: &str, value: impl Serialize) -> Self {
        let mut builder = Builder::from(self);
        builder.push(key, &SerdeArg(&value));
        builder.build()
    }

    /// The value of a field.
    pub fn get(&self, key: &str) -> Option<Value<'_>> {
        self.fields().find(|(own, _)| *own == key).map(|(_, v)| v)
    }

    /// The fields, in the order in which they were added.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        let mut rest = self.bytes();
        std::iter::from_fn(move || value::take_pair(&mut rest))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_none()
    }

    /// Puts this thread in the context until the guard is dropped. For code that awaits, a guard is
    /// wrong: another task may be polled meanwhile. Use [`InContext::in_context`] there; the guard
    /// cannot be sent between threads, so that most such mistakes do not compile.
    pub fn enter(&self) -> Entered {
        Entered {
            id: stack::push(self.clone()),
            of_this_thread: PhantomData,
        }
    }

    /// Calls `work` in the context.
    pub fn scope<R>(&self, work: impl FnOnce() -> R) -> R {
        let _entered = self.enter();
        work()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.pairs.as_deref().unwrap_or_default()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Map::parse(self.bytes()) {
            Ok(map) => write!(f, "Context {map:?}"),
            Err(_) => f.write_str("Context"),
        }
    }
}

/// A thread's stay in a context. See [`Context::enter`].
#[derive(Debug)]
#[must_use = "the context is left when this is dropped"]
pub struct Entered {
    id: u64,
    of_this_thread: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        stack::pop(self.id);
    }
}

/// Collects the fields of a context, for [`context!`](crate::context!).
#[doc(hidden)]
#[derive(Debug)]
pub struct Builder(Vec<u8>);

impl Builder {
    /// From the current context.
    pub fn current() -> Self {
        Builder::from(&Context::current())
    }

    /// Adds a field, in the place of one with that key.
    pub fn push(&mut self, key: &str, value: &impl Captured) {
        let added = stack::without(&self.0, key);
        self.0 = added;
        value.encode(Encoder::new(&mut self.0).key(key));
    }

    /// The context.
    pub fn build(self) -> Context {
        Context {
            pairs: (!self.0.is_empty()).then(|| self.0.into()),
        }
    }
}

impl From<&Context> for Builder {
    fn from(context: &Context) -> Self {
        Builder(context.bytes().to_vec())
    }
}

/// Gives futures a context.
pub trait InContext: Sized {
    /// The same future, in this context at each poll and while it is dropped, on whatever thread that
    /// happens.
    fn in_context(self, context: Context) -> WithContext<Self> {
        WithContext {
            context,
            future: Some(Box::pin(self)),
        }
    }
}

impl<F: Future> InContext for F {}

/// A future in a context. See [`InContext::in_context`].
#[must_use = "a future does nothing until it is polled"]
pub struct WithContext<F> {
    context: Context,
    /// `None` only within `drop`.
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Future for WithContext<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<F::Output> {
        let _entered = self.context.enter();
        match self.future.as_mut() {
            Some(future) => future.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<F> Drop for WithContext<F> {
    fn drop(&mut self) {
        let _entered = self.context.enter();
        self.future = None;
    }
}

impl<F> fmt::Debug for WithContext<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithContext")
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}
