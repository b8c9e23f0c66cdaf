//! JSON lines of a shape that others expect.

use super::Zone;
use super::escape::escape;
use super::json;
use super::keys::Keys;
use super::message::message;
use super::number;
use super::otlp::OtlpJson;
use super::time::{TimeFormat, Times};
use crate::frame::{Origin, Record};
use crate::template::{Piece, pieces};
use crate::value::{ErrorValue, Value};

/// The parts of a record, by their names in [the JSON line](crate::render#the-json-line).
const PARTS: [&str; 16] = [
    "time",
    "level",
    "logger",
    "message",
    "template",
    "args",
    "fields",
    "error",
    "observed",
    "origin",
    "truncated",
    "module",
    "file",
    "line",
    "thread",
    "record_id",
];

/// Whether a key is the name of a part of a record.
pub(super) fn is_part(key: &str) -> bool {
    PARTS.contains(&key)
}

/// The template of a record that has one with holes.
pub(super) fn open_template<'a>(record: &Record<'a>) -> Option<&'a str> {
    let hole = |piece| matches!(piece, Piece::Hole(_));
    record
        .template()
        .filter(|template| pieces(template).any(hole))
}

/// What the parts of a record are called in a line, and which are left out.
///
/// ```
/// use rolog_core::render::Names;
///
/// let mut names = Names::default();
/// names.rename("time", "@timestamp").unwrap();
/// names.leave_out("record_id").unwrap();
/// assert!(names.rename("level", "@timestamp").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(Box<[Option<String>; 16]>);

impl Default for Names {
    fn default() -> Self {
        Names(Box::new(PARTS.map(|part| Some(part.to_owned()))))
    }
}

impl Names {
    /// Calls a part by another name.
    ///
    /// # Errors
    /// A part that there is not, or a name that another part has; the error says which.
    pub fn rename(&mut self, part: &str, name: &str) -> Result<(), String> {
        let at = place(part)?;
        if name.is_empty() {
            return Err(format!("the name of `{part}` is empty"));
        }
        let taken =
            |(n, other): (usize, &Option<String>)| n != at && other.as_deref() == Some(name);
        if let Some(other) = self.0.iter().enumerate().position(taken) {
            return Err(format!(
                "`{name}` would be both `{}` and `{part}`",
                PARTS[other]
            ));
        }
        self.0[at] = Some(name.to_owned());
        Ok(())
    }

    /// Leaves a part out.
    ///
    /// # Errors
    /// A part that there is not, or that cannot be left out: `fields`, where data go whose key is a
    /// part's name.
    pub fn leave_out(&mut self, part: &str) -> Result<(), String> {
        match place(part)? {
            at if PARTS[at] == "fields" => {
                Err("`fields` cannot be left out: data would be lost".into())
            }
            at => {
                self.0[at] = None;
                Ok(())
            }
        }
    }

    fn of(&self, part: &str) -> Option<&str> {
        let at = PARTS.iter().position(|known| *known == part)?;
        self.0[at].as_deref()
    }

    fn has(&self, key: &str) -> bool {
        self.0.iter().flatten().any(|name| name == key)
    }
}

fn place(part: &str) -> Result<usize, String> {
    PARTS
        .iter()
        .position(|known| *known == part)
        .ok_or_else(|| {
            format!(
                "`{part}` is no part of a record, expected one of `{}`",
                PARTS.join("`, `")
            )
        })
}

/// Which lines others expect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The JSON line, with names of one's own.
    Named(Names),
    /// The Elastic Common Schema, as its logging libraries write it.
    Ecs,
    /// OpenTelemetry's JSON, as its file exporter writes it: each line is `LogsData` with one record,
    /// which collectors read. These are the attributes of its resource, such as `service.name`.
    OpenTelemetry(Vec<(String, String)>),
}

/// Renders records as JSON lines of a chosen shape, with times in a chosen form.
///
/// Values are written as in [the JSON line](crate::render#the-json-line), but in OpenTelemetry's shape,
/// which has types of its own.
#[derive(Debug)]
pub struct ShapedJson {
    shape: Shape,
    source: bool,
    times: Times,
}

impl ShapedJson {
    /// A renderer for this shape.
    pub fn new(shape: Shape, source: bool, format: TimeFormat, zone: Zone) -> Self {
        ShapedJson {
            shape,
            source,
            times: Times::new(format, zone),
        }
    }

    /// Appends `record` as one line.
    pub fn line(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let source = self.source;
        let mut object = Object { first: true, out };
        object.out.push(b'{');
        match &self.shape {
            Shape::Named(names) => named(names, source, &mut self.times, record, &mut object),
            Shape::Ecs => ecs(source, &mut self.times, record, &mut object),
            Shape::OpenTelemetry(resource) => logs_data(resource, source, record, out),
        }
        out.extend_from_slice(b"}\n");
    }
}

/// An object that is being written.
pub(super) struct Object<'o> {
    pub(super) first: bool,
    pub(super) out: &'o mut Vec<u8>,
}

impl Object<'_> {
    /// Begins the next member; its value goes into what this returns.
    pub(super) fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        string(key, self.out);
        self.out.push(b':');
        self.out
    }

    pub(super) fn text(&mut self, key: &str, text: &str) {
        string(text, self.key(key));
    }
}

pub(super) fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escape(true, text, out);
    out.push(b'"');
}

/// Appends the message of a record as a JSON string.
pub(super) fn message_text(record: &Record<'_>, out: &mut Vec<u8>) {
    out.push(b'"');
    match record.literal() {
        Some(text) => escape(true, text, out),
        None => message(true, record, out),
    }
    out.push(b'"');
}

/// The data of a record, each key once.
pub(super) fn data<'a>(record: &Record<'a>) -> impl Iterator<Item = (&'a str, Value<'a>)> {
    let record = *record;
    let mut seen = Keys::new();
    record
        .fields()
        .filter(move |(key, _)| seen.is_new(key, || record.fields().map(|(key, _)| key)))
}

fn named(
    names: &Names,
    source: bool,
    times: &mut Times,
    record: &Record<'_>,
    object: &mut Object<'_>,
) {
    if let Some(name) = names.of("time") {
        times.json(record.time(), object.key(name));
    }
    if let Some(name) = names.of("level") {
        object.text(name, record.level().name());
    }
    if let Some(name) = names.of("logger") {
        object.text(name, record.logger());
    }
    if let Some(name) = names.of("message") {
        message_text(record, object.key(name));
    }
    if let (Some(name), Some(template)) = (names.of("template"), open_template(record)) {
        object.text(name, template);
    }
    if let Some(name) = names.of("args")
        && record.argument(0).is_some()
    {
        json::list(record.args(), object.key(name));
    }
    let apart = names.of("fields").unwrap_or("fields");
    spread(data(record), object, apart, |key| names.has(key));
    if let (Some(name), Some(told)) = (names.of("error"), record.error()) {
        json::value(&Value::Error(told), object.key(name));
    }
    if let (Some(name), Some(observed)) = (names.of("observed"), record.observed()) {
        times.json(observed, object.key(name));
    }
    if let Some(name) = names.of("origin") {
        origin(record, name, object);
    }
    if let Some(name) = names.of("truncated")
        && record.is_truncated()
    {
        object.key(name).extend_from_slice(b"true");
    }
    if source {
        place_in_source(
            record,
            object,
            ["module", "file", "line", "thread"].map(|part| names.of(part)),
        );
    }
    if let Some(name) = names.of("record_id") {
        object.text(name, &record.id().to_string());
    }
}

/// Writes data under their own keys, and those whose key is taken in an object apart.
fn spread<'a>(
    data: impl Iterator<Item = (&'a str, Value<'a>)>,
    object: &mut Object<'_>,
    apart: &str,
    taken: impl Fn(&str) -> bool,
) {
    let mut aside = Vec::new();
    for (key, value) in data {
        if taken(key) {
            aside.push((key, value));
        } else {
            json::value(&value, object.key(key));
        }
    }
    if !aside.is_empty() {
        let out = object.key(apart);
        out.push(b'{');
        let mut inner = Object { first: true, out };
        for (key, value) in aside {
            json::value(&value, inner.key(key));
        }
        out.push(b'}');
    }
}

fn place_in_source(record: &Record<'_>, object: &mut Object<'_>, names: [Option<&str>; 4]) {
    let [module, file, line, thread] = names;
    if let (Some(name), Some(text)) = (module, record.module()) {
        object.text(name, text);
    }
    if let Some((path, number)) = record.source() {
        if let Some(name) = file {
            object.text(name, path);
        }
        if let Some(name) = line {
            number::integer(number, object.key(name));
        }
    }
    if let (Some(name), Some(text)) = (thread, record.thread()) {
        object.text(name, text);
    }
}

fn origin(record: &Record<'_>, name: &str, object: &mut Object<'_>) {
    let origin = record.origin();
    if origin == Origin::SERVICE {
        return;
    }
    let out = object.key(name);
    out.push(b'{');
    let mut inner = Object { first: true, out };
    inner.text("kind", json::kind(origin.kind));
    if let Some(target) = origin.target {
        inner.text("target", target);
    }
    if let Some(class) = origin.class {
        inner.text("class", class.name());
    }
    if origin.attempts != 0 {
        number::integer(origin.attempts, inner.key("attempts"));
    }
    out.push(b'}');
}

/// Appends all of a `LogsData` but the outermost braces.
fn logs_data(resource: &[(String, String)], source: bool, record: &Record<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"resourceLogs\":[{\"resource\":{\"attributes\":");
    let attributes = resource.iter().map(|(name, text)| (&**name, &**text));
    OtlpJson::attributes(attributes, out);
    out.extend_from_slice(b"},\"scopeLogs\":[{\"scope\":{\"name\":");
    string(record.logger(), out);
    out.extend_from_slice(b"},\"logRecords\":[");
    OtlpJson::new().with_source(source).log_record(record, out);
    out.extend_from_slice(b"]}]}]");
}

/// The version of the schema whose fields are used.
const ECS_VERSION: &str = "8.11.0";

fn ecs(source: bool, times: &mut Times, record: &Record<'_>, object: &mut Object<'_>) {
    times.json(record.time(), object.key("@timestamp"));
    object.text("log.level", record.level().name());
    message_text(record, object.key("message"));
    object.text("ecs.version", ECS_VERSION);
    object.text("log.logger", record.logger());
    object.text("event.id", &record.id().to_string());
    let ids = data(record).filter_map(|(key, value)| Some((ecs_id(key, &value)?, value)));
    for (name, value) in ids {
        json::value(&value, object.key(name));
    }
    // Data of the schema's own sets would contradict their types.
    let taken = |key: &str| {
        let set = key.split('.').next().unwrap_or_default();
        matches!(
            set,
            "@timestamp"
                | "message"
                | "log"
                | "ecs"
                | "event"
                | "error"
                | "process"
                | "rolog"
                | "labels"
                | "trace"
                | "span"
        )
    };
    let rest = data(record).filter(|(key, value)| ecs_id(key, value).is_none());
    spread(rest, object, "labels", taken);
    if let Some(told) = record.error() {
        object.text("error.type", told.type_name());
        object.text("error.message", told.text());
        if let Some(trace) = stack_trace(&told) {
            object.text("error.stack_trace", &trace);
        }
    }
    if let Some(observed) = record.observed() {
        times.json(observed, object.key("event.created"));
    }
    if source {
        let names = [
            Some("rolog.module"),
            Some("log.origin.file.name"),
            Some("log.origin.file.line"),
            Some("process.thread.name"),
        ];
        place_in_source(record, object, names);
    }
    if let Some(template) = open_template(record) {
        object.text("rolog.template", template);
    }
    if record.argument(0).is_some() {
        json::list(record.args(), object.key("rolog.args"));
    }
    origin(record, "rolog.origin", object);
    if record.is_truncated() {
        object.key("rolog.truncated").extend_from_slice(b"true");
    }
}

/// The schema's name for an id that joins records to a trace.
fn ecs_id(key: &str, value: &Value<'_>) -> Option<&'static str> {
    value.as_str()?;
    match key {
        "trace_id" => Some("trace.id"),
        "span_id" => Some("span.id"),
        _ => None,
    }
}

/// The sources of an error and its backtrace, as one text.
pub(super) fn stack_trace(told: &ErrorValue<'_>) -> Option<String> {
    let mut text = String::new();
    for source in told.sources() {
        text.push_str("caused by: ");
        text.push_str(source);
        text.push('\n');
    }
    text.push_str(told.backtrace().unwrap_or_default());
    (!text.is_empty()).then_some(text)
}
