//! A plugin that can be used, whether it was loaded or is linked in.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rolog_plugin::abi::{Busy, ModuleRef};
use rolog_plugin::{ConfigError, Description, Plan, Setup, Validation};
use serde::Deserialize;

use super::patience::{self, NoAnswer};
use super::{Digest, LoaderSettings, PluginEvents, PluginMaker, events};
use crate::instance::Maker;

/// How many calls of a library may hang at a time before it is asked nothing any more.
const MOST_HANGING: u32 = 4;

/// A plugin that can be used. Cloning it is cheap.
#[derive(Clone)]
pub struct Library {
    pub(super) plugin: Arc<Plugin>,
    pub(super) events: Arc<dyn PluginEvents>,
    pub(super) settings: Arc<LoaderSettings>,
}

/// What is known of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryInfo {
    /// Its name, as pipelines write it.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// Major and minor version of its interface.
    pub abi: (u16, u16),
    /// The version of the SDK it was built with.
    pub sdk: String,
    /// The version of frames that it is given.
    pub frame_version: u16,
    /// The file it was loaded from; none for one that is linked in.
    pub path: Option<PathBuf>,
    /// The digest of that file.
    pub digest: Option<Digest>,
}

/// An instance whose code holds a thread of its plugin's runtime.
pub(crate) struct Holder {
    /// Its number in this process.
    pub(crate) instance: u64,
    /// The target that it serves; none when it is another pipeline's.
    pub(crate) target: Option<String>,
    /// For how long it has not yielded.
    pub(crate) held: Duration,
}

/// One library of this process.
pub(super) struct Plugin {
    pub(super) info: LibraryInfo,
    pub(super) module: ModuleRef,
    /// The number under which the library itself speaks.
    pub(super) number: u64,
    pub(super) instances: AtomicU32,
    /// Of the file.
    pub(super) bytes: u64,
    /// How many instances there are.
    users: Mutex<u32>,
    hanging: Arc<AtomicU32>,
}

impl Plugin {
    pub(super) fn new(info: LibraryInfo, module: ModuleRef, number: u64, bytes: u64) -> Self {
        Plugin {
            bytes,
            users: Mutex::default(),
            info,
            module,
            number,
            instances: AtomicU32::new(0),
            hanging: Arc::default(),
        }
    }

    fn users(&self) -> std::sync::MutexGuard<'_, u32> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is one instance more.
    pub(super) fn enter(&self) {
        *self.users() += 1;
    }

    /// There is one less.
    pub(super) fn leave(&self) {
        *self.users() -= 1;
    }

    /// A new number for an instance.
    pub(super) fn new_instance(&self) -> u64 {
        self.number | u64::from(self.instances.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Asks the library something on a thread that may be left to it.
    fn ask<R: Send + 'static>(
        &self,
        name: &str,
        deadline: Duration,
        question: impl FnOnce(ModuleRef) -> R + Send + 'static,
    ) -> Result<R, String> {
        let plugin = &self.info.name;
        if self.hanging.load(Ordering::Acquire) >= MOST_HANGING {
            return Err(format!(
                "the plugin `{plugin}` is not asked any more: {MOST_HANGING} of its calls hang"
            ));
        }
        let module = self.module;
        let call = Arc::new(Hang::new(Arc::clone(&self.hanging)));
        let theirs = Arc::clone(&call);
        let answer = patience::within(deadline, move || {
            let answer = question(module);
            theirs.ends();
            answer
        });
        answer.map_err(|reason| match reason {
            NoAnswer::Late => {
                call.begins();
                format!("the plugin `{plugin}` did not answer `{name}` within {deadline:?}")
            }
            NoAnswer::Lost => format!("the plugin `{plugin}` could not be asked"),
        })
    }
}

/// A call that may be late: counted from its deadline until it comes back, if it does.
struct Hang {
    hanging: Arc<AtomicU32>,
    met: AtomicBool,
}

impl Hang {
    fn new(hanging: Arc<AtomicU32>) -> Self {
        Hang {
            hanging,
            met: AtomicBool::new(false),
        }
    }

    /// The deadline has passed.
    fn begins(&self) {
        self.hanging.fetch_add(1, Ordering::AcqRel);
        self.second();
    }

    /// The call has come back.
    fn ends(&self) {
        self.second();
    }

    /// Of deadline and return, whichever comes second takes the call out of the count.
    fn second(&self) {
        if self.met.swap(true, Ordering::AcqRel) {
            self.hanging.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Library {
    /// What is known of the plugin.
    pub fn info(&self) -> &LibraryInfo {
        &self.plugin.info
    }

    /// The file it was loaded from; none for one that is linked in.
    pub fn path(&self) -> Option<&Path> {
        self.plugin.info.path.as_deref()
    }

    /// What the plugin says of itself.
    ///
    /// # Errors
    /// A sentence, when it does not answer in time.
    pub fn describe(&self) -> Result<Description, String> {
        let deadline = self.settings.answer_deadline;
        let text = self.plugin.ask("describe", deadline, |module| {
            module.describe()().into_string()
        })?;
        read(&text)
    }

    /// Whether the plugin accepts a configuration, and what follows from it. Nothing is done with
    /// it. The paths of an error are those within the configuration; it also is an error, of the
    /// whole, when the plugin panics or does not answer in time.
    ///
    /// # Errors
    /// What the plugin refuses, by path.
    pub fn validate(&self, config: &serde_json::Value, setup: &Setup) -> Result<Plan, ConfigError> {
        let (config, setup) = (config.to_string(), encode(setup));
        let validation = self
            .plugin
            .ask("validate", self.settings.answer_deadline, move |module| {
                module.validate()(config.as_str().into(), setup.as_str().into()).into_string()
            })
            .and_then(|text| read::<Validation>(&text))
            .map_err(|reason| ConfigError::at("", reason))?;
        validation
            .errors
            .into_iter()
            .map(|problem| {
                let error = ConfigError::at(problem.path, problem.message);
                match problem.expected {
                    Some(expected) => error.expected(expected),
                    None => error,
                }
            })
            .reduce(ConfigError::and)
            .map_or(Ok(validation.plan), Err)
    }

    /// Builds instances for one target from a configuration that [`Library::validate`] has accepted
    /// with this plan.
    pub fn maker(
        &self,
        setup: &Setup,
        config: &serde_json::Value,
        plan: Plan,
    ) -> impl Maker + use<> {
        PluginMaker::new(
            self.clone(),
            setup.target().to_owned(),
            config.to_string(),
            encode(setup),
            plan,
        )
    }

    /// Sets the least level, by its code, of what the plugin's own logging hands over. A library
    /// that is older than this call keeps its level.
    pub fn set_level(&self, level: u8) {
        if let Some(set_level) = self.plugin.module.set_level() {
            set_level(level);
        }
    }

    /// Whether the runtime that the plugin's instances share still polls. `None` when it does not
    /// say: there is no such runtime, or the library is older than this call.
    pub async fn ping(&self, deadline: Duration) -> Option<bool> {
        let polled = (self.plugin.module.ping()?)(0);
        match tokio::time::timeout(deadline, polled).await {
            Ok(true) => Some(true),
            Ok(false) => None,
            Err(_) => Some(false),
        }
    }

    /// The instances whose code has held a thread of the plugin's runtime without yielding, by the
    /// targets' names.
    pub fn busy(&self) -> Vec<(String, Duration)> {
        let busy = self.plugin.module.busy().map(|busy| busy());
        busy.into_iter()
            .flatten()
            .filter_map(|Busy { instance, held_ms }| {
                Some((events::target(instance)?, Duration::from_millis(held_ms)))
            })
            .collect()
    }

    /// The same with the instances' numbers, and with the names of this pipeline's own only.
    pub(crate) fn holders(&self) -> Vec<Holder> {
        let busy = self.plugin.module.busy().map(|busy| busy());
        busy.into_iter()
            .flatten()
            .map(|Busy { instance, held_ms }| Holder {
                instance,
                target: events::target_of(instance, &self.events),
                held: Duration::from_millis(held_ms),
            })
            .collect()
    }

    /// Gives instances made from now on a fresh runtime, and settles what stands still on the one
    /// before. False when that was done too often, or the
    /// library is older than this call.
    pub fn renew(&self) -> bool {
        self.plugin.module.renew().is_some_and(|renew| renew() != 0)
    }

    /// Whether both are the same version of the same plugin.
    pub(crate) fn is_same(&self, other: &Library) -> bool {
        Arc::ptr_eq(&self.plugin, &other.plugin)
    }

    /// Ends the threads of a plugin that has no instance, in this or any other pipeline; they start
    /// again with its next one.
    pub(crate) async fn rest(&self, deadline: Duration) {
        let ended = {
            // Held so that no instance comes meanwhile.
            let users = self.plugin.users();
            if *users > 0 {
                return;
            }
            self.plugin.module.quiesce()(millis(deadline))
        };
        // Threads that do not end are the plugin's own; nothing here waits for them.
        let _ = tokio::time::timeout(deadline, ended).await;
    }

    /// Ends the plugin's runtime and threads, once no instance is used any more; false when some
    /// did not end in time.
    pub async fn quiesce(&self, deadline: Duration) -> bool {
        let ended = self.plugin.module.quiesce()(millis(deadline));
        tokio::time::timeout(deadline, ended).await.unwrap_or(false)
    }
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Library")
            .field("info", &self.plugin.info)
            .finish_non_exhaustive()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn encode(setup: &Setup) -> String {
    serde_json::to_string(setup).expect("texts, paths and flags are JSON")
}

fn read<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, String> {
    serde_json::from_str(text)
        .map_err(|error| format!("the plugin's answer cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_call_counts_until_it_comes_back_and_one_in_time_never() {
        let hanging = Arc::new(AtomicU32::new(0));
        let call = || Hang::new(Arc::clone(&hanging));
        let count = || hanging.load(Ordering::Acquire);
        let (in_time, late, at_once) = (call(), call(), call());
        in_time.ends();
        late.begins();
        assert_eq!(count(), 1);
        late.ends();
        assert_eq!(count(), 0);
        at_once.ends();
        at_once.begins();
        assert_eq!(count(), 0);
    }
}
