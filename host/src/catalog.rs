//! What a target of the configuration can be an instance of: a library that is found, a plugin that
//! is linked in, or one of the targets that come with the host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use rolog_core::BoxTarget;
use rolog_plugin::Setup;

use crate::builtin::{self, Builtin, Memory, builtin};
use crate::config::{PipelineSpec, Problem, Problems, SettingPath, TargetName, TargetSpec};
use crate::in_process::InProcessMaker;
use crate::instance::Maker;
use crate::loader::{Cause, Library, Loader};
use crate::masked::masked;

/// A target of the configuration, checked and ready to be made.
pub(crate) struct Prepared {
    pub(crate) maker: Arc<dyn Maker>,
    pub(crate) warnings: Vec<Problem>,
}

/// Every target of a configuration, by name.
pub(crate) type PreparedTargets = BTreeMap<TargetName, Prepared>;

/// What targets can be made of, beside the libraries of the search folders.
pub(crate) struct Catalog {
    loader: Mutex<Loader>,
    linked: BTreeMap<String, Library>,
    /// Targets that the service built itself, under the names that the configuration gives them.
    in_process: Mutex<BTreeMap<String, BoxTarget>>,
    memories: Mutex<BTreeMap<String, Memory>>,
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
        Catalog {
            linked: linked.collect(),
            loader: Mutex::new(loader),
            in_process: Mutex::new(in_process),
            memories: Mutex::default(),
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
        problems.extend(crate::outlets::shared_file(spec, &prepared));
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
                maker,
                warnings: Vec::new(),
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
            return match self.take_in_process(name) {
                Some(own) => plain(Arc::new(InProcessMaker::new(name.as_str(), own))),
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
                lock(&self.memories).insert(name.to_string(), memory.clone());
                return plain(Arc::new(memory));
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
            ),
            warnings,
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
                .chain(builtin::NAMES)
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

    fn take_in_process(&self, name: &TargetName) -> Option<BoxTarget> {
        lock(&self.in_process).remove(name.as_str())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
