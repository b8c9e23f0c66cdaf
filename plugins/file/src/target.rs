//! What the host calls.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rolog_plugin::Task;
use rolog_plugin::prelude::*;

use crate::batching::Way;
use crate::checks::{self, Place};
use crate::config::{Config, Fsync, Size, renderer};
use crate::disk::{self, Access};
use crate::log::Rules;
use crate::path::Expander;
use crate::rotate::{AT_WORK, Keeper, Notes, Schedule};
use crate::trouble;
use crate::writer::Writer;

/// How long what was written may wait for the disk under [`Fsync::Interval`].
const SYNC_WITHIN: Duration = Duration::from_secs(1);

/// How many files of a template are open at a time, unless the settings say otherwise.
const MOST_OPEN: usize = 64;

/// The longest that the clock of a rotation is trusted: it may be set meanwhile.
const LOOK_AGAIN: Duration = Duration::from_mins(10);

/// Appends records to a file.
#[derive(Debug)]
pub struct File {
    context: Context,
    /// The file, or the directory of all of them.
    path: PathBuf,
    writer: Arc<Writer>,
    keeper: Arc<Keeper>,
    fsync: Fsync,
    /// Whether there is anything for the keeper to do.
    kept: bool,
    beside: Mutex<Vec<Task<()>>>,
}

impl Target for File {
    type Config = Config;

    fn describe() -> Description {
        Description {
            summary: "appends records to files, as JSON lines, logfmt or text".into(),
            ..Description::default()
        }
    }

    fn validate(config: &Config, setup: &Setup) -> Result<Plan, ConfigError> {
        checks::check(config, setup)
    }

    async fn create(config: Config, context: Context) -> Result<Self, Failure> {
        let place = Place::of(&config, context.setup())
            .map_err(|problem| Failure::new(Class::Invalid, problem))?;
        let lines = renderer(&config)
            .map_err(|problem| Failure::new(Class::Invalid, problem.to_string()))?;
        let path = place.path().to_path_buf();
        let checked = place.clone();
        context
            .spawn_blocking(move || match checked {
                Place::One(path) => disk::check(&path),
                // A file of this name could be made there.
                Place::Below(template) => disk::check(&template.base().join("-")),
            })
            .await?
            .map_err(|error| trouble::failure("use", &path, &error))?;
        let durable = config.fsync != Fsync::Never;
        let rotate = config.rotate.as_ref();
        let every = rotate.and_then(|rotate| rotate.every);
        let (way, template) = match place {
            Place::One(path) => (Way::One(path), None),
            Place::Below(template) => {
                let expander = Expander::new(template.clone(), config.zone.clone());
                (Way::Many(expander), Some(template))
            }
        };
        let access = Access {
            mode: config.mode,
            owner: config.owner,
            lock: config.lock,
            durable,
        };
        let ours = access.ours();
        let rules = Arc::new(Rules {
            access,
            base: template
                .as_ref()
                .map(|template| template.base().to_path_buf()),
            fsync: config.fsync,
            size: rotate.and_then(|rotate| rotate.size).map(Size::bytes),
            schedule: every.map(|every| Schedule::new(every, config.zone.clone())),
            notes: every
                .and(template.clone())
                .map(|template| Notes::new(template, ours)),
        });
        let keeper = Arc::new(Keeper::new(
            config.keep,
            config.compress,
            durable,
            ours,
            template,
        ));
        let kept = config.rotate.is_some();
        let writer = Writer::new(
            way,
            config.max_open.unwrap_or(MOST_OPEN),
            rules,
            Arc::clone(&keeper),
            lines,
        );
        Ok(File {
            path,
            writer: Arc::new(writer),
            keeper,
            fsync: config.fsync,
            kept,
            context,
            beside: Mutex::default(),
        })
    }

    async fn activate(&self) -> Result<(), Failure> {
        let writer = Arc::clone(&self.writer);
        self.context
            .spawn_blocking(move || writer.open())
            .await?
            .map_err(|error| trouble::failure("open", &self.path, &error))?;
        self.end_beside();
        let mut beside = self.beside();
        if self.fsync == Fsync::Interval {
            beside.push(self.context.spawn(sync_in_intervals(
                self.context.clone(),
                Arc::clone(&self.writer),
                self.path.clone(),
            )));
        }
        if self.kept {
            self.keeper.start();
            beside.push(self.context.spawn(keep(
                self.context.clone(),
                Arc::clone(&self.writer),
                Arc::clone(&self.keeper),
            )));
        }
        Ok(())
    }

    async fn deliver(&self, batch: &Batch, attempt: &Attempt) -> Outcome {
        let (writer, batch, attempt) = (Arc::clone(&self.writer), batch.clone(), attempt.clone());
        match self
            .context
            .spawn_blocking(move || writer.append(&batch, &attempt))
            .await
        {
            Ok(outcome) => outcome,
            // It ended midway; what there is of it is cut off before the next batch.
            Err(failure) => Outcome::retry(failure.maybe_written()),
        }
    }

    async fn flush(&self, _deadline: Duration) -> Result<(), Failure> {
        self.end(Writer::sync).await
    }

    async fn shutdown(&self, _deadline: Duration) -> Result<(), Failure> {
        self.end_beside();
        self.end(|writer| {
            let synced = writer.sync();
            writer.close();
            synced
        })
        .await
    }
}

impl File {
    async fn end(
        &self,
        sync: impl FnOnce(&Writer) -> io::Result<()> + Send + 'static,
    ) -> Result<(), Failure> {
        let writer = Arc::clone(&self.writer);
        self.context
            .spawn_blocking(move || sync(&writer))
            .await?
            .map_err(|error| trouble::failure("sync", &self.path, &error))
    }

    /// Ends what runs beside the calls. A compression that is under way ends at its next chunk, and is
    /// done anew by whoever comes next.
    fn end_beside(&self) {
        self.keeper.stop();
        for task in self.beside().drain(..) {
            task.abort();
        }
    }

    fn beside(&self) -> MutexGuard<'_, Vec<Task<()>>> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.end_beside();
    }
}

async fn sync_in_intervals(context: Context, writer: Arc<Writer>, path: PathBuf) {
    loop {
        writer.unsynced().await;
        tokio::time::sleep(SYNC_WITHIN).await;
        let syncing = Arc::clone(&writer);
        if let Ok(Err(error)) = context.spawn_blocking(move || syncing.sync()).await {
            ::log::error!(
                "cannot sync {}: {error}; what was written within the last second may not outlast the machine",
                path.display()
            );
        }
    }
}

/// Rotates files that nobody writes to, and looks after those that were rotated.
async fn keep(context: Context, writer: Arc<Writer>, keeper: Arc<Keeper>) {
    loop {
        let pause = writer.next_turn().map_or(LOOK_AGAIN, until);
        // Woken, or not: there may be something to do.
        let _ = tokio::time::timeout(pause, keeper.wanted()).await;
        let turning = Arc::clone(&writer);
        drop(context.spawn_blocking(move || turning.turn()).await);
        let _at_work = AT_WORK.acquire().await;
        let tending = Arc::clone(&keeper);
        drop(context.spawn_blocking(move || tending.tend()).await);
    }
}

/// How long it is until then, as far as that can be known.
fn until(turn: Timestamp) -> Duration {
    let left = turn.duration_since(Timestamp::now());
    Duration::try_from(left).map_or(SYNC_WITHIN, |left| left.clamp(SYNC_WITHIN, LOOK_AGAIN))
}
