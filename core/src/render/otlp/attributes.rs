//! What of a record goes into the attributes of its `LogRecord`, under which name, and in which order.

use super::super::json;
use super::super::shape::{data, open_template, stack_trace};
use crate::frame::{Origin, Record};
use crate::value::{ErrorValue, Map, Value};

/// What stands before the key of a field that would be taken for another attribute.
const DATA: &str = "rolog.data.";
pub(super) const UID: &str = "log.record.uid";
const TEMPLATE: &str = "rolog.template";

/// Whether an attribute of this name tells something else than a field.
fn is_own(name: &str) -> bool {
    matches!(
        name,
        UID | TEMPLATE
            | "exception.type"
            | "exception.message"
            | "exception.stacktrace"
            | "code.file.path"
            | "code.line.number"
            | "code.namespace"
            | "thread.name"
            | "thread.id"
            | "rolog.args"
            | "rolog.origin.kind"
            | "rolog.origin.target"
            | "rolog.origin.class"
            | "rolog.truncated"
    )
}

/// The key of an attribute.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    /// What stands before the name: mostly nothing.
    pub before: &'static str,
    pub name: &'a str,
}

impl<'a> Key<'a> {
    /// That of a field. No two fields have the same one, as what begins like the others does so once
    /// more.
    pub(super) fn of_field(name: &'a str) -> Self {
        let taken = is_own(name) || name.starts_with(DATA);
        Key {
            before: if taken { DATA } else { "" },
            name,
        }
    }
}

impl<'a> From<&'a str> for Key<'a> {
    fn from(name: &'a str) -> Self {
        Key { before: "", name }
    }
}

/// Where attributes are written.
pub(super) trait Attributes {
    /// Appends one. Null has no value.
    fn value(&mut self, key: Key<'_>, value: &Value<'_>);

    /// Appends one that is a list.
    fn list<'a>(&mut self, key: Key<'_>, items: impl Iterator<Item = Value<'a>>);

    /// Appends one that is a text.
    fn text(&mut self, name: &str, text: &str) {
        self.value(name.into(), &Value::Str(text));
    }
}

/// The ids of a trace, where the record's fields name one.
#[derive(Clone, Copy, Default)]
pub(super) struct Trace<'a> {
    pub trace: Option<&'a str>,
    pub span: Option<&'a str>,
}

impl Trace<'_> {
    pub(super) fn is_none(&self) -> bool {
        self.trace.is_none() && self.span.is_none()
    }
}

/// Whether a field of this name may be a trace's.
pub(super) fn is_of_trace(name: &str) -> bool {
    matches!(name, "trace_id" | "span_id")
}

/// Hexadecimal digits, not all of them 0, which stands for none.
fn is_id(text: &str, digits: usize) -> bool {
    text.len() == digits
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        && text.bytes().any(|byte| byte != b'0')
}

/// Writes a field, unless it is an id of a trace.
pub(super) fn field<'a>(
    name: &'a str,
    value: &Value<'a>,
    trace: &mut Trace<'a>,
    to: &mut impl Attributes,
) {
    match (name, value) {
        ("trace_id", Value::Str(text)) if is_id(text, 32) => trace.trace = Some(text),
        ("span_id", Value::Str(text)) if is_id(text, 16) => trace.span = Some(text),
        _ => to.value(Key::of_field(name), value),
    }
}

/// Writes all but the last, which is the record's id under [`UID`].
pub(super) fn all<'a>(source: bool, record: &Record<'a>, to: &mut impl Attributes) -> Trace<'a> {
    let mut trace = Trace::default();
    for (name, value) in data(record) {
        field(name, &value, &mut trace, to);
    }
    if let Some(told) = record.error() {
        exception(&told, to);
    }
    if record.argument(0).is_some() {
        to.list("rolog.args".into(), record.args());
    }
    if let Some(template) = open_template(record) {
        to.text(TEMPLATE, template);
    }
    if source {
        place(record, to);
        thread(record, to);
    }
    let origin = record.origin();
    if origin != Origin::SERVICE {
        to.text("rolog.origin.kind", json::kind(origin.kind));
        if let Some(target) = origin.target {
            to.text("rolog.origin.target", target);
        }
        if let Some(class) = origin.class {
            to.text("rolog.origin.class", class.name());
        }
    }
    if record.is_truncated() {
        to.value("rolog.truncated".into(), &Value::Bool(true));
    }
    trace
}

/// Writes what all plain records of a call site have behind their fields.
pub(super) fn of_site(source: bool, record: &Record<'_>, to: &mut impl Attributes) {
    if let Some(template) = open_template(record) {
        to.text(TEMPLATE, template);
    }
    if source {
        place(record, to);
    }
}

/// Where it was logged.
fn place(record: &Record<'_>, to: &mut impl Attributes) {
    if let Some((file, line)) = record.source() {
        to.text("code.file.path", file);
        to.value("code.line.number".into(), &Value::U64(line.into()));
    }
    if let Some(module) = record.module() {
        to.text("code.namespace", module);
    }
}

/// The thread that logged.
pub(super) fn thread(record: &Record<'_>, to: &mut impl Attributes) {
    if let Some(thread) = record.thread() {
        to.text("thread.name", thread);
    }
    if let Some(thread) = record.thread_id() {
        to.value("thread.id".into(), &Value::U64(thread));
    }
}

/// An error, the record's own or one among its data.
pub(super) fn exception(told: &ErrorValue<'_>, to: &mut impl Attributes) {
    to.text("exception.type", told.type_name());
    to.text("exception.message", told.text());
    if let Some(trace) = stack_trace(told) {
        to.text("exception.stacktrace", &trace);
    }
}

/// The entries of a map, the first of each key.
pub(super) fn entries(map: &Map<'_>, to: &mut impl Attributes) {
    let mut seen = super::super::keys::Keys::new();
    for (key, value) in map.iter() {
        if seen.is_new(key, || map.iter().map(|(key, _)| key)) {
            to.value(key.into(), &value);
        }
    }
}

/// The integer that an `AnyValue` can hold; larger ones are texts.
pub(super) fn integer(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::I64(number) => Some(*number),
        Value::U64(number) => i64::try_from(*number).ok(),
        Value::I128(number) => i64::try_from(*number).ok(),
        Value::U128(number) => i64::try_from(*number).ok(),
        _ => None,
    }
}
