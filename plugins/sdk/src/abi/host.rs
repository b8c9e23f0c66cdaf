//! What a plugin may call in its host.

use abi_stable::StableAbi;
use abi_stable::std_types::{RSlice, RStr};

/// The functions of the host. They stay valid for as long as the process lives; once the pipeline
/// is disposed they do nothing. None of them blocks or unwinds.
///
/// The first argument of each is the instance on whose behalf the plugin speaks, or the number that
/// `attach` gave the library where no instance can be told.
#[derive(StableAbi)]
#[repr(C)]
#[sabi(kind(Prefix(prefix_ref = HostCallsRef, prefix_fields = HostCallsPrefix)))]
pub struct HostCalls {
    /// A record of the plugin's own `log`, `tracing` or rolog macros: the code of its level, the
    /// logger's name, the literal message, and fields as encoded pairs of key and value.
    pub log: extern "C" fn(u64, u8, RStr<'_>, RStr<'_>, RSlice<'_, u8>),
    /// A step of a metric: a [`MetricOp`], the metric's name, labels as encoded pairs of key and
    /// text, and the value: the number itself for counters, the bits of an `f64` for the others.
    pub metric: extern "C" fn(u64, u8, RStr<'_>, RSlice<'_, u8>, u64),
    /// Code of the instance panicked where no call could report it (a spawned task, a `Drop`):
    /// where, and the panic's text.
    #[sabi(last_prefix_field)]
    pub panicked: extern "C" fn(u64, RStr<'_>, RStr<'_>),
    /// Describes a metric: its name, its unit in the words of the `metrics` crate or nothing, and a
    /// sentence.
    pub describe_metric: extern "C" fn(u64, RStr<'_>, RStr<'_>, RStr<'_>),
}

/// What a step does to a metric. The number crosses, never the enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum MetricOp {
    /// A counter grows by the value.
    CounterAdd = 0,
    /// A counter is at least the value.
    CounterAtLeast = 1,
    /// A gauge is the value.
    GaugeSet = 2,
    /// A gauge grows by the value.
    GaugeAdd = 3,
    /// A gauge shrinks by the value.
    GaugeSubtract = 4,
    /// A histogram gains the value.
    Observe = 5,
}

impl MetricOp {
    /// The step with this number, if it is known here.
    pub fn from_code(code: u8) -> Option<MetricOp> {
        [
            MetricOp::CounterAdd,
            MetricOp::CounterAtLeast,
            MetricOp::GaugeSet,
            MetricOp::GaugeAdd,
            MetricOp::GaugeSubtract,
            MetricOp::Observe,
        ]
        .into_iter()
        .find(|op| *op as u8 == code)
    }
}
