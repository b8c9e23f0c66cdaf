//! The last resort: records that no target takes.

use std::sync::Arc;
use std::time::SystemTime;

use rolog_core::delivery::Failure;

use crate::instance::{BoxFuture, Buffer};

/// Records that a target and all its fallbacks have given up.
#[derive(Clone, Debug)]
pub struct Letters {
    /// The target that gave them up last.
    pub target: Arc<str>,
    /// The target that they were routed to.
    pub routed: Arc<str>,
    /// The records, as a batch.
    pub batch: Buffer,
    /// How many they are.
    pub records: u32,
    /// Why the last attempt failed, or why the target rejects them.
    pub failure: Failure,
    /// How many attempts were made.
    pub attempts: u32,
    /// When the first of them failed.
    pub first: SystemTime,
    /// When the last of them failed.
    pub last: SystemTime,
    /// Which instance was in the target's slot.
    pub generation: u64,
    /// An interrupted attempt may have written them all the same.
    pub maybe_written: bool,
}

/// Keeps dead letters.
pub trait DeadLetters: Send + Sync {
    /// Whether any are kept now. Where none are, the records are dropped, and counted as what made
    /// their target give them up.
    fn are_kept(&self) -> bool {
        true
    }

    /// Keeps all of them, or says why none was kept.
    fn bury(&self, letters: Letters) -> BoxFuture<'_, Result<(), Failure>>;
}
