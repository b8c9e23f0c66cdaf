//! The trait that a plugin's author writes.

use std::future::Future;
use std::time::Duration;

use rolog_core::delivery::{Class, Failure, Outcome};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Attempt, Batch, ConfigError, Context, Plan, Setup};

/// Somewhere that records are delivered to.
///
/// The host calls, in this order: [`validate`](Target::validate), any number of times;
/// [`create`](Target::create); [`activate`](Target::activate), when a predecessor has settled, and
/// again if the successor failed; [`deliver`](Target::deliver), as often as there are batches and
/// as many at a time as the pipeline's `concurrency` says; [`flush`](Target::flush) at any time;
/// [`shutdown`](Target::shutdown) last. Then the value is dropped.
///
/// Each of these may be written as an `async fn`. They run on the library's tokio runtime, which has
/// two worker threads that all instances share: code that blocks belongs into
/// [`Context::spawn_blocking`]. A panic in any of them fails that call and nothing else.
///
/// Retries, batches, queues, deadlines and fallbacks are the host's: a target tries once, and says
/// what became of it.
///
/// ```
/// use rolog_plugin::prelude::*;
///
/// #[derive(serde::Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Settings {
///     url: String,
/// }
///
/// struct Posts {
///     settings: Settings,
/// }
///
/// impl Target for Posts {
///     type Config = Settings;
///
///     async fn create(settings: Settings, _context: Context) -> Result<Self, Failure> {
///         Ok(Posts { settings })
///     }
///
///     async fn deliver(&self, batch: &Batch, attempt: &Attempt) -> Outcome {
///         for record in batch.view().records() {
///             // … send it to self.settings.url within attempt.remaining() …
///             # let _ = (record, &self.settings.url, attempt);
///         }
///         Outcome::delivered()
///     }
/// }
///
/// rolog_plugin::export_target!(Posts, name = "posts");
/// # fn main() {}
/// ```
pub trait Target: Sized + Send + Sync + 'static {
    /// The plugin's settings. Refuse what it does not know with `#[serde(deny_unknown_fields)]`.
    type Config: DeserializeOwned + Send + 'static;

    /// What the plugin is, for people and tools.
    fn describe() -> Description {
        Description::default()
    }

    /// Checks settings that could be read, without any effect.
    ///
    /// # Errors
    /// Settings that cannot work, each by its path.
    fn validate(config: &Self::Config, setup: &Setup) -> Result<Plan, ConfigError> {
        let _ = (config, setup);
        Ok(Plan::new())
    }

    /// Makes an instance: checks and connects, without effect on the destination, which a
    /// predecessor may still be using.
    ///
    /// # Errors
    /// Whatever keeps the instance from working now; the host tries again later.
    fn create(
        config: Self::Config,
        context: Context,
    ) -> impl Future<Output = Result<Self, Failure>> + Send;

    /// From now on this instance alone uses the destination.
    ///
    /// # Errors
    /// Whatever keeps it from doing so; the predecessor goes on instead.
    fn activate(&self) -> impl Future<Output = Result<(), Failure>> + Send {
        async { Ok(()) }
    }

    /// Delivers a batch. To return is to have *settled*: nothing of the attempt goes on after it.
    fn deliver(&self, batch: &Batch, attempt: &Attempt) -> impl Future<Output = Outcome> + Send;

    /// Brings what was delivered but is still held somewhere to where it belongs.
    ///
    /// # Errors
    /// Whatever kept it from doing so.
    fn flush(&self, deadline: Duration) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = deadline;
        async { Ok(()) }
    }

    /// Closes connections and files. Nothing is called after it.
    ///
    /// # Errors
    /// Whatever went wrong; the instance is dropped all the same.
    fn shutdown(&self, deadline: Duration) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = deadline;
        async { Ok(()) }
    }

    /// An operation of the plugin's own, for callers that know it.
    ///
    /// # Errors
    /// An operation that there is not, or whatever kept it from being done.
    fn call(
        &self,
        operation: &str,
        input: &[u8],
    ) -> impl Future<Output = Result<Vec<u8>, Failure>> + Send {
        let _ = input;
        let failure = Failure::new(
            Class::NotFound,
            format!("the plugin has no operation `{operation}`"),
        );
        async { Err(failure) }
    }
}

/// What a plugin is, for people and tools.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Description {
    /// One sentence.
    pub summary: String,
    /// A JSON Schema of the settings.
    pub schema: Option<serde_json::Value>,
    /// Words for what it can do, such as the operations of [`Target::call`].
    pub capabilities: Vec<String>,
}
