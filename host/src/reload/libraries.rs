//! Taking up a plugin's new build, side by side with the one that runs.
//!
//! A library is told by its content, not by its path or version. A new build is loaded beside the
//! old one, which is never closed: code of it may still run. So the versions of a plugin add up, are
//! counted here, and are bounded.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Cause, Generation};
use crate::config::TargetName;
use crate::error::Error;
use crate::loader::{Digest, Loader};
use crate::pipeline::Pipeline;

/// The versions of one plugin that this process has loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginVersions {
    /// Those that can be used, in the order in which they came; one that is linked in last.
    pub versions: Vec<PluginVersion>,
    /// How many libraries count against the limit: those that were opened and cannot be used too.
    pub opened: usize,
    /// How many may be opened; a further one is refused.
    pub limit: usize,
    /// The bytes of their files.
    pub bytes: u64,
}

/// One build of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginVersion {
    /// What it says of itself.
    pub version: String,
    /// Tells it from other builds; none for a plugin that is linked in.
    pub digest: Option<Digest>,
    /// Where it was loaded from; there may be another build by now.
    pub path: Option<PathBuf>,
    /// The bytes of its file.
    pub bytes: u64,
    /// The targets of this pipeline with an instance of it.
    pub targets: Vec<TargetName>,
}

impl fmt::Display for PluginVersion {
    /// `2.0.0 4f1c02d3 (app, rescue)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.version)?;
        if let Some(digest) = self.digest.map(|digest| digest.to_string()) {
            write!(f, " {}", digest.get(..8).unwrap_or(&digest))?;
        }
        if self.targets.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = self.targets.iter().map(TargetName::as_str).collect();
        write!(f, " ({})", names.join(", "))
    }
}

impl Pipeline {
    /// Replaces the instances of libraries whose files have another content by now.
    ///
    /// # Errors
    /// A library that cannot be used, or whose instances cannot be made; everything is as before.
    pub(crate) async fn reload_plugins(self: &Arc<Self>) -> Result<Generation, Error> {
        let turn = self.turn(Cause::Plugins).await;
        let (spec, used) = {
            let shape = self.shape();
            let traits = shape.traits.iter();
            let used =
                traits.filter_map(|(name, traits)| Some((name.clone(), traits.library.clone()?)));
            (shape.spec.clone(), used.collect())
        };
        let found = {
            let (catalog, spec) = (Arc::clone(&self.catalog), spec.clone());
            tokio::task::spawn_blocking(move || catalog.rebuilt(&spec, &used)).await
        };
        let taken = match found {
            Ok(Ok(rebuilt)) => self.take_over(&turn, spec, &rebuilt).await,
            Ok(Err(problems)) => Err(problems.into()),
            Err(_cancelled) => Err(Error::disposed()),
        };
        turn.end(taken).await
    }

    /// Every plugin that this process has loaded, by name.
    pub(crate) fn plugins(&self) -> BTreeMap<String, PluginVersions> {
        let serving = self.shape().serving.clone();
        let loader = self.catalog.loader();
        let mut plugins: BTreeMap<String, PluginVersions> = BTreeMap::new();
        for (library, bytes) in loader.loaded() {
            let users = serving.iter().filter(|(_, used)| used.is_same(&library));
            let info = library.info();
            let version = PluginVersion {
                version: info.version.clone(),
                digest: info.digest,
                path: info.path.clone(),
                bytes,
                targets: users.map(|(name, _)| name.clone()).collect(),
            };
            let plugin = plugins.entry(info.name.clone()).or_default();
            plugin.bytes += bytes;
            plugin.versions.push(version);
        }
        let opened = Loader::versions();
        for name in opened.keys() {
            plugins.entry(name.clone()).or_default();
        }
        for (name, plugin) in &mut plugins {
            plugin.opened = opened.get(name).copied().unwrap_or(0);
            plugin.limit = loader.most_versions();
        }
        plugins
    }
}
