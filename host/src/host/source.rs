//! A configuration's file, to be read again.

use super::builder::OnReload;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rolog_core::Level;
use tokio::sync::mpsc::Sender;

use crate::catalog::Catalog;
use crate::config::{self, Env, PipelineSpec};
use crate::error::Error;
use crate::pipeline::Pipeline;
use crate::reload::{Cause, Generation, Watch};

/// A configuration's file, to be read again.
pub(crate) struct FileSource {
    path: PathBuf,
    env: Env,
    watch: OnceLock<Watch>,
    told: Vec<OnReload>,
}

impl FileSource {
    pub(super) fn new(path: PathBuf, env: Env, told: Vec<OnReload>) -> Self {
        FileSource {
            told,
            // A service may change its working directory.
            path: std::path::absolute(&path).unwrap_or(path),
            env,
            watch: OnceLock::new(),
        }
    }

    /// The files that `spec` was read from beside its own.
    pub(super) fn files_of(spec: &PipelineSpec) -> BTreeSet<PathBuf> {
        spec.files().clone()
    }

    pub(super) fn watch(&self, files: BTreeSet<PathBuf>, changes: Sender<()>) -> Result<(), Error> {
        let watch = Watch::start(self.watched(files), changes)
            .map_err(|error| Error::system("the watch over the configuration", error))?;
        // A source is watched once, when its host starts.
        let _ = self.watch.set(watch);
        Ok(())
    }

    fn watched(&self, mut files: BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
        files.insert(self.path.clone());
        files
    }

    /// Reads the file and takes over what has changed. What fails is a record of the pipeline's own
    /// besides.
    pub(crate) async fn reload(
        self: &Arc<Self>,
        pipeline: &Arc<Pipeline>,
        catalog: &Arc<Catalog>,
        cause: Cause,
    ) -> Result<Generation, Error> {
        // Read when its turn has come: whoever comes later must not be overtaken by an older file.
        let one = pipeline.reloading.lock().await;
        let source = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || config::load(&source.path, &source.env));
        let applied = match read.await {
            Ok(Ok(spec)) => {
                let files = Self::files_of(&spec);
                if let Some(watch) = self.watch.get() {
                    watch.set_files(self.watched(files));
                }
                let none = BTreeSet::new();
                pipeline.take_over(&one, catalog, spec, cause, &none).await
            }
            Ok(Err(problems)) => Err(problems.into()),
            Err(_cancelled) => Err(Error::disposed()),
        };
        if let Err(error) = applied.as_ref().map_err(ToString::to_string) {
            let message =
                format!("the configuration was not taken over; the one before goes on: {error}");
            pipeline.tell(Level::Error, None, &message);
        }
        for call in &self.told {
            call(applied.as_ref());
        }
        applied
    }
}
