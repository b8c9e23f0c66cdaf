//! An instance of a plugin, as the flush stage sees it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use abi_stable::std_types::{RResult, RVec};
use async_ffi::FfiFuture;
use rolog_core::delivery::{Class, Failure, Outcome};
use rolog_plugin::Plan;
use rolog_plugin::abi::{WireAttempt, WireFailure};

use super::library::Plugin;
use super::{Library, events};
use crate::instance::{Attempt, BoxFuture, Buffer, Instance, Maker};

/// Builds instances of one target.
pub(super) struct PluginMaker {
    library: Library,
    target: String,
    config: String,
    setup: String,
    plan: Plan,
}

impl PluginMaker {
    pub(super) fn new(
        library: Library,
        target: String,
        config: String,
        setup: String,
        plan: Plan,
    ) -> Self {
        PluginMaker {
            library,
            target,
            config,
            setup,
            plan,
        }
    }
}

impl Maker for PluginMaker {
    fn create(&self) -> BoxFuture<'_, Result<Arc<dyn Instance>, Failure>> {
        Box::pin(async {
            let plugin = &self.library.plugin;
            let id = plugin.new_instance();
            events::listen(
                id,
                &plugin.info.name,
                Some(&self.target),
                &self.library.events,
            );
            // From here on the instance is released, whatever happens.
            plugin.enter();
            let instance = PluginInstance {
                plugin: Arc::clone(plugin),
                id,
            };
            let created =
                plugin.module.create()(id, self.config.as_str().into(), self.setup.as_str().into());
            let deadline = self.library.settings.create_deadline;
            done(in_time("create", deadline, created).await?)?;
            Ok(Arc::new(instance) as Arc<dyn Instance>)
        })
    }

    fn preferred_batch(&self) -> Option<usize> {
        self.plan.batch()
    }

    fn resources(&self) -> Vec<String> {
        self.plan.resources().to_vec()
    }
}

/// An instance in a library, by its number.
struct PluginInstance {
    plugin: Arc<Plugin>,
    id: u64,
}

impl Instance for PluginInstance {
    fn activate(&self) -> BoxFuture<'_, Result<(), Failure>> {
        let activated = self.plugin.module.activate()(self.id);
        Box::pin(async { done(Guarded(activated).await?) })
    }

    fn deliver(&self, batch: Buffer, attempt: Attempt) -> BoxFuture<'_, Outcome> {
        let settled = self.plugin.module.deliver()(
            self.id,
            batch,
            WireAttempt {
                id: attempt.id,
                number: attempt.number,
                deadline_ms: millis(attempt.deadline),
                extra: RVec::new(),
            },
        );
        Box::pin(async {
            match Guarded(settled).await {
                Ok(outcome) => outcome.into(),
                Err(panic) => Outcome::retry(panic.maybe_written()),
            }
        })
    }

    fn cancel(&self, attempt: u64) {
        self.plugin.module.cancel()(self.id, attempt);
    }

    fn flush(&self, deadline: Duration) -> BoxFuture<'_, Result<(), Failure>> {
        let flushed = self.plugin.module.flush()(self.id, millis(deadline));
        Box::pin(async move { done(in_time("flush", deadline, flushed).await?) })
    }

    fn shutdown(&self, deadline: Duration) -> BoxFuture<'_, Result<(), Failure>> {
        let ended = self.plugin.module.shutdown()(self.id, millis(deadline));
        Box::pin(async move { done(in_time("shutdown", deadline, ended).await?) })
    }

    fn call<'a>(&'a self, op: &'a str, bytes: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Failure>> {
        let answered = self.plugin.module.call()(self.id, op.into(), bytes.into());
        Box::pin(async { done(Guarded(answered).await?).map(RVec::into_vec) })
    }
}

impl Drop for PluginInstance {
    fn drop(&mut self) {
        self.plugin.module.release()(self.id);
        events::forget(self.id);
        self.plugin.leave();
    }
}

/// A future of a plugin. One that was made without the SDK may report that its poll panicked, and
/// async-ffi says so with a panic of its own.
struct Guarded<T>(FfiFuture<T>);

impl<T> Future for Guarded<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut self.0).poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err(Failure::new(
                Class::Panic,
                "the plugin panicked where its SDK does not catch it",
            ))),
        }
    }
}

async fn in_time<T>(call: &str, deadline: Duration, answer: FfiFuture<T>) -> Result<T, Failure> {
    match tokio::time::timeout(deadline, Guarded(answer)).await {
        Ok(answer) => answer,
        Err(_) => Err(Failure::new(
            Class::Timeout,
            format!("the plugin did not answer `{call}` within {deadline:?}"),
        )),
    }
}

fn done<T>(result: RResult<T, WireFailure>) -> Result<T, Failure> {
    result.into_result().map_err(Failure::from)
}

/// Whole milliseconds, rounded up.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
