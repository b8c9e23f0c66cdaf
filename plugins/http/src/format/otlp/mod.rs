//! `OpenTelemetry` logs over HTTP, as protobuf or JSON: `POST /v1/logs`.
//!
//! A record becomes a `LogRecord`, as [`rolog_core::render::otlp`] has it, and its logger the scope.

#[cfg(test)]
#[path = "tests.rs"]
mod encodings;
mod json;
mod proto;

use std::collections::{BTreeMap, HashMap};

use rolog_core::frame::Record;
use serde::Deserialize;

use super::{Format, Reading, Stream, Trouble};
use crate::config::Config;

/// Where it takes records.
pub(crate) const PATH: &str = "/v1/logs";

/// The settings of `format: otlp`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How requests are written.
    pub encoding: Encoding,
    /// The attributes of the resource, such as `service.name`.
    pub resource: BTreeMap<String, String>,
}

impl Settings {
    fn resource(&self) -> impl Iterator<Item = (&str, &str)> {
        self.resource.iter().map(|(name, text)| (&**name, &**text))
    }
}

/// How requests are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Binary.
    #[default]
    Protobuf,
    /// As JSON.
    Json,
}

pub(super) fn writer(config: &Config) -> Box<dyn Format> {
    let settings = config.otlp.clone().unwrap_or_default();
    match settings.encoding {
        Encoding::Protobuf => Box::new(proto::Proto::new(&settings, config.source)),
        Encoding::Json => Box::new(json::Json::new(&settings, config.source)),
    }
}

/// The scopes of a batch, by the names of their loggers.
#[derive(Default)]
struct Scopes {
    names: Vec<String>,
    places: HashMap<String, Stream>,
    last: Stream,
    /// Where the name of the last one stands, and how long it is: within a batch, what stands in one
    /// place is one name.
    last_at: (usize, usize),
}

impl Scopes {
    fn clear(&mut self) {
        self.names.clear();
        self.places.clear();
        self.last_at = (0, 0);
    }

    fn of(&mut self, record: &Record<'_>) -> Stream {
        let name = record.logger();
        let at = (name.as_ptr().addr(), name.len());
        // Most often it is the one before.
        if at != self.last_at {
            self.last = self.find(name);
            self.last_at = at;
        }
        self.last
    }

    fn find(&mut self, name: &str) -> Stream {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.names.len() as Stream;
        self.names.push(name.to_owned());
        self.places.insert(name.to_owned(), place);
        place
    }
}

/// Reads a partial success. It says how many records were refused and not which, and that none of
/// them may be sent again: so all are rejected, where there are others that keep them.
pub(crate) fn read(answer: &[u8], json: bool, records: usize) -> Reading {
    let said = if json {
        json::partial_success(answer)
    } else {
        proto::partial_success(answer)
    };
    let Some((rejected, text)) = said else {
        return Reading {
            warning: Some("its answer cannot be read".into()),
            ..Reading::default()
        };
    };
    if rejected == 0 {
        return Reading {
            warning: (!text.is_empty()).then_some(text),
            ..Reading::default()
        };
    }
    // More than there were is as good as all.
    let refused = rejected.min(records as u64);
    let text = if refused == records as u64 {
        format!("refused: {text}")
    } else {
        format!(
            "{refused} of {records} records were refused, and not said which, so that this one may \
             be there: {text}"
        )
    };
    let trouble = |index| {
        let (status, text) = (400, text.clone());
        (index, Trouble { status, text })
    };
    Reading {
        troubles: (0..records as u32).map(trouble).collect(),
        refused,
        ..Reading::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_success_is_read_in_both_encodings() {
        let json = br#"{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}}"#;
        // partial_success { rejected_log_records: 2, error_message: "too old" }
        let proto = b"\x0a\x0b\x08\x02\x12\x07too old";
        for reading in [read(json, true, 3), read(proto, false, 3)] {
            assert_eq!((reading.troubles.len(), reading.refused), (3, 2));
            assert!(reading.troubles[2].1.text.starts_with("2 of 3"));
            assert!(reading.troubles[2].1.text.ends_with("too old"));
        }
        for records in [1, 2] {
            let all = read(json, true, records);
            assert_eq!(all.refused, records as u64);
            assert_eq!(all.troubles[0].1.text, "refused: too old");
        }
        let none: [(&[u8], bool); 5] = [
            (b"{}", true),
            (br#"{"partialSuccess":null}"#, true),
            (br#"{"partialSuccess":{}}"#, true),
            (b"", false),
            (b"\x0a\x00", false),
        ];
        for (answer, json) in none {
            assert_eq!(read(answer, json, 3), Reading::default());
        }
        let warned = read(b"\x0a\x09\x12\x07too old", false, 3);
        assert_eq!(
            (warned.troubles.len(), warned.warning.as_deref()),
            (0, Some("too old"))
        );
        assert!(read(b"\x0a\x7f", false, 3).warning.is_some());
        assert!(read(b"OK", true, 3).warning.is_some());
    }
}
