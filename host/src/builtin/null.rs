//! A target that takes everything and keeps nothing: for measuring, and for discarding on purpose.

use std::sync::Arc;
use std::time::Duration;

use rolog_core::delivery::{Class, Failure, Outcome};
use serde_json::Value;

use super::{Refused, settings};
use crate::instance::{Attempt, BoxFuture, Buffer, Instance, Maker};

/// `plugin: "null"`. It has no settings.
#[derive(Clone, Copy, Debug)]
struct Null;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct NoSettings {}

pub(super) fn maker(config: &Value) -> Result<Arc<dyn Maker>, Refused> {
    let NoSettings {} = settings(config)?;
    Ok(Arc::new(Null))
}

impl Maker for Null {
    fn create(&self) -> BoxFuture<'_, Result<Arc<dyn Instance>, Failure>> {
        let instance: Arc<dyn Instance> = Arc::new(*self);
        Box::pin(std::future::ready(Ok(instance)))
    }

    fn preferred_batch(&self) -> Option<usize> {
        None
    }

    fn resources(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Instance for Null {
    fn activate(&self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn deliver(&self, _: Buffer, _: Attempt) -> BoxFuture<'_, Outcome> {
        Box::pin(std::future::ready(Outcome::delivered()))
    }

    fn cancel(&self, _: u64) {}

    fn flush(&self, _: Duration) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn shutdown(&self, _: Duration) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn call<'a>(&'a self, op: &'a str, _: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Failure>> {
        let message = format!("the null target has no operation `{op}`");
        Box::pin(std::future::ready(Err(Failure::new(
            Class::NotFound,
            message,
        ))))
    }
}
