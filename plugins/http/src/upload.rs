//! A body that knows whether any of it may have left.
//!
//! It also holds back for one turn of the runtime: by then the end of a kept connection that the
//! server has closed is known, and the request can go out on another as if nothing had happened.
//! Without that it is found out when the body has been taken, and nobody can tell any more whether
//! the server had it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

/// The body of a request.
pub(crate) struct Upload {
    bytes: Option<Bytes>,
    turn: Option<JoinHandle<()>>,
    begun: Begun,
}

/// Whether the connection has taken any of a body. A request of which nothing was taken was not
/// written, whatever became of the connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Begun(Arc<AtomicBool>);

impl Begun {
    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Upload {
    pub(crate) fn new(bytes: Bytes, begun: Begun) -> Self {
        Upload {
            bytes: Some(bytes),
            turn: None,
            begun,
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !self.begun.get() {
            // A task of its own: the connection may ask several times within one turn.
            let turn = self
                .turn
                .get_or_insert_with(|| tokio::spawn(tokio::task::yield_now()));
            // It neither fails nor is aborted, and if the runtime ends there is no request.
            let _ = ready!(Pin::new(turn).poll(cx));
        }
        self.begun.0.store(true, Ordering::Release);
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
