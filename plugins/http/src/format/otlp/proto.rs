//! `ExportLogsServiceRequest` as protobuf.

use rolog_core::frame::Record;
use rolog_core::render::OtlpProto;
use rolog_core::render::otlp::wire::{self, Held};

use super::{Scopes, Settings};
use crate::format::{Format, Stream, Written};

/// Writes requests as protobuf.
pub(super) struct Proto {
    /// The field of the resource, whole.
    resource: Vec<u8>,
    records: OtlpProto,
    scopes: Scopes,
}

impl Proto {
    pub(super) fn new(settings: &Settings, source: bool) -> Self {
        let mut resource = Vec::new();
        wire::message(1, &mut resource, |out| {
            OtlpProto::attributes(settings.resource(), out);
        });
        Proto {
            resource,
            records: OtlpProto::new().with_source(source),
            scopes: Scopes::default(),
        }
    }

    /// What is left free before the records, for what stands there where all have one scope.
    fn room(&self) -> usize {
        self.resource.len() + 256
    }

    /// The field of a scope, whole.
    fn scope(&self, stream: Stream) -> Vec<u8> {
        let name = &self.scopes.names[stream as usize];
        let mut scope = Vec::new();
        wire::message(1, &mut scope, |out| wire::bytes(1, name.as_bytes(), out));
        scope
    }
}

impl Format for Proto {
    fn content_type(&self) -> &'static str {
        "application/x-protobuf"
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        self.scopes.clear();
        out.resize(self.room(), 0);
    }

    fn record(&mut self, record: &Record<'_>, out: &mut Vec<u8>) -> Result<Stream, String> {
        self.records.log_record(record, out);
        Ok(self.scopes.of(record))
    }

    fn stream_cost(&self, stream: Stream) -> usize {
        self.scopes.names[stream as usize].len() + 16
    }

    fn body(&self, written: &Written, which: &[u32], out: &mut Vec<u8>) {
        let mut parts = Vec::new();
        let mut resource_len = self.resource.len();
        for (stream, records) in written.by_stream(which) {
            let scope = self.scope(stream);
            let fields = records.iter().map(|index| written.get(*index).len());
            let len = scope.len() + fields.sum::<usize>();
            resource_len += wire::field_len(len);
            parts.push((scope, len, records));
        }
        out.reserve(wire::field_len(resource_len));
        wire::head(1, resource_len, out);
        out.extend_from_slice(&self.resource);
        for (scope, len, records) in parts {
            wire::head(2, len, out);
            out.extend_from_slice(&scope);
            written.join(&records, b"", out);
        }
    }

    fn complete(&self, written: &mut Vec<u8>) -> Option<usize> {
        if self.scopes.names.len() != 1 {
            return None;
        }
        let scope = self.scope(0);
        let len = scope.len() + written.len() - self.room();
        let mut head = Vec::with_capacity(self.room());
        wire::head(1, self.resource.len() + wire::field_len(len), &mut head);
        head.extend_from_slice(&self.resource);
        wire::head(2, len, &mut head);
        head.extend_from_slice(&scope);
        let start = self.room().checked_sub(head.len())?;
        written[start..self.room()].copy_from_slice(&head);
        Some(start)
    }
}

/// How many records an `ExportLogsServiceResponse` says were refused, and what it remarks.
pub(super) fn partial_success(answer: &[u8]) -> Option<(u64, String)> {
    let mut said = (0, String::new());
    for (field, held) in wire::fields(answer)? {
        if let (1, Held::Bytes(partial)) = (field, held) {
            for (field, held) in wire::fields(partial)? {
                match (field, held) {
                    (1, Held::Number(count)) => said.0 = count,
                    (2, Held::Bytes(text)) => said.1 = String::from_utf8_lossy(text).into_owned(),
                    _ => {}
                }
            }
        }
    }
    Some(said)
}
