//! A JSON object.

use rolog_core::frame::Record;
use rolog_core::render::JsonLine;

/// Writes what the file target writes on a line, without the line feed.
pub(crate) struct Json(JsonLine);

impl Json {
    pub(super) fn new(source: bool) -> Self {
        Json(JsonLine::new().with_source(source))
    }

    pub(super) fn write(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        self.0.line(record, out);
        out.pop();
    }
}

#[cfg(test)]
mod tests {
    use rolog_core::frame::Batch;

    use super::*;
    use crate::testing;

    #[test]
    fn a_message_is_one_object() {
        let batch = testing::one_of_each();
        let batch = Batch::parse(&batch).unwrap();
        let mut out = Vec::new();
        Json::new(false).write(&batch.get(0).unwrap(), &mut out);
        assert_eq!(out.last(), Some(&b'}'));
        let object: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(object["user"], "Ada");
        assert_eq!(object["count"], -7);
    }
}
