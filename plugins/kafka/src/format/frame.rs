//! The pipeline's own format: a batch of one record.

use rolog_core::frame::{BatchBuilder, Record};

/// Writes a batch of one record, with as much of a dictionary as that record needs.
pub(crate) struct Frame(BatchBuilder);

impl Frame {
    pub(super) fn new() -> Self {
        // Records of other batches bring the epochs of their call sites along.
        Frame(BatchBuilder::new(0))
    }

    pub(super) fn write(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        self.0.push_record(record, None);
        out.extend_from_slice(&self.0.finish());
    }
}

#[cfg(test)]
mod tests {
    use rolog_core::frame::Batch;
    use rolog_core::value::OwnedValue;

    use super::*;
    use crate::testing;

    #[test]
    fn a_frame_keeps_ids_and_the_types_of_values() {
        let bytes = testing::one_of_each();
        let batch = Batch::parse(&bytes).unwrap();
        let record = batch.get(0).unwrap();
        let (mut out, mut again) = (Vec::new(), Vec::new());
        let mut frame = Frame::new();
        frame.write(&record, &mut out);
        frame.write(&record, &mut again);
        assert_eq!(out, again, "nothing of one message is left for the next");

        let read = Batch::parse(&out).unwrap();
        assert_eq!(read.len(), 1);
        let read = read.get(0).unwrap();
        assert_eq!(read.id(), record.id());
        assert_eq!(read.time(), record.time());
        assert_eq!(read.level(), record.level());
        assert_eq!(read.logger(), "shop.db");
        assert_eq!(read.message().to_string(), record.message().to_string());
        let fields = |of: &Record<'_>| -> Vec<(String, OwnedValue)> {
            of.fields()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect()
        };
        assert_eq!(fields(&read), fields(&record));
        assert_eq!(fields(&read).len(), testing::FIELDS);
    }
}
