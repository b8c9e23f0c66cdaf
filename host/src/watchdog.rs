//! Finds out which instance blocks the runtime that its library's instances share, and frees the
//! others of it.
//!
//! An attempt that hangs is the stage's to cut; but code that holds a thread of a plugin's runtime
//! without yielding, in a blocking call or an endless loop, takes that thread from its siblings too.
//! Once a second each library is asked which of its instances hold a thread for how long. Where one
//! has done so for [`HELD`] *and* the runtime polls no fresh task any more, that instance is
//! quarantined, by name, and the library is given a fresh runtime: what stands still on the one before
//! settles as *fatal*, so that each sibling's stage builds its instance anew and goes on.
//!
//! It never acts on a runtime that still polls, however busy one of its threads is. How often a
//! library gets a fresh runtime is bounded by its SDK; after that it is only told.

use std::collections::HashSet;
use std::time::Duration;

use rolog_core::Level;
use rolog_core::delivery::{Class, Failure};
use tokio::time::{MissedTickBehavior, interval};

use crate::loader::{Holder, Library, Loader};
use crate::pipeline::{Link, Pipeline};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);
/// How long code may hold a thread before it is suspected. A machine under heavy load takes its time
/// over honest work too.
const HELD: Duration = Duration::from_secs(5);
/// How long a runtime may take to poll a fresh task before it counts as blocked.
const POLL: Duration = Duration::from_secs(1);

/// Watches the libraries of a pipeline until that has ended.
pub(crate) async fn watch(link: Link, loader: Loader) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known = HashSet::new();
    loop {
        ticks.tick().await;
        for library in loader.libraries() {
            let Some(pipeline) = link.pipeline() else {
                return;
            };
            if pipeline.ended.borrow().is_some() {
                return;
            }
            look(&pipeline, &library, &mut known).await;
        }
    }
}

/// Looks at one library. `known` are the instances that have been found out before: they hold their
/// threads for good.
async fn look(pipeline: &Pipeline, library: &Library, known: &mut HashSet<u64>) {
    let mut holders = library.holders();
    holders.retain(|holder| holder.held >= HELD && !known.contains(&holder.instance));
    if holders.is_empty() || library.ping(POLL).await != Some(false) {
        return;
    }
    known.extend(holders.iter().map(|holder| holder.instance));
    let names: Vec<String> = holders
        .iter()
        .map(|holder| blame(pipeline, holder))
        .collect();
    let plugin = &library.info().name;
    let renewed = if library.renew() {
        "it has a fresh one, on which the others are built anew"
    } else {
        "it had a fresh one too often, and gets none any more"
    };
    let message = format!(
        "the runtime of the plugin `{plugin}` was blocked by {}; {renewed}",
        names.join(", ")
    );
    pipeline.tell(Level::Error, None, &message);
}

/// Quarantines the instance, if it is one of this pipeline; says its name.
fn blame(pipeline: &Pipeline, holder: &Holder) -> String {
    let Some(target) = &holder.target else {
        return "an instance of another pipeline".to_owned();
    };
    let stage = pipeline
        .shape()
        .stages
        .iter()
        .find(|(name, _)| name.as_str() == target)
        .map(|(_, stage)| stage.clone());
    if let Some(stage) = stage {
        let held = holder.held.as_secs();
        stage.quarantine(Failure::new(
            Class::Timeout,
            format!("it has held a thread of the plugin's runtime for {held} s without yielding"),
        ));
    }
    format!("`{target}`")
}
