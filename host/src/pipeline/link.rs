//! The pipeline, for those that are made before it and speak to it later.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError, Weak};

use crate::stage::PressureSink;

use super::Pipeline;

/// The pipeline, for those that are made before it and speak to it later.
#[derive(Clone, Default)]
pub(crate) struct Link(Arc<OnceLock<Weak<Pipeline>>>);

impl Link {
    /// Names the pipeline, once.
    pub(crate) fn attach(&self, pipeline: &Arc<Pipeline>) {
        // One start makes one link and one pipeline.
        let _ = self.0.set(Arc::downgrade(pipeline));
    }

    /// The pipeline, from its start to its end.
    pub(crate) fn pipeline(&self) -> Option<Arc<Pipeline>> {
        self.0.get().and_then(Weak::upgrade)
    }
}

/// Hears of full queues whose callers are to wait.
pub(crate) struct Pressure(pub(crate) Link);

impl PressureSink for Pressure {
    fn pressure(&self, target: &str, raised: bool) {
        let Some(pipeline) = self.0.pipeline() else {
            return;
        };
        let mut pressed = pipeline
            .pressed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let stages = pressed.entry(target.to_owned()).or_default();
        *stages = if raised {
            *stages + 1
        } else {
            stages.saturating_sub(1)
        };
        // The first, or the last.
        let changed = *stages == usize::from(raised);
        if *stages == 0 {
            pressed.remove(target);
        }
        drop(pressed);
        if changed {
            // Not here: the pump may be the caller, and holds the stage.
            let runtime = pipeline.runtime.clone();
            runtime.spawn(async move { pipeline.set_blocked(&pipeline.shape()) });
        }
    }

    fn full(&self, _: &str, full: bool) {
        if let Some(pipeline) = self.0.pipeline() {
            // Relaxed: a caller that sees it late waits late, or finds that it need not.
            if full {
                pipeline.full.fetch_add(1, Ordering::Relaxed);
            } else {
                pipeline.full.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}
