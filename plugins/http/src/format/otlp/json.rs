//! `ExportLogsServiceRequest` as JSON.

use rolog_core::frame::Record;
use rolog_core::render::OtlpJson;
use serde::Deserialize;

use super::{Scopes, Settings};
use crate::format::{Format, Stream, Written, quoted};

/// Writes requests as JSON.
pub(super) struct Json {
    /// The resource, whole.
    resource: Vec<u8>,
    records: OtlpJson,
    scopes: Scopes,
}

impl Json {
    pub(super) fn new(settings: &Settings, source: bool) -> Self {
        let mut resource = b"{\"attributes\":".to_vec();
        OtlpJson::attributes(settings.resource(), &mut resource);
        resource.push(b'}');
        Json {
            resource,
            records: OtlpJson::new().with_source(source),
            scopes: Scopes::default(),
        }
    }
}

impl Format for Json {
    fn content_type(&self) -> &'static str {
        "application/json"
    }

    fn begin(&mut self, _: &mut Vec<u8>) {
        self.scopes.clear();
    }

    fn record(&mut self, record: &Record<'_>, out: &mut Vec<u8>) -> Result<Stream, String> {
        self.records.log_record(record, out);
        Ok(self.scopes.of(record))
    }

    fn stream_cost(&self, stream: Stream) -> usize {
        // `{"scope":{"name":…},"logRecords":[]},`
        2 * self.scopes.names[stream as usize].len() + 40
    }

    fn body(&self, written: &Written, which: &[u32], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"resourceLogs\":[{\"resource\":");
        out.extend_from_slice(&self.resource);
        out.extend_from_slice(b",\"scopeLogs\":[");
        for (at, (stream, records)) in written.by_stream(which).into_iter().enumerate() {
            comma(at > 0, out);
            out.extend_from_slice(b"{\"scope\":{\"name\":");
            quoted(&self.scopes.names[stream as usize], out);
            out.extend_from_slice(b"},\"logRecords\":[");
            written.join(&records, b",", out);
            out.extend_from_slice(b"]}");
        }
        out.extend_from_slice(b"]}]}");
    }
}

fn comma(wanted: bool, out: &mut Vec<u8>) {
    if wanted {
        out.push(b',');
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    partial_success: Option<Partial>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Partial {
    rejected_log_records: Count,
    error_message: String,
}

/// A 64-bit number is a string by the rules, and a number all the same with some.
#[derive(Deserialize)]
#[serde(untagged)]
enum Count {
    Number(u64),
    Text(String),
}

impl Default for Count {
    fn default() -> Self {
        Count::Number(0)
    }
}

/// How many records an `ExportLogsServiceResponse` says were refused, and what it remarks.
pub(super) fn partial_success(answer: &[u8]) -> Option<(u64, String)> {
    if answer.is_empty() {
        return Some((0, String::new()));
    }
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    let partial = answer.partial_success.unwrap_or_default();
    let count = match partial.rejected_log_records {
        Count::Number(count) => count,
        Count::Text(text) => text.parse().ok()?,
    };
    Some((count, partial.error_message))
}
