//! Doubles for tests: an instance that does what a script says and keeps what it was given, a maker
//! of such instances, a witness of what a stage tells, and records that are told apart by their
//! number.

mod records;
mod witness;
mod world;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

pub(crate) use self::records::{accept, append, batch, meta, numbers, payload};
pub(in crate::stage) use self::records::{journey, sealed};
pub(crate) use self::witness::Witness;
pub(crate) use self::world::{Call, ScriptedMaker, Step, World, refused, seat};
use super::{Feeder, Services, Stage, StageSettings};

/// The process epoch of tests.
pub(crate) const EPOCH: u128 = 0xE0;

/// A stage on the test's own runtime.
pub(crate) fn stage(
    name: &str,
    settings: StageSettings,
    world: &Arc<World>,
    fallbacks: &[&Stage],
    services: Services,
) -> Stage {
    let fallbacks: Vec<Feeder> = fallbacks.iter().map(|stage| stage.as_fallback()).collect();
    let handle = Handle::current();
    Stage::start(
        name,
        settings,
        seat(world),
        fallbacks,
        services,
        EPOCH,
        &handle,
    )
    .unwrap()
}

/// Settings with batches of `size`.
pub(crate) fn batches_of(size: usize) -> StageSettings {
    let mut settings = StageSettings::default();
    settings.batch.max_size = size;
    settings
}

/// Lets everything that can run now run, without the clock moving.
pub(crate) async fn settle_down() {
    for _ in 0..40 {
        tokio::task::yield_now().await;
    }
}

/// Lets the clock run this far, and everything that is due by then happen.
pub(crate) async fn pass(span: Duration) {
    settle_down().await;
    tokio::time::sleep(span).await;
    settle_down().await;
}
