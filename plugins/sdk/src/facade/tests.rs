//! What the tests of the facades share.

use std::error::Error;
use std::fmt;

use rolog_core::Level;
use rolog_core::frame::{
    Batch, BatchBuilder, FrameMeta, LoggerRef, Origin, RecordId, ThreadRef, flags,
};
use rolog_core::value::{Encoder, OwnedValue, Timestamp};

/// An error with one source, or, of 0, with none.
#[derive(Debug)]
pub(super) struct Chain(pub(super) u32);

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to go", self.0)
    }
}

impl Error for Chain {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        static END: Chain = Chain(0);
        (self.0 > 0).then_some(&END as _)
    }
}

/// Fields as the host reads them.
pub(super) fn read(pairs: &[u8]) -> Vec<(String, OwnedValue)> {
    let mut payload = Vec::new();
    Encoder::new(&mut payload).key("a message");
    payload.extend_from_slice(pairs);
    let mut builder = BatchBuilder::new(0);
    let meta = FrameMeta {
        id: RecordId {
            epoch: 0,
            sequence: 0,
        },
        time: Timestamp::now(),
        observed: None,
        level: Level::Warning,
        generation: 0,
        flags: flags::MESSAGE,
        call_site: None,
        logger: LoggerRef { id: 1, name: "" },
        thread: ThreadRef { id: 0, name: "" },
        origin: Origin::SERVICE,
    };
    builder.push(&meta, &payload);
    let bytes = builder.finish();
    let batch = Batch::parse(&bytes).unwrap();
    let record = batch.get(0).unwrap();
    let fields = record.fields();
    fields
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
