//! A host in small: one instance behind the functions of its plugin.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use abi_stable::std_types::{RResult, RVec};
use rolog_core::delivery::{Failure, Outcome};
use serde_json::Value;

use crate::abi::{Buffer, ModuleRef, WireAttempt, WireFailure};
use crate::plan::Validation;
use crate::{Plan, Problem, Setup};

/// An instance, until it is dropped.
pub(super) struct Client {
    module: ModuleRef,
    id: u64,
    attempts: AtomicU64,
}

/// Asks the plugin about settings.
pub(super) fn validate(module: ModuleRef, config: &Value) -> Result<Plan, Vec<Problem>> {
    let (config, setup) = (config.to_string(), setup());
    let answer = module.validate()(config.as_str().into(), setup.as_str().into());
    let problem = |message: String| Problem {
        path: String::new(),
        message,
        expected: None,
    };
    let answer: Validation = serde_json::from_str(answer.as_str())
        .map_err(|error| vec![problem(format!("the answer cannot be read: {error}"))])?;
    match answer.errors {
        errors if errors.is_empty() => Ok(answer.plan),
        errors => Err(errors),
    }
}

impl Client {
    pub(super) async fn create(module: ModuleRef, config: &Value) -> Result<Client, Failure> {
        // Far from the numbers of any host that is in the same process.
        static NEXT: AtomicU64 = AtomicU64::new(1 << 63);

        let client = Client {
            module,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            attempts: AtomicU64::new(0),
        };
        done(module.create()(client.id, config.to_string().into(), setup().into()).await)?;
        Ok(client)
    }

    pub(super) async fn activate(&self) -> Result<(), Failure> {
        done(self.module.activate()(self.id).await)
    }

    /// Starts an attempt: its number for [`Client::cancel`], and its answer.
    pub(super) fn deliver(
        &self,
        batch: Buffer,
        deadline: Duration,
    ) -> (u64, impl Future<Output = Outcome> + use<>) {
        let id = self.attempts.fetch_add(1, Ordering::Relaxed);
        let attempt = WireAttempt {
            id,
            number: 1,
            deadline_ms: millis(deadline),
            extra: RVec::new(),
        };
        let settled = self.module.deliver()(self.id, batch, attempt);
        (id, async { Outcome::from(settled.await) })
    }

    pub(super) fn cancel(&self, attempt: u64) {
        self.module.cancel()(self.id, attempt);
    }

    pub(super) async fn flush(&self, deadline: Duration) -> Result<(), Failure> {
        done(self.module.flush()(self.id, millis(deadline)).await)
    }

    pub(super) async fn shutdown(&self, deadline: Duration) -> Result<(), Failure> {
        done(self.module.shutdown()(self.id, millis(deadline)).await)
    }

    pub(super) async fn call(&self, operation: &str) -> Result<(), Failure> {
        done(self.module.call()(self.id, operation.into(), RVec::new()).await).map(drop)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.module.release()(self.id);
    }
}

fn setup() -> String {
    serde_json::to_string(&Setup::new("conformance")).expect("a name is JSON")
}

fn done<T>(result: RResult<T, WireFailure>) -> Result<T, Failure> {
    result.into_result().map_err(Failure::from)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
