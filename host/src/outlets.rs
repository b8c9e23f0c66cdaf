//! What leaves a pipeline beside its targets: the dead letters and the metrics.
//!
//! Both are opened before any target is, so that a path or an address that cannot be had stops the
//! start, at its place in the file. What the service's own code names goes before what the file says.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::catalog::PreparedTargets;
use crate::config::{PipelineSpec, Problem, Problems, SettingPath};
use crate::dead_letters::{DeadLetterFile, DeadLetterSettings};
use crate::error::Error;
use crate::metrics::{Exporter, Snapshot};
use crate::pipeline::Link;

/// What the service's own code names.
#[derive(Default)]
pub(crate) struct Wanted {
    /// Neither is to be opened, whoever names one.
    pub(crate) closed: bool,
    pub(crate) dead_letters: Option<DeadLetterSettings>,
    pub(crate) prometheus: Option<SocketAddr>,
}

/// What has been opened.
pub(crate) struct Outlets {
    pub(crate) dead_letters: Option<DeadLetterFile>,
    pub(crate) exporter: Exporter,
}

impl Wanted {
    /// Opens what is named here, and what `spec` names beside it.
    ///
    /// # Errors
    /// What cannot be had: at its place, where `spec` names it. Nothing stays open then.
    pub(crate) fn open(
        self,
        spec: &PipelineSpec,
        link: &Link,
        runtime: &Handle,
    ) -> Result<Outlets, Error> {
        let link = link.clone();
        let look = Arc::new(move || {
            let pipeline = link.pipeline();
            // Asked while the pipeline starts: there is nothing to tell yet.
            pipeline.map_or_else(Snapshot::default, |pipeline| pipeline.snapshot())
        });
        let stated = self.dead_letters.is_some();
        let letters = self.dead_letters.or_else(|| letters_of(spec));
        let letters = letters.filter(|_| !self.closed);
        let letters = letters.map(|settings| {
            let path = settings.path.clone();
            DeadLetterFile::open(settings).map_err(|error| (path, error))
        });
        let address = self.prometheus.or_else(|| spec.metrics().prometheus.on());
        let address = address.filter(|_| !self.closed);
        let exporter = Exporter::start(look, address, runtime);
        let mut problems = Vec::new();
        let dead_letters = match letters.transpose() {
            Err((_, error)) if stated => return Err(Error::system("the dead letters", error)),
            Err((path, error)) => {
                let what = format!("cannot keep dead letters in {}", path.display());
                problems.push(refusal(spec, &["dead_letters", "path"], &what, &error));
                None
            }
            Ok(file) => file,
        };
        match exporter {
            Ok(exporter) if problems.is_empty() => {
                return Ok(Outlets {
                    dead_letters,
                    exporter,
                });
            }
            Ok(_) => {}
            Err(error) if self.prometheus.is_some() => {
                return Err(Error::system("the page for Prometheus", error));
            }
            Err(error) => {
                let address = address.map(|address| address.to_string());
                let address = address.unwrap_or_default();
                let what = format!("cannot serve the metrics at {address}");
                problems.push(refusal(spec, &["metrics", "prometheus"], &what, &error));
            }
        }
        Err(Problems::new(problems).into())
    }
}

fn letters_of(spec: &PipelineSpec) -> Option<DeadLetterSettings> {
    spec.dead_letters().map(|wanted| DeadLetterSettings {
        path: wanted.path.clone(),
        max_bytes: wanted.max_bytes.get() as u64,
    })
}

/// Finds a target that writes to the file of the dead letters.
pub(crate) fn shared_file(spec: &PipelineSpec, prepared: &PreparedTargets) -> Option<Problem> {
    let path = &spec.dead_letters()?.path;
    let real = format!("file:{}", real_path(path).display());
    let (owner, _) = prepared
        .iter()
        .find(|(_, target)| target.maker.resources().contains(&real))?;
    let at = SettingPath::root().key("dead_letters").key("path");
    let problem = spec.problem_at(at, format!("is the file of target `{owner}` already"));
    Some(problem.expected("a file of its own"))
}

/// The path without links, as far as it exists.
fn real_path(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| {
        let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
        match (folder, path.file_name()) {
            (Some(folder), Some(name)) => folder.join(name),
            _ => path.to_owned(),
        }
    })
}

fn refusal(spec: &PipelineSpec, keys: &[&str], what: &str, error: &io::Error) -> Problem {
    let root = SettingPath::root();
    let path = keys.iter().fold(root, |path, key| path.key(key));
    spec.problem_at(path, format!("{what}: {error}"))
}
