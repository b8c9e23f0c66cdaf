//! What a target of the configuration can be an instance of: a library that is found, a plugin that
//! is linked in, or one of the targets that come with the host.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rolog_core::BoxTarget;
use rolog_plugin::Setup;
use tokio::sync::mpsc::Sender;

use crate::builtin::{self, Builtin, Memory, builtin};
use crate::config::{PipelineSpec, Problem, Problems, SettingPath, TargetName, TargetSpec};
use crate::in_process::InProcessMaker;
use crate::instance::Maker;
use crate::loader::{Cause, Library, Loader};
use crate::masked::masked;
use crate::redact;
use crate::reload::Watch;

/// A target of the configuration, checked and ready to be made.
pub(crate) struct Prepared {
    pub(crate) maker: Arc<dyn Maker>,
    pub(crate) warnings: Vec<Problem>,
    /// The plugin's, if it has one.
    pub(crate) library: Option<Library>,
    /// The target's, if it is one.
    memory: Option<Memory>,
}

/// Every target of a configuration, by name.
pub(crate) type PreparedTargets = BTreeMap<TargetName, Prepared>;

/// What targets can be made of, beside the libraries of the search folders.
pub(crate) struct Catalog {
    loader: Mutex<Loader>,
    linked: BTreeMap<String, Library>,
    /// Targets that the service built itself, under the names that the configuration gives them.
    in_process: BTreeMap<String, Arc<InProcessMaker>>,
    memories: Mutex<BTreeMap<String, Memory>>,
    /// What targets must not say.
    pub(crate) hidden: redact::InForce,
    /// Over the files of libraries, if they are watched.
    watch: OnceLock<Watch>,
}

/// The plugin name of a target that the service built itself.
pub(crate) const IN_PROCESS: &str = "in-process";

impl Catalog {
    pub(crate) fn new(
        loader: Loader,
        linked: Vec<rolog_plugin::Linked>,
        in_process: BTreeMap<String, BoxTarget>,
    ) -> Self {
        let linked = linked.into_iter().map(|plugin| {
            let library = loader.link(plugin);
            (library.info().name.clone(), library)
        });
        let in_process = in_process.into_iter().map(|(name, target)| {
            let maker = InProcessMaker::new(&name, target);
            (name, Arc::new(maker))
        });
        Catalog {
            linked: linked.collect(),
            loader: Mutex::new(loader),
            in_process: in_process.collect(),
            memories: Mutex::default(),
            hidden: redact::InForce::default(),
            watch: OnceLock::new(),
        }
    }

    pub(crate) fn loader(&self) -> Loader {
        lock(&self.loader).clone()
    }

    /// Looks for libraries where `spec` says from now on.
    pub(crate) fn follow(&self, spec: &PipelineSpec) {
        let mut loader = lock(&self.loader);
        *loader = loader.searching(spec.search());
    }

    /// Tells through `changes` when a library may have another content than before.
    ///
    /// # Errors
    /// There is no thread for it.
    pub(crate) fn watch(&self, spec: &PipelineSpec, changes: Sender<()>) -> std::io::Result<()> {
        // A host watches once, when it starts.
        let _ = self.watch.set(Watch::start(self.files(spec), changes)?);
        Ok(())
    }

    /// Watches the libraries that `spec` names from now on.
    pub(crate) fn watch_those_of(&self, spec: &PipelineSpec) {
        if let Some(watch) = self.watch.get() {
            watch.set_files(self.files(spec), BTreeSet::new());
        }
    }

    /// Where the libraries that `spec` names are, or might come to be found.
    fn files(&self, spec: &PipelineSpec) -> BTreeSet<PathBuf> {
        let loader = self.loader().searching(spec.search());
        let plugins = spec.targets().values();
        let plugins = plugins.map(|target| target.plugin.as_str());
        let elsewhere = |name: &&str| {
            let known = *name == IN_PROCESS || builtin::NAMES.contains(name);
            !known && !self.linked.contains_key(*name)
        };
        let plugins = plugins.filter(elsewhere);
        plugins.flat_map(|name| loader.candidates(name)).collect()
    }

    /// Checks every target of `spec` and finds what it is made of. Nothing is connected, opened or
    /// started that the plugins' own `validate` does not open.
    ///
    /// # Errors
    /// Every problem of every target, each at its place.
    pub(crate) fn prepare(&self, spec: &PipelineSpec) -> Result<PreparedTargets, Problems> {
        let all = spec.targets().keys().cloned().collect();
        self.prepare_some(spec, &all, &BTreeMap::new())
    }

    /// The same for some of the targets. The others stay as they are, with the resources in `kept`.
    ///
    /// # Errors
    /// Every problem of every such target, each at its place.
    pub(crate) fn prepare_some(
        &self,
        spec: &PipelineSpec,
        wanted: &BTreeSet<TargetName>,
        kept: &BTreeMap<TargetName, Vec<String>>,
    ) -> Result<PreparedTargets, Problems> {
        let mut problems = Vec::new();
        let mut prepared = PreparedTargets::new();
        for (name, target) in spec.targets() {
            if !wanted.contains(name) {
                continue;
            }
            match self.prepare_target(spec, name, target) {
                Ok(target) => drop(prepared.insert(name.clone(), target)),
                Err(refused) => problems.extend(refused),
            }
        }
        let mut resources = kept.clone();
        for (name, target) in &prepared {
            resources.insert(name.clone(), target.maker.resources());
        }
        problems
            .extend(spec.shared_resources(resources.iter().map(|(name, list)| (name, &list[..]))));
        problems.extend(crate::outlets::shared_file(
            spec,
            resources.iter().map(|(name, list)| (name, &list[..])),
        ));
        if problems.is_empty() {
            return Ok(prepared);
        }
        Err(Problems::new(problems))
    }

    fn prepare_target(
        &self,
        spec: &PipelineSpec,
        name: &TargetName,
        target: &TargetSpec,
    ) -> Result<Prepared, Vec<Problem>> {
        let plugin = target.plugin.as_str();
        let plain = |maker: Arc<dyn Maker>| {
            Ok(Prepared {
                maker: masked(maker, spec.secrets(), &self.hidden),
                warnings: Vec::new(),
                library: None,
                memory: None,
            })
        };
        let own = plugin == IN_PROCESS;
        if target.isolate && (own || builtin::NAMES.contains(&plugin)) {
            let path = SettingPath::root().key("targets").key(name.as_str());
            let what = if own {
                "the service's own targets have a thread and a runtime each anyway"
            } else {
                "the built-in targets need no runtime"
            };
            let problem = spec.problem_at(path.key("isolate"), what);
            return Err(vec![problem.expected("no `isolate` here, or a plugin")]);
        }
        if own {
            return match self.in_process.get(name.as_str()) {
                Some(own) => plain(Arc::clone(own) as _),
                None => Err(vec![spec.refusal(
                    name,
                    "",
                    "the service has registered no target of its own under this name",
                )]),
            };
        }
        match builtin(plugin, name.as_str(), target.config.value()) {
            Some(Ok(Builtin::Maker(maker))) => return plain(maker),
            Some(Ok(Builtin::Memory(memory))) => {
                return Ok(Prepared {
                    memory: Some(memory.clone()),
                    ..plain(Arc::new(memory))?
                });
            }
            Some(Err(refused)) => {
                return Err(vec![spec.refusal(name, &refused.path, refused.what)]);
            }
            None => {}
        }
        let library = self.library(spec, name, target)?;
        let setup = Setup::new(name.as_str())
            .relative_to(spec.base())
            .isolate(target.isolate);
        let plan = library
            .validate(target.config.value(), &setup)
            .map_err(|refused| {
                let problems = refused.problems().iter();
                problems
                    .map(|problem| {
                        let mut refusal = spec.refusal(name, &problem.path, &problem.message);
                        refusal.expected = problem
                            .expected
                            .as_deref()
                            .map(|text| spec.secrets().mask(text).into_owned());
                        refusal
                    })
                    .collect::<Vec<_>>()
            })?;
        let warnings = plan
            .warnings()
            .iter()
            .map(|warning| spec.refusal(name, "", warning).warning())
            .collect();
        Ok(Prepared {
            maker: masked(
                Arc::new(library.maker(&setup, target.config.value(), plan)),
                spec.secrets(),
                &self.hidden,
            ),
            warnings,
            library: Some(library),
            memory: None,
        })
    }

    fn library(
        &self,
        spec: &PipelineSpec,
        name: &TargetName,
        target: &TargetSpec,
    ) -> Result<Library, Vec<Problem>> {
        let plugin = target.plugin.as_str();
        if let Some(library) = self.linked.get(plugin) {
            return Ok(library.clone());
        }
        let loader = self.loader();
        loader.find(plugin).map_err(|error| {
            if !matches!(error.cause(), Cause::NotFound { .. }) {
                let path = SettingPath::root().key("targets").key(name.as_str());
                return vec![spec.problem_at(path.key("plugin"), error.to_string())];
            }
            let listed: Vec<String> = loader
                .list()
                .into_iter()
                .filter_map(|listing| Some(listing.probe.ok()?.name))
                .collect();
            let known = self.linked.keys().map(String::as_str);
            let known = known
                .chain(builtin::NAMES.iter().copied())
                .chain(listed.iter().map(String::as_str));
            let mut problem = spec.unknown_plugin(name, known);
            problem.what = spec.secrets().mask(&error.to_string()).into_owned();
            vec![problem]
        })
    }

    /// The records that a `memory` target holds.
    pub(crate) fn memory(&self, target: &str) -> Option<Memory> {
        lock(&self.memories).get(target).cloned()
    }

    /// From now on these are the memories that can be looked at.
    pub(crate) fn show(&self, memories: BTreeMap<String, Memory>) {
        lock(&self.memories).extend(memories);
    }

    /// Of the targets that use these libraries, those whose library's file has another content by
    /// now.
    ///
    /// # Errors
    /// Files that are gone or cannot be read, each at the target that needs it.
    pub(crate) fn rebuilt(
        &self,
        spec: &PipelineSpec,
        used: &BTreeMap<TargetName, Library>,
    ) -> Result<BTreeSet<TargetName>, Problems> {
        let loader = self.loader().searching(spec.search());
        let mut found = BTreeMap::new();
        let (mut changed, mut problems) = (BTreeSet::new(), Vec::new());
        for (name, library) in used {
            let (Some(digest), Some(target)) = (library.info().digest, spec.target(name.as_str()))
            else {
                continue;
            };
            let plugin = target.plugin.as_str();
            let now = found
                .entry(plugin)
                .or_insert_with(|| loader.digest(plugin).map_err(|error| error.to_string()));
            match now {
                Ok(now) if *now == digest => {}
                Ok(_) => drop(changed.insert(name.clone())),
                Err(error) => {
                    let path = SettingPath::root().key("targets").key(name.as_str());
                    problems.push(spec.problem_at(path.key("plugin"), error.clone()));
                }
            }
        }
        if problems.is_empty() {
            return Ok(changed);
        }
        Err(Problems::new(problems))
    }
}

/// The memories among these targets.
pub(crate) fn memories(prepared: &PreparedTargets) -> BTreeMap<String, Memory> {
    let memories = prepared.iter();
    memories
        .filter_map(|(name, target)| Some((name.to_string(), target.memory.clone()?)))
        .collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
