//! OpenTelemetry's log data, in protobuf and in the JSON mapping of it.
//!
//! [`OtlpProto`] and [`OtlpJson`] write a record as one `LogRecord`: the same attributes with the same
//! values in both, whoever sends them. What stands around records (resource, scope, request) is their
//! callers' business. Neither fails or panics, whatever the record contains.
//!
//! # What becomes of a record
//!
//! | of the record | in the `LogRecord` |
//! |---|---|
//! | time; when it was read, else time again | `time_unix_nano`, `observed_time_unix_nano`; 0 for what was before 1970 |
//! | level | `severity_number`, and its name as `severity_text` |
//! | message, its holes filled | `body`, a string |
//! | a field `trace_id` or `span_id` that is such an id in hexadecimal, not all zeros | `trace_id`, `span_id` |
//! | each other field | the attribute of its key; of equal keys the first |
//! | a field whose key is one of those below, or begins with `rolog.data.` | the attribute `rolog.data.KEY` |
//! | error | `exception.type`, `exception.message`, `exception.stacktrace`: its sources, each behind `caused by: `, and its backtrace |
//! | positional arguments | `rolog.args` |
//! | the template, where it has holes | `rolog.template` |
//! | place in the source, if asked for | `code.file.path`, `code.line.number`, `code.namespace` |
//! | thread, if asked for | `thread.name`, `thread.id` |
//! | origin, where it is not the service | `rolog.origin.kind`, `rolog.origin.target`, `rolog.origin.class` |
//! | that it was cut to the bound on its size | `rolog.truncated`: true |
//! | id | `log.record.uid` |
//!
//! # What becomes of a value
//!
//! | value | `AnyValue` |
//! |---|---|
//! | null | none: the attribute has a key only; within a list an empty value, in JSON the text `null` |
//! | truth, text, bytes | `bool_value`, `string_value`, `bytes_value` |
//! | an integer of up to 64 bits with sign | `int_value` |
//! | a larger one | its digits, a string |
//! | a number | `double_value`; in JSON `NaN`, `Infinity` and `-Infinity` are strings |
//! | a duration | `double_value`, seconds |
//! | a timestamp | a string, RFC 3339, UTC, nanoseconds |
//! | a list, a map | `array_value`, `kvlist_value`, of equal keys the first |
//! | an error | `kvlist_value`, with the keys `exception.*` |
//! | a kind that this version does not know | as in [the JSON line](crate::render#the-json-line) |
//!
//! JSON has texts where the mapping has an empty value or a number that is none, because there are
//! collectors that refuse the whole request for those.

mod attributes;
mod json;
mod proto;
mod site;
pub mod wire;

pub use json::OtlpJson;
pub use proto::OtlpProto;

use crate::frame::Record;

/// The times of a record, in nanoseconds: when it was logged, and when it was read.
#[inline]
fn times(record: &Record<'_>) -> [u64; 2] {
    let time = record.time();
    [time, record.observed().unwrap_or(time)].map(|time| time.nanos().max(0).cast_unsigned())
}
