//! What every target has to keep, checked from outside (feature `conformance`).
//!
//! A [`Suite`] drives a plugin through the functions that a host calls, and through nothing else: it
//! makes instances, delivers, cancels, flushes and ends them, provokes the trouble that the author
//! can provoke, and compares what the target answers with what has arrived at the destination. It
//! runs in the author's own crate, with this SDK alone as a dev-dependency:
//!
//! ```
//! # use rolog_plugin::prelude::*;
//! # use std::sync::Mutex;
//! # static THERE: Mutex<Vec<(usize, String)>> = Mutex::new(Vec::new());
//! # #[derive(serde::Deserialize)]
//! # #[serde(deny_unknown_fields)]
//! # struct Settings { shelf: usize }
//! # struct Shelf(usize);
//! # impl Target for Shelf {
//! #     type Config = Settings;
//! #     fn validate(settings: &Settings, _: &Setup) -> Result<Plan, ConfigError> {
//! #         if settings.shelf > 999 {
//! #             return Err(ConfigError::at("shelf", "there are 1000 shelves"));
//! #         }
//! #         Ok(Plan::new())
//! #     }
//! #     async fn create(settings: Settings, _: Context) -> Result<Self, Failure> {
//! #         Ok(Shelf(settings.shelf))
//! #     }
//! #     async fn deliver(&self, batch: &Batch, _: &Attempt) -> Outcome {
//! #         let mut there = THERE.lock().unwrap();
//! #         there.extend(batch.view().records().map(|r| (self.0, r.message().to_string())));
//! #         Outcome::delivered()
//! #     }
//! # }
//! # rolog_plugin::export_target!(Shelf, name = "shelf");
//! use rolog_plugin::conformance::Suite;
//!
//! # fn main() {
//! # let on_shelf = |n: usize| {
//! #     let there = THERE.lock().unwrap();
//! #     there.iter().filter(|(shelf, _)| *shelf == n).map(|(_, text)| text.clone()).collect()
//! # };
//! let report = Suite::of::<Shelf>(|n| serde_json::json!({ "shelf": n }))
//!     .arrived(on_shelf)
//!     .refuses(serde_json::json!({ "shelf": 5000 }), "shelf")
//!     .run();
//! assert!(report.passed().contains(&"cancelled attempts"));
//! # }
//! ```
//!
//! It promises to say everything that is wrong at once, and to end: what does not answer within the
//! suite's patience is wrong, and not waited for.

mod checks;
mod client;
mod report;
mod run;
mod trouble;

use std::time::Duration;

use rolog_core::frame::{BatchBuilder, FrameMeta, LoggerRef, RecordId};
use rolog_core::level::Level;
use rolog_core::value::{Encoder, Timestamp};
use serde_json::Value;

use self::run::Run;
use crate::abi::{Buffer, ModuleRef};
use crate::{Exported, linked};

pub use self::report::Report;
pub use self::trouble::{Call, Trouble};

type Hook<R> = Box<dyn Fn(usize) -> R + Send + Sync>;

/// The checks of one plugin, and what its author says about it.
///
/// The suite numbers the destinations that it uses, from 0 up. Each number must stand for a
/// destination of its own, which is empty when its configuration is first asked for.
#[must_use = "nothing is checked before `run`"]
pub struct Suite {
    module: ModuleRef,
    config: Hook<Value>,
    arrived: Option<Hook<Vec<String>>>,
    refused: Vec<(Value, String)>,
    unknown_settings: bool,
    troubles: Vec<Trouble>,
    panics: Vec<(Call, Hook<Value>)>,
    patience: Duration,
    settle_within: Duration,
}

impl Suite {
    /// For the plugin that [`export_target!`](crate::export_target) made of `T`. `config` gives the
    /// settings for a destination.
    pub fn of<T: Exported>(config: impl Fn(usize) -> Value + Send + Sync + 'static) -> Self {
        Self::of_module(linked::<T>().module(), config)
    }

    /// For a plugin by its functions, as a host has them of a loaded library.
    pub fn of_module(
        module: ModuleRef,
        config: impl Fn(usize) -> Value + Send + Sync + 'static,
    ) -> Self {
        Suite {
            module,
            config: Box::new(config),
            arrived: None,
            refused: Vec::new(),
            unknown_settings: false,
            troubles: Vec::new(),
            panics: Vec::new(),
            patience: Duration::from_mins(1),
            settle_within: Duration::from_secs(5),
        }
    }

    /// How to read the messages of the records that are at a destination, in their order. Without
    /// it only answers are checked.
    pub fn arrived(mut self, read: impl Fn(usize) -> Vec<String> + Send + Sync + 'static) -> Self {
        self.arrived = Some(Box::new(read));
        self
    }

    /// Settings that must be refused, and the path that the refusal has to name.
    pub fn refuses(mut self, config: Value, path: impl Into<String>) -> Self {
        self.refused.push((config, path.into()));
        self
    }

    /// The target takes settings that it does not know. Without this, one that it cannot know has to
    /// be refused by its name, since a misspelt setting does nothing.
    pub fn takes_unknown_settings(mut self) -> Self {
        self.unknown_settings = true;
        self
    }

    /// Trouble that the author can provoke, and what the target has to answer to it.
    pub fn trouble(mut self, trouble: Trouble) -> Self {
        self.troubles.push(trouble);
        self
    }

    /// Settings with which the target panics in a call.
    pub fn panics(
        mut self,
        call: Call,
        config: impl Fn(usize) -> Value + Send + Sync + 'static,
    ) -> Self {
        self.panics.push((call, Box::new(config)));
        self
    }

    /// How long any call may take; a minute unless set. Only what hangs takes as long.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How long after its cancellation an attempt may go on; 5 seconds unless set, which is what a
    /// host gives it before it leaves the instance alone.
    pub fn settle_within(mut self, limit: Duration) -> Self {
        self.settle_within = limit;
        self
    }

    /// Runs every check. Works inside a runtime as well as outside of one.
    ///
    /// # Panics
    /// With everything that is wrong, where anything is.
    pub fn run(self) -> Report {
        let report = self.check();
        assert!(report.is_conformant(), "{report}");
        report
    }

    /// Runs every check, and says what was found.
    pub fn check(self) -> Report {
        // A thread of its own: the caller's may drive a runtime.
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build();
            let runtime = runtime.expect("a runtime without I/O takes no resource that can lack");
            runtime.block_on(checks::all(&Run::new(self)))
        };
        match std::thread::spawn(work).join() {
            Ok(report) => report,
            // One of the author's hooks panicked: that is the author's failure, said as it was.
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl std::fmt::Debug for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Suite")
            .field("refused", &self.refused)
            .field("troubles", &self.troubles)
            .finish_non_exhaustive()
    }
}

/// A batch of records with these messages.
fn batch(messages: &[String]) -> Buffer {
    let mut builder = BatchBuilder::new(1);
    for (index, message) in messages.iter().enumerate() {
        let mut payload = Vec::new();
        Encoder::new(&mut payload).key(message);
        let meta = FrameMeta::literal(
            RecordId {
                epoch: 1,
                sequence: index as u64,
            },
            Timestamp::now(),
            Level::Information,
            LoggerRef {
                id: 1,
                name: "conformance",
            },
        );
        builder.push(&meta, &payload);
    }
    Buffer::new(builder.finish().into())
}
