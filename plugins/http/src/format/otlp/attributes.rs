//! What of a record goes into the attributes of its `LogRecord`.

use std::collections::HashSet;

use rolog_core::frame::{Origin, OriginKind, Record};
use rolog_core::value::Value;

/// An attribute's value.
pub(super) enum Attribute<'a> {
    Value(Value<'a>),
    /// The record's positional arguments.
    Arguments,
}

/// The ids of a trace, where the record's fields name one.
pub(super) struct Trace<'a> {
    pub trace: Option<&'a str>,
    pub span: Option<&'a str>,
}

impl<'a> Trace<'a> {
    pub(super) fn of(record: &Record<'a>) -> Self {
        let mut found = Trace {
            trace: None,
            span: None,
        };
        for (key, value) in record.fields() {
            if let Value::Str(text) = value {
                match key {
                    "trace_id" if is_id(text, 32) => found.trace = found.trace.or(Some(text)),
                    "span_id" if is_id(text, 16) => found.span = found.span.or(Some(text)),
                    _ => {}
                }
            }
        }
        found
    }
}

/// Hexadecimal digits, not all of them 0.
pub(super) fn is_id(text: &str, digits: usize) -> bool {
    text.len() == digits
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        && text.bytes().any(|byte| byte != b'0')
}

/// The bytes of an id.
pub(super) fn id_bytes(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap_or_default() as u8;
    let pairs = text.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

/// The names of what is added to a record's own data.
pub(super) const OWN: [&str; 14] = [
    "message.template",
    "exception.type",
    "exception.message",
    "exception.stacktrace",
    "code.file.path",
    "code.line.number",
    "code.namespace",
    "thread.name",
    "thread.id",
    "rolog.origin",
    "rolog.origin.target",
    "rolog.truncated",
    "log.record.uid",
    "args",
];

/// Up to this many keys, one that comes twice is found by looking at the others.
const FEW: usize = 24;

struct Seen<'a> {
    few: [&'a str; FEW],
    count: usize,
    many: HashSet<&'a str>,
}

impl<'a> Seen<'a> {
    fn new() -> Self {
        Seen {
            few: [""; FEW],
            count: 0,
            many: HashSet::new(),
        }
    }

    fn is_new(&mut self, key: &'a str) -> bool {
        if self.few[..self.count].contains(&key) {
            return false;
        }
        if self.count == FEW {
            return self.many.insert(key);
        }
        self.few[self.count] = key;
        self.count += 1;
        true
    }
}

/// Calls `add` with each attribute. A key comes once: the record's own data go before what is added
/// to them, and of several the first.
pub(super) fn each(
    record: &Record<'_>,
    trace: &Trace<'_>,
    source: bool,
    mut add: impl FnMut(&str, Attribute<'_>),
) {
    let mut seen = Seen::new();
    for (key, value) in record.fields() {
        let is_trace = (key == "trace_id" && trace.trace.is_some())
            || (key == "span_id" && trace.span.is_some());
        if !is_trace && seen.is_new(key) {
            add(key, Attribute::Value(value));
        }
    }
    let mut put = |key: &'static str, value: Value<'_>| {
        if seen.is_new(key) {
            add(key, Attribute::Value(value));
        }
    };
    fixed(record, false, &mut put);
    if let Some(error) = record.error() {
        put("exception.type", Value::Str(error.type_name()));
        put("exception.message", Value::Str(&error.to_string()));
        if let Some(backtrace) = error.backtrace() {
            put("exception.stacktrace", Value::Str(backtrace));
        }
    }
    if source {
        place(record, &mut put);
        thread(record, &mut put);
    }
    let origin = record.origin();
    if origin != Origin::SERVICE {
        let kind = match origin.kind {
            OriginKind::Service => "service",
            OriginKind::Instance => "instance",
            OriginKind::Pipeline => "pipeline",
        };
        put("rolog.origin", Value::Str(kind));
        if let Some(target) = origin.target {
            put("rolog.origin.target", Value::Str(target));
        }
    }
    if record.is_truncated() {
        put("rolog.truncated", Value::Bool(true));
    }
    uid(record, &mut put);
    if record.args().next().is_some() && seen.is_new("args") {
        add("args", Attribute::Arguments);
    }
}

/// What all records of a call site add, unless they tell of an error.
pub(super) fn fixed(
    record: &Record<'_>,
    source: bool,
    mut put: impl FnMut(&'static str, Value<'_>),
) {
    if let Some(template) = record.template().filter(|text| text.contains('{')) {
        put("message.template", Value::Str(template));
    }
    if source {
        place(record, put);
    }
}

/// Where it was logged.
fn place(record: &Record<'_>, mut put: impl FnMut(&'static str, Value<'_>)) {
    if let Some((file, line)) = record.source() {
        put("code.file.path", Value::Str(file));
        put("code.line.number", Value::U64(line.into()));
    }
    if let Some(module) = record.module() {
        put("code.namespace", Value::Str(module));
    }
}

/// The thread that logged.
pub(super) fn thread(record: &Record<'_>, mut put: impl FnMut(&'static str, Value<'_>)) {
    if let Some(thread) = record.thread() {
        put("thread.name", Value::Str(thread));
    }
    if let Some(thread) = record.thread_id() {
        put("thread.id", Value::U64(thread));
    }
}

/// The record's id.
pub(super) fn uid(record: &Record<'_>, mut put: impl FnMut(&'static str, Value<'_>)) {
    let id = record.id().digits();
    let id = str::from_utf8(&id).expect("digits and a dash are ASCII");
    put("log.record.uid", Value::Str(id));
}
