//! A body that knows whether any of it may have left.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The body of a request.
pub(crate) struct Upload {
    bytes: Option<Bytes>,
    begun: Begun,
}

/// Whether the connection has taken any of a body. A request of which nothing was taken was not
/// written, whatever became of the connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Begun(Arc<AtomicU8>);

/// Nothing was taken yet.
const KEPT: u8 = 0;
/// The connection has some of it.
const TAKEN: u8 = 1;
/// Nothing was taken, and nothing will be.
const REVOKED: u8 = 2;

impl Begun {
    /// Whether any of the body was taken so far.
    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Acquire) == TAKEN
    }

    /// Sees to it that nothing more of the request begins: its connection lives on a task of its own,
    /// which may be about to take the body at this moment. Says whether it has.
    pub(crate) fn revoke(&self) -> bool {
        let revoked = self
            .0
            .compare_exchange(KEPT, REVOKED, Ordering::AcqRel, Ordering::Acquire);
        revoked == Err(TAKEN)
    }

    /// Whether the body may be taken.
    fn take(&self) -> bool {
        let taken = self
            .0
            .compare_exchange(KEPT, TAKEN, Ordering::AcqRel, Ordering::Acquire);
        matches!(taken, Ok(_) | Err(TAKEN))
    }
}

/// The request was given up before any of its body was taken.
#[derive(Debug)]
pub(crate) struct Revoked;

impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request was given up")
    }
}

impl std::error::Error for Revoked {}

impl Upload {
    pub(crate) fn new(bytes: Bytes, begun: Begun) -> Self {
        Upload {
            bytes: Some(bytes),
            begun,
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Revoked;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Revoked>>> {
        if !self.begun.take() {
            return Poll::Ready(Some(Err(Revoked)));
        }
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn a_body_that_was_given_up_is_never_taken_and_one_that_was_taken_says_so() {
        let begun = Begun::default();
        assert!(!begun.revoke());
        let upload = Upload::new("late".into(), begun.clone());
        assert!(upload.collect().await.is_err());
        assert!(!begun.get() && !begun.revoke());

        let begun = Begun::default();
        let upload = Upload::new("in time".into(), begun.clone());
        assert_eq!(upload.collect().await.unwrap().to_bytes(), "in time");
        assert!(begun.get() && begun.revoke());
    }
}
