//! What a host may call in a plugin.

use abi_stable::StableAbi;
use abi_stable::library::RootModule;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{RResult, RStr, RString, RVec};
use async_ffi::FfiFuture;

use super::{Buffer, Busy, HostCallsRef, WireAttempt, WireFailure, WireOutcome};

/// The functions of a plugin.
///
/// Those that return a future have begun when they return; dropping the future gives up the answer
/// and stops nothing. `describe`, `validate` and `attach` run on the caller's thread, and may hang
/// like any foreign code.
#[derive(StableAbi)]
#[repr(C)]
#[sabi(kind(Prefix(prefix_ref = ModuleRef, prefix_fields = ModulePrefix)))]
pub struct Module {
    /// Called first and once: the host's functions, the number under which the library itself
    /// calls back, and options as JSON (`linked`, `level`).
    pub attach: extern "C" fn(HostCallsRef, u64, RStr<'_>),
    /// What the plugin is, as JSON: `name`, `version`, `sdk`, `summary`, `schema`, `capabilities`.
    pub describe: extern "C" fn() -> RString,
    /// Checks a configuration (JSON) for a setup (JSON), without effect on anything. The answer is
    /// JSON: `errors` (each `path`, `message`, and maybe `expected`), `warnings`, `resources`,
    /// `preferred_batch`.
    pub validate: extern "C" fn(RStr<'_>, RStr<'_>) -> RString,
    /// Makes the instance with this number from configuration and setup, both JSON.
    pub create: extern "C" fn(u64, RString, RString) -> FfiFuture<RResult<(), WireFailure>>,
    /// The instance may touch its destination from now on.
    pub activate: extern "C" fn(u64) -> FfiFuture<RResult<(), WireFailure>>,
    /// Delivers a batch. The answer means *settled*: nothing of the attempt goes on.
    pub deliver: extern "C" fn(u64, Buffer, WireAttempt) -> FfiFuture<WireOutcome>,
    /// Asks an instance (first) to give up an attempt (second), whose `deliver` then answers soon.
    pub cancel: extern "C" fn(u64, u64),
    /// Whatever the instance still holds goes to its destination, within milliseconds.
    pub flush: extern "C" fn(u64, u64) -> FfiFuture<RResult<(), WireFailure>>,
    /// The last call of an instance, with its deadline in milliseconds.
    pub shutdown: extern "C" fn(u64, u64) -> FfiFuture<RResult<(), WireFailure>>,
    /// An operation that only plugin and caller know, with its bytes.
    pub call: extern "C" fn(u64, RString, RVec<u8>) -> FfiFuture<RResult<RVec<u8>, WireFailure>>,
    /// The host has let go of the instance; its number is never used again.
    pub release: extern "C" fn(u64),
    /// Ends the library's runtime and threads within milliseconds; false when some did not end.
    #[sabi(last_prefix_field)]
    pub quiesce: extern "C" fn(u64) -> FfiFuture<bool>,
    /// Resolves once the runtime of an instance (0: the shared one) has polled a fresh task, with
    /// false where there is no such runtime.
    pub ping: extern "C" fn(u64) -> FfiFuture<bool>,
    /// Which instances hold threads of the runtime just now.
    pub busy: extern "C" fn() -> RVec<Busy>,
    /// Instances made from now on get a fresh runtime. What stands still on the one before is
    /// settled, `deliver` as *fatal*; a call that holds a thread there goes on. Returns how often that
    /// was done, 0 when it is refused because of its bound.
    pub renew: extern "C" fn() -> u32,
    /// The least level, by its code, of the records that the plugin's own logging hands over.
    pub set_level: extern "C" fn(u8),
}

impl RootModule for ModuleRef {
    abi_stable::declare_root_module_statics! {ModuleRef}
    const BASE_NAME: &'static str = "rolog_plugin";
    const NAME: &'static str = "rolog_plugin";
    const VERSION_STRINGS: VersionStrings = abi_stable::package_version_strings!();
}
