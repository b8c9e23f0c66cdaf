//! What crosses between a host and a plugin library.
//!
//! A library exports two symbols, each with a name of its own crate and version so that several
//! plugins can also be linked into one program: the *probe* (`rolog_probe_…`), plain bytes that a
//! host reads from the file before it runs any code of it, and the *header* that the probe names,
//! through which the [`Module`] is reached.
//!
//! # Promises
//!
//! - Only types of this module, of `abi_stable` and of `async-ffi` cross; both crates are pinned to
//!   one version, because their types are part of the interface.
//! - No function unwinds. What panics inside a plugin comes back as a [`WireFailure`].
//! - Instances are numbers that the host chose. A call for a number that is gone is answered with a
//!   failure, never with undefined behaviour.
//!
//! # How this module may change
//!
//! A plugin built against an older minor version loads in every newer host of the same major
//! version. So, until [`ABI_MAJOR`] changes:
//!
//! - Nothing that exists changes: no name, type, order or meaning.
//! - [`Module`] and [`HostCalls`] may grow at their end. What stands behind `last_prefix_field`
//!   stays optional for ever, and `last_prefix_field` never moves.
//! - The `Wire…` structs and the [`Probe`] never grow. The structs carry `extra`, an encoded map
//!   whose unknown keys are ignored, for what they will have to say later; configuration, setup and
//!   descriptions are JSON for the same reason.
//! - Numbers stand for verdicts, classes and levels; a reader takes an unknown one for the nearest
//!   that it knows. No enum of ours crosses.
//! - History is linear: a version contains everything that any version before it had.
//!   [`ABI_MINOR`] counts the steps, and each released version is kept, frozen, among the tests.

#[allow(
    unsafe_code,
    clippy::cast_ptr_alignment,
    clippy::expl_impl_clone_on_copy,
    reason = "what abi_stable's derive makes of a table of functions"
)]
mod host;
#[allow(
    unsafe_code,
    clippy::cast_ptr_alignment,
    clippy::expl_impl_clone_on_copy,
    reason = "what abi_stable's derive makes of a table of functions"
)]
mod module;
mod probe;
mod wire;

pub use host::{HostCalls, HostCallsRef, MetricOp};
pub use module::{Module, ModuleRef};
pub use probe::{Probe, ProbeInfo};
pub use wire::{Busy, WireAttempt, WireFailure, WireOutcome, WireRejection};

/// One sealed batch, as it crosses: shared, immutable, freed by whoever lets go of it last.
pub type Buffer = abi_stable::std_types::RArc<abi_stable::std_types::RVec<u8>>;

/// Libraries of another major version are refused.
pub const ABI_MAJOR: u16 = 1;

/// Counts what was added since the major version began.
pub const ABI_MINOR: u16 = 0;

/// What the names of probe symbols begin with.
pub const PROBE_PREFIX: &str = "rolog_probe_";
