//! The loggers of a pipeline, by name and by id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{Gate, Logger, Shared};

/// How many loggers are kept by name. Names that are made at run time without end must not fill the
/// memory: beyond this bound a logger is made anew at each request and carries its name in every
/// record.
const MAX_LOGGERS: usize = 65_536;

/// Every logger that a factory has given out.
#[derive(Default)]
pub struct Registry {
    table: Mutex<Table>,
    watches: Mutex<Vec<Weak<dyn GateWatch>>>,
}

/// Hears when the gates of a pipeline have changed.
pub trait GateWatch: Send + Sync {
    /// Called after a change, on the thread that made it.
    fn gates_changed(&self);
}

#[derive(Default)]
struct Table {
    by_name: HashMap<Arc<str>, Logger>,
    by_id: Vec<Logger>,
}

impl Registry {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The logger of this name, made at the first request.
    pub(crate) fn get(&self, name: &str, shared: &Arc<Shared>) -> Logger {
        if let Some(logger) = self.table().by_name.get(name) {
            return logger.clone();
        }
        // The gate is asked for outside the lock: the pipeline takes its own locks for that.
        let gate = Gate::new(shared.backend().ok().and_then(|backend| backend.gate(name)));
        let name: Arc<str> = name.into();
        let mut table = self.table();
        if let Some(logger) = table.by_name.get(&name) {
            return logger.clone();
        }
        if table.by_id.len() == MAX_LOGGERS {
            return Logger::new(0, name, gate, Arc::clone(shared));
        }
        let id = table.by_id.len() as u32 + 1;
        let logger = Logger::new(id, Arc::clone(&name), gate, Arc::clone(shared));
        table.by_name.insert(name, logger.clone());
        table.by_id.push(logger.clone());
        drop(table);
        // A pipeline that changed its levels in between did not see this logger yet.
        if let Ok(backend) = shared.backend() {
            logger.gate().set_least(backend.gate(logger.name()));
            logger.gate().set_blocked(backend.is_pressed(logger.name()));
        }
        logger
    }

    /// The logger with this id, from 1.
    pub fn by_id(&self, id: u32) -> Option<Logger> {
        let index = (id as usize).checked_sub(1)?;
        self.table().by_id.get(index).cloned()
    }

    /// The loggers given out since the first `known`: ids count from 1, so that the logger with id
    /// `n` is the one at `n - 1`.
    pub fn since(&self, known: usize) -> Vec<Logger> {
        self.table().by_id.get(known..).unwrap_or_default().to_vec()
    }
}

impl Registry {
    /// Tells `watch` of changes for as long as it lives.
    pub fn watch(&self, watch: Weak<dyn GateWatch>) {
        self.watches().push(watch);
    }

    /// Says that the gates have changed.
    pub fn gates_changed(&self) {
        let mut watches = self.watches();
        watches.retain(|watch| watch.strong_count() > 0);
        let watches = watches.clone();
        for watch in watches.iter().filter_map(Weak::upgrade) {
            watch.gates_changed();
        }
    }

    fn watches(&self) -> MutexGuard<'_, Vec<Weak<dyn GateWatch>>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("loggers", &self.table().by_id.len())
            .finish()
    }
}
