//! A record as a `LogRecord` in protobuf.

use std::fmt::{self, Write as _};

use super::super::cursor::Cursor;
use super::super::number::{self, KeptId};
use super::attributes::{self, Attributes, Key, Trace};
use super::site::Sites;
use super::{times, wire};
use crate::frame::{Part, Record, flags};
use crate::level::Level;
use crate::value::{Timestamp, Value};

/// Writes records as `LogRecord`s in protobuf.
///
/// What the records of a call site have in common is encoded once and kept, for the 4,096 call sites
/// seen last. Of records that are out of the ordinary nothing is kept; what is written is the same.
///
/// ```
/// use rolog_core::frame::Batch;
/// use rolog_core::render::{OtlpProto, otlp::wire};
///
/// /// `LogsData` of records that all have one logger.
/// fn logs_data(batch: &Batch<'_>, logger: &str, otlp: &mut OtlpProto) -> Vec<u8> {
///     let mut out = Vec::new();
///     let resource_logs = |out: &mut Vec<u8>| {
///         wire::message(1, out, |out| OtlpProto::attributes([("service.name", "shop")], out));
///         wire::message(2, out, |out| {
///             wire::message(1, out, |out| wire::bytes(1, logger.as_bytes(), out));
///             batch.records().for_each(|record| otlp.log_record(&record, out));
///         });
///     };
///     wire::message(1, &mut out, resource_logs);
///     out
/// }
/// ```
#[derive(Debug)]
pub struct OtlpProto {
    source: bool,
    sites: Sites,
    uid: KeptId<22, 67>,
}

/// What most records have room in, so that it is mostly made at once.
const ROOM: usize = 512;

/// The attribute with the id, without its last four digits.
const UID: [u8; 67] = *b"\x32\x45\x0a\x0elog.record.uid\x12\x33\x0a\x31\
    ................................-............";

/// What stands between a record's time and its message: the level, and the heads of the message with
/// lengths of one byte.
const LEVELS: [([u8; 16], usize); 6] = {
    let mut all = [([0; 16], 0); 6];
    let mut n = 0;
    while n < 6 {
        let level = Level::ALL[n];
        let name = level.name().as_bytes();
        let (head, len) = &mut all[level.index()];
        head[0] = 2 << 3;
        head[1] = level.severity_number();
        head[2] = 3 << 3 | 2;
        head[3] = name.len() as u8;
        let mut at = 0;
        while at < name.len() {
            head[4 + at] = name[at];
            at += 1;
        }
        head[4 + at] = 5 << 3 | 2;
        head[6 + at] = 1 << 3 | 2;
        *len = 8 + at;
        n += 1;
    }
    all
};

impl OtlpProto {
    /// Leaves out where in the source records were logged.
    pub fn new() -> Self {
        OtlpProto {
            source: false,
            sites: Sites::default(),
            uid: KeptId::new(UID),
        }
    }

    /// Whether each record says where it was logged: `code.*` and `thread.*`.
    #[must_use]
    pub fn with_source(self, source: bool) -> Self {
        OtlpProto {
            source,
            // What is kept may have been encoded otherwise.
            sites: Sites::default(),
            ..self
        }
    }

    /// Appends a record as one of the `log_records` of a `ScopeLogs`: field and length, then the
    /// `LogRecord`.
    pub fn log_record(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        if self.usual(record, out).is_none() {
            out.truncate(start);
            unusual(self.source, record, out);
        }
    }

    /// [`OtlpProto::log_record`], whatever is kept; says whether it writes the same by that.
    #[cfg(test)]
    pub(in crate::render) fn anew(&mut self, record: &Record<'_>, out: &mut Vec<u8>) -> bool {
        unusual(self.source, record, out);
        self.usual(record, &mut Vec::new()).is_some()
    }

    /// Appends attributes that are texts, as a message has them in its field 1, such as a resource.
    pub fn attributes<'a>(all: impl IntoIterator<Item = (&'a str, &'a str)>, out: &mut Vec<u8>) {
        let mut attributes = Fields { field: 1, out };
        for (name, text) in all {
            attributes.text(name, text);
        }
    }

    /// Appends a record of a call site that has nothing but its data to tell. If it is another, what
    /// was appended is nothing to keep.
    #[inline]
    fn usual(&mut self, record: &Record<'_>, out: &mut Vec<u8>) -> Option<()> {
        if record.flags() & (flags::MESSAGE | flags::ARGS) != 0 || !record.is_plain() {
            return None;
        }
        let site = self.sites.of(record, self.source)?;
        let time = time_bytes(record.time());
        let mut to = Cursor::new(out, ROOM);
        to.first(&[2 << 3 | 2, 0, 0, 1 << 3 | 1], 4);
        let start = to.len();
        to.first(&time, 8);
        let (level, len) = &LEVELS[record.level().index()];
        to.first(level, *len);
        let body = to.len();
        let values = record.raw_fields();
        site.message(values, &mut to)?;
        let len = to.len() - body;
        if len <= SHORT {
            to.set(body - 3, [len as u8 + 2]);
            to.set(body - 1, [len as u8]);
        } else {
            to.with(|out| long_body(body, out));
        }
        let rest = site.fields(values, &mut to)?;
        let mut trace = Trace::default();
        if !rest.is_empty() {
            if site.open_holes() {
                return None;
            }
            let mut more = |out: &mut Vec<u8>| {
                site.added(rest, record, &mut trace, &mut Fields { field: 6, out });
            };
            to.with(&mut more);
        }
        site.behind(&mut to);
        if self.source {
            to.with(|out| attributes::thread(record, &mut Fields { field: 6, out }));
        }
        let (uid, [first, second, third, fourth]) = self.uid.of(record.id());
        to.first(uid, uid.len());
        to.first(&[first, second, third, fourth, 11 << 3 | 1], 5);
        to.first(&time, 8);
        if !trace.is_none() {
            to.with(|out| ids(&trace, out));
        }
        // Without the field in front of them, the length and the first field.
        let len = to.len() - (start - 1);
        if (0x80..0x4000).contains(&len) {
            to.set(start - 3, [len as u8 | 0x80, (len >> 7) as u8]);
        } else {
            to.with(|out| wire::close(start - 3, 2, out));
        }
        to.finish();
        Some(())
    }
}

impl Default for OtlpProto {
    fn default() -> Self {
        OtlpProto::new()
    }
}

/// A message of so many bytes has one byte for its length, and so has the value that it is.
const SHORT: usize = 125;

#[inline]
fn time_bytes(time: Timestamp) -> [u8; 8] {
    time.nanos().max(0).to_le_bytes()
}

/// Makes room for the lengths of a message that has no short one; its heads stand before `at`.
#[cold]
#[inline(never)]
fn long_body(at: usize, out: &mut Vec<u8>) {
    wire::close(at - 1, 1, out);
    wire::close(at - 3, 1, out);
}

/// Appends any record.
fn unusual(source: bool, record: &Record<'_>, out: &mut Vec<u8>) {
    let [time, observed] = times(record);
    wire::long_message(2, out, |out| {
        wire::fixed64(1, time, out);
        wire::number(2, record.level().severity_number().into(), out);
        wire::bytes(3, record.level().name().as_bytes(), out);
        wire::message(5, out, |out| {
            wire::message(1, out, |out| message(record, out));
        });
        let mut fields = Fields { field: 6, out };
        let trace = attributes::all(source, record, &mut fields);
        let id = record.id().digits();
        let id = str::from_utf8(&id).expect("digits and a dash are ASCII");
        fields.text(attributes::UID, id);
        wire::fixed64(11, observed, out);
        ids(&trace, out);
    });
}

/// Appends the ids of a trace.
fn ids(trace: &Trace<'_>, out: &mut Vec<u8>) {
    for (field, id) in [(9, trace.trace), (10, trace.span)] {
        let Some(id) = id else { continue };
        wire::head(field, id.len() / 2, out);
        let digit = |byte: u8| (byte as char).to_digit(16).unwrap_or_default() as u8;
        let pairs = id.as_bytes().chunks_exact(2);
        out.extend(pairs.map(|pair| digit(pair[0]) << 4 | digit(pair[1])));
    }
}

/// Appends the message, as its `Display` has it.
fn message(record: &Record<'_>, out: &mut Vec<u8>) {
    let parts = record.message().parts(|part| {
        match part {
            Part::Text(text) => out.extend_from_slice(text.as_bytes()),
            Part::Value(value) => text(&value, out),
            Part::Unfilled(name) => {
                out.push(b'{');
                out.extend_from_slice(name.as_bytes());
                out.push(b'}');
            }
        }
        Ok::<_, std::convert::Infallible>(())
    });
    match parts {
        Ok(()) => {}
        Err(never) => match never {},
    }
}

/// Appends a value as its `Display` has it.
pub(super) fn text(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Str(text) => out.extend_from_slice(text.as_bytes()),
        Value::U64(value) => number::integer(*value, out),
        Value::I64(value) => number::integer(*value, out),
        value => write!(Text(out), "{value}").expect("a vector takes everything"),
    }
}

/// Appends what is formatted.
struct Text<'v>(&'v mut Vec<u8>);

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Attributes under a field of the message that they are appended to.
pub(super) struct Fields<'o> {
    pub field: u8,
    pub out: &'o mut Vec<u8>,
}

impl Fields<'_> {
    fn add(&mut self, key: Key<'_>, value: Option<impl FnOnce(&mut Vec<u8>)>) {
        wire::message(self.field, self.out, |out| {
            wire::head(1, key.before.len() + key.name.len(), out);
            out.extend_from_slice(key.before.as_bytes());
            out.extend_from_slice(key.name.as_bytes());
            if let Some(write) = value {
                wire::message(2, out, write);
            }
        });
    }
}

impl Attributes for Fields<'_> {
    fn value(&mut self, key: Key<'_>, value: &Value<'_>) {
        let held = !matches!(value, Value::Null);
        self.add(key, held.then_some(|out: &mut Vec<u8>| any(value, out)));
    }

    fn list<'a>(&mut self, key: Key<'_>, items: impl Iterator<Item = Value<'a>>) {
        self.add(key, Some(|out: &mut Vec<u8>| array(items, out)));
    }
}

/// Appends what an `AnyValue` holds; nothing for null.
fn any(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => {}
        Value::Str(text) => wire::bytes(1, text.as_bytes(), out),
        Value::Bool(truth) => wire::number(2, (*truth).into(), out),
        Value::F64(number) => wire::fixed64(4, number.to_bits(), out),
        Value::Duration(span) => wire::fixed64(4, span.as_secs_f64().to_bits(), out),
        Value::Bytes(bytes) => wire::bytes(7, bytes, out),
        Value::List(items) => array(items.iter(), out),
        Value::Map(map) => pairs(out, |to| attributes::entries(map, to)),
        Value::Error(told) => pairs(out, |to| attributes::exception(told, to)),
        Value::Unknown(tag, payload) => wire::message(1, out, |out| {
            write!(Text(out), "unknown:{tag:02x}:").expect("a vector takes everything");
            number::base64(payload, out);
        }),
        other => match attributes::integer(other) {
            Some(number) => wire::number(3, number.cast_unsigned(), out),
            None => wire::message(1, out, |out| text(other, out)),
        },
    }
}

fn array<'a>(items: impl Iterator<Item = Value<'a>>, out: &mut Vec<u8>) {
    wire::message(5, out, |out| {
        for item in items {
            wire::message(1, out, |out| any(&item, out));
        }
    });
}

fn pairs(out: &mut Vec<u8>, write: impl FnOnce(&mut Fields<'_>)) {
    wire::message(6, out, |out| write(&mut Fields { field: 1, out }));
}
