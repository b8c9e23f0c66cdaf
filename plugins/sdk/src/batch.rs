//! The records that a target is to deliver.

use std::fmt;

use rolog_core::Error;
use rolog_core::frame;

use crate::abi::Buffer;

/// One sealed batch, shared with the host and immutable. Cloning is cheap.
///
/// ```
/// # use rolog_plugin::Batch;
/// fn lines(batch: &Batch) -> String {
///     let mut out = String::new();
///     for record in batch.view().records() {
///         out += &format!("{} {}\n", record.level(), record.message());
///     }
///     out
/// }
/// ```
#[derive(Clone)]
pub struct Batch {
    buffer: Buffer,
}

impl Batch {
    /// A batch from bytes of any origin, for tests of a target.
    ///
    /// # Errors
    /// Bytes that are not a batch.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Error> {
        frame::Batch::parse(&bytes)?;
        Ok(Batch {
            buffer: Buffer::new(bytes.into()),
        })
    }

    /// The batch that the host handed over.
    pub(crate) fn from_host(buffer: Buffer) -> Result<Self, Error> {
        open(&buffer)?;
        Ok(Batch { buffer })
    }

    /// The records, borrowed from the batch.
    pub fn view(&self) -> frame::Batch<'_> {
        open(&self.buffer).expect("the header and the dictionary were read when the batch was made")
    }

    /// The batch as it is, to be kept or sent on.
    pub fn bytes(&self) -> &[u8] {
        self.buffer.as_slice()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("records", &self.view().len())
            .field("bytes", &self.bytes().len())
            .finish()
    }
}

#[allow(
    unsafe_code,
    reason = "the texts of a batch from the host are read without a second check"
)]
fn open(buffer: &Buffer) -> Result<frame::Batch<'_>, Error> {
    // SAFETY: the bytes come from `Batch::parse`, which checked them, or from the host across the
    // boundary, whose side of the contract is to hand over what its `BatchBuilder` wrote of payloads
    // that its loggers encoded.
    unsafe { frame::Batch::from_trusted(buffer.as_slice()) }
}
