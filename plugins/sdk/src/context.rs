//! What an instance has at hand: its setup, and work beside its calls.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use rolog_core::delivery::{Class, Failure};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::guard::{Contained, Panicked, guarded};
use crate::hosted;
use crate::scope::{self, Instance};
use crate::under_way::Blocking;
use crate::{Logger, Setup};

/// What an instance has at hand. Cheap to clone, and usable from any thread.
///
/// Work that is started through it is attributed to the instance: what it logs and measures says so,
/// and its panics are contained and counted.
#[derive(Clone, Debug)]
pub struct Context {
    instance: Instance,
    setup: Arc<Setup>,
    runtime: Handle,
    blocking: Blocking,
}

impl Context {
    pub(crate) fn new(instance: Instance, setup: Setup, runtime: Handle) -> Self {
        Context {
            instance,
            setup: Arc::new(setup),
            runtime,
            blocking: Blocking::default(),
        }
    }

    /// What the instance has running where it may block.
    pub(crate) fn blocking(&self) -> &Blocking {
        &self.blocking
    }

    /// A context on the current tokio runtime, for tests of a target.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn detached(setup: Setup) -> Self {
        Self::new(Instance::NONE, setup, Handle::current())
    }

    /// What the host says about where the instance stands.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// A logger of this name, for the log macros of `rolog_core`; its records name this instance.
    pub fn logger(&self, name: &str) -> Logger {
        Logger::new(self.instance, name)
    }

    /// Runs a future beside the instance's calls. It goes on when the [`Task`] is dropped; end it in
    /// `shutdown`.
    pub fn spawn<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let instance = self.instance;
        let contained = Contained::new(instance, future);
        Task(self.runtime.spawn(async move {
            let result = contained.await;
            report(instance, &result);
            result
        }))
    }

    /// Runs code that blocks, on one of the few threads that the library keeps for that: eight at
    /// a time, for all its instances.
    pub fn spawn_blocking<R>(&self, work: impl FnOnce() -> R + Send + 'static) -> Task<R>
    where
        R: Send + 'static,
    {
        let (instance, piece) = (self.instance, self.blocking.begin());
        Task(self.runtime.spawn_blocking(move || {
            let _piece = piece;
            contained(instance, work)
        }))
    }

    /// Starts a thread of the instance's own. The thread must end in `shutdown`.
    ///
    /// # Errors
    /// No further thread can be started.
    pub fn thread(
        &self,
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<std::thread::JoinHandle<()>> {
        let instance = self.instance;
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let _ = contained(instance, work);
            })
    }
}

/// Work that was started beside an instance's calls. Awaiting it gives its result; an `Err` of class
/// *panic* when it panicked, *cancelled* when it was aborted or its runtime ended.
#[derive(Debug)]
pub struct Task<R>(JoinHandle<Result<R, Panicked>>);

impl<R> Task<R> {
    /// Ends a future at its next `await`. Blocking code runs to its end.
    pub fn abort(&self) {
        self.0.abort();
    }
}

impl<R> Future for Task<R> {
    type Output = Result<R, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|joined| match joined {
            Ok(result) => result.map_err(|panic| panic.failure("spawned work")),
            Err(_) => Err(Failure::new(Class::Cancelled, "the work was cut short")),
        })
    }
}

fn contained<R>(instance: Instance, work: impl FnOnce() -> R) -> Result<R, Panicked> {
    let result = scope::beside(instance, || guarded(work));
    report(instance, &result);
    result
}

/// Whoever started the work may not look at its result, so the host is told of a panic here.
fn report<R>(instance: Instance, result: &Result<R, Panicked>) {
    if let Err(panic) = result {
        hosted::panicked(instance, "spawned work", panic.text());
    }
}
