//! The libraries that this process has opened, once each and for good.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rolog_core::Level;
use rolog_plugin::Linked;
use rolog_plugin::abi::{ModuleRef, ProbeInfo};

use super::library::{LibraryInfo, Plugin};
use super::patience::{self, NoAnswer};
use super::{Cause, Digest, LoaderSettings, PluginEvents, copy, events, open, preflight};

/// What of a plugin a process has loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loads {
    /// Libraries that were opened, those that cannot be used included.
    pub versions: usize,
    /// The bytes of their files.
    pub bytes: u64,
}

/// Beside the registry, which may be held for as long as a library takes to open: whoever counts must
/// not wait for that.
static LOADS: Mutex<BTreeMap<String, Loads>> = Mutex::new(BTreeMap::new());

/// What became of a library that was opened; it is not tried twice.
type Opened = Result<Arc<Plugin>, Cause>;

#[derive(Default)]
struct Registry {
    opened: BTreeMap<Digest, Opened>,
    linked: BTreeMap<String, Arc<Plugin>>,
    versions: BTreeMap<String, usize>,
}

/// Held while a library is opened: the dynamic linker takes one at a time anyway, and no library is
/// waited for without a deadline.
static REGISTRY: Mutex<Option<Registry>> = Mutex::new(None);

/// The library with these bytes: the one that is open already, or a new one.
pub(super) fn load(
    path: &Path,
    bytes: &[u8],
    settings: &LoaderSettings,
    events: &Arc<dyn PluginEvents>,
) -> Opened {
    let digest = copy::digest(bytes);
    with(|registry| {
        if let Some(opened) = registry.opened.get(&digest) {
            return opened.clone();
        }
        let probe = preflight::inspect(bytes)?;
        let versions = registry.versions.entry(probe.name.clone()).or_default();
        if *versions >= settings.most_versions {
            return Err(Cause::TooMany {
                name: probe.name,
                limit: settings.most_versions,
            });
        }
        let placed = copy::place(bytes, &probe.name, &settings.copies)?;
        let number = events::new_library();
        events::listen(number, &probe.name, None, events);
        let (at, header) = (placed.path.clone(), probe.header.clone());
        let level = settings.level;
        let opened = patience::within(settings.answer_deadline, move || {
            let module = open::open(&at, &header)?;
            attach(module, number, false, level);
            Ok(module)
        });
        let opened = opened.unwrap_or_else(|reason| {
            Err(match reason {
                NoAnswer::Late => Cause::Hung {
                    deadline: settings.answer_deadline,
                },
                NoAnswer::Lost => Cause::NotStarted {
                    reason: "there is no thread to open it on".to_owned(),
                },
            })
        });
        let name = probe.name.clone();
        let opened = opened.map(|module| {
            let info = info(probe, Some((path, digest)));
            Arc::new(Plugin::new(info, module, number, bytes.len() as u64))
        });
        // What the linker refused leaves nothing behind, and may be mended without a change of the
        // file.
        if matches!(opened, Err(Cause::NotOpened { .. })) {
            events::forget(number);
            placed.give_back();
        } else {
            *versions += 1;
            let mut loads = LOADS.lock().unwrap_or_else(PoisonError::into_inner);
            let load = loads.entry(name).or_default();
            load.versions += 1;
            load.bytes += bytes.len() as u64;
            drop(loads);
            registry.opened.insert(digest, opened.clone());
        }
        opened
    })
}

/// The plugin that is linked in.
pub(super) fn link(linked: Linked, level: Level, events: &Arc<dyn PluginEvents>) -> Arc<Plugin> {
    let probe = linked.probe().info();
    with(|registry| {
        let symbol = probe.header.clone();
        let plugin = registry.linked.entry(symbol).or_insert_with(|| {
            let number = events::new_library();
            events::listen(number, &probe.name, None, events);
            attach(linked.module(), number, true, level);
            Arc::new(Plugin::new(info(probe, None), linked.module(), number, 0))
        });
        Arc::clone(plugin)
    })
}

/// How many versions of each plugin have been loaded, by its name.
pub(super) fn versions() -> BTreeMap<String, usize> {
    with(|registry| registry.versions.clone())
}

/// What has been loaded of each plugin, by its name. Waits for nothing.
pub(super) fn loads() -> BTreeMap<String, Loads> {
    LOADS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The libraries that have been loaded and can be used, in the order of their names and numbers.
pub(super) fn loaded() -> Vec<Arc<Plugin>> {
    let mut all: Vec<Arc<Plugin>> = with(|registry| {
        let opened = registry.opened.values().filter_map(|o| o.as_ref().ok());
        opened.chain(registry.linked.values()).cloned().collect()
    });
    all.sort_by(|a, b| (&a.info.name, a.number).cmp(&(&b.info.name, b.number)));
    all
}

fn attach(module: ModuleRef, number: u64, linked: bool, level: Level) {
    let options = serde_json::json!({ "linked": linked, "level": level.code() }).to_string();
    module.attach()(events::calls(), number, options.as_str().into());
}

fn info(probe: ProbeInfo, file: Option<(&Path, Digest)>) -> LibraryInfo {
    LibraryInfo {
        frame_version: preflight::common_frames(&probe),
        name: probe.name,
        version: probe.version,
        abi: (probe.abi_major, probe.abi_minor),
        sdk: probe.sdk,
        path: file.map(|(path, _)| path.to_path_buf()),
        digest: file.map(|(_, digest)| digest),
    }
}

fn with<R>(work: impl FnOnce(&mut Registry) -> R) -> R {
    let mut registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
    work(registry.get_or_insert_default())
}
