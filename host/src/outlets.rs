//! What a pipeline has beside its targets: the dead letters, the metrics and the control socket.
//!
//! All are opened before any target is, so that a path or an address that cannot be had stops the
//! start, at its place in the file. What the service's own code names goes before what the file says.
//!
//! A reload that has one of them elsewhere opens that first. Where it cannot be had the reload is
//! refused and everything stays where it is; otherwise the new one takes over with the new routes, and
//! the old one ends: what is being buried, shown or answered there still is.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use crate::config::{PipelineSpec, Problem, Problems, SettingPath, TargetName};
use crate::control::ControlServer;
use crate::dead_letters::{CurrentLetters, DeadLetterFile, DeadLetterSettings};
use crate::error::Error;
use crate::metrics::{Exporter, Look, PrometheusPage, Snapshot};
use crate::pipeline::Link;
use crate::resources::any_shared;
use crate::stage::DeadLetters;

/// What the service's own code names.
#[derive(Default)]
pub(crate) struct Wanted {
    /// None is to be opened, whoever names one.
    pub(crate) closed: bool,
    pub(crate) dead_letters: Option<DeadLetterSettings>,
    pub(crate) prometheus: Option<SocketAddr>,
}

impl Wanted {
    fn letters(&self, spec: &PipelineSpec) -> Option<DeadLetterSettings> {
        let of_spec = || {
            spec.dead_letters().map(|wanted| DeadLetterSettings {
                path: wanted.path.clone(),
                max_bytes: wanted.max_bytes.get() as u64,
            })
        };
        let letters = self.dead_letters.clone().or_else(of_spec);
        letters.filter(|_| !self.closed)
    }

    fn page(&self, spec: &PipelineSpec) -> Option<SocketAddr> {
        let address = self.prometheus;
        let address = address.or_else(|| spec.metrics().prometheus.as_on().copied());
        address.filter(|_| !self.closed)
    }

    fn control(&self, spec: &PipelineSpec) -> Option<PathBuf> {
        spec.control()
            .filter(|_| !self.closed)
            .map(Path::to_path_buf)
    }
}

/// What is open now.
pub(crate) struct Outlets {
    wanted: Wanted,
    link: Link,
    look: Look,
    runtime: Handle,
    letters: Arc<CurrentLetters>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// `None` once the pipeline has ended.
    exporter: Option<Exporter>,
    control: Option<ControlServer>,
}

/// What has been opened and waits to take over.
pub(crate) struct Opened {
    letters: Letters,
    page: Change<PrometheusPage>,
    control: Change<ControlServer>,
}

/// What happens with an outlet.
enum Change<T> {
    Keep,
    Set(Option<T>),
}

/// What happens with the dead letters.
enum Letters {
    Keep,
    /// The same file with another bound.
    Bound(u64),
    Set(Option<DeadLetterFile>),
}

/// What has given way to something else, and is still to end.
#[must_use = "it ends when it is waited for"]
pub(crate) struct Leaving {
    page: Option<PrometheusPage>,
    control: Option<ControlServer>,
}

impl Leaving {
    /// Waits until its addresses are free again.
    pub(crate) async fn end(self) {
        drop(self.control);
        if let Some(page) = self.page {
            page.end().await;
        }
    }
}

impl Outlets {
    /// Opens what is named here, and what `spec` names beside it.
    ///
    /// # Errors
    /// What cannot be had: at its place, where `spec` names it. Nothing stays open then.
    pub(crate) fn start(
        wanted: Wanted,
        spec: &PipelineSpec,
        link: &Link,
        runtime: &Handle,
    ) -> Result<Outlets, Error> {
        let seen = link.clone();
        let look: Look = Arc::new(move || {
            let pipeline = seen.pipeline();
            // Asked while the pipeline starts: there is nothing to tell yet.
            pipeline.map_or_else(Snapshot::default, |pipeline| pipeline.snapshot())
        });
        let outlets = Outlets {
            wanted,
            link: link.clone(),
            look: Arc::clone(&look),
            runtime: runtime.clone(),
            letters: Arc::default(),
            open: Mutex::default(),
        };
        let opened = outlets.open(None, spec)?;
        let exporter = Exporter::start(look, None, runtime)
            .map_err(|error| Error::system("the metrics", error))?;
        outlets.now().exporter = Some(exporter);
        // There was nothing before.
        drop(outlets.take_over(opened));
        Ok(outlets)
    }

    fn now(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens what `new` has elsewhere than `old`. It may block.
    ///
    /// # Errors
    /// What cannot be had, each at its place. Nothing that was opened for it stays open then.
    pub(crate) fn open(
        &self,
        old: Option<&PipelineSpec>,
        new: &PipelineSpec,
    ) -> Result<Opened, Error> {
        let mut problems = Vec::new();
        let opened = Opened {
            letters: self.open_letters(old, new, &mut problems)?,
            page: self.open_page(old, new, &mut problems)?,
            control: self.open_control(old, new, &mut problems),
        };
        if problems.is_empty() {
            return Ok(opened);
        }
        Err(Problems::new(problems).into())
    }

    fn open_letters(
        &self,
        old: Option<&PipelineSpec>,
        new: &PipelineSpec,
        problems: &mut Vec<Problem>,
    ) -> Result<Letters, Error> {
        let before = old.and_then(|old| self.wanted.letters(old));
        let after = self.wanted.letters(new);
        if old.is_some() && before == after {
            return Ok(Letters::Keep);
        }
        match (before, after) {
            (_, None) => Ok(Letters::Set(None)),
            (Some(before), Some(after)) if before.path == after.path => {
                Ok(Letters::Bound(after.max_bytes))
            }
            (_, Some(after)) => {
                let path = after.path.clone();
                match DeadLetterFile::open(after) {
                    Ok(file) => Ok(Letters::Set(Some(file))),
                    Err(error) if self.wanted.dead_letters.is_some() => {
                        Err(Error::system("the dead letters", error))
                    }
                    Err(error) => {
                        let what = format!("cannot keep dead letters in {}", path.display());
                        problems.push(refusal(new, &["dead_letters", "path"], &what, &error));
                        Ok(Letters::Keep)
                    }
                }
            }
        }
    }

    fn open_page(
        &self,
        old: Option<&PipelineSpec>,
        new: &PipelineSpec,
        problems: &mut Vec<Problem>,
    ) -> Result<Change<PrometheusPage>, Error> {
        let before = old.and_then(|old| self.wanted.page(old));
        let after = self.wanted.page(new);
        if before == after {
            return Ok(Change::Keep);
        }
        let Some(address) = after else {
            return Ok(Change::Set(None));
        };
        match PrometheusPage::serve(address, Arc::clone(&self.look), &self.runtime) {
            Ok(page) => Ok(Change::Set(Some(page))),
            Err(error) if self.wanted.prometheus.is_some() => {
                Err(Error::system("the page for Prometheus", error))
            }
            Err(error) => {
                let what = format!("cannot serve the metrics at {address}");
                problems.push(refusal(new, &["metrics", "prometheus"], &what, &error));
                Ok(Change::Keep)
            }
        }
    }

    fn open_control(
        &self,
        old: Option<&PipelineSpec>,
        new: &PipelineSpec,
        problems: &mut Vec<Problem>,
    ) -> Change<ControlServer> {
        let before = old.and_then(|old| self.wanted.control(old));
        let after = self.wanted.control(new);
        if before == after {
            return Change::Keep;
        }
        let Some(path) = after else {
            return Change::Set(None);
        };
        match ControlServer::start(&path, self.link.clone(), &self.runtime) {
            Ok(server) => Change::Set(Some(server)),
            Err(error) => {
                let what = format!("cannot listen at {}", path.display());
                problems.push(refusal(new, &["control"], &what, &error));
                Change::Keep
            }
        }
    }

    /// From now on what was opened serves. Waits for nothing.
    pub(crate) fn take_over(&self, opened: Opened) -> Leaving {
        match opened.letters {
            Letters::Keep => {}
            Letters::Bound(max_bytes) => self.letters.set_max_bytes(max_bytes),
            Letters::Set(file) => self.letters.set(file),
        }
        let mut now = self.now();
        let page = match (opened.page, now.exporter.as_mut()) {
            (Change::Set(page), Some(exporter)) => exporter.set_page(page),
            (Change::Set(page), None) => page,
            (Change::Keep, _) => None,
        };
        let control = match opened.control {
            Change::Set(control) => std::mem::replace(&mut now.control, control),
            Change::Keep => None,
        };
        Leaving { page, control }
    }

    /// Where the page for Prometheus is served, if it is.
    pub(crate) fn prometheus(&self) -> Option<SocketAddr> {
        self.now().exporter.as_ref().and_then(Exporter::address)
    }

    /// The control socket, if there is one.
    pub(crate) fn control(&self) -> Option<PathBuf> {
        let now = self.now();
        now.control.as_ref().map(ControlServer::path)
    }

    /// Where records go that no target takes: for every stage, whatever a reload does about it.
    pub(crate) fn dead_letters(&self) -> Arc<dyn DeadLetters> {
        Arc::clone(&self.letters) as _
    }

    /// What has become of the dead letters.
    pub(crate) fn letters(&self) -> &CurrentLetters {
        &self.letters
    }

    /// Ends them all, at the end of the pipeline. The last numbers still go to the facade.
    pub(crate) async fn end(&self) {
        self.letters.close();
        let mut open = std::mem::take(&mut *self.now());
        let leaving = Leaving {
            page: open.exporter.as_mut().and_then(|e| e.set_page(None)),
            control: open.control.take(),
        };
        leaving.end().await;
    }
}

/// Finds a target that writes to the file of the dead letters; `resources` are those of all targets.
pub(crate) fn shared_file<'a>(
    spec: &PipelineSpec,
    mut resources: impl Iterator<Item = (&'a TargetName, &'a [String])>,
) -> Option<Problem> {
    let path = &spec.dead_letters()?.path;
    let real = [format!("file:{}", real_path(path).display())];
    let (owner, used) = resources.find(|(_, used)| any_shared(used, &real))?;
    let at = SettingPath::root().key("dead_letters").key("path");
    let what = if used.contains(&real[0]) {
        format!("is the file of target `{owner}` already")
    } else {
        format!("lies in the folder of target `{owner}`")
    };
    let problem = spec.problem_at(at, what);
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
