//! Finds, checks and opens plugin libraries.
//!
//! A library goes through these steps, and each has its own error ([`Cause`]):
//!
//! 1. its file is read once; what is looked at, digested and opened is that copy, whatever happens
//!    to the file meanwhile;
//! 2. the bytes are looked at from outside: whether they are a whole dynamic library of this kind of
//!    machine, and what its *probe* says, before any of its code runs;
//! 3. the copy is opened, its types are compared with this host's in either direction, and its
//!    module is made, on a thread that is given up when it takes too long.
//!
//! The loader promises that a library is opened once for each digest, that a file which is damaged,
//! foreign or hanging becomes an error and not the end of the process, and that a plugin built with
//! an older SDK of the same major version loads. It cannot promise that of foreign code that runs:
//! a library that aborts, or writes where it should not, takes the service with it.
//!
//! It never closes a library, so versions accumulate, within a bound for each name.
//!
//! A plugin that is linked in goes the same way from step 3 on: see [`Loader::link`].

mod copy;
mod error;
mod events;
mod library;
mod open;
mod patience;
mod plugin;
mod preflight;
mod registry;
mod search;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rolog_core::Level;
use rolog_plugin::Linked;
use rolog_plugin::abi::ProbeInfo;

pub use copy::{Copies, Digest};
pub use error::{Cause, LoadError};
pub use events::{PluginEvents, Speaker};
pub(crate) use library::Holder;
pub use library::{Library, LibraryInfo};
use plugin::PluginMaker;
pub use registry::Loads;
pub use search::file_name;

/// How a [`Loader`] works.
#[derive(Clone, Debug)]
pub struct LoaderSettings {
    /// Where plugins are looked for by name, in this order.
    pub search: Vec<PathBuf>,
    /// How long `describe`, `validate` and a library's own start may take.
    pub answer_deadline: Duration,
    /// How long an instance may take to be made.
    pub create_deadline: Duration,
    /// How many versions of one plugin this process may open.
    pub most_versions: usize,
    /// The least level of what plugins log themselves.
    pub level: Level,
    /// Where copies are opened from.
    pub copies: Copies,
}

impl Default for LoaderSettings {
    fn default() -> Self {
        LoaderSettings {
            search: Vec::new(),
            answer_deadline: Duration::from_secs(10),
            create_deadline: Duration::from_secs(30),
            most_versions: 32,
            level: Level::Information,
            copies: Copies::default(),
        }
    }
}

/// Finds, checks and opens plugin libraries.
#[derive(Clone)]
pub struct Loader {
    settings: Arc<LoaderSettings>,
    events: Arc<dyn PluginEvents>,
    /// Every library that was handed out, by its number.
    used: Arc<Mutex<BTreeMap<u64, Library>>>,
}

/// A file that is named like a plugin, and what was found in it.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The file.
    pub path: PathBuf,
    /// What it says of itself, or why it cannot be used. None of its code has run, so it may still
    /// fail to start.
    pub probe: Result<ProbeInfo, LoadError>,
}

impl Loader {
    /// A loader for one pipeline. What its plugins say goes to `events`, which the loader and the
    /// libraries that it returns keep alive; when the last of them is gone, plugins speak to nobody.
    pub fn new(settings: LoaderSettings, events: Arc<dyn PluginEvents>) -> Self {
        Loader {
            settings: Arc::new(settings),
            events,
            used: Arc::default(),
        }
    }

    /// The same loader with other search folders.
    #[must_use]
    pub fn searching(&self, folders: &[PathBuf]) -> Self {
        let settings = LoaderSettings {
            search: folders.to_vec(),
            ..(*self.settings).clone()
        };
        Loader {
            settings: Arc::new(settings),
            ..self.clone()
        }
    }

    /// Every library that this loader and its clones have loaded or linked.
    pub(crate) fn libraries(&self) -> Vec<Library> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.values().cloned().collect()
    }

    /// Loads the plugin of this name from the search folders.
    ///
    /// # Errors
    /// No such library, or one that cannot be used.
    pub fn find(&self, name: &str) -> Result<Library, LoadError> {
        let path = self.locate(name)?;
        let bytes = self.read(&path)?;
        let probe = preflight::inspect(&bytes).map_err(|cause| LoadError::new(&path, cause))?;
        if probe.name != name {
            let cause = Cause::OtherName {
                expected: name.to_owned(),
                found: probe.name,
            };
            return Err(LoadError::new(path, cause));
        }
        self.open(&path, &bytes)
    }

    fn locate(&self, name: &str) -> Result<PathBuf, LoadError> {
        search::find(name, &self.settings.search).ok_or_else(|| {
            let searched = self.settings.search.clone();
            LoadError::new(
                name,
                Cause::NotFound {
                    name: name.to_owned(),
                    searched,
                },
            )
        })
    }

    /// Loads the library in this file.
    ///
    /// # Errors
    /// A library that cannot be used.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Library, LoadError> {
        let path = path.as_ref();
        self.open(path, &self.read(path)?)
    }

    /// Uses a plugin that is linked into this program: `loader.link(rolog_plugin::linked::<T>())`.
    pub fn link(&self, plugin: Linked) -> Library {
        let plugin = registry::link(plugin, self.settings.level, &self.events);
        self.library(plugin)
    }

    /// Every file of the search folders that is named like a plugin, without running any of it.
    pub fn list(&self) -> Vec<Listing> {
        search::all(&self.settings.search)
            .into_iter()
            .map(|path| Listing {
                probe: self.read(&path).and_then(|bytes| {
                    preflight::inspect(&bytes).map_err(|cause| LoadError::new(&path, cause))
                }),
                path,
            })
            .collect()
    }

    /// How many versions of each plugin this process has opened, by its name.
    pub fn versions() -> BTreeMap<String, usize> {
        registry::versions()
    }

    /// What this process has loaded of each plugin, by its name. Unlike [`Loader::versions`] it does
    /// not wait for a library that is being opened.
    pub fn loads() -> BTreeMap<String, Loads> {
        registry::loads()
    }

    /// The digest of the library that [`Loader::find`] would load now, without loading it.
    ///
    /// # Errors
    /// No such library, or none that can be read.
    pub fn digest(&self, name: &str) -> Result<Digest, LoadError> {
        Ok(copy::digest(&self.read(&self.locate(name)?)?))
    }

    /// Every file in which the plugin of this name may be found, in this order.
    pub(crate) fn candidates(&self, name: &str) -> Vec<PathBuf> {
        let folders = self.settings.search.iter();
        folders.map(|folder| folder.join(file_name(name))).collect()
    }

    pub(crate) fn most_versions(&self) -> usize {
        self.settings.most_versions
    }

    /// The versions that this process has loaded, of all plugins: what is known of each, and the
    /// bytes of its file.
    pub(crate) fn loaded(&self) -> Vec<(Library, u64)> {
        let wrap = |plugin: Arc<library::Plugin>| {
            let bytes = plugin.bytes;
            let library = Library {
                plugin,
                events: Arc::clone(&self.events),
                settings: Arc::clone(&self.settings),
            };
            (library, bytes)
        };
        registry::loaded().into_iter().map(wrap).collect()
    }

    #[allow(clippy::unused_self, reason = "reading is a step of the loader's")]
    fn read(&self, path: &Path) -> Result<Vec<u8>, LoadError> {
        copy::read(path).map_err(|cause| LoadError::new(path, cause))
    }

    fn open(&self, path: &Path, bytes: &[u8]) -> Result<Library, LoadError> {
        registry::load(path, bytes, &self.settings, &self.events)
            .map(|plugin| self.library(plugin))
            .map_err(|cause| LoadError::new(path, cause))
    }

    fn library(&self, plugin: Arc<library::Plugin>) -> Library {
        // The pipeline that used the library last hears what it says beside its instances.
        events::listen(plugin.number, &plugin.info.name, None, &self.events);
        let number = plugin.number;
        let library = Library {
            plugin,
            events: Arc::clone(&self.events),
            settings: Arc::clone(&self.settings),
        };
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(number, library.clone());
        library
    }
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
