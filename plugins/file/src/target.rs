//! What the host calls.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rolog_core::render::{Format, JsonLine, Renderer, TextLine};
use rolog_plugin::Task;
use rolog_plugin::prelude::*;

use crate::config::{Config, Fsync};
use crate::log::Log;
use crate::{disk, place, trouble};

/// How long what was written may wait for the disk under [`Fsync::Interval`].
const SYNC_WITHIN: Duration = Duration::from_secs(1);
/// Enough lines of the usual length for several pieces.
const PREFERRED_BATCH: usize = 5000;

/// Appends records to a file.
#[derive(Debug)]
pub struct File {
    context: Context,
    log: Arc<Log>,
    fsync: Fsync,
    syncing: Mutex<Option<Task<()>>>,
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
        Ok(File {
            log: Arc::new(Log::new(path, config.fsync, renderer(&config))),
            fsync: config.fsync,
            context,
            syncing: Mutex::new(None),
        })
    }

    async fn activate(&self) -> Result<(), Failure> {
        let log = Arc::clone(&self.log);
        self.context
            .spawn_blocking(move || log.open())
            .await?
            .map_err(|error| trouble::failure("open", self.log.path(), &error))?;
        if self.fsync == Fsync::Interval {
            let syncing = self.context.spawn(sync_in_intervals(
                self.context.clone(),
                Arc::clone(&self.log),
            ));
            if let Some(earlier) = self.syncing().replace(syncing) {
                earlier.abort();
            }
        }
        Ok(())
    }

    async fn deliver(&self, batch: &Batch, attempt: &Attempt) -> Outcome {
        let (log, batch, attempt) = (Arc::clone(&self.log), batch.clone(), attempt.clone());
        match self
            .context
            .spawn_blocking(move || log.append(&batch, &attempt))
            .await
        {
            Ok(outcome) => outcome,
            // It ended midway; what there is of it is cut off before the next batch.
            Err(failure) => Outcome::retry(failure.maybe_written()),
        }
    }

    async fn flush(&self, _deadline: Duration) -> Result<(), Failure> {
        self.end(Log::sync).await
    }

    async fn shutdown(&self, _deadline: Duration) -> Result<(), Failure> {
        if let Some(syncing) = self.syncing().take() {
            syncing.abort();
        }
        self.end(|log| {
            let synced = log.sync();
            log.close();
            synced
        })
        .await
    }
}

impl File {
    async fn end(
        &self,
        sync: impl FnOnce(&Log) -> io::Result<()> + Send + 'static,
    ) -> Result<(), Failure> {
        let log = Arc::clone(&self.log);
        self.context
            .spawn_blocking(move || sync(&log))
            .await?
            .map_err(|error| trouble::failure("sync", self.log.path(), &error))
    }

    fn syncing(&self) -> MutexGuard<'_, Option<Task<()>>> {
        self.syncing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if let Some(syncing) = self.syncing().take() {
            syncing.abort();
        }
    }
}

async fn sync_in_intervals(context: Context, log: Arc<Log>) {
    loop {
        log.unsynced().await;
        tokio::time::sleep(SYNC_WITHIN).await;
        let syncing = Arc::clone(&log);
        if let Ok(Err(error)) = context.spawn_blocking(move || syncing.sync()).await {
            ::log::error!(
                "cannot sync {}: {error}; what was written within the last second may not outlast the machine",
                log.path().display()
            );
        }
    }
}

fn renderer(config: &Config) -> Renderer {
    match config.format {
        Format::Json => Renderer::Json(JsonLine::new().with_source(config.source)),
        Format::Text => Renderer::Text(TextLine::new()),
    }
}
