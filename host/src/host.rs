//! The handle that a service holds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use rolog_core::intake::Intake;
use rolog_core::{BoxTarget, Level, LogTarget, LoggerFactory};
use rolog_plugin::Linked;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;

use crate::builtin::Memory;
use crate::catalog::{Catalog, PreparedTargets, memories};
use crate::config::{self, Env, PipelineSpec, Problem};
use crate::dead_letters::DeadLetterSettings;
use crate::error::Error;
use crate::feedback::Feedback;
use crate::ledger::{Ledger, PumpCounts};
use crate::loader::{Loader, LoaderSettings};
use crate::metrics::{Exporter, FacadeMeter, Snapshot};
use crate::outlets::{Outlets, Wanted};
use crate::panic_hook;
use crate::pipeline::{Link, Pipeline, Pressure, Shape, Traits, start_stages};
use crate::pump::Pump;
use crate::reload::{self, Cause, Generation, Plan, PluginVersions, Watch};
use crate::replay::Replay;
use crate::report::Report;
use crate::routes::InForce;
use crate::stage::{Event, EventSink, RateLimited, Services, Status};
use crate::voices::Voices;
use crate::waiting::Slots;
use crate::watchdog;

/// How long a reload takes at most, for whoever blocks on it.
const RELOAD_PATIENCE: Duration = Duration::from_mins(2);

/// How long a host that is dropped without [`Host::dispose`] takes to deliver what it has.
const DROP_DEADLINE: Duration = Duration::from_secs(10);

/// How many events of one kind and target are told in a window.
const EVENTS: u32 = 10;
const EVENT_WINDOW: Duration = Duration::from_secs(10);

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
    catalog: Arc<Catalog>,
    warnings: Vec<Problem>,
    /// Where the configuration came from, if it can be read again.
    source: Option<Arc<FileSource>>,
    /// `None` only within `drop`.
    exporter: Option<Exporter>,
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

    /// What works in the configuration and is hardly meant.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The records that a target with `plugin: memory` keeps.
    pub fn memory(&self, target: &str) -> Option<Memory> {
        self.catalog.memory(target)
    }

    /// The pipeline's metrics at this moment. They also go to the recorder of the `metrics` crate
    /// that the service has installed, once a second and at the end.
    pub fn metrics(&self) -> Snapshot {
        self.pipeline.snapshot()
    }

    /// Where the page for Prometheus is served, if it is.
    pub fn prometheus(&self) -> Option<SocketAddr> {
        self.exporter.as_ref().and_then(Exporter::address)
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
        let source = self.source.clone().ok_or_else(Error::no_file)?;
        let (pipeline, catalog) = (Arc::clone(&self.pipeline), Arc::clone(&self.catalog));
        self.spawned(async move { source.reload(&pipeline, &catalog, Cause::Asked).await })
            .await
    }

    /// [`Host::reload`] for code without an async runtime.
    ///
    /// # Errors
    /// As [`Host::reload`].
    pub fn reload_blocking(&self) -> Result<Generation, Error> {
        let source = self.source.clone().ok_or_else(Error::no_file)?;
        let catalog = Arc::clone(&self.catalog);
        self.run(RELOAD_PATIENCE, |pipeline| async move {
            source.reload(&pipeline, &catalog, Cause::Asked).await
        })
        .unwrap_or_else(|| Err(Error::disposed()))
    }

    /// Takes over a configuration that was built in code, as [`Host::reload`] does one from a file.
    ///
    /// # Errors
    /// What keeps it from running; the old one goes on.
    pub async fn reconfigure(&self, spec: PipelineSpec) -> Result<Generation, Error> {
        let (pipeline, catalog) = (Arc::clone(&self.pipeline), Arc::clone(&self.catalog));
        self.spawned(async move { pipeline.apply(&catalog, spec, Cause::Asked).await })
            .await
    }

    /// Goes back to the configuration of the generation before, as a new generation.
    ///
    /// # Errors
    /// There is none, or it does not run any more; the present one goes on then.
    pub async fn rollback(&self) -> Result<Generation, Error> {
        let (pipeline, catalog) = (Arc::clone(&self.pipeline), Arc::clone(&self.catalog));
        self.spawned(async move { pipeline.roll_back(&catalog).await })
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
    /// is an [`Event`], and is tried again at the next reload.
    pub async fn reload_plugins(&self) -> Result<Generation, Error> {
        let (pipeline, catalog) = (Arc::clone(&self.pipeline), Arc::clone(&self.catalog));
        self.spawned(async move { pipeline.reload_plugins(&catalog, Cause::Plugins).await })
            .await
    }

    /// [`Host::reload_plugins`] for code without an async runtime.
    ///
    /// # Errors
    /// As there.
    pub fn reload_plugins_blocking(&self) -> Result<Generation, Error> {
        let catalog = Arc::clone(&self.catalog);
        self.run(RELOAD_PATIENCE, |pipeline| async move {
            pipeline.reload_plugins(&catalog, Cause::Plugins).await
        })
        .unwrap_or_else(|| Err(Error::disposed()))
    }

    /// The plugins that this process has loaded or linked in, by name: their versions, which of
    /// them this pipeline's targets use, and how many more there may be.
    pub fn plugins(&self) -> BTreeMap<String, PluginVersions> {
        self.pipeline.plugins(&self.catalog)
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
            // The last numbers still go out.
            drop(self.exporter.take());
        }
        std::mem::forget(self.exporter.take());
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

/// Collects what a pipeline is started from.
#[derive(Default)]
#[must_use = "nothing runs before `start`"]
pub struct HostBuilder {
    source: Source,
    env: Option<Env>,
    linked: Vec<Linked>,
    targets: BTreeMap<String, BoxTarget>,
    min_level: Option<Level>,
    on_event: Vec<OnEvent>,
    on_reload: Vec<OnReload>,
    outlets: Wanted,
    unwatched: bool,
    plugin_versions: Option<usize>,
    watch_plugins: bool,
}

type OnEvent = Box<dyn Fn(&Event) + Send + Sync>;
type OnReload = Box<dyn Fn(Result<&Generation, &Error>) + Send + Sync>;

#[derive(Default)]
enum Source {
    /// No routes and no targets but those that are added to the factory.
    #[default]
    Nothing,
    File(PathBuf),
    Spec(Box<PipelineSpec>),
}

impl HostBuilder {
    /// The pipeline of this file.
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        self.source = Source::File(path.as_ref().to_owned());
        self
    }

    /// A pipeline that was built in code, or parsed by [`config::parse`].
    pub fn pipeline(mut self, spec: PipelineSpec) -> Self {
        self.source = Source::Spec(Box::new(spec));
        self
    }

    /// The variables that `${NAME}` stands for; those of the process unless set.
    pub fn env(mut self, env: Env) -> Self {
        self.env = Some(env);
        self
    }

    /// A plugin that is linked into the service: `link(rolog_plugin::linked::<File>())`. Targets
    /// whose `plugin` is its name are made of it, and not of a library.
    pub fn link(mut self, plugin: Linked) -> Self {
        self.linked.push(plugin);
        self
    }

    /// A target of the service's own, for the configuration to name: the target `name` there has
    /// `plugin: in-process`.
    pub fn target(mut self, name: impl Into<String>, target: impl LogTarget) -> Self {
        self.targets.insert(name.into(), Box::new(target));
        self
    }

    /// The least level of loggers of which the configuration says nothing;
    /// [`LoggerFactory::default_min_level`] unless set.
    pub fn min_level(mut self, level: Level) -> Self {
        self.min_level = Some(level);
        self
    }

    /// Called when something happens at a target: it failed, recovered, dropped records, and so on.
    /// On a thread of the pipeline, so it must not block. At most ten of a kind in ten seconds; each
    /// says how many were held back before it. The same events are records of the logger `rolog`.
    pub fn on_event(mut self, call: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.on_event.push(Box::new(call));
        self
    }

    /// Called whenever the configuration's file has been read again, whoever asked: with the
    /// generation in force then, which is the one before where nothing has changed, or with what
    /// keeps the new one from running. On a thread of the pipeline, so it must not block.
    pub fn on_reload(
        mut self,
        call: impl Fn(Result<&Generation, &Error>) + Send + Sync + 'static,
    ) -> Self {
        self.on_reload.push(Box::new(call));
        self
    }

    /// Keeps records that no target takes in this file; see [`dead_letters`](crate::dead_letters).
    /// Goes before what the configuration says; without either they are dropped, and counted.
    pub fn dead_letters(mut self, settings: DeadLetterSettings) -> Self {
        self.outlets.dead_letters = Some(settings);
        self
    }

    /// Serves the metrics to Prometheus at this address, as `/metrics`, wherever the configuration
    /// would have it.
    pub fn prometheus(mut self, address: SocketAddr) -> Self {
        self.outlets.prometheus = Some(address);
        self
    }

    /// Keeps no dead letters and serves no metrics, whatever the configuration says: for a second
    /// process beside the one that does.
    pub fn without_outlets(mut self) -> Self {
        self.outlets.closed = true;
        self
    }

    /// Whether changes of the configuration's file, and of the files that `${file:…}` names in it,
    /// are taken over as they happen; they are unless this says otherwise. [`Host::reload`] works
    /// either way.
    pub fn watch(mut self, watch: bool) -> Self {
        self.unwatched = !watch;
        self
    }

    /// Whether new builds of plugins are taken up as their files change; they are not unless this
    /// says so. [`Host::reload_plugins`] works either way.
    pub fn watch_plugins(mut self, watch: bool) -> Self {
        self.watch_plugins = watch;
        self
    }

    /// How many versions of one plugin this process may load, 32 unless set: libraries are never
    /// closed, so each new build costs the memory of its code for good. A further one is refused,
    /// and the targets keep theirs.
    pub fn plugin_versions(mut self, limit: usize) -> Self {
        self.plugin_versions = Some(limit);
        self
    }

    /// Checks the configuration, the plugins' part of it included, and starts nothing.
    ///
    /// # Errors
    /// Everything that is wrong, each at its place. Otherwise the warnings.
    pub fn check(self) -> Result<Vec<Problem>, Error> {
        let spec = self.source.read(&self.env.unwrap_or_else(Env::process))?;
        let settings = loader_settings(&spec, self.plugin_versions);
        let loader = Loader::new(settings, Arc::new(()));
        let catalog = Catalog::new(loader, self.linked, self.targets);
        let prepared = catalog.prepare(&spec)?;
        Ok(warnings(&spec, &prepared))
    }

    /// Starts the pipeline. Targets that cannot connect now are tried again, and their records take
    /// the fallback: a service starts without its log server.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration, each at its place; a thread that cannot be
    /// started.
    pub fn start(self) -> Result<Host, Error> {
        let env = self.env.unwrap_or_else(Env::process);
        let spec = self.source.read(&env)?;
        let source = match self.source {
            Source::File(path) => Some(Arc::new(FileSource::new(path, env, self.on_reload))),
            Source::Nothing | Source::Spec(_) => None,
        };
        let intake = Intake::new(spec.intake_config())
            .map_err(|error| Error::system("the rings", std::io::Error::other(error)))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("rolog-stages")
            .enable_all()
            .build()
            .map_err(|error| Error::system("the pipeline's runtime", error))?;
        let handle = runtime.handle().clone();
        let mut runtime = Background(Some(runtime));
        let link = Link::default();
        let voices = Arc::new(Voices::new(link.clone()));
        let loader = Loader::new(loader_settings(&spec, self.plugin_versions), voices);
        let catalog = Catalog::new(loader, self.linked, self.targets);
        let prepared = catalog.prepare(&spec)?;
        let warnings = warnings(&spec, &prepared);
        let slots = Arc::new(Slots::default());
        let told = Told {
            link: link.clone(),
            calls: self.on_event,
        };
        let Outlets {
            dead_letters,
            exporter,
        } = self.outlets.open(&spec, &link, &handle)?;
        let services = Services {
            dead_letters: dead_letters.clone().map(|file| Arc::new(file) as _),
            meter: Some(FacadeMeter::shared()),
            receipts: Arc::clone(&slots) as _,
            events: Arc::new(RateLimited::new(told, EVENTS, EVENT_WINDOW)),
            pressure: Some(Arc::new(Pressure(link.clone()))),
        };
        let epoch = random_epoch();
        let traits = prepared.iter();
        let traits = traits.map(|(name, target)| (name.clone(), Traits::of(target)));
        let traits = traits.collect();
        catalog.show(memories(&prepared));
        let stages = start_stages(&spec, prepared, &services, epoch, &handle)?;
        let min_level = self.min_level.unwrap_or(LoggerFactory::default_min_level());
        let files = FileSource::files_of(&spec);
        let secrets = Mutex::new(Arc::clone(spec.secrets()));
        let shape = Shape::new(spec, min_level, stages, traits);
        let pipeline = Arc::new_cyclic(|this: &Weak<Pipeline>| Pipeline {
            this: this.clone(),
            epoch,
            factory: LoggerFactory::new(Arc::clone(&intake)),
            intake: Arc::clone(&intake),
            routes: InForce::new(shape.compile()),
            slots,
            feedback: Feedback::default(),
            dead_letters,
            counts: PumpCounts::default(),
            runtime: handle,
            services,
            shape: Mutex::new(shape),
            commands: Mutex::default(),
            pressed: Mutex::default(),
            secrets,
            reloading: tokio::sync::Mutex::new(()),
            closing: AtomicBool::new(false),
            ended: watch::Sender::new(None),
        });
        link.attach(&pipeline);
        let backend: Weak<Pipeline> = Arc::downgrade(&pipeline);
        pipeline.factory.attach(backend);
        start_pump(&pipeline)?;
        let watchdog = watchdog::watch(link, catalog.loader());
        pipeline.runtime.spawn(watchdog);
        let catalog = Arc::new(catalog);
        if self.watch_plugins {
            watch_plugins(&pipeline, &catalog)?;
        }
        if let Some(source) = source.as_ref().filter(|_| !self.unwatched) {
            let (changes, changed) = tokio::sync::mpsc::channel(1);
            source.watch(files, changes)?;
            pipeline.runtime.spawn(reload::follow(
                Arc::downgrade(&pipeline),
                Arc::clone(&catalog),
                Arc::clone(source),
                changed,
            ));
        }
        Ok(Host {
            exporter: Some(exporter),
            pipeline,
            catalog,
            warnings,
            source,
            runtime: runtime.0.take(),
        })
    }
}

impl std::fmt::Debug for HostBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostBuilder").finish_non_exhaustive()
    }
}

impl Source {
    fn read(&self, env: &Env) -> Result<PipelineSpec, Error> {
        Ok(match self {
            Source::Nothing => PipelineSpec::builder().build()?,
            Source::File(path) => config::load(path, env)?,
            Source::Spec(spec) => PipelineSpec::clone(spec),
        })
    }
}

fn start_pump(pipeline: &Arc<Pipeline>) -> Result<(), Error> {
    let consumer = pipeline
        .intake
        .consumer()
        .expect("the intake is new, and nobody else has its consumer");
    let pump = Pump::new(Arc::clone(pipeline), consumer);
    std::thread::Builder::new()
        .name("rolog-pump".to_owned())
        .spawn(move || pump.run())
        .map(drop)
        .map_err(|error| Error::system("the pump's thread", error))
}

/// A configuration's file, to be read again.
pub(crate) struct FileSource {
    path: PathBuf,
    env: Env,
    watch: OnceLock<Watch>,
    told: Vec<OnReload>,
}

impl FileSource {
    fn new(path: PathBuf, env: Env, told: Vec<OnReload>) -> Self {
        FileSource {
            told,
            // A service may change its working directory.
            path: std::path::absolute(&path).unwrap_or(path),
            env,
            watch: OnceLock::new(),
        }
    }

    /// The files that `spec` was read from beside its own.
    fn files_of(spec: &PipelineSpec) -> BTreeSet<PathBuf> {
        spec.files().clone()
    }

    fn watch(&self, files: BTreeSet<PathBuf>, changes: Sender<()>) -> Result<(), Error> {
        let watch = Watch::start(self.watched(files), changes)
            .map_err(|error| Error::system("the watch over the configuration", error))?;
        // A source is watched once, when its host starts.
        let _ = self.watch.set(watch);
        Ok(())
    }

    fn watched(&self, mut files: BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
        files.insert(self.path.clone());
        files
    }

    /// Reads the file and takes over what has changed. What fails is a record of the pipeline's own
    /// besides.
    pub(crate) async fn reload(
        self: &Arc<Self>,
        pipeline: &Arc<Pipeline>,
        catalog: &Arc<Catalog>,
        cause: Cause,
    ) -> Result<Generation, Error> {
        // Read when its turn has come: whoever comes later must not be overtaken by an older file.
        let one = pipeline.reloading.lock().await;
        let source = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || config::load(&source.path, &source.env));
        let applied = match read.await {
            Ok(Ok(spec)) => {
                let files = Self::files_of(&spec);
                if let Some(watch) = self.watch.get() {
                    watch.set_files(self.watched(files));
                }
                let none = BTreeSet::new();
                pipeline.take_over(&one, catalog, spec, cause, &none).await
            }
            Ok(Err(problems)) => Err(problems.into()),
            Err(_cancelled) => Err(Error::disposed()),
        };
        if let Err(error) = applied.as_ref().map_err(ToString::to_string) {
            let message =
                format!("the configuration was not taken over; the one before goes on: {error}");
            pipeline.tell(Level::Error, None, &message);
        }
        for call in &self.told {
            call(applied.as_ref());
        }
        applied
    }
}

/// A runtime until a host has it. A start that fails may be on a thread that drives another runtime,
/// which must not wait for this one.
struct Background(Option<Runtime>);

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Takes up new builds of plugins as their files change.
fn watch_plugins(pipeline: &Arc<Pipeline>, catalog: &Arc<Catalog>) -> Result<(), Error> {
    let (changes, changed) = tokio::sync::mpsc::channel(1);
    catalog
        .watch(&pipeline.shape().spec, changes)
        .map_err(|error| Error::system("the watch over the plugins", error))?;
    pipeline.runtime.spawn(reload::follow_plugins(
        Arc::downgrade(pipeline),
        Arc::clone(catalog),
        changed,
    ));
    Ok(())
}

fn loader_settings(spec: &PipelineSpec, versions: Option<usize>) -> LoaderSettings {
    let defaults = LoaderSettings::default();
    LoaderSettings {
        search: spec.search().to_vec(),
        most_versions: versions.unwrap_or(defaults.most_versions),
        ..defaults
    }
}

fn warnings(spec: &PipelineSpec, prepared: &PreparedTargets) -> Vec<Problem> {
    let plugins = prepared.values().flat_map(|target| &target.warnings);
    spec.warnings().iter().chain(plugins).cloned().collect()
}

fn random_epoch() -> u128 {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_ok() {
        return u128::from_le_bytes(bytes);
    }
    // Without a source of randomness, time and process still tell one epoch from another.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = now.map_or(0, |since| since.as_nanos());
    nanos << 32 | u128::from(std::process::id())
}

/// Events on their way out: to whoever asked, and as records of the pipeline's own.
struct Told {
    link: Link,
    calls: Vec<OnEvent>,
}

impl EventSink for Told {
    fn event(&self, event: &Event) {
        if let Some(pipeline) = self.link.pipeline() {
            pipeline.tell_event(event);
        }
        for call in &self.calls {
            // What a service's callback does must not end a stage.
            let called = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call(event)));
            if let (Err(panic), Some(pipeline)) = (called, self.link.pipeline()) {
                let said = crate::in_process::panic_text(&*panic);
                pipeline.tell(Level::Error, None, &format!("an event callback {said}"));
            }
        }
    }
}
