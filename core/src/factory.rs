//! Where loggers come from.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use crate::backend::{Backend, DisposeError, TargetInfo};
use crate::error::Error;
use crate::intake::Intake;
use crate::level::{Level, Threshold};
use crate::logger::{Gate, Logger, Registry, Shared};
use crate::target::LogTarget;
use crate::typed::TypedLogger;

/// How long [`LoggerFactory::dispose`] takes at most.
const DISPOSE_DEADLINE: Duration = Duration::from_secs(10);

type OnDisposeError = Box<dyn Fn(&DisposeError) + Send + Sync>;

/// Gives out loggers by name, and knows the targets that their records reach.
///
/// Cheap to clone; all clones are the same factory. It comes from the host crate's `Host::factory`.
#[derive(Clone)]
pub struct LoggerFactory {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    on_dispose_error: Arc<Mutex<Option<OnDisposeError>>>,
}

impl LoggerFactory {
    /// A factory for the pipeline that drains `intake`; it is mute until [`LoggerFactory::attach`].
    /// For the host crate.
    #[doc(hidden)]
    pub fn new(intake: Arc<Intake>) -> Self {
        LoggerFactory {
            shared: Arc::new(Shared {
                intake,
                backend: OnceLock::new(),
                #[cfg(feature = "backtrace")]
                backtraces: std::sync::atomic::AtomicU8::new(u8::MAX),
            }),
            registry: Arc::default(),
            on_dispose_error: Arc::default(),
        }
    }

    /// Names the pipeline behind this factory, once. The factory does not keep it alive. For the host
    /// crate.
    #[doc(hidden)]
    pub fn attach(&self, backend: Weak<dyn Backend>) {
        // A second pipeline for one factory is a mistake of the host's own code; the first stays.
        let _ = self.shared.backend.set(backend);
        for logger in self.registry.since(0) {
            if let Ok(backend) = self.shared.backend() {
                logger.gate().set_least(backend.gate(logger.name()));
            }
        }
        self.registry.gates_changed();
    }

    /// The least level that any logger lets through; `None`: none does.
    #[cfg(any(feature = "log", feature = "tracing"))]
    pub(crate) fn least(&self) -> Option<Level> {
        self.shared.backend().ok()?.least()
    }

    /// Every logger given out, for the pipeline to set their gates.
    #[doc(hidden)]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The logger of this name; the same name always gives the same logger.
    ///
    /// `.` and `::` separate the segments of a name alike.
    pub fn get_logger(&self, name: &str) -> Logger {
        self.registry.get(name, &self.shared)
    }

    /// A logger that the factory does not keep: for names that are read from elsewhere, of which
    /// there may be any number. Its level is that of now; a later change does not reach it.
    pub fn passing_logger(&self, name: &str) -> Logger {
        let least = self
            .shared
            .backend()
            .ok()
            .and_then(|backend| backend.gate(name));
        Logger::new(0, name.into(), Gate::new(least), Arc::clone(&self.shared))
    }

    /// The logger named after the type `T`, by its path: `shop::orders::OrderService`.
    pub fn typed<T: ?Sized>(&self) -> TypedLogger<T> {
        TypedLogger::new(self)
    }

    /// Adds a target of the service's own, for records of every logger from `minimum` on;
    /// [`Threshold::Inherit`] means from the factory's own minimum on. Returns the factory, so that
    /// calls chain.
    ///
    /// # Errors
    /// A pipeline that has been disposed.
    pub fn add_target(
        &self,
        target: impl LogTarget,
        minimum: impl Into<Threshold>,
    ) -> Result<&Self, Error> {
        self.shared
            .backend()?
            .add_target(Box::new(target), minimum.into())?;
        Ok(self)
    }

    /// The targets that records can reach, those of the configuration included.
    pub fn targets(&self) -> Vec<TargetInfo> {
        match self.shared.backend() {
            Ok(backend) => backend.targets(),
            Err(_disposed) => Vec::new(),
        }
    }

    /// The least level that loggers record where the configuration does not say: debug in builds
    /// with debug assertions, information in others, as long as nobody sets it.
    pub fn min_level(&self) -> Level {
        match self.shared.backend() {
            Ok(backend) => backend.min_level(),
            Err(_disposed) => Self::default_min_level(),
        }
    }

    /// Sets it, for the loggers given out already too.
    ///
    /// # Errors
    /// A pipeline that has been disposed.
    pub fn set_min_level(&self, level: Level) -> Result<&Self, Error> {
        self.shared.backend()?.set_min_level(level);
        Ok(self)
    }

    /// What [`LoggerFactory::min_level`] is at first.
    pub const fn default_min_level() -> Level {
        if cfg!(debug_assertions) {
            Level::Debug
        } else {
            Level::Information
        }
    }

    /// Has records of this level or above that tell of an error say how their thread came there;
    /// `None`, as at first: none do. See [`backtrace`](mod@crate::backtrace).
    #[cfg(feature = "backtrace")]
    pub fn set_backtraces(&self, from: Option<Level>) -> &Self {
        let code = from.map_or(u8::MAX, Level::code);
        let backtraces = &self.shared.backtraces;
        backtraces.store(code, std::sync::atomic::Ordering::Relaxed);
        self
    }

    /// Called with each error of [`LoggerFactory::dispose`].
    pub fn on_dispose_error(&self, call: impl Fn(&DisposeError) + Send + Sync + 'static) -> &Self {
        *self
            .on_dispose_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(Box::new(call));
        self
    }

    /// Flushes and ends every target, even when one of them fails, within 10 seconds; the host's own
    /// `dispose` takes a deadline and reports what became of every record. Each error is given to
    /// [`LoggerFactory::on_dispose_error`] and returned.
    pub async fn dispose(&self) -> Vec<DisposeError> {
        let Ok(backend) = self.shared.backend() else {
            return Vec::new();
        };
        let errors = backend.dispose(DISPOSE_DEADLINE).await;
        let call = self
            .on_dispose_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(call) = call.as_ref() {
            errors.iter().for_each(call);
        }
        drop(call);
        errors
    }
}

impl std::fmt::Debug for LoggerFactory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoggerFactory")
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}
