//! The runtime that a library's instances share, or that one of them has for itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rolog_core::delivery::{Class, Failure};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::scope::{self, Instance};

/// Threads that poll.
const WORKERS: usize = 2;
/// Threads for code that blocks. Together with the workers, fifty instances stay within twelve.
const BLOCKING: usize = 8;
/// The kernel keeps no more of a thread's name.
const NAME_LIMIT: usize = 15;

/// A tokio runtime that can be ended from outside while work still refers to it.
#[derive(Debug)]
pub(crate) struct Engine {
    handle: Handle,
    runtime: Mutex<Option<Runtime>>,
    retired: AtomicBool,
}

impl Engine {
    /// Starts the runtime of a library, or of one of its instances.
    pub(crate) fn start(plugin: &str, owner: Instance) -> Result<Engine, Failure> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .max_blocking_threads(BLOCKING)
            .thread_name(thread_name(plugin))
            .on_thread_start(move || {
                rolog_core::give_way();
                scope::own_thread(owner);
            })
            .enable_all()
            .build()
            .map_err(|error| {
                Failure::new(
                    Class::Unavailable,
                    format!("the plugin's runtime does not start: {error}"),
                )
            })?;
        Ok(Engine {
            handle: runtime.handle().clone(),
            runtime: Mutex::new(Some(runtime)),
            retired: AtomicBool::new(false),
        })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// From now on nothing is started on it.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// Ends the runtime, and waits for its threads up to `limit`. Not from async code.
    pub(crate) fn end(&self, limit: Duration) {
        if let Some(runtime) = self.take() {
            runtime.shutdown_timeout(limit);
        }
    }

    fn take(&self) -> Option<Runtime> {
        self.runtime
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl Drop for Engine {
    /// May happen on one of the runtime's own threads, which must not wait for itself.
    fn drop(&mut self) {
        if let Some(runtime) = self.take() {
            runtime.shutdown_background();
        }
    }
}

/// The name of every thread that belongs to a plugin, by which they can be counted.
pub(crate) fn thread_name(plugin: &str) -> String {
    let name = format!("rolog-{plugin}");
    let end = name.floor_char_boundary(NAME_LIMIT);
    name[..end].to_owned()
}
