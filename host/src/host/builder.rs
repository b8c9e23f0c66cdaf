//! What a pipeline is started from, and how.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use rolog_core::intake::Intake;
use rolog_core::{BoxTarget, Level, LogTarget, LoggerFactory};
use rolog_plugin::Linked;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::catalog::{Catalog, PreparedTargets, memories};
use crate::config::{self, ClockKind, Env, PipelineSpec, Problem, Problems, SettingPath};
use crate::dead_letters::DeadLetterSettings;
use crate::dress::Dress;
use crate::error::Error;
use crate::feedback::Feedback;
use crate::ledger::PumpCounts;
use crate::loader::{Loader, LoaderSettings};
use crate::metrics::FacadeMeter;
use crate::outlets::{Outlets, Wanted};
use crate::pipeline::{Link, Pipeline, Pressure, Shape, Traits, start_stages};
use crate::pump::Pump;
use crate::reload::{self, Cause, Generation, OnReload, Tally};
use crate::routes::InForce;
use crate::stage::{Event, EventSink, RateLimited, Recent, Services};
use crate::voices::Voices;
use crate::waiting::Slots;
use crate::watchdog;

use super::source::First;
use super::{FileSource, Host};

/// How many events of one kind and target are told in a window.
const EVENTS: u32 = 10;
const EVENT_WINDOW: Duration = Duration::from_secs(10);

/// Collects what a pipeline is started from.
#[derive(Default)]
#[must_use = "nothing runs before `start`"]
pub struct HostBuilder {
    source: Source,
    env: Option<Env>,
    linked: Vec<Linked>,
    targets: BTreeMap<String, BoxTarget>,
    min_level: Option<Level>,
    #[cfg(feature = "backtrace")]
    backtraces: Option<Level>,
    on_event: Vec<OnEvent>,
    on_reload: Vec<OnReload>,
    outlets: Wanted,
    unwatched: bool,
    last_good: Option<PathBuf>,
    plugin_versions: Option<usize>,
    watch_plugins: bool,
}

type OnEvent = Box<dyn Fn(&Event) + Send + Sync>;

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

    /// Has records of this level or above that tell of an error say how their thread came there, where
    /// the configuration has no `backtraces`; none do unless one of them says so. See [`rolog_core::backtrace`] for what it costs.
    #[cfg(feature = "backtrace")]
    pub fn backtraces(mut self, from: Level) -> Self {
        self.backtraces = Some(from);
        self
    }

    /// Called when something happens at a target: it failed, recovered, dropped records, and so on.
    /// On a thread of the pipeline, so it must not block. At most ten of a kind in ten seconds; each
    /// says how many were held back before it. The same events are records of the logger `rolog`.
    pub fn on_event(mut self, call: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.on_event.push(Box::new(call));
        self
    }

    /// Called whenever a reload has ended, whoever asked for it and whatever it was to take over: with
    /// the generation in force then, which is the one before where nothing has changed, or with what
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

    /// Keeps no dead letters, serves no metrics and has no control socket, whatever the configuration
    /// says: for a second process beside the one that does.
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

    /// Keeps the text of the file in `path` whenever it has come into force; goes before what the file
    /// says (`last_good:`). A start whose file is missing or wrong uses that text instead, as if it
    /// stood in the file's place, and says so: see [`Cause::LastGood`]. Secrets are not in it, only
    /// what stands for them.
    pub fn last_good(mut self, path: impl Into<PathBuf>) -> Self {
        self.last_good = Some(path.into());
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
        let loader = Loader::new(loader_settings(self.plugin_versions), Arc::new(()));
        let catalog = Catalog::new(loader, self.linked, self.targets);
        catalog.follow(&spec);
        let prepared = catalog.prepare(&spec)?;
        Ok(warnings(&spec, &prepared, None))
    }

    /// Starts the pipeline. Targets that cannot connect now are tried again, and their records take
    /// the fallback: a service starts without its log server.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration, each at its place; a thread that cannot be
    /// started.
    pub fn start(self) -> Result<Host, Error> {
        let env = self.env.unwrap_or_else(Env::process);
        let link = Link::default();
        let voices = Arc::new(Voices::new(link.clone()));
        let loader = Loader::new(loader_settings(self.plugin_versions), voices);
        let catalog = Catalog::new(loader, self.linked, self.targets);
        let runs = |spec: &PipelineSpec| {
            catalog.follow(spec);
            catalog.prepare(spec)
        };
        let (source, first) = self.source.first(env, self.last_good, runs)?;
        let First {
            spec,
            made: prepared,
            instead_of,
        } = first;
        let mut warnings = warnings(&spec, &prepared, instead_of.as_ref());
        warnings.extend(choose_clock(&spec));
        let intake = Intake::new(spec.intake_config())
            .map_err(|error| Error::system("the rings", std::io::Error::other(error)))?;
        let (handle, mut runtime) = start_runtime()?;
        let slots = Arc::new(Slots::default());
        let told = Told {
            link: link.clone(),
            calls: self.on_event,
        };
        let outlets = Outlets::start(self.outlets, &spec, &link, &handle)?;
        let services = Services {
            dead_letters: Some(outlets.dead_letters()),
            meter: Some(FacadeMeter::shared()),
            receipts: Arc::clone(&slots) as _,
            events: Arc::new(RateLimited::new(told, EVENTS, EVENT_WINDOW)),
            pressure: Some(Arc::new(Pressure(link.clone()))),
        };
        let epoch = random_epoch();
        let traits = Traits::of_each(&prepared);
        catalog.show(memories(&prepared));
        let dress = Dress::of(&spec);
        catalog.hidden.set(Dress::redactor(dress.as_ref()));
        let stages = start_stages(&spec, prepared, &services, epoch, &handle)?;
        let min_level = self.min_level.unwrap_or(LoggerFactory::default_min_level());
        let files = FileSource::files_of(&spec, instead_of.as_ref());
        let secrets = Mutex::new(Arc::clone(spec.secrets()));
        let cause = cause(instead_of.as_ref());
        let astray = Recent::new(spec.explain().drops.get());
        let shape = Shape::new(spec, dress, cause, min_level, stages, traits);
        let pipeline = Arc::new_cyclic(|this: &Weak<Pipeline>| Pipeline {
            this: this.clone(),
            epoch,
            factory: LoggerFactory::new(Arc::clone(&intake)),
            intake: Arc::clone(&intake),
            routes: InForce::new(shape.compile()),
            slots,
            feedback: Feedback::default(),
            outlets,
            source,
            counts: PumpCounts::default(),
            astray: Mutex::new(astray),
            runtime: handle,
            services,
            shape: Mutex::new(shape),
            commands: Mutex::default(),
            pressed: Mutex::default(),
            full: 0.into(),
            secrets,
            reloading: tokio::sync::Mutex::new(()),
            reloads: Tally::new(self.on_reload),
            catalog: Arc::new(catalog),
            #[cfg(feature = "backtrace")]
            backtraces: self.backtraces,
            closing: AtomicBool::new(false),
            ended: watch::Sender::new(None),
        });
        link.attach(&pipeline);
        let backend: Weak<Pipeline> = Arc::downgrade(&pipeline);
        pipeline.factory.attach(backend);
        pipeline.set_backtraces(pipeline.shape().spec.backtraces());
        start_pump(&pipeline)?;
        let watchdog = watchdog::watch(link, pipeline.catalog.loader());
        pipeline.runtime.spawn(watchdog);
        if self.watch_plugins {
            watch_plugins(&pipeline)?;
        }
        if let Some(source) = pipeline.source.as_ref().filter(|_| !self.unwatched) {
            let (changes, changed) = tokio::sync::mpsc::channel(1);
            source.watch(files, changes)?;
            pipeline
                .runtime
                .spawn(reload::follow(Arc::downgrade(&pipeline), changed));
        }
        settle_last_good(&pipeline, instead_of);
        Ok(Host {
            pipeline,
            warnings,
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
    /// What the pipeline starts from, and the file that it can be read from again.
    fn first<T>(
        self,
        env: Env,
        last_good: Option<PathBuf>,
        runs: impl Fn(&PipelineSpec) -> Result<T, Problems>,
    ) -> Result<(Option<Arc<FileSource>>, First<T>), Error> {
        if let Source::File(path) = self {
            let source = FileSource::new(path, env, last_good);
            let first = source.first(runs)?;
            return Ok((Some(Arc::new(source)), first));
        }
        let spec = self.read(&env)?;
        let first = First {
            made: runs(&spec)?,
            spec,
            instead_of: None,
        };
        Ok((None, first))
    }

    fn read(&self, env: &Env) -> Result<PipelineSpec, Error> {
        Ok(match self {
            Source::Nothing => PipelineSpec::builder().build()?,
            Source::File(path) => config::load(path, env)?,
            Source::Spec(spec) => PipelineSpec::clone(spec),
        })
    }
}

/// The pipeline's own runtime.
fn start_runtime() -> Result<(tokio::runtime::Handle, Background), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("rolog-stages")
        .on_thread_start(|| {
            rolog_core::give_way();
            rolog_core::feedback::mark_thread(None);
        })
        .enable_all()
        .build()
        .map_err(|error| Error::system("the pipeline's runtime", error))?;
    Ok((runtime.handle().clone(), Background(Some(runtime))))
}

/// Why the first generation came to be.
fn cause(instead_of: Option<&Problems>) -> Cause {
    match instead_of {
        Some(_) => Cause::LastGood,
        None => Cause::Start,
    }
}

/// Keeps the file that runs as the last good one, or says that it is the last good one that runs.
fn settle_last_good(pipeline: &Arc<Pipeline>, instead_of: Option<Problems>) {
    let Some(problems) = instead_of else {
        return pipeline.keep_last_good_now();
    };
    let reason = format!(
        "the pipeline was started from the last good file, {}, because of this: {problems}",
        pipeline.shape().spec.file()
    );
    pipeline.refused(reason, Duration::ZERO);
}

fn start_pump(pipeline: &Arc<Pipeline>) -> Result<(), Error> {
    let consumer = pipeline
        .intake
        .consumer()
        .expect("the intake is new, and nobody else has its consumer");
    let pump = Pump::new(Arc::clone(pipeline), consumer);
    std::thread::Builder::new()
        .name("rolog-pump".to_owned())
        .spawn(move || {
            rolog_core::give_way();
            pump.run();
        })
        .map(drop)
        .map_err(|error| Error::system("the pump's thread", error))
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
fn watch_plugins(pipeline: &Arc<Pipeline>) -> Result<(), Error> {
    let (changes, changed) = tokio::sync::mpsc::channel(1);
    let spec = pipeline.shape().spec.clone();
    pipeline
        .catalog
        .watch(&spec, changes)
        .map_err(|error| Error::system("the watch over the plugins", error))?;
    pipeline
        .runtime
        .spawn(reload::follow_plugins(Arc::downgrade(pipeline), changed));
    Ok(())
}

fn loader_settings(versions: Option<usize>) -> LoaderSettings {
    let defaults = LoaderSettings::default();
    LoaderSettings {
        most_versions: versions.unwrap_or(defaults.most_versions),
        ..defaults
    }
}

/// Before the first call is stamped; what is wrong when it comes too late.
fn choose_clock(spec: &PipelineSpec) -> Option<Problem> {
    if spec.clock() == ClockKind::Exact || rolog_core::clock::use_coarse() {
        return None;
    }
    let what = "this process stamps its calls by another clock already, or has no coarse one";
    let path = SettingPath::root().key("clock");
    Some(spec.problem_at(path, what).warning())
}

fn warnings(
    spec: &PipelineSpec,
    prepared: &PreparedTargets,
    instead_of: Option<&Problems>,
) -> Vec<Problem> {
    let mut warnings = Vec::new();
    if let Some(problems) = instead_of {
        let problems = problems.iter().cloned();
        warnings.extend(problems.map(Problem::warning));
        let what = "this is used instead: the last configuration that ran";
        warnings.push(spec.problem_at(SettingPath::root(), what).warning());
    }
    let plugins = prepared.values().flat_map(|target| &target.warnings);
    warnings.extend(spec.warnings().iter().chain(plugins).cloned());
    warnings
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
