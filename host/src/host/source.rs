//! A configuration's file, to be read again.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc::Sender;

use crate::config::{self, Env, PipelineSpec, Problems};
use crate::error::Error;
use crate::pipeline::Pipeline;
use crate::reload::{Cause, Generation, Watch};

/// A configuration's file, to be read again.
pub(crate) struct FileSource {
    path: PathBuf,
    env: Env,
    watch: OnceLock<Watch>,
}

impl FileSource {
    pub(super) fn new(path: PathBuf, env: Env) -> Self {
        FileSource {
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

    /// The configuration as its file has it now. It may block.
    ///
    /// # Errors
    /// What is wrong with it, each problem at its place.
    pub(crate) fn read(&self) -> Result<PipelineSpec, Problems> {
        config::load(&self.path, &self.env)
    }

    /// Reads the file and takes over what has changed.
    pub(crate) async fn reload(
        self: &Arc<Self>,
        pipeline: &Arc<Pipeline>,
        cause: Cause,
    ) -> Result<Generation, Error> {
        // Read when its turn has come: whoever comes later must not be overtaken by an older file.
        let turn = pipeline.turn(cause).await;
        let source = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || source.read());
        let applied = match read.await {
            Ok(Ok(spec)) => {
                let files = Self::files_of(&spec);
                if let Some(watch) = self.watch.get() {
                    watch.set_files(self.watched(files));
                }
                let none = BTreeSet::new();
                pipeline.take_over(&turn, spec, &none).await
            }
            Ok(Err(problems)) => Err(problems.into()),
            Err(_cancelled) => Err(Error::disposed()),
        };
        turn.end(applied)
    }
}
