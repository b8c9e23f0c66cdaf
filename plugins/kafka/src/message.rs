//! From a record to a message.

use std::borrow::Cow;
use std::ffi::CString;
use std::ops::Range;

use rolog_core::frame::Record;
use rolog_plugin::settings::Template;

use crate::config::Config;
use crate::format::Encoder;
use crate::native::{Code, Header, Outgoing, Producing};
use crate::topic;

/// What all messages of a target have in common.
pub(crate) struct Shape {
    topic: Template,
    key: Option<Template>,
    headers: Vec<(CString, Template)>,
}

/// Makes messages, one after the other, in buffers that it keeps.
pub(crate) struct Writer {
    encoder: Encoder,
    content: Vec<u8>,
    topic: String,
    key: String,
    values: String,
    /// Where in `values` the value of the header at the same position in the shape is.
    filled: Vec<Option<Range<usize>>>,
}

/// Why a message was not handed over.
#[derive(Debug)]
pub(crate) enum NotSent {
    /// The record lacks what its topic is named after.
    NoTopic(String),
    /// librdkafka did not take it.
    Refused(Code),
}

impl Shape {
    pub(crate) fn new(config: &Config) -> Self {
        let own = |name: &str, hole: &str| {
            let template = hole.parse().expect("a hole between its braces");
            (name.to_owned(), template)
        };
        let mut headers = Vec::new();
        if config.record_headers {
            headers.push(own("record_id", "{record_id}"));
            headers.push(own("level", "{level}"));
            headers.push(own("logger", "{logger}"));
            headers.push(own("trace_id", "{trace_id}"));
            headers.push(own("span_id", "{span_id}"));
            headers.retain(|(name, _)| !config.headers.contains_key(name));
        }
        let more = config.headers.iter();
        headers.extend(more.map(|(name, template)| (name.clone(), template.clone())));
        let headers = headers.into_iter();
        Shape {
            topic: config.topic.clone(),
            key: config.key.clone(),
            headers: headers
                .filter_map(|(name, template)| Some((CString::new(name).ok()?, template)))
                .collect(),
        }
    }

    /// The topic of a record, or the name of what it lacks for one.
    pub(crate) fn topic<'t>(
        &'t self,
        record: &Record<'_>,
        out: &'t mut String,
    ) -> Result<&'t str, String> {
        if let Some(topic) = self.topic.fixed() {
            return Ok(topic);
        }
        out.clear();
        self.topic.fill(record, out).map_err(str::to_owned)?;
        if let Cow::Owned(fitting) = topic::fit(out) {
            *out = fitting;
        }
        if topic::wrong(out).is_some() {
            return Err("topic".to_owned());
        }
        Ok(out)
    }
}

impl Writer {
    pub(crate) fn new(config: &Config) -> Self {
        Writer {
            encoder: Encoder::new(config),
            content: Vec::new(),
            topic: String::new(),
            key: String::new(),
            values: String::new(),
            filled: Vec::new(),
        }
    }

    /// Hands over the message of `record`.
    pub(crate) fn send(
        &mut self,
        shape: &Shape,
        record: &Record<'_>,
        mark: usize,
        to: &mut Producing<'_>,
    ) -> Result<(), NotSent> {
        let topic = shape
            .topic(record, &mut self.topic)
            .map_err(NotSent::NoTopic)?;
        self.content.clear();
        self.encoder.write(record, &mut self.content);
        self.key.clear();
        let key = shape.key.as_ref();
        let key = key.filter(|key| key.fill(record, &mut self.key).is_ok());
        self.values.clear();
        self.filled.clear();
        for (_, template) in &shape.headers {
            let start = self.values.len();
            let filled = template.fill(record, &mut self.values).is_ok();
            self.filled.push(filled.then_some(start..self.values.len()));
        }
        let values = self.values.as_bytes();
        let headers = shape.headers.iter().zip(&self.filled);
        let headers = headers.filter_map(|((name, _), filled)| {
            let value = &values[filled.clone()?];
            Some(Header { name, value })
        });
        let message = Outgoing {
            topic,
            key: key.map(|_| self.key.as_bytes()),
            payload: &self.content,
            time: record.time().nanos() / 1_000_000,
            mark,
        };
        to.send(&message, headers).map_err(NotSent::Refused)
    }
}
