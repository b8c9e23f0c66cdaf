//! The handle that a service holds.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rolog_core::LoggerFactory;
use tokio::runtime::Runtime;

use crate::builtin::Memory;
use crate::config::{PipelineSpec, Problem};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::levels::Levels;
use crate::metrics::Snapshot;
use crate::panic_hook;
use crate::pipeline::Pipeline;
use crate::reload::{Cause, Generation, Plan, PluginVersions};
use crate::replay::Replay;
use crate::report::Report;
use crate::stage::Status;

mod builder;
mod last_good;
mod source;
#[cfg(test)]
mod tests;

pub use builder::HostBuilder;
pub(crate) use source::FileSource;

/// How long a reload takes at most, for whoever blocks on it.
const RELOAD_PATIENCE: Duration = Duration::from_mins(2);

/// How long a host that is dropped without [`Host::dispose`] takes to deliver what it has.
const DROP_DEADLINE: Duration = Duration::from_secs(10);

/// A running pipeline.
///
/// It has a thread of its own for the pump and a tokio runtime of its own for the targets; it never
/// uses the service's, and works in services that have none. Dropping it delivers what is queued,
/// for at most 10 seconds, on the thread that drops it; [`Host::dispose`] takes a deadline and
/// reports what became of every record.
///
/// ```no_run
/// use rolog_core::info;
/// use rolog_host::Host;
/// use std::time::Duration;
///
/// # fn main() -> Result<(), rolog_host::Error> {
/// let host = Host::start("pipeline.yaml")?;
/// let log = host.factory().get_logger("shop.orders");
/// info!(log, "order {id} accepted", id = 42, total = 19.99);
/// let report = host.dispose_blocking(Duration::from_secs(10));
/// assert!(report.is_complete());
/// # Ok(())
/// # }
/// ```
pub struct Host {
    pipeline: Arc<Pipeline>,
    warnings: Vec<Problem>,
    /// `None` only within `drop`.
    runtime: Option<Runtime>,
}

impl Host {
    /// Starts the pipeline of a file.
    ///
    /// # Errors
    /// Everything that is wrong with the file and with the targets in it, each at its place.
    pub fn start(path: impl AsRef<Path>) -> Result<Host, Error> {
        Host::builder().file(path).start()
    }

    /// For pipelines in code, for plugins that are linked in, and for targets of the service's own.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    /// Where loggers come from.
    pub fn factory(&self) -> &LoggerFactory {
        &self.pipeline.factory
    }

    /// The account of every record so far.
    pub fn ledger(&self) -> Ledger {
        self.pipeline.ledger()
    }

    pub(crate) fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    /// What each target is doing, by name.
    pub fn status(&self) -> BTreeMap<String, Status> {
        let shape = self.pipeline.shape();
        let stages = shape.stages.iter();
        stages
            .map(|(name, stage)| (name.to_string(), stage.status()))
            .collect()
    }

    /// Sets levels while the pipeline runs.
    pub fn levels(&self) -> Levels {
        Levels::of(&self.pipeline)
    }

    /// What works in the configuration and is hardly meant.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The records that a target with `plugin: memory` keeps.
    pub fn memory(&self, target: &str) -> Option<Memory> {
        self.pipeline.catalog.memory(target)
    }

    /// The pipeline's metrics at this moment. They also go to the recorder of the `metrics` crate
    /// that the service has installed, once a second and at the end.
    pub fn metrics(&self) -> Snapshot {
        self.pipeline.snapshot()
    }

    /// The socket through which `rolog status` and others speak to the pipeline, if there is one; see
    /// [`control`](crate::control).
    pub fn control(&self) -> Option<PathBuf> {
        self.pipeline.outlets.control()
    }

    /// Where the page for Prometheus is served, if it is.
    pub fn prometheus(&self) -> Option<SocketAddr> {
        self.pipeline.outlets.prometheus()
    }

    /// Sends the dead letters of a file again, with their ids, each to the target that it was routed
    /// to, or all of them to the target `to`; takes those that have arrived out of the file. What has
    /// not arrived by the deadline stays.
    ///
    /// The file that the pipeline writes to cannot be replayed while it runs; its closed
    /// predecessors (`NAME.1`, …) can.
    ///
    /// # Errors
    /// The file cannot be read or written, or is in use.
    pub async fn replay(
        &self,
        file: impl Into<PathBuf>,
        to: Option<&str>,
        deadline: Duration,
    ) -> Result<Replay, Error> {
        let pipeline = Arc::clone(&self.pipeline);
        let replay = Arc::clone(&pipeline).replay(file.into(), to.map(str::to_owned), deadline);
        let ended = pipeline.runtime.spawn(replay).await;
        ended.unwrap_or_else(|error| Err(Error::system("the replay", std::io::Error::other(error))))
    }

    /// [`Host::replay`] for code without an async runtime.
    ///
    /// # Errors
    /// As there.
    pub fn replay_blocking(
        &self,
        file: impl Into<PathBuf>,
        to: Option<&str>,
        deadline: Duration,
    ) -> Result<Replay, Error> {
        let (file, to) = (file.into(), to.map(str::to_owned));
        let late = || std::io::Error::from(std::io::ErrorKind::TimedOut);
        self.run(deadline, move |pipeline| {
            pipeline.replay(file, to, deadline)
        })
        .unwrap_or_else(|| Err(Error::system("the replay", late())))
    }

    /// Waits until everything that was logged before the call has been delivered, or given to a
    /// fallback and delivered there, or dropped. Returns how many records are still queued when the
    /// deadline ends the wait; 0 means that there are none.
    pub async fn flush(&self, deadline: Duration) -> u64 {
        let Some(runtime) = &self.runtime else {
            return 0;
        };
        let flushed = runtime.spawn(Arc::clone(&self.pipeline).flush(deadline));
        flushed.await.unwrap_or(u64::MAX)
    }

    /// [`Host::flush`] for code without an async runtime.
    pub fn flush_blocking(&self, deadline: Duration) -> u64 {
        self.run(deadline, |pipeline| pipeline.flush(deadline))
            .unwrap_or(u64::MAX)
    }

    /// Ends the pipeline: from now on log calls are dropped and counted; what was logged before is
    /// routed, and every target delivers its queue, by the deadline. What cannot be delivered goes
    /// to fallbacks and dead letters. The report says what became of every record.
    pub async fn dispose(&self, deadline: Duration) -> Report {
        let pipeline = Arc::clone(&self.pipeline);
        let ended = pipeline
            .runtime
            .spawn(Arc::clone(&pipeline).dispose(deadline));
        match ended.await {
            Ok(report) => report,
            Err(_cancelled) => Report::new(pipeline.ledger(), Vec::new(), false),
        }
    }

    /// [`Host::dispose`] for code without an async runtime.
    pub fn dispose_blocking(&self, deadline: Duration) -> Report {
        self.run(deadline, |pipeline| pipeline.dispose(deadline))
            .unwrap_or_else(|| Report::new(self.pipeline.ledger(), Vec::new(), false))
    }

    /// Reads the configuration's file again and takes over what has changed, as [`crate::reload`]
    /// tells. Returns the generation in force: the one before, where nothing has changed.
    ///
    /// # Errors
    /// What keeps the new configuration from running, each at its place; the old one goes on. A
    /// pipeline that was built in code has no file.
    pub async fn reload(&self) -> Result<Generation, Error> {
        let pipeline = Arc::clone(&self.pipeline);
        self.spawned(async move { pipeline.reload(Cause::Asked).await })
            .await
    }

    /// [`Host::reload`] for code without an async runtime.
    ///
    /// # Errors
    /// As [`Host::reload`].
    pub fn reload_blocking(&self) -> Result<Generation, Error> {
        self.run(RELOAD_PATIENCE, |pipeline| async move {
            pipeline.reload(Cause::Asked).await
        })
        .unwrap_or_else(|| Err(Error::disposed()))
    }

    /// Takes over a configuration that was built in code, as [`Host::reload`] does one from a file.
    ///
    /// # Errors
    /// What keeps it from running; the old one goes on.
    pub async fn reconfigure(&self, spec: PipelineSpec) -> Result<Generation, Error> {
        let pipeline = Arc::clone(&self.pipeline);
        self.spawned(async move { pipeline.apply(spec).await })
            .await
    }

    /// Goes back to the configuration before the present one, as a new generation. Plugins stay in the
    /// builds that they have.
    ///
    /// # Errors
    /// There is none, or it does not run any more; the present one goes on then.
    pub async fn rollback(&self) -> Result<Generation, Error> {
        let pipeline = Arc::clone(&self.pipeline);
        self.spawned(async move { pipeline.roll_back().await })
            .await
    }

    /// Takes up new builds of plugins: a library whose file has another content than the one that
    /// was loaded from it is loaded beside that, and the targets that use it get new instances, as
    /// if their settings had changed. Returns the generation in force: the one before, where every
    /// library is as it was.
    ///
    /// # Errors
    /// A library that cannot be loaded, one too many of a plugin ([`HostBuilder::plugin_versions`]),
    /// or an instance that cannot be made, each at the target that it is for. Nothing has changed
    /// then. An instance that is made and cannot be activated leaves the one before at work, which
    /// is an [`Event`](crate::stage::Event), and is tried again at the next reload.
    pub async fn reload_plugins(&self) -> Result<Generation, Error> {
        let pipeline = Arc::clone(&self.pipeline);
        self.spawned(async move { pipeline.reload_plugins().await })
            .await
    }

    /// [`Host::reload_plugins`] for code without an async runtime.
    ///
    /// # Errors
    /// As there.
    pub fn reload_plugins_blocking(&self) -> Result<Generation, Error> {
        self.run(RELOAD_PATIENCE, |pipeline| async move {
            pipeline.reload_plugins().await
        })
        .unwrap_or_else(|| Err(Error::disposed()))
    }

    /// The plugins that this process has loaded or linked in, by name: their versions, which of
    /// them this pipeline's targets use, and how many more there may be.
    pub fn plugins(&self) -> BTreeMap<String, PluginVersions> {
        self.pipeline.plugins()
    }

    /// What [`Host::reconfigure`] would do with this configuration, without doing it.
    pub fn plan(&self, spec: &PipelineSpec) -> Plan {
        Plan::new(&self.pipeline.shape().spec, spec)
    }

    /// The last hundred generations, the one in force last.
    pub fn generations(&self) -> Vec<Generation> {
        self.pipeline.shape().history.all()
    }

    async fn spawned<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let done = self.pipeline.runtime.spawn(future).await;
        done.unwrap_or_else(|_cancelled| Err(Error::disposed()))
    }

    /// Turns a panic of the service into a record of level critical of the logger `panic`, and lets
    /// the panicking thread wait for the delivery of everything that is queued, at most `most`. The
    /// hook that there was before is called after that.
    ///
    /// Threads of the pipeline itself do not wait. Opt-in, because it changes the process' panic
    /// hook, for as long as the process lives.
    pub fn flush_on_panic(&self, most: Duration) {
        let pipeline = Arc::downgrade(&self.pipeline);
        panic_hook::install(pipeline, self.factory().clone(), most);
    }

    fn run<F>(
        &self,
        deadline: Duration,
        future: impl FnOnce(Arc<Pipeline>) -> F,
    ) -> Option<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        /// What an orderly end takes beyond its deadline at most.
        const SLACK: Duration = Duration::from_secs(5);
        let future = future(Arc::clone(&self.pipeline));
        self.pipeline
            .wait_for(deadline.saturating_add(SLACK), future)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if !self.pipeline.is_forked() {
            let _ = self.dispose_blocking(DROP_DEADLINE);
        }
        if let Some(runtime) = self.runtime.take() {
            // A runtime must not be dropped on a thread that drives another one.
            if self.pipeline.is_forked() {
                std::mem::forget(runtime);
            } else {
                runtime.shutdown_background();
            }
        }
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host")
            .field("factory", self.factory())
            .finish_non_exhaustive()
    }
}
