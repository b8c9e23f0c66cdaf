//! What fills a target's slot: a loaded plugin, one that is linked in, or a target of the service's
//! own.
//!
//! The flush stage drives every one of them through [`Instance`] and builds new ones through
//! [`Maker`]; it knows nothing else about them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use abi_stable::std_types::{RArc, RVec};
use rolog_core::delivery::{Failure, Outcome};

/// One sealed batch, as [`rolog_core::frame`] describes it. Shared, never changed.
pub type Buffer = RArc<RVec<u8>>;

/// A future behind a trait.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One try to deliver one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Unique among the attempts of a target, so that it can be cancelled.
    pub id: u64,
    /// 1 for the batch's first.
    pub number: u32,
    /// How long it may take before it is cancelled.
    pub deadline: Duration,
}

/// A running target.
///
/// The stage calls `activate` once before the first `deliver`, and again when a successor that was
/// to take its place failed to. It never drops a future of `deliver` to end an attempt: it calls
/// [`Instance::cancel`] and waits for the answer, because only an answer says that the destination
/// is left alone from now on.
///
/// Its futures are polled by the stage's task and must not block: what blocks belongs on threads of
/// its own, as the loader and in-process targets have it.
pub trait Instance: Send + Sync {
    /// Takes hold of the destination.
    fn activate(&self) -> BoxFuture<'_, Result<(), Failure>>;

    /// Delivers a batch and says what became of it.
    fn deliver(&self, batch: Buffer, attempt: Attempt) -> BoxFuture<'_, Outcome>;

    /// Asks for an attempt to end soon. Returns at once; the attempt's own answer settles it.
    fn cancel(&self, attempt: u64);

    /// Makes durable what was delivered, as far as the target has a notion of it.
    fn flush(&self, deadline: Duration) -> BoxFuture<'_, Result<(), Failure>>;

    /// Lets go of the destination.
    fn shutdown(&self, deadline: Duration) -> BoxFuture<'_, Result<(), Failure>>;

    /// Anything else that a plugin offers.
    fn call<'a>(&'a self, op: &'a str, bytes: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Failure>>;
}

/// Builds instances from one checked configuration.
pub trait Maker: Send + Sync {
    /// Checks and connects, without effect on the destination.
    fn create(&self) -> BoxFuture<'_, Result<Arc<dyn Instance>, Failure>>;

    /// How many records the target likes to get at once, where the configuration does not say.
    fn preferred_batch(&self) -> Option<usize>;

    /// What no other instance may use at the same time, such as a file's canonical path.
    fn resources(&self) -> Vec<String>;
}
