//! SQLite: a file of this machine.
//!
//! One connection, used by one batch at a time, on a thread where it may block. A batch is one
//! `BEGIN IMMEDIATE` transaction of prepared inserts of fifty rows each, in WAL mode, so that
//! readers never wait. While rows of a large batch are written, another thread makes the next ones. Nothing is ever *maybe written*: a commit that fails is rolled back.

mod layout;
mod rows;
mod trouble;
mod writer;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rolog_plugin::prelude::*;
use rusqlite::{Connection, InterruptHandle, OpenFlags};

use crate::config::Synchronous;
use crate::table::{Wanted, quoted};
use crate::trouble::Trouble;
use layout::Layout;

/// A database file that is written to.
pub(crate) struct Sqlite {
    context: Context,
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    wanted: Wanted,
    create_table: bool,
    index_time: bool,
    synchronous: Synchronous,
    busy: Duration,
    open: Mutex<Option<Open>>,
    interrupt: Mutex<Option<InterruptHandle>>,
}

/// The open file, and what its table looks like.
struct Open {
    connection: Connection,
    layout: Layout,
    /// Room for rows.
    spare: Vec<rows::Rows>,
}

/// How a file is used.
pub(crate) struct Settings {
    pub(crate) path: PathBuf,
    pub(crate) wanted: Wanted,
    pub(crate) create_table: bool,
    pub(crate) index_time: bool,
    pub(crate) synchronous: Synchronous,
    pub(crate) busy: Duration,
}

impl Sqlite {
    /// Checks the file, where there is one, without any effect on it.
    pub(crate) async fn create(settings: Settings, context: Context) -> Result<Self, Failure> {
        let shared = Arc::new(Shared {
            path: settings.path,
            wanted: settings.wanted,
            create_table: settings.create_table,
            index_time: settings.index_time,
            synchronous: settings.synchronous,
            busy: settings.busy,
            open: Mutex::new(None),
            interrupt: Mutex::new(None),
        });
        let checked = Arc::clone(&shared);
        context.spawn_blocking(move || checked.check()).await??;
        Ok(Sqlite { context, shared })
    }

    pub(crate) async fn activate(&self) -> Result<(), Failure> {
        self.blocking(|shared| {
            let open = shared.open()?;
            *lock(&shared.open) = Some(open);
            Ok(())
        })
        .await
    }

    pub(crate) async fn deliver(&self, batch: &Batch, attempt: &Attempt) -> Outcome {
        let (shared, batch, own) = (Arc::clone(&self.shared), batch.clone(), attempt.clone());
        let mut work = self
            .context
            .spawn_blocking(move || shared.deliver(&batch, &own));
        let done = tokio::select! {
            done = &mut work => done,
            () = attempt.cancelled() => {
                // It checks for itself between statements; this ends one that takes long.
                if let Some(interrupt) = &*lock(&self.shared.interrupt) {
                    interrupt.interrupt();
                }
                work.await
            }
        };
        done.unwrap_or_else(Outcome::retry)
    }

    /// Deletes some of the rows that are older than this; says whether there are more.
    pub(crate) async fn prune(&self, column: &str, keep: Duration) -> Result<bool, Failure> {
        let column = quoted(column, '"');
        self.blocking(move |shared| shared.prune(&column, keep))
            .await
    }

    pub(crate) async fn shutdown(&self) -> Result<(), Failure> {
        self.blocking(|shared| {
            *lock(&shared.interrupt) = None;
            if let Some(open) = lock(&shared.open).take() {
                let closed = open.connection.close();
                closed.map_err(|(_, error)| trouble::told("close", &shared.path, &error))?;
            }
            Ok(())
        })
        .await
    }

    async fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<R, Trouble> + Send + 'static,
    ) -> Result<R, Failure> {
        let shared = Arc::clone(&self.shared);
        let done = self.context.spawn_blocking(move || work(&shared)).await?;
        Ok(done?)
    }
}

impl Shared {
    fn check(&self) -> Result<(), Trouble> {
        let told = |error| trouble::told("open", &self.path, &error);
        if !self.path.exists() {
            if !self.create_table {
                return Err(self.wanted.missing());
            }
            return Ok(());
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(told)?;
        match Layout::read(&connection, &self.wanted) {
            Ok(_) => Ok(()),
            Err(None) if self.create_table => Ok(()),
            Err(None) => Err(self.wanted.missing()),
            Err(Some(trouble)) => Err(trouble),
        }
    }

    fn open(&self) -> Result<Open, Trouble> {
        if let Some(folder) = self.path.parent()
            && !folder.as_os_str().is_empty()
            && self.create_table
        {
            // What keeps it from being made keeps the file from being opened, and is told then.
            let _ = std::fs::create_dir_all(folder);
        }
        let told = |error| trouble::told("open", &self.path, &error);
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        flags.set(OpenFlags::SQLITE_OPEN_CREATE, self.create_table);
        let connection = Connection::open_with_flags(&self.path, flags).map_err(told)?;
        connection.busy_timeout(self.busy).map_err(told)?;
        let set = format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = {};",
            self.synchronous.name()
        );
        connection.execute_batch(&set).map_err(told)?;
        if self.create_table {
            let make = layout::create(&self.wanted, self.index_time);
            connection.execute_batch(&make).map_err(told)?;
        }
        connection.set_prepared_statement_cache_capacity(8);
        // A batch looks for its cancellation while it waits for other writers.
        connection.busy_timeout(Duration::ZERO).map_err(told)?;
        let layout = Layout::read(&connection, &self.wanted)
            .map_err(|trouble| trouble.unwrap_or_else(|| self.wanted.missing()))?;
        *lock(&self.interrupt) = Some(connection.get_interrupt_handle());
        Ok(Open {
            connection,
            layout,
            spare: Vec::new(),
        })
    }

    fn deliver(&self, batch: &Batch, attempt: &Attempt) -> Outcome {
        let mut slot = lock(&self.open);
        let open = match slot.take().map_or_else(|| self.open(), Ok) {
            Ok(open) => open,
            Err(trouble) => return trouble.outcome(),
        };
        let open = slot.insert(open);
        let mut batch = writer::Batch {
            shared: self,
            open,
            records: &batch.view(),
            attempt,
        };
        match batch.write() {
            Ok(rejected) => Outcome::rejected(rejected),
            Err(trouble) => {
                // The table may look different now, and the file may be another.
                *slot = None;
                trouble.outcome()
            }
        }
    }

    fn prune(&self, column: &str, keep: Duration) -> Result<bool, Trouble> {
        let slot = lock(&self.open);
        let Some(open) = &*slot else {
            return Ok(false);
        };
        let told = |error| trouble::told("delete old rows from", &self.path, &error);
        let table = self.wanted.quoted('"');
        let delete = format!(
            "DELETE FROM {table} WHERE rowid IN \
             (SELECT rowid FROM {table} WHERE {column} < ?1 LIMIT {})",
            crate::target::PRUNE_ROWS
        );
        let mut statement = open.connection.prepare_cached(&delete).map_err(told)?;
        let end = open.layout.time(crate::target::before(keep));
        let deleted = statement.execute([end]).map_err(told)?;
        Ok(deleted == crate::target::PRUNE_ROWS)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
