//! Resolved routes of names that are only known at run time, in bounded memory.

use std::collections::HashMap;
use std::sync::Arc;

use super::{LoggerRoutes, Router};

/// Remembers the routes of the names that were used last.
///
/// Belongs to one thread. It holds two halves: a name that is used moves to the young half; when that
/// is full, the old half is forgotten and the young one becomes the old. So it costs one look-up for a
/// name in use, never holds more than its capacity, and a flood of new names cannot fill it for ever.
/// Long names are resolved each time rather than kept.
#[derive(Debug)]
pub struct RouteCache {
    half: usize,
    serial: u64,
    young: HashMap<Box<str>, Arc<LoggerRoutes>>,
    old: HashMap<Box<str>, Arc<LoggerRoutes>>,
}

impl RouteCache {
    /// The longest name that is kept, in bytes.
    const LONGEST: usize = 256;

    /// A cache for at most this many names, at least 2.
    pub fn new(capacity: usize) -> Self {
        RouteCache {
            half: (capacity / 2).max(1),
            serial: 0,
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    /// The routes of a name by this router. Another router than the last one empties the cache.
    pub fn resolve(&mut self, router: &Router, name: &str) -> Arc<LoggerRoutes> {
        if self.serial != router.serial() {
            self.serial = router.serial();
            self.young.clear();
            self.old.clear();
        }
        if let Some(routes) = self.young.get(name) {
            return Arc::clone(routes);
        }
        let routes = match self.old.remove(name) {
            Some(routes) => routes,
            None => Arc::new(router.resolve(name)),
        };
        if name.len() <= Self::LONGEST {
            if self.young.len() >= self.half {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(name.into(), Arc::clone(&routes));
        }
        routes
    }

    /// How many names it holds.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
