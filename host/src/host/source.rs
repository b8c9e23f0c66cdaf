//! A configuration's file, to be read again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rolog_core::Level;
use tokio::sync::mpsc::Sender;

use super::last_good;
use crate::config::{self, Env, NamedFiles, PipelineSpec, Problems};
use crate::error::Error;
use crate::pipeline::Pipeline;
use crate::reload::{Cause, Generation, Watch};

/// A configuration's file, to be read again.
pub(crate) struct FileSource {
    path: PathBuf,
    /// As it was named.
    name: String,
    env: Env,
    /// Where the service's own code has the last good file kept.
    last_good: Option<PathBuf>,
    watch: OnceLock<Watch>,
}

/// What a pipeline starts with.
pub(super) struct First<T> {
    pub(super) spec: PipelineSpec,
    pub(super) made: T,
    /// What is wrong with the file, where it is the last good one that is used.
    pub(super) instead_of: Option<Problems>,
}

impl FileSource {
    pub(super) fn new(path: PathBuf, env: Env, last_good: Option<PathBuf>) -> Self {
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        FileSource {
            // A service may change its working directory.
            name: path.display().to_string(),
            path: absolute(path),
            last_good: last_good.map(absolute),
            env,
            watch: OnceLock::new(),
        }
    }

    /// The files that `spec` was read from beside its own, and those that would mend what it is used
    /// instead of.
    pub(super) fn files_of(
        spec: &PipelineSpec,
        instead_of: Option<&Problems>,
    ) -> BTreeSet<PathBuf> {
        let mut files = spec.files().clone();
        files.extend(instead_of.into_iter().flat_map(|p| p.files().all.clone()));
        files
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

    /// The folder of the file.
    fn base(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// The configuration as its file has it now; or, where `runs` finds what is wrong with that, as
    /// the last good file has it, and why it is that.
    ///
    /// # Errors
    /// What is wrong with the file, and with the last good one where there is one.
    pub(super) fn first<T>(
        &self,
        runs: impl Fn(&PipelineSpec) -> Result<T, Problems>,
    ) -> Result<First<T>, Problems> {
        let bytes = config::read_file(&self.path, &self.name);
        let of = |bytes: &[u8], name: &str| {
            let spec = config::parse(bytes, name, self.base(), &self.env)?;
            match runs(&spec) {
                Ok(made) => Ok((spec, made)),
                Err(problems) => Err(problems.with_files(NamedFiles::of(&spec))),
            }
        };
        let problems = match bytes.as_ref().map(|bytes| of(bytes, &self.name)) {
            Ok(Ok((spec, made))) => {
                return Ok(First {
                    spec,
                    made,
                    instead_of: None,
                });
            }
            Ok(Err(problems)) => problems,
            Err(problems) => problems.clone(),
        };
        let named =
            || last_good::named_in(bytes.as_deref().unwrap_or_default(), self.base(), &self.env);
        let Some(kept) = self.last_good.clone().or_else(named) else {
            return Err(problems);
        };
        // Nothing is kept before the first good one.
        let Ok(text) = config::read_file(&kept, "") else {
            return Err(problems);
        };
        match of(&text, &kept.display().to_string()) {
            Ok((spec, made)) => Ok(First {
                spec,
                made,
                instead_of: Some(problems),
            }),
            Err(besides) => {
                let mut all = problems.into_vec();
                all.extend(besides.into_vec());
                Err(Problems::new(all))
            }
        }
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
        let (applied, named) = match read.await {
            Ok(Ok(spec)) => {
                let named = NamedFiles::of(&spec);
                let none = BTreeSet::new();
                (pipeline.take_over(&turn, spec, &none).await, named)
            }
            Ok(Err(problems)) => {
                let named = problems.files().clone();
                (Err(problems.into()), named)
            }
            Err(_cancelled) => (Err(Error::disposed()), NamedFiles::default()),
        };
        self.watch_on(pipeline, named);
        turn.end(applied).await
    }

    /// Watches the files that were named last, whether they could be read or not, and those of the
    /// configuration in force.
    fn watch_on(&self, pipeline: &Pipeline, named: NamedFiles) {
        if let Some(watch) = self.watch.get() {
            let mut files = named.all;
            files.extend(pipeline.shape().spec.files().iter().cloned());
            watch.set_files(self.watched(files), named.missed);
        }
    }
}

impl Pipeline {
    /// Keeps the text of the configuration in force where that is wished for. What fails is a record of
    /// the pipeline's own.
    pub(crate) async fn keep_last_good(&self) {
        if let Some(pipeline) = self.this.upgrade() {
            let kept = self
                .runtime
                .spawn_blocking(move || pipeline.keep_last_good_now());
            // Cancelled with the end of the pipeline only.
            drop(kept.await);
        }
    }

    /// The same on the calling thread, which may block.
    pub(crate) fn keep_last_good_now(&self) {
        let Some(source) = &self.source else {
            return;
        };
        let (path, text) = {
            let spec = &self.shape().spec;
            let path = source.last_good.as_deref().or(spec.last_good());
            // One that was handed over in code may mean other files by the same names.
            let own = spec.text().filter(|_| spec.base() == source.base());
            match (path, own) {
                (Some(path), Some(text)) => (path.to_path_buf(), Arc::clone(text)),
                _ => return,
            }
        };
        if let Err(error) = last_good::keep(&path, &text) {
            let path = path.display();
            let message = format!("the last good file cannot be kept in {path}: {error}");
            self.tell(Level::Error, None, &message);
        }
    }
}
