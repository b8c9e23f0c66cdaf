//! What the host calls.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rolog_core::render::{Format, JsonLine, Renderer, TextLine};
use rolog_plugin::Task;
use rolog_plugin::prelude::*;

use crate::config::{Compress, Config, Fsync, Keep, Size};
use crate::disk::{self, Access};
use crate::log::Rules;
use crate::rotate::{AT_WORK, Keeper, Schedule, is_rotated_name};
use crate::writer::Writer;
use crate::{place, trouble};

/// How long what was written may wait for the disk under [`Fsync::Interval`].
const SYNC_WITHIN: Duration = Duration::from_secs(1);
/// Enough lines of the usual length for several pieces.
const PREFERRED_BATCH: usize = 5000;

/// The longest that the clock of a rotation is trusted: it may be set meanwhile.
const LOOK_AGAIN: Duration = Duration::from_mins(10);

/// Appends records to a file.
#[derive(Debug)]
pub struct File {
    context: Context,
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
            summary: "appends records to a file, as JSON lines or as text".into(),
            ..Description::default()
        }
    }

    fn validate(config: &Config, setup: &Setup) -> Result<Plan, ConfigError> {
        let path = setup.resolve(&config.path);
        if config.path.as_os_str().is_empty()
            || config.path.as_os_str().as_encoded_bytes().ends_with(b"/")
        {
            return Err(ConfigError::at(
                "path",
                format!("`{}` names no file", config.path.display()),
            )
            .expected("the path of a file, such as logs/app.jsonl"));
        }
        if let Some(what) = disk::unfit(&path) {
            let problem = ConfigError::at("path", format!("`{}` is {what}", path.display()));
            return Err(problem.expected("the path of a file (`plugin: console` has the streams)"));
        }
        if config.source && config.format != Format::Json {
            return Err(ConfigError::at(
                "source",
                "only JSON lines say where in the code they were logged",
            )
            .expected("`format: json`, or no `source`"));
        }
        let name = path.file_name().unwrap_or_default();
        if is_rotated_name(name.as_encoded_bytes()) {
            return Err(ConfigError::at(
                "path",
                format!("`{}` is the name of a rotated file", path.display()),
            )
            .expected("a name without a moment in it"));
        }
        if let Some(rotate) = &config.rotate
            && rotate.size.is_none()
            && rotate.every.is_none()
        {
            return Err(ConfigError::at("rotate", "it says nothing of when")
                .expected("a `size`, or `every`, or both"));
        }
        let needless = [
            ("keep", config.keep != Keep::default()),
            ("compress", config.compress != Compress::Off),
        ];
        if let Some((setting, _)) = needless.iter().find(|(_, set)| *set)
            && config.rotate.is_none()
        {
            return Err(
                ConfigError::at(*setting, "without `rotate` there are no rotated files")
                    .expected("a `rotate` beside it"),
            );
        }
        let names = place::resources(&path).map_err(|error| {
            ConfigError::at(
                "path",
                format!("cannot follow `{}`: {error}", path.display()),
            )
        })?;
        let plan = Plan::new().preferred_batch(PREFERRED_BATCH);
        Ok(names.into_iter().fold(plan, Plan::resource))
    }

    async fn create(config: Config, context: Context) -> Result<Self, Failure> {
        let path = context.setup().resolve(&config.path);
        let checked = path.clone();
        context
            .spawn_blocking(move || disk::check(&checked))
            .await?
            .map_err(|error| trouble::failure("use", &path, &error))?;
        let durable = config.fsync != Fsync::Never;
        let rules = Arc::new(Rules {
            access: Access {
                mode: config.mode,
                owner: config.owner,
                lock: config.lock,
                durable,
            },
            fsync: config.fsync,
            size: config.rotate.as_ref().and_then(|r| r.size).map(Size::bytes),
            schedule: config
                .rotate
                .as_ref()
                .and_then(|r| Some(Schedule::new(r.every?, r.zone.clone()))),
        });
        let keeper = Arc::new(Keeper::new(config.keep, config.compress, durable));
        let writer = Writer::new(&path, rules, Arc::clone(&keeper), renderer(&config));
        Ok(File {
            path,
            writer: Arc::new(writer),
            keeper,
            fsync: config.fsync,
            kept: config.rotate.is_some(),
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
        let wanted = tokio::time::timeout(pause, keeper.wanted()).await.is_ok();
        let turning = Arc::clone(&writer);
        if !wanted {
            drop(context.spawn_blocking(move || turning.turn()).await);
        }
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

fn renderer(config: &Config) -> Renderer {
    match config.format {
        Format::Json => Renderer::Json(JsonLine::new().with_source(config.source)),
        Format::Text => Renderer::Text(TextLine::new()),
    }
}
