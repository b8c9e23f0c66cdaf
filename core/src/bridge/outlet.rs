//! Where a bridge leads: a factory, and the loggers that targets of the facade stand for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use super::sites;
use crate::Level;
use crate::call_site::CallSite;
use crate::factory::LoggerFactory;
use crate::logger::{GateWatch, Logger};

/// How many names become loggers of the factory.
const NAMES: usize = 4096;

/// How many places a thread remembers, a power of two.
const REMEMBERED: usize = 256;

/// Tells one factory of one outlet from any other, for what threads remember. Relaxed: it only has
/// to differ.
static SERIAL: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static PLACES: RefCell<Vec<Option<Remembered>>> = const { RefCell::new(Vec::new()) };
}

/// Where a record of a facade was made.
pub(super) struct Place<'a> {
    pub(super) target: &'a str,
    pub(super) module: Option<&'static str>,
    pub(super) file: Option<&'static str>,
    pub(super) line: u32,
}

struct Remembered {
    serial: u64,
    target: *const u8,
    file: *const u8,
    line: u32,
    logger: Logger,
    site: Option<&'static CallSite>,
}

/// A factory that a bridge leads to, and that can be replaced.
pub(super) struct Outlet {
    serial: AtomicU64,
    to: RwLock<To>,
}

struct To {
    factory: LoggerFactory,
    names: HashMap<Box<str>, Logger>,
}

impl Outlet {
    pub(super) fn new(factory: &LoggerFactory) -> Self {
        Outlet {
            serial: AtomicU64::new(SERIAL.fetch_add(1, Ordering::Relaxed)),
            to: RwLock::new(To {
                factory: factory.clone(),
                names: HashMap::new(),
            }),
        }
    }

    /// Leads to another factory from now on.
    pub(super) fn switch(&self, factory: &LoggerFactory) {
        let mut to = self.to.write().unwrap_or_else(PoisonError::into_inner);
        to.factory = factory.clone();
        to.names.clear();
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        self.serial.store(serial, Ordering::Release);
    }

    /// Has `watch` hear of the changes of the gates behind it.
    pub(super) fn watch(&self, watch: Weak<dyn GateWatch>) {
        self.factory().registry().watch(watch);
    }

    /// The least level that any target lets through.
    pub(super) fn least(&self) -> Option<Level> {
        self.factory().least()
    }

    fn factory(&self) -> LoggerFactory {
        let to = self.to.read().unwrap_or_else(PoisonError::into_inner);
        to.factory.clone()
    }

    /// Calls `work` with the logger and the call site of a place.
    pub(super) fn with<R>(
        &self,
        place: &Place<'_>,
        work: impl FnOnce(&Logger, Option<&'static CallSite>) -> R,
    ) -> R {
        let serial = self.serial.load(Ordering::Acquire);
        let index = place.index();
        let mut work = Some(work);
        let known = PLACES.try_with(|places| {
            // Another record may be under way further up on this thread; it only reads as well.
            let places = places.try_borrow().ok()?;
            let known = places.get(index)?.as_ref()?;
            if known.serial != serial || !known.is(place) {
                return None;
            }
            Some(work.take()?(&known.logger, known.site))
        });
        if let Ok(Some(done)) = known {
            return done;
        }
        let (logger, site) = (self.logger(place.target), place.site());
        Self::remember(index, place, serial, &logger, site);
        let work = work.expect("it is taken only where there is an answer");
        work(&logger, site)
    }

    fn remember(
        index: usize,
        place: &Place<'_>,
        serial: u64,
        logger: &Logger,
        site: Option<&'static CallSite>,
    ) {
        // A logger without an id does not follow the levels.
        if logger.id() == 0 {
            return;
        }
        let old = PLACES.try_with(|places| {
            let mut places = places.try_borrow_mut().ok()?;
            if places.is_empty() {
                places.resize_with(REMEMBERED, || None);
            }
            places[index].replace(Remembered {
                serial,
                target: place.target.as_ptr(),
                file: place.file.map_or(ptr::null(), str::as_ptr),
                line: place.line,
                logger: logger.clone(),
                site,
            })
        });
        drop(old);
    }

    /// The logger of this name.
    pub(super) fn logger(&self, name: &str) -> Logger {
        let to = self.to.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(logger) = to.names.get(name) {
            return logger.clone();
        }
        let (factory, full) = (to.factory.clone(), to.names.len() >= NAMES);
        drop(to);
        if full {
            return factory.passing_logger(name);
        }
        let logger = factory.get_logger(name);
        let mut to = self.to.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(to.factory.registry(), factory.registry()) {
            to.names.insert(name.into(), logger.clone());
        }
        logger
    }
}

impl Place<'_> {
    /// Where a thread remembers it.
    fn index(&self) -> usize {
        let file = self.file.map_or(0, |file| file.as_ptr().addr());
        let mixed = self.target.as_ptr().addr() ^ file.rotate_left(7) ^ (self.line as usize) << 3;
        // The low bits of addresses are alike.
        (mixed ^ (mixed >> 9)) % REMEMBERED
    }

    fn site(&self) -> Option<&'static CallSite> {
        sites::site(self.module?, self.file?, self.line)
    }
}

impl Remembered {
    /// An address may be used again for another text, so the text is looked at as well.
    fn is(&self, place: &Place<'_>) -> bool {
        self.target == place.target.as_ptr()
            && self.line == place.line
            && self.file == place.file.map_or(ptr::null(), str::as_ptr)
            && self.logger.name() == place.target
    }
}
