//! The facades `log` and `tracing` as targets.

use std::sync::Arc;

use rolog_core::BoxTarget;
use rolog_core::delivery::Failure;
use serde::Deserialize;
use serde_json::Value;

use super::{Refused, settings};
use crate::in_process::InProcess;
use crate::instance::{BoxFuture, Instance, Maker};

/// Of `plugin: log` and of `plugin: tracing`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The target that everything is written under; without it the record's own logger.
    target: Option<String>,
}

/// On a thread of its own: the logger that is there may block.
struct FacadeMaker {
    name: String,
    settings: Settings,
    target: fn(Option<String>) -> BoxTarget,
}

/// `plugin: log`.
#[cfg(feature = "log")]
pub(super) fn log(name: &str, config: &Value) -> Result<Arc<dyn Maker>, Refused> {
    use rolog_core::bridge::log::ToLog;
    maker(name, config, |target| {
        Box::new(target.map_or_else(ToLog::by_logger, ToLog::fixed))
    })
}

/// `plugin: tracing`.
#[cfg(feature = "tracing")]
pub(super) fn tracing(name: &str, config: &Value) -> Result<Arc<dyn Maker>, Refused> {
    use rolog_core::bridge::tracing::ToTracing;
    maker(name, config, |target| {
        Box::new(target.map_or_else(ToTracing::by_logger, ToTracing::fixed))
    })
}

fn maker(
    name: &str,
    config: &Value,
    target: fn(Option<String>) -> BoxTarget,
) -> Result<Arc<dyn Maker>, Refused> {
    Ok(Arc::new(FacadeMaker {
        name: name.to_owned(),
        settings: settings(config)?,
        target,
    }))
}

impl Maker for FacadeMaker {
    fn create(&self) -> BoxFuture<'_, Result<Arc<dyn Instance>, Failure>> {
        let target = (self.target)(self.settings.target.clone());
        let started = InProcess::start(&self.name, target);
        Box::pin(std::future::ready(
            started.map(|instance| Arc::new(instance) as Arc<dyn Instance>),
        ))
    }

    fn preferred_batch(&self) -> Option<usize> {
        None
    }

    fn resources(&self) -> Vec<String> {
        Vec::new()
    }
}
