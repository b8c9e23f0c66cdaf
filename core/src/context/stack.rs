//! What a thread is in: the contexts and spans that it has entered, and for whom it speaks.
//!
//! A mark of the thread says whether there is anything; it is all that an ordinary call looks at.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use super::Context;
use crate::ring::local::{self, Mark};
use crate::value::{self, Encoder};

thread_local! {
    static STACK: RefCell<Stack> = const { RefCell::new(Stack { next: 1, entries: Vec::new() }) };
}

struct Stack {
    next: u64,
    entries: Vec<Entry>,
}

enum Entry {
    Context(u64, Context),
    Span(Arc<Span>),
}

impl Entry {
    fn context(&self) -> Option<&Context> {
        match self {
            Entry::Context(_, context) => Some(context),
            Entry::Span(_) => None,
        }
    }
}

/// Whether the thread is in a context or a span.
fn in_context() -> bool {
    local::current().has_mark(Mark::Context)
}

pub(crate) fn set_voice(on: bool) {
    local::current().mark(Mark::Voice, on);
}

pub(crate) fn has_voice() -> bool {
    local::current().has_mark(Mark::Voice)
}

/// Runs with the stack, where the thread still has one that is not in use.
fn with_stack<R>(work: impl FnOnce(&mut Stack) -> R) -> Option<R> {
    let done = STACK.try_with(|stack| {
        let mut stack = stack.try_borrow_mut().ok()?;
        let done = work(&mut stack);
        local::current().mark(Mark::Context, !stack.entries.is_empty());
        Some(done)
    });
    done.ok().flatten()
}

pub(super) fn push(context: Context) -> u64 {
    with_stack(|stack| {
        let id = stack.next;
        stack.next += 1;
        stack.entries.push(Entry::Context(id, context));
        id
    })
    .unwrap_or(0)
}

/// Guards may be dropped in any order.
pub(super) fn pop(id: u64) {
    // What is taken out is dropped outside: it may be the last of a span, whose end runs other code.
    let left = with_stack(|stack| {
        let is_it = |entry: &Entry| matches!(entry, Entry::Context(own, _) if *own == id);
        let at = stack.entries.iter().rposition(is_it)?;
        Some(stack.entries.remove(at))
    });
    drop(left);
}

pub(super) fn current() -> Option<Context> {
    with_stack(|stack| {
        let mut contexts = stack.entries.iter().rev();
        contexts.find_map(Entry::context).cloned()
    })
    .flatten()
}

/// These pairs without the one of `key`.
pub(super) fn without(pairs: &[u8], key: &str) -> Vec<u8> {
    let mut kept = Vec::with_capacity(pairs.len() + 32);
    each_pair(pairs, |own, raw| {
        if own != key {
            kept.extend_from_slice(raw);
        }
    });
    kept
}

fn each_pair<'p>(mut rest: &'p [u8], mut visit: impl FnMut(&'p str, &'p [u8])) {
    while !rest.is_empty() {
        let before = rest;
        let Some((key, _)) = value::take_pair(&mut rest) else {
            return;
        };
        visit(key, &before[..before.len() - rest.len()]);
    }
}

/// Fields that are added to a record: those that it does not have.
struct Added<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    own: &'a dyn Fn(&str) -> bool,
}

impl Added<'_> {
    fn has(&self, key: &str) -> bool {
        let mut found = (self.own)(key);
        each_pair(&self.out[self.start..], |added, _| found |= added == key);
        found
    }

    fn add(&mut self, pairs: &[u8]) {
        each_pair(pairs, |key, raw| {
            if !self.has(key) {
                self.out.extend_from_slice(raw);
            }
        });
    }

    fn text(&mut self, key: &str, text: std::fmt::Arguments<'_>) {
        if !self.has(key) {
            Encoder::new(self.out).key(key).text(|out| {
                // Writing to a buffer does not fail.
                let _ = std::fmt::Write::write_fmt(out, text);
            });
        }
    }

    fn trace_ids(&mut self) {
        if let Some(ids) = TRACE_IDS.get().and_then(|ids| ids()) {
            self.text("trace_id", format_args!("{:032x}", ids.trace));
            self.text("span_id", format_args!("{:016x}", ids.span));
        }
    }
}

/// Appends the fields of what this thread is in to a record that does not have them: `own` says
/// which keys it has.
pub(crate) fn append_current(out: &mut Vec<u8>, own: &dyn Fn(&str) -> bool) {
    if !in_context() {
        return;
    }
    let start = out.len();
    let mut added = Added { out, start, own };
    let _ = STACK.try_with(|stack| {
        let Ok(stack) = stack.try_borrow() else {
            return;
        };
        let mut context_seen = false;
        let mut span_seen = false;
        for entry in stack.entries.iter().rev() {
            match entry {
                Entry::Context(_, context) if !context_seen => {
                    context_seen = true;
                    added.add(context.bytes());
                }
                Entry::Span(span) if !span_seen => {
                    span_seen = true;
                    span.add_to(&mut added);
                }
                Entry::Context(..) | Entry::Span(_) => {}
            }
        }
    });
    added.trace_ids();
}

/// The ids of a distributed trace and of the span in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceIds {
    /// The trace's id.
    pub trace: u128,
    /// The span's id.
    pub span: u64,
}

static TRACE_IDS: OnceLock<fn() -> Option<TraceIds>> = OnceLock::new();

/// Tells where the ids of the present trace are found, for whatever tracing library and version the
/// service uses. Records of the bridges, and those made within a context or a span, then have
/// `trace_id` and `span_id`, in hexadecimal digits. Called on the thread that logs, at each such
/// record: it must be quick, and must not log.
///
/// Returns false where something else was told before, which stays. For the `opentelemetry` crate,
/// [`opentelemetry_ids!`](crate::opentelemetry_ids!) is such a function.
pub fn set_trace_ids(ids: fn() -> Option<TraceIds>) -> bool {
    TRACE_IDS.set(ids).is_ok()
}

#[cfg_attr(
    not(feature = "tracing"),
    allow(dead_code, reason = "spans come through the bridge from `tracing`")
)]
mod spans {
    use std::fmt;
    use std::sync::{Arc, Mutex, PoisonError};

    use super::{Added, Entry, STACK, with_stack, without};

    /// A span of `tracing`, as far as records tell of it.
    pub(crate) struct Span {
        name: &'static str,
        /// Pairs; a span may be given values while threads are in it.
        fields: Mutex<Vec<u8>>,
        parent: Option<Arc<Span>>,
    }

    impl Span {
        pub(crate) fn new(name: &'static str, fields: Vec<u8>, parent: Option<Arc<Span>>) -> Self {
            Span {
                name,
                fields: Mutex::new(fields),
                parent,
            }
        }

        /// Takes further values, in the place of those with the same keys.
        pub(crate) fn record(&self, pairs: &[u8]) {
            let mut fields = self.fields.lock().unwrap_or_else(PoisonError::into_inner);
            super::each_pair(pairs, |key, raw| {
                *fields = without(&fields, key);
                fields.extend_from_slice(raw);
            });
        }

        pub(super) fn add_to(&self, added: &mut Added<'_>) {
            added.text("span", format_args!("{}", Path(self)));
            let mut next = Some(self);
            while let Some(span) = next {
                let fields = span.fields.lock().unwrap_or_else(PoisonError::into_inner);
                added.add(&fields);
                drop(fields);
                next = span.parent.as_deref();
            }
        }
    }

    impl Drop for Span {
        /// One after the other: spans may be nested deeper than a stack is.
        fn drop(&mut self) {
            let mut next = self.parent.take();
            while let Some(span) = next {
                next = Arc::into_inner(span).and_then(|mut span| span.parent.take());
            }
        }
    }

    /// The names of a span and of those around it, the outermost first.
    struct Path<'s>(&'s Span);

    /// How many names are written at most; of deeper ones the innermost are.
    const NAMES: usize = 16;

    impl fmt::Display for Path<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let mut names = [""; NAMES];
            let mut count = 0;
            let mut next = Some(self.0);
            while let Some(span) = next {
                if count == NAMES {
                    f.write_str("…:")?;
                    break;
                }
                names[count] = span.name;
                count += 1;
                next = span.parent.as_deref();
            }
            for (place, name) in names[..count].iter().rev().enumerate() {
                if place > 0 {
                    f.write_str(":")?;
                }
                f.write_str(name)?;
            }
            Ok(())
        }
    }

    pub(crate) fn enter_span(span: &Arc<Span>) {
        with_stack(|stack| stack.entries.push(Entry::Span(Arc::clone(span))));
    }

    pub(crate) fn exit_span(span: &Arc<Span>) {
        let left = with_stack(|stack| {
            let is_it = |entry: &Entry| matches!(entry, Entry::Span(own) if Arc::ptr_eq(own, span));
            let at = stack.entries.iter().rposition(is_it)?;
            Some(stack.entries.remove(at))
        });
        drop(left);
    }

    /// As [`super::append_current`], with the span that an event says is its own.
    pub(crate) fn append_with_span(
        span: Option<&Span>,
        out: &mut Vec<u8>,
        own: &dyn Fn(&str) -> bool,
    ) {
        let start = out.len();
        let mut added = Added { out, start, own };
        let mut span = span;
        if super::in_context() {
            let _ = STACK.try_with(|stack| {
                let Ok(stack) = stack.try_borrow() else {
                    return;
                };
                // Where the event's own span was entered before the context, the context wins.
                for entry in stack.entries.iter().rev() {
                    match entry {
                        Entry::Context(_, context) => {
                            added.add(context.bytes());
                            break;
                        }
                        Entry::Span(entered) => {
                            if span.is_some_and(|own| std::ptr::eq(own, &raw const **entered))
                                && let Some(own) = span.take()
                            {
                                own.add_to(&mut added);
                            }
                        }
                    }
                }
            });
        }
        if let Some(span) = span {
            span.add_to(&mut added);
        }
        added.trace_ids();
    }
}

pub(crate) use spans::Span;
#[cfg(feature = "tracing")]
pub(crate) use spans::{append_with_span, enter_span, exit_span};

#[cfg(all(test, feature = "tracing"))]
mod tests {
    use super::*;

    #[test]
    fn spans_nested_deeper_than_a_stack_end_one_after_the_other() {
        let mut span = Arc::new(Span::new("first", Vec::new(), None));
        for _ in 0..1_000_000 {
            span = Arc::new(Span::new("next", Vec::new(), Some(span)));
        }
        drop(span);
    }

    #[test]
    fn a_span_left_before_the_one_inside_it_is_the_one_that_is_left() {
        let outer = Arc::new(Span::new("outer", Vec::new(), None));
        let inner = Arc::new(Span::new("inner", Vec::new(), Some(Arc::clone(&outer))));
        let span = || {
            let mut out = Vec::new();
            append_current(&mut out, &|_| false);
            let (_, value) = value::take_pair(&mut &out[..])?;
            Some(value.to_string())
        };
        enter_span(&outer);
        enter_span(&inner);
        exit_span(&outer);
        assert_eq!(span().as_deref(), Some("outer:inner"));
        exit_span(&inner);
        assert_eq!(span(), None);
        assert!(!in_context() && !has_voice());
    }
}
