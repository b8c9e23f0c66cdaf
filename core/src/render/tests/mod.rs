//! Records are drafted here, made into frames, and rendered; each file looks at one side of the lines.

mod any;
mod logfmt;
mod otlp;
mod protobuf;
mod shapes;
mod table;
mod text;

use serde_json::Value as Json;

use super::{JsonLine, TextLine};
use crate::call_site::CallSite;
use crate::frame::{Batch, BatchBuilder, FrameMeta, LoggerRef, Origin, RecordId};
use crate::frame::{ThreadRef, flags};
use crate::level::Level;
use crate::value::{Encoder, Timestamp};

/// A record before it is a frame.
struct Draft {
    site: Option<&'static CallSite>,
    level: Level,
    flags: u16,
    payload: Vec<u8>,
    observed: Option<Timestamp>,
    origin: Origin<'static>,
}

impl Draft {
    /// A record of a macro.
    fn at(site: &'static CallSite, fill: impl FnOnce(&mut Encoder<'_>)) -> Self {
        site.register();
        Draft {
            site: Some(site),
            ..Draft::free(0, fill)
        }
    }

    /// A record with a literal message.
    fn saying(text: &str, fill: impl FnOnce(&mut Encoder<'_>)) -> Self {
        Draft::free(flags::MESSAGE, |values| {
            values.key(text);
            fill(values);
        })
    }

    fn free(flags: u16, fill: impl FnOnce(&mut Encoder<'_>)) -> Self {
        let mut payload = Vec::new();
        fill(&mut Encoder::new(&mut payload));
        Draft {
            site: None,
            level: Level::Information,
            flags,
            payload,
            observed: None,
            origin: Origin::SERVICE,
        }
    }

    fn batch(&self) -> Vec<u8> {
        let mut batch = BatchBuilder::new(7);
        let meta = FrameMeta {
            id: RecordId {
                epoch: 0xfeed,
                sequence: 42,
            },
            time: Timestamp::from_nanos(1_795_346_100_123_456_789),
            observed: self.observed,
            level: self.level,
            generation: 1,
            flags: self.flags,
            call_site: self.site,
            logger: LoggerRef {
                id: 1,
                name: "shop.db",
            },
            thread: ThreadRef {
                id: 3,
                name: "worker \"1\"",
            },
            origin: self.origin,
        };
        batch.push(&meta, &self.payload);
        batch.finish()
    }

    fn json_line(&self, renderer: &mut JsonLine) -> String {
        let bytes = self.batch();
        let batch = Batch::parse(&bytes).unwrap();
        let mut out = Vec::new();
        renderer.line(&batch.get(0).unwrap(), &mut out);
        one_line(out)
    }

    fn json(&self) -> Json {
        serde_json::from_str(&self.json_line(&mut JsonLine::new())).unwrap()
    }

    fn text(&self) -> String {
        self.text_line(&mut TextLine::new())
    }

    fn text_line(&self, renderer: &mut TextLine) -> String {
        let bytes = self.batch();
        let batch = Batch::parse(&bytes).unwrap();
        let mut out = Vec::new();
        renderer.line(&batch.get(0).unwrap(), &mut out);
        one_line(out)
    }

    fn message(&self) -> String {
        let bytes = self.batch();
        let batch = Batch::parse(&bytes).unwrap();
        batch.get(0).unwrap().message().to_string()
    }
}

fn one_line(out: Vec<u8>) -> String {
    let line = String::from_utf8(out).unwrap();
    let line = line
        .strip_suffix('\n')
        .expect("a line ends with a line feed");
    assert!(!line.contains('\n'));
    line.to_owned()
}

static ORDER: CallSite = CallSite::new(
    "order {id} of {} accepted",
    1,
    &["id", "total"],
    "shop::db",
    "src/db.rs",
    12,
);

fn order() -> Draft {
    Draft::at(&ORDER, |values| {
        values.str("Ada \"L.\"");
        values.u64(42);
        values.f64(19.99);
    })
}
