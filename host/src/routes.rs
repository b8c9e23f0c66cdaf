//! One generation of the routes: a router, and the stages that its positions stand for.

use std::sync::{Arc, Mutex, PoisonError};

use rolog_core::Level;

use crate::dress::Dress;
use crate::router::{RouteCache, Router};
use crate::stage::Stage;

/// What the pump routes by. Replaced as a whole, in one step, by whatever changes it.
pub(crate) struct Routes {
    /// The generation of the configuration, stamped on every record.
    pub(crate) generation: u32,
    pub(crate) router: Router,
    /// In the order of [`Router::targets`].
    pub(crate) stages: Vec<Stage>,
    /// For callers that wait for room: they ask for every record anew where it goes.
    names: Mutex<RouteCache>,
    /// What records get and what is hidden in them, if anything.
    pub(crate) dress: Option<Arc<Dress>>,
}

/// How many logger names keep their routes in memory.
const NAMES: usize = 4096;

impl Routes {
    /// The stages are in the order of [`Router::targets`].
    pub(crate) fn new(
        generation: u32,
        router: Router,
        stages: Vec<Stage>,
        dress: Option<Arc<Dress>>,
    ) -> Self {
        Routes {
            generation,
            router,
            stages,
            names: Mutex::new(RouteCache::new(NAMES)),
            dress,
        }
    }

    /// The stages that a record of this logger and level goes to.
    pub(crate) fn stages_of(&self, logger: &str, level: Level) -> Vec<Stage> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let routes = names.resolve(&self.router, logger);
        drop(names);
        let targets = routes.targets(level);
        targets
            .iter()
            .filter_map(|index| self.stages.get(*index).cloned())
            .collect()
    }

    /// The least level that this logger lets through.
    pub(crate) fn gate(&self, logger: &str) -> Option<Level> {
        self.router.resolve(logger).gate
    }
}

/// The routes in force; the version tells the pump, without a lock, when to look again.
pub(crate) struct InForce {
    version: std::sync::atomic::AtomicU64,
    routes: std::sync::RwLock<Arc<Routes>>,
    /// Wakes those that wait for room where the routes before led.
    replaced: tokio::sync::Notify,
}

impl InForce {
    pub(crate) fn new(routes: Routes) -> Self {
        InForce {
            version: std::sync::atomic::AtomicU64::new(1),
            routes: std::sync::RwLock::new(Arc::new(routes)),
            replaced: tokio::sync::Notify::new(),
        }
    }

    pub(crate) fn get(&self) -> Arc<Routes> {
        let routes = self.routes.read();
        Arc::clone(&routes.unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Acquire pairs with the release in [`InForce::set`]: who sees the version sees the routes.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(std::sync::atomic::Ordering::Acquire)
    }

    pub(crate) fn set(&self, routes: Routes) {
        let mut current = self
            .routes
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *current = Arc::new(routes);
        self.version
            .fetch_add(1, std::sync::atomic::Ordering::Release);
        self.replaced.notify_waiters();
    }

    /// Completes at the next [`InForce::set`] after the call.
    pub(crate) fn replaced(&self) -> tokio::sync::futures::Notified<'_> {
        self.replaced.notified()
    }
}
